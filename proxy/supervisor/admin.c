#include "proxy/supervisor/admin.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dirs.h"
#include "base/log.h"
#include "proxy/supervisor/admin_actions.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/overrides.h"
#include "proxy/supervisor/probe_lag.h"
#include "proxy/supervisor/supervisor.h"

enum {
    HEADERS_MAX_BYTES = 8192,
    BODY_MAX_BYTES = 65536,
    REQUEST_TIMEOUT_S = 150,    /* more than a reload may take */
    BACKLOG = 64,
};

static const char socket_name[] = "admin.sock";

struct admin {
    struct evhttp *http;        /* owned; owns the socket */
};

/* ---- answers ---- */

void
admin_reply(struct evhttp_request *request, int status, const char *phrase, const char *type,
            const char *body)
{
    struct evbuffer *buffer = evbuffer_new();

    if (buffer == NULL || evbuffer_add(buffer, body, strlen(body)) < 0) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
    } else {
        evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type", type);
        evhttp_add_header(evhttp_request_get_output_headers(request), "Cache-Control",
                          "no-store");
        evhttp_send_reply(request, status, phrase, buffer);
    }
    if (buffer != NULL)
        evbuffer_free(buffer);
}

void
admin_reply_text(struct evhttp_request *request, int status, const char *phrase,
                 const char *body)
{
    admin_reply(request, status, phrase, "text/plain; charset=utf-8", body);
}

void
admin_reply_json(struct evhttp_request *request, int status, const char *phrase, json_t *json)
{
    char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);

    if (text == NULL)
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
    else
        admin_reply(request, status, phrase, "application/json", text);
    free(text);
    json_decref(json);
}

static json_t *
all_apps_json(struct supervisor *supervisor)
{
    json_t *apps = json_array();
    uint64_t now_ms = clock_monotonic_ms();

    apps_sort(supervisor);
    for (struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        struct app_status status;

        app_status(app, now_ms, &status);
        status.overrides = overrides_json(supervisor, app->name);
        if (json_array_append_new(apps, status_app_json(&status)) < 0) {
            json_decref(apps);
            return NULL;
        }
    }
    return apps;
}

static void
serve_status(struct supervisor *supervisor, struct evhttp_request *request)
{
    uint64_t uptime_s = (clock_monotonic_ms() - supervisor->started_at_ms) / 1000;
    const struct process_status prober = {
        .pid = supervisor->prober != NULL ? supervisor->prober->pid : 0,
        .looping = restart_looping(&supervisor->prober_restart, clock_monotonic_ms()),
        .last_end = supervisor->prober_last_end,
    };
    json_t *status = status_json(FPROXY_VERSION, getpid(), uptime_s, &prober,
                                 supervisor->prober_there, probe_lag_json(supervisor),
                                 standing_errors_json(supervisor),
                                 all_apps_json(supervisor));

    admin_reply_json(request, HTTP_OK, "OK", status);
}

/* One line for every app that is not ready: "NAME: STATE". */
static void
serve_readyz(struct supervisor *supervisor, struct evhttp_request *request)
{
    uint64_t now_ms = clock_monotonic_ms();
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);

    if (out == NULL) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
        return;
    }
    apps_sort(supervisor);
    if (supervisor->shutdown != NULL)
        fputs("the supervisor stops\n", out);
    else if (!supervisor->first_change_applied)
        fputs("the supervisor starts\n", out);     /* it does not know all apps yet */
    for (struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        struct app_status status;

        app_status(app, now_ms, &status);
        if (!status.ready)
            fprintf(out, "%s: %s\n", status.name, status.state);
    }
    if (fclose(out) != 0)
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
    else if (bytes == 0)
        admin_reply_text(request, HTTP_OK, "OK", "ready\n");
    else
        admin_reply_text(request, HTTP_SERVUNAVAIL, "Service Unavailable", text);
    free(text);
}

