#include "proxy/supervisor/admin_overrides.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "proxy/supervisor/admin_actions.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/overrides.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/text.h"

enum { CONFLICT = 409, PATIENCE_S = 3 };

/* What is asked for. */
struct asked {
    char app[APP_NAME_BYTES];
    char target[TARGET_NAME_BYTES];     /* OVERRIDE_ALL: all */
    char note[OVERRIDE_NOTE_BYTES];
    enum override_action action;
};

/* An answer that is not complete yet. */
struct overriding {
    LIST_ENTRY(overriding) link;
    struct supervisor *supervisor;
    struct evhttp_request *request;     /* NULL: gone */
    struct asked asked;
    uint32_t serial;
    bool written, obeyed;
    bool last_one;                      /* nothing eligible is left */
    int store_rc, prober_rc;
    bool refused;                       /* the prober could not take it */
    struct event *timer;                /* owned */
};

/* ---- the app's endpoints, from its board ---- */

/* The first endpoint that is meant; false: none. */
static bool
find_meant(const struct board *board, const struct asked *asked, struct board_detail *detail)
{
    for (uint32_t slot = 0; board != NULL && slot < board_slots(board); slot++) {
        if (board_detail(board, slot, detail) && overrides_means(asked->target, detail))
            return true;
    }
    return false;
}

static json_t *
endpoints_json(const struct board *board, const struct asked *asked)
{
    json_t *list = json_array();
    struct board_detail detail;

    for (uint32_t slot = 0; board != NULL && slot < board_slots(board); slot++) {
        char address[ADDRESS_TEXT_BYTES];

        if (!board_detail(board, slot, &detail) || !overrides_means(asked->target, &detail))
            continue;
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "target", detail.target,
                                              "address",
                                              address_format(&detail.address, address),
                                              "state", endpoint_state_name(detail.state)));
    }
    return list;
}

/* How many endpoints are eligible; with `list`, without those that it takes out. */
static uint32_t
count_eligible(const struct board *board, const struct override *list, size_t count)
{
    struct board_detail detail;
    uint32_t eligible = 0;

    for (uint32_t slot = 0; board != NULL && slot < board_slots(board); slot++) {
        char address[ADDRESS_TEXT_BYTES];

        eligible += board_detail(board, slot, &detail) &&
                    endpoint_state_eligible(detail.state) &&
                    override_find(list, count, detail.target,
                                  address_format(&detail.address, address)) == NULL;
    }
    return eligible;
}

/* ---- the answer ---- */

static void
release(struct overriding *overriding)
{
    store_cancel(overriding->supervisor->store, overriding);
    LIST_REMOVE(overriding, link);
    if (overriding->timer != NULL)
        event_free(overriding->timer);
    free(overriding);
}

static void
warn(json_t *warnings, const char *text)
{
    json_array_append_new(warnings, json_string(text));
}

/* What was said of single addresses of a target is nearer than what is said of the target. */
static void
warn_of_nearer(json_t *warnings, const struct overriding *overriding, const struct board *board)
{
    const struct asked *asked = &overriding->asked;
    const struct override *first = NULL, *override;
    char address[ADDRESS_TEXT_BYTES], text[512];
    struct board_detail detail;
    uint32_t held = 0;
    size_t count;
    const struct override *list = overrides_of(overriding->supervisor, asked->app, &count);

    for (uint32_t slot = 0; board != NULL && slot < board_slots(board); slot++) {
        if (!board_detail(board, slot, &detail) || !overrides_means(asked->target, &detail))
            continue;
        override = override_find(list, count, detail.target,
                                 address_format(&detail.address, address));
        first = first == NULL ? override : first;
        held += override != NULL;
    }
    if (held == 0)
        return;
    snprintf(text, sizeof text,
             "%" PRIu32 " of its addresses stay%s out, for that was said of them alone: `%s' of "
             "%.71s; take it back with `fproxy ready %s %.71s'",
             held, held == 1 ? "s" : "", override_action_name(first->action), first->target,
             asked->app, first->target);
    warn(warnings, text);
}

static json_t *
warnings_json(const struct overriding *overriding, const struct board *board)
{
    json_t *warnings = json_array();

    if (overriding->asked.action == OVERRIDE_READY)
        warn_of_nearer(warnings, overriding, board);
    if (overriding->last_one)
        warn(warnings, "no target that works is left: those that are down are tried, or clients "
                       "refused (panic)");
    if (overriding->supervisor->overrides_unknown)
        warn(warnings, overriding->supervisor->prober_adopted
                           ? "what was said before the start cannot be read from the database yet: "
                             "it holds, too, for the prober knows it, but is not listed"
                           : "what was said before cannot be read from the database yet: until it "
                             "can, only what was said since the start holds");
    if (overriding->store_rc < 0)
        warn(warnings, "the database cannot be written: it holds, but it is not kept over a "
                       "restart yet; see the log");
    else if (!overriding->written)
        warn(warnings, "the database has not been written yet: it holds, but may not be kept "
                       "over a restart");
    if (overriding->prober_rc < 0)
        warn(warnings, "no prober runs at present: it holds as soon as one does");
    else if (overriding->refused)
        warn(warnings, "the prober could not take it: connections go on as before; see the log");
    else if (!overriding->obeyed)
        warn(warnings, "the prober has not answered yet: it holds as soon as it does");
    return warnings;
}

