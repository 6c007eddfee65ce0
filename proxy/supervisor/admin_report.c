#include "proxy/supervisor/admin_report.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/control_message.h"
#include "proxy/supervisor/admin_actions.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/prober_link.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/text.h"

enum { BAD_REQUEST = 400, CONFLICT = 409, NO_CONTENT = 204, UNAVAILABLE = 503, WORDS_BYTES = 48 };

/* "APP/targets/TARGET/report" behind "/v1/apps/": both names, decoded. */
static bool
parse_path(const char *path, struct control_target_report *report)
{
    static const char before[] = "/v1/apps/", between[] = "/targets/", after[] = "/report";
    const char *app = path + sizeof before - 1, *target, *end;
    char *encoded, *decoded = NULL;
    size_t bytes = 0;
    bool fits;

    if (strncmp(path, before, sizeof before - 1) != 0)
        return false;
    target = strstr(app, between);
    if (target == NULL || target == app || (size_t)(target - app) >= sizeof report->app)
        return false;
    memcpy(report->app, app, (size_t)(target - app));
    target += sizeof between - 1;
    end = strrchr(target, '/');
    if (end == NULL || strcmp(end, after) != 0)
        return false;
    encoded = strndup(target, (size_t)(end - target));
    if (encoded != NULL)
        decoded = evhttp_uridecode(encoded, 0, &bytes);
    /* One with a NUL in it, or too long, is no target: it is looked for as "". */
    fits = decoded != NULL && strlen(decoded) == bytes && bytes < sizeof report->target;
    text_copy(report->target, sizeof report->target, fits ? decoded : "");
    free(encoded);
    free(decoded);
    return true;
}

/* ---- the body ---- */

static const char *
read_flag(const json_t *body, const char *key, bool usual, bool *flag)
{
    const json_t *value = json_object_get(body, key);

    *flag = value == NULL ? usual : json_is_true(value);
    return value == NULL || json_is_boolean(value) ? NULL : "`ok' and `degraded' are true or false";
}

/* What fits, and leaves room for the words that the probe puts before it: cut between characters of
 * UTF-8, and without control characters, for it is shown on terminals. */
static void
copy_detail(char *to, const char *from)
{
    size_t bytes = strlen(from), room = DETAIL_BYTES - WORDS_BYTES;

    if (bytes > room) {
        bytes = room;
        while (bytes > 0 && ((unsigned char)from[bytes] & 0xc0) == 0x80)
            bytes--;
    }
    for (size_t i = 0; i < bytes; i++)
        to[i] = (unsigned char)from[i] < ' ' || from[i] == 0x7f ? ' ' : from[i];
    to[bytes] = '\0';
}

/* NULL, or what is wrong. */
static const char *
read_body(const json_t *body, struct control_target_report *report)
{
    const json_t *detail = json_object_get(body, "detail");
    const char *wrong;
    bool ok, degraded;

    if (!json_is_object(body))
        return "the body is no JSON object; write {\"ok\": true}, or nothing";
    wrong = read_flag(body, "ok", true, &ok);
    if (wrong == NULL)
        wrong = read_flag(body, "degraded", false, &degraded);
    if (wrong != NULL)
        return wrong;
    if (detail != NULL && !json_is_string(detail))
        return "`detail' is a text";
    report->failed = !ok;
    report->degraded = degraded;
    if (detail != NULL)
        copy_detail(report->detail, json_string_value(detail));
    return NULL;
}

static const char *
take_body(struct evhttp_request *request, struct control_target_report *report)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(request);
    size_t bytes = evbuffer_get_length(input);
    const char *text = bytes == 0 ? NULL : (const char *)evbuffer_pullup(input, -1);
    const char *wrong;
    json_t *body;

    if (bytes == 0)
        return NULL;
    if (text == NULL)
        return "no memory";
    body = json_loadb(text, bytes, 0, NULL);
    wrong = read_body(body, report);
    json_decref(body);
    return wrong;
}

/* ---- who it is ---- */

/* Exactly as endpoints' addresses are written, or none: then there is no such endpoint. */
static struct address
parse_address(const char *text)
{
    struct address address = { 0 };
    char host[HOST_NAME_BYTES], again[ADDRESS_TEXT_BYTES];
    const char *why;
    uint16_t port;

    if (address_split(text, host, &port, &why) < 0 || address_parse_ip(host, port, &address) < 0 ||
        strcmp(address_format(&address, again), text) != 0)
        return (struct address){ 0 };
    return address;
}

/* The target is one of the generation's, as its board has them. */
static bool
has_target(const struct app_generation *generation, const char *target)
{
    int fd = pages_open_board(generation->app->supervisor->runtime_fd, generation->pages, false);
    struct board *board = NULL;
    struct board_detail detail;
    const struct address address = parse_address(target);
    bool found = false;

    if (fd < 0)
        return false;
    if (board_open(fd, false, &board) == 0) {
        for (uint32_t slot = 0; slot < board_slots(board) && !found; slot++)
            found = board_detail(board, slot, &detail) &&
                    (strcmp(detail.target, target) == 0 ||
                     (address.family != 0 && address_equal(&detail.address, &address)));
        board_close(board);
    }
    close(fd);
    return found;
}

static void
refuse(struct evhttp_request *request, int status, const char *phrase, const char *error)
{
    admin_reply_json(request, status, phrase, json_pack("{s:s}", "error", error));
}

bool
admin_report(struct supervisor *supervisor, struct evhttp_request *request, const char *path)
{
    struct control_target_report report = { 0 };
    const struct app_generation *current;
    const struct app *app;
    const char *wrong;

    if (!parse_path(path, &report))
        return false;
    app = app_find(supervisor, report.app);
    current = app == NULL ? NULL : app->current;
    wrong = take_body(request, &report);
    if (app == NULL)
        refuse(request, HTTP_NOTFOUND, "Not Found", "there is no such app");
    else if (current == NULL || current->pages == NULL)
        refuse(request, CONFLICT, "Conflict", "nothing of it runs");
    else if (!current->takes_reports)
        refuse(request, CONFLICT, "Conflict",
               "it has no probe that looks at reports; configure kind = \"push\"");
    else if (report.target[0] == '\0' || !has_target(current, report.target))
        refuse(request, HTTP_NOTFOUND, "Not Found", "the app has no such target");
    else if (wrong != NULL)
        refuse(request, BAD_REQUEST, "Bad Request", wrong);
    else if (prober_link_report(supervisor, &report) < 0)
        refuse(request, UNAVAILABLE, "Service Unavailable",
               "no prober is there; say it again soon");
    else
        evhttp_send_reply(request, NO_CONTENT, "No Content", NULL);
    return true;
}