static void
serve_readyz_app(struct supervisor *supervisor, struct evhttp_request *request,
                 const char *name)
{
    struct app *app = app_find(supervisor, name);
    struct app_status status;
    char line[64];

    if (app == NULL) {
        admin_reply_text(request, HTTP_NOTFOUND, "Not Found", "no such app\n");
        return;
    }
    app_status(app, clock_monotonic_ms(), &status);
    snprintf(line, sizeof line, "%s\n", status.state);
    if (status.ready)
        admin_reply_text(request, HTTP_OK, "OK", line);
    else
        admin_reply_text(request, HTTP_SERVUNAVAIL, "Service Unavailable", line);
}

static void
on_get(struct supervisor *supervisor, struct evhttp_request *request, const char *path)
{
    static const char readyz_app[] = "/readyz/";

    if (strcmp(path, "/livez") == 0)
        admin_reply_text(request, HTTP_OK, "OK", "alive\n");
    else if (strcmp(path, "/readyz") == 0)
        serve_readyz(supervisor, request);
    else if (strncmp(path, readyz_app, sizeof readyz_app - 1) == 0)
        serve_readyz_app(supervisor, request, path + sizeof readyz_app - 1);
    else if (strcmp(path, "/v1/status") == 0)
        serve_status(supervisor, request);
    else if (strcmp(path, "/v1/running") == 0)
        admin_running(supervisor, request);
    else
        admin_reply_text(request, HTTP_NOTFOUND, "Not Found",
                         "there is GET /livez, /readyz, /readyz/APP, /v1/status, /v1/running; "
                         "POST /v1/reload, /v1/upgrade, "
                         "/v1/apps/APP/rollback|drain|maintain|ready, "
                         "/v1/apps/APP/targets/TARGET/report\n");
}

static void
on_request(struct evhttp_request *request, void *context)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *path = uri == NULL ? NULL : evhttp_uri_get_path(uri);

    if (path == NULL)
        evhttp_send_error(request, HTTP_BADREQUEST, NULL);
    else if (evhttp_request_get_command(request) == EVHTTP_REQ_POST)
        admin_act(context, request, path);
    else
        on_get(context, request, path);
}

/* ---- the socket ---- */

/* A listening socket, or -errno. The lock is ours, so what lies there is of a dead run. */
static int
listen_unix(int runtime_fd)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd, rc;

    rc = dirs_socket_path(runtime_fd, socket_name, address.sun_path, sizeof address.sun_path);
    if (rc < 0)
        return rc;
    unlinkat(runtime_fd, socket_name, 0);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    /* Nobody can connect before listen(): the mode holds from the first connection on. */
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        fchmodat(runtime_fd, socket_name, 0660, 0) < 0 || listen(fd, BACKLOG) < 0) {
        rc = -errno;
        close(fd);
        return rc;
    }
    return fd;
}

int
admin_open(struct supervisor *supervisor)
{
    struct admin *admin = calloc(1, sizeof *admin);
    int fd;

    if (admin == NULL)
        return -ENOMEM;
    fd = listen_unix(supervisor->runtime_fd);
    if (fd < 0) {
        free(admin);
        return fd;
    }
    admin->http = evhttp_new(supervisor->base);
    if (admin->http == NULL || evhttp_accept_socket(admin->http, fd) < 0) {
        close(fd);
        if (admin->http != NULL)
            evhttp_free(admin->http);
        free(admin);
        return -ENOMEM;
    }
    evhttp_set_max_headers_size(admin->http, HEADERS_MAX_BYTES);
    evhttp_set_max_body_size(admin->http, BODY_MAX_BYTES);
    evhttp_set_timeout(admin->http, REQUEST_TIMEOUT_S);
    evhttp_set_allowed_methods(admin->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD |
                                                    EVHTTP_REQ_POST);
    evhttp_set_gencb(admin->http, on_request, supervisor);
    supervisor->admin = admin;
    return 0;
}

void
admin_close(struct supervisor *supervisor)
{
    if (supervisor->admin == NULL)
        return;
    evhttp_free(supervisor->admin->http);
    free(supervisor->admin);
    supervisor->admin = NULL;
    unlinkat(supervisor->runtime_fd, socket_name, 0);
}