static json_t *
answer_json(const struct overriding *overriding)
{
    const struct asked *asked = &overriding->asked;
    struct board *board = overrides_board(overriding->supervisor, asked->app);
    json_t *overrides = overrides_json(overriding->supervisor, asked->app);
    json_t *json = json_pack("{s:s, s:s, s:s, s:b, s:o, s:o, s:o}", "app", asked->app, "action",
                             override_action_name(asked->action), "target", asked->target,
                             "kept", overriding->written && overriding->store_rc == 0,
                             "endpoints", endpoints_json(board, asked), "overrides",
                             overrides != NULL ? overrides : json_array(), "warnings",
                             warnings_json(overriding, board));

    board_close(board);
    return json;
}

static void
answer(struct overriding *overriding)
{
    if (overriding->request != NULL) {
        evhttp_connection_set_closecb(evhttp_request_get_connection(overriding->request), NULL,
                                      NULL);
        admin_reply_json(overriding->request, HTTP_OK, "OK", answer_json(overriding));
    }
    release(overriding);
}

static void
answer_when_done(struct overriding *overriding)
{
    if (overriding->written && overriding->obeyed)
        answer(overriding);
}

static void
on_written(void *context, int rc)
{
    struct overriding *overriding = context;

    overriding->written = true;
    overriding->store_rc = rc;
    answer_when_done(overriding);
}

static void
on_late(evutil_socket_t fd, short what, void *context)
{
    answer(context);
}

static void
on_closed(struct evhttp_connection *connection, void *context)
{
    struct overriding *overriding = context;

    overriding->request = NULL;
}

void
admin_override_obeyed(struct supervisor *supervisor, uint32_t serial, int result)
{
    struct overriding *overriding;

    LIST_FOREACH(overriding, &supervisor->overridings, link) {
        if (overriding->serial != serial)
            continue;
        overriding->obeyed = true;
        overriding->refused = result < 0;
        answer_when_done(overriding);
        return;
    }
}

void
admin_overrides_forget(struct supervisor *supervisor)
{
    while (!LIST_EMPTY(&supervisor->overridings))
        release(LIST_FIRST(&supervisor->overridings));
}

/* ---- doing it ---- */

static void
refuse(struct evhttp_request *request, int status, const char *phrase, const char *error)
{
    admin_reply_json(request, status, phrase, json_pack("{s:s}", "error", error));
}

/* Who asks, through the unix socket; -1: not known. */
static long
peer_uid(struct evhttp_request *request)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    struct ucred peer = { 0 };
    socklen_t bytes = sizeof peer;
    int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0 || peer.pid == 0)
        return -1;
    return (long)peer.uid;
}

static void
tell(struct supervisor *supervisor, const struct asked *asked, long uid)
{
    bool all = strcmp(asked->target, OVERRIDE_ALL) == 0;
    char who[32] = "somebody";

    if (uid >= 0)
        snprintf(who, sizeof who, "uid %ld", uid);
    event_write(supervisor, asked->action == OVERRIDE_READY ? LOG_INFO : LOG_WARN, asked->app,
                override_action_name(asked->action), "%s: %s, as told by %s%s%s",
                all ? "all targets" : asked->target, override_action_name(asked->action), who,
                asked->note[0] != '\0' ? ": " : "", asked->note);
}

static struct overriding *
overriding_create(struct supervisor *supervisor, struct evhttp_request *request,
                  const struct asked *asked)
{
    static const struct timeval patience = { .tv_sec = PATIENCE_S };
    struct overriding *overriding = calloc(1, sizeof *overriding);

    if (overriding == NULL)
        return NULL;
    overriding->timer = evtimer_new(supervisor->base, on_late, overriding);
    if (overriding->timer == NULL || evtimer_add(overriding->timer, &patience) < 0) {
        if (overriding->timer != NULL)
            event_free(overriding->timer);
        free(overriding);
        return NULL;
    }
    overriding->supervisor = supervisor;
    overriding->request = request;
    overriding->asked = *asked;
    overriding->serial = ++supervisor->override_serial;
    LIST_INSERT_HEAD(&supervisor->overridings, overriding, link);
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_closed, overriding);
    return overriding;
}

/* It holds already; what is left is to hear that it is kept and obeyed. */
static void
wait_for_both(struct overriding *overriding)
{
    struct supervisor *supervisor = overriding->supervisor;

    overriding->prober_rc = overrides_send(supervisor, overriding->asked.app,
                                           overriding->serial);
    overriding->obeyed = overriding->prober_rc < 0;
    if (store_when_written(supervisor->store, on_written, overriding) < 0)
        on_written(overriding, -EIO);
}

