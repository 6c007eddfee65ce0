#include "proxy/supervisor/admin_actions.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/supervisor/admin_overrides.h"
#include "proxy/supervisor/admin_report.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/change.h"
#include "proxy/supervisor/reload.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/text.h"
#include "proxy/supervisor/upgrade.h"

enum { CONFLICT = 409, ACCEPTED = 202 };

/* One whose answer takes a while; who asked may go away meanwhile. */
struct waiting {
    struct supervisor *supervisor;
    struct evhttp_request *request;     /* NULL: gone */
    char app[APP_NAME_BYTES];
    uint32_t from_generation;
    struct event *look;                 /* owned: whether a rollback is over */
};

static void
on_closed(struct evhttp_connection *connection, void *context)
{
    struct waiting *waiting = context;

    waiting->request = NULL;
}

static struct waiting *
wait_with(struct supervisor *supervisor, struct evhttp_request *request, const char *app)
{
    struct waiting *waiting = calloc(1, sizeof *waiting);

    if (waiting == NULL) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
        return NULL;
    }
    waiting->supervisor = supervisor;
    waiting->request = request;
    text_copy(waiting->app, sizeof waiting->app, app);
    evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_closed, waiting);
    return waiting;
}

static void
answer(struct waiting *waiting, int status, const char *phrase, json_t *json)
{
    if (waiting->request != NULL) {
        evhttp_connection_set_closecb(evhttp_request_get_connection(waiting->request), NULL,
                                      NULL);
        admin_reply_json(waiting->request, status, phrase, json);
    } else {
        json_decref(json);
    }
    if (waiting->look != NULL)
        event_free(waiting->look);
    free(waiting);
}

static void
answer_error(struct waiting *waiting, int status, const char *phrase, const char *error)
{
    answer(waiting, status, phrase, json_pack("{s:s}", "error", error));
}

/* ---- reload, upgrade ---- */

static void
on_reloaded(void *context, json_t *result)
{
    answer(context, HTTP_OK, "OK", result);
}

static void
begin_reload(struct supervisor *supervisor, struct evhttp_request *request)
{
    struct waiting *waiting = wait_with(supervisor, request, "");

    if (waiting != NULL && reload_begin(supervisor, on_reloaded, waiting) < 0)
        answer_error(waiting, HTTP_INTERNAL, "Internal Server Error", "no memory");
}

static void
on_tried(void *context, const char *error)
{
    struct waiting *waiting = context;

    if (error != NULL)
        answer_error(waiting, CONFLICT, "Conflict", error);
    else
        answer(waiting, ACCEPTED, "Accepted", json_object());
}

static void
begin_upgrade(struct supervisor *supervisor, struct evhttp_request *request)
{
    struct waiting *waiting = wait_with(supervisor, request, "");

    if (waiting != NULL && upgrade_begin(supervisor, on_tried, waiting) < 0)
        answer_error(waiting, CONFLICT, "Conflict", "an upgrade or a stop is under way");
}

/* ---- rollback ---- */

static json_t *
rollback_json(const struct waiting *waiting, const struct app *app)
{
    return json_pack("{s:s, s:s, s:s, s:I, s:I}", "app", app->name, "outcome",
                     app->rollout.outcome, "reason", app_rollout_reason(&app->rollout),
                     "from_generation", (json_int_t)waiting->from_generation, "to_generation",
                     (json_int_t)app->rollout.to_generation);
}

static void
look(evutil_socket_t fd, short what, void *context)
{
    const struct timeval soon = { .tv_usec = 10 * 1000 };
    struct waiting *waiting = context;
    const struct app *app = app_find(waiting->supervisor, waiting->app);

    if (app == NULL)
        answer_error(waiting, CONFLICT, "Conflict", "it was removed meanwhile");
    else if (waiting->request != NULL && (app->rolling != NULL || app->pending))
        evtimer_add(waiting->look, &soon);
    else
        answer(waiting, HTTP_OK, "OK", rollback_json(waiting, app));
}

static void
step_back(struct waiting *waiting, struct app *app, const struct store_config *config)
{
    const struct timeval now = { 0 };
    char why[DETAIL_BYTES];

    waiting->from_generation = app->current->number;
    if (change_step_back(app, config, why) < 0) {
        answer_error(waiting, CONFLICT, "Conflict", why);
        return;
    }
    waiting->look = evtimer_new(waiting->supervisor->base, look, waiting);
    if (waiting->look == NULL)
        answer_error(waiting, HTTP_INTERNAL, "Internal Server Error", "no memory");
    else
        evtimer_add(waiting->look, &now);
}

static void
on_previous(void *context, int rc, struct store_config *config)
{
    struct waiting *waiting = context;
    struct app *app = app_find(waiting->supervisor, waiting->app);

    if (waiting->supervisor->shutdown != NULL)
        answer_error(waiting, CONFLICT, "Conflict", "the supervisor stops");
    else if (app == NULL || app->current == NULL)
        answer_error(waiting, CONFLICT, "Conflict", "nothing of it runs");
    else if (rc == -ENOENT)
        answer_error(waiting, CONFLICT, "Conflict",
                     "no generation before the present one is known to have worked");
    else if (rc < 0)
        answer_error(waiting, CONFLICT, "Conflict", "the database cannot be read");
    else
        step_back(waiting, app, config);
}