/* `detail` is of an endpoint that is meant, or its id is 0. */
static void
act(struct supervisor *supervisor, struct evhttp_request *request, const struct asked *asked,
    const struct board *board, const struct board_detail *detail)
{
    struct overriding *overriding = overriding_create(supervisor, request, asked);
    uint32_t before = count_eligible(board, NULL, 0);
    const struct override *list;
    size_t count;
    int rc = -ENOMEM;

    if (overriding != NULL)
        rc = overrides_change(supervisor, asked->app, asked->target,
                              detail->id != 0 ? detail->target : NULL, asked->action,
                              asked->note);
    if (rc < 0) {
        if (overriding != NULL) {
            evhttp_connection_set_closecb(evhttp_request_get_connection(request), NULL, NULL);
            release(overriding);
        }
        refuse(request, CONFLICT, "Conflict",
               rc == -ENOSPC ? "too many of its targets are taken out already" : "no memory");
        return;
    }
    tell(supervisor, asked, peer_uid(request));
    list = overrides_of(supervisor, asked->app, &count);
    overriding->last_one = asked->action != OVERRIDE_READY && before > 0 &&
                           count_eligible(board, list, count) == 0;
    wait_for_both(overriding);
}

static bool
is_overridden(const struct supervisor *supervisor, const struct asked *asked)
{
    size_t count;
    const struct override *list = overrides_of(supervisor, asked->app, &count);

    if (strcmp(asked->target, OVERRIDE_ALL) == 0)
        return count > 0;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].target, asked->target) == 0)
            return true;
    }
    return false;
}

/* Only what there is can be taken out; anything that was can be made ready. */
static void
begin(struct supervisor *supervisor, struct evhttp_request *request, const struct asked *asked)
{
    const struct app *app = app_find(supervisor, asked->app);
    struct board *board = overrides_board(supervisor, asked->app);
    struct board_detail detail = { 0 };
    bool meant = find_meant(board, asked, &detail);

    if (!meant)
        detail.id = 0;
    if (app == NULL && !(asked->action == OVERRIDE_READY && is_overridden(supervisor, asked)))
        refuse(request, HTTP_NOTFOUND, "Not Found", "there is no such app");
    else if (!meant && strcmp(asked->target, OVERRIDE_ALL) != 0 &&
             !(asked->action == OVERRIDE_READY && is_overridden(supervisor, asked)))
        refuse(request, CONFLICT, "Conflict",
               "it has no such target or address: see `fproxy-probe inspect'");
    else
        act(supervisor, request, asked, board, &detail);
    board_close(board);
}

/* ---- reading ---- */

/* "/v1/apps/NAME/ACTION". */
static bool
parse_path(const char *path, struct asked *asked)
{
    static const char before[] = "/v1/apps/";
    const char *name = path + sizeof before - 1, *slash;

    if (strncmp(path, before, sizeof before - 1) != 0)
        return false;
    slash = strchr(name, '/');
    if (slash == NULL || slash == name || slash - name >= APP_NAME_BYTES ||
        !override_action_parse(slash + 1, &asked->action))
        return false;
    memcpy(asked->app, name, (size_t)(slash - name));
    asked->app[slash - name] = '\0';
    return true;
}

/* A note is one line of text. */
static bool
is_plain(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return false;
    }
    return true;
}

/* False when a value does not fit. */
static bool
parse_query(const char *query, struct asked *asked)
{
    struct evkeyvalq values;
    const char *target = NULL, *note = NULL;
    json_t *utf8;
    bool ok;

    text_copy(asked->target, sizeof asked->target, OVERRIDE_ALL);
    asked->note[0] = '\0';
    if (query == NULL)
        return true;
    if (evhttp_parse_query_str(query, &values) < 0)
        return false;
    target = evhttp_find_header(&values, "target");
    note = evhttp_find_header(&values, "note");
    utf8 = json_pack("{s:s, s:s}", "target", target != NULL ? target : "", "note",
                     note != NULL ? note : "");         /* NULL: it is no UTF-8 */
    ok = utf8 != NULL &&
         (target == NULL || (target[0] != '\0' && strlen(target) < sizeof asked->target &&
                             is_plain(target))) &&
         (note == NULL || (strlen(note) < sizeof asked->note && is_plain(note)));
    if (ok && target != NULL)
        text_copy(asked->target, sizeof asked->target, target);
    if (ok && note != NULL)
        text_copy(asked->note, sizeof asked->note, note);
    json_decref(utf8);
    evhttp_clear_headers(&values);
    return ok;
}

bool
admin_override(struct supervisor *supervisor, struct evhttp_request *request, const char *path)
{
    struct asked asked;

    if (!parse_path(path, &asked))
        return false;
    if (parse_query(evhttp_uri_get_query(evhttp_request_get_evhttp_uri(request)), &asked))
        begin(supervisor, request, &asked);
    else
        refuse(request, CONFLICT, "Conflict",
               "the target or the note is no line of UTF-8, or too long (a note has up to 127 "
               "bytes)");
    return true;
}