static void
begin_rollback(struct supervisor *supervisor, struct evhttp_request *request, const char *name)
{
    const struct app *app = app_find(supervisor, name);
    struct waiting *waiting = wait_with(supervisor, request, name);

    if (waiting == NULL)
        return;
    if (app == NULL)
        answer_error(waiting, HTTP_NOTFOUND, "Not Found", "there is no such app");
    else if (app->current == NULL)
        answer_error(waiting, CONFLICT, "Conflict", "nothing of it runs");
    else if (store_find_previous(supervisor->store, name, app->current->number, on_previous,
                                 waiting) < 0)
        answer_error(waiting, CONFLICT, "Conflict", "the database cannot be read");
}

/* "/v1/apps/NAME/rollback": the name into APP_NAME_BYTES. */
static bool
parse_rollback(const char *path, char *name)
{
    static const char before[] = "/v1/apps/", after[] = "/rollback";
    size_t bytes = strlen(path);

    if (bytes < sizeof before + sizeof after - 2 ||
        strncmp(path, before, sizeof before - 1) != 0 ||
        strcmp(path + bytes - (sizeof after - 1), after) != 0)
        return false;
    bytes -= sizeof before + sizeof after - 2;
    if (bytes == 0 || bytes >= APP_NAME_BYTES)
        return false;
    memcpy(name, path + sizeof before - 1, bytes);
    name[bytes] = '\0';
    return true;
}

void
admin_act(struct supervisor *supervisor, struct evhttp_request *request, const char *path)
{
    char name[APP_NAME_BYTES];

    if (supervisor->shutdown != NULL || supervisor->source == NULL)
        admin_reply_json(request, CONFLICT, "Conflict",
                         json_pack("{s:s}", "error", "the supervisor starts or stops"));
    else if (strcmp(path, "/v1/reload") == 0)
        begin_reload(supervisor, request);
    else if (strcmp(path, "/v1/upgrade") == 0)
        begin_upgrade(supervisor, request);
    else if (parse_rollback(path, name))
        begin_rollback(supervisor, request, name);
    else if (!admin_override(supervisor, request, path) &&
             !admin_report(supervisor, request, path))
        admin_reply_text(request, HTTP_NOTFOUND, "Not Found",
                         "there is POST /v1/reload, /v1/upgrade, "
                         "/v1/apps/APP/rollback|drain|maintain|ready, "
                         "/v1/apps/APP/targets/TARGET/report\n");
}

/* ---- what runs ---- */

/* Connections to each target, counted over its endpoints' slots. */
static void
add_targets(json_t *list, const struct board *board, const struct traffic *traffic)
{
    uint32_t slots = MIN(board_slots(board), traffic_slots(traffic));
    struct board_detail detail;

    for (uint32_t slot = 0; slot < slots; slot++) {
        uint64_t connected = 0, failed = 0, active = 0;

        if (!board_detail(board, slot, &detail))
            continue;
        traffic_sum_tries(traffic, slot, detail.id, &connected, &failed, &active);
        json_array_append_new(list, json_pack("{s:s, s:I}", "target", detail.target,
                                              "connections", (json_int_t)active));
    }
}

static void
add_generation(json_t *list, const struct app_generation *generation)
{
    const struct supervisor *supervisor = generation->app->supervisor;
    struct board *board;
    int fd;

    if (generation->pages == NULL || generation->pages->traffic == NULL)
        return;
    fd = pages_open_board(supervisor->runtime_fd, generation->pages, false);
    if (fd < 0)
        return;
    if (board_open(fd, false, &board) == 0) {
        add_targets(list, board, generation->pages->traffic);
        board_close(board);
    }
    close(fd);
}

/* Those that stay in an old process are to be counted as well: they drain with the others. */
static json_t *
targets_json(const struct app *app)
{
    json_t *list = json_array();
    const struct app_generation *leaving;

    add_generation(list, app->current);
    LIST_FOREACH(leaving, &app->leaving, of_app) {
        if (leaving->stays)
            add_generation(list, leaving);
    }
    return list;
}

void
admin_running(struct supervisor *supervisor, struct evhttp_request *request)
{
    json_t *apps = json_array();

    for (const struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        const struct app_generation *generation = app->current;

        if (generation == NULL || generation->pages == NULL ||
            generation->pages->traffic == NULL)
            continue;
        json_array_append_new(
            apps, json_pack("{s:s, s:I, s:s, s:s, s:I, s:o}", "name", app->name, "generation",
                            (json_int_t)generation->number, "source", generation->source,
                            "config", generation->text->bytes, "connections",
                            (json_int_t)app_connections(app), "targets",
                            targets_json(app)));
    }
    admin_reply_json(request, HTTP_OK, "OK", json_pack("{s:o}", "apps", apps));
}
