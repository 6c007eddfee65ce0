#include "proxy/supervisor/worker_link.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "proxy/supervisor/children.h"
#include "proxy/supervisor/prober_link.h"
#include "proxy/supervisor/rollout.h"
#include "proxy/supervisor/supervisor.h"

static int
send_app(struct app *app, enum control_type type, const int *fds, size_t fd_count)
{
    struct control_message message;

    assert(app->worker != NULL);
    control_app_message(&message, type, app->name, app->current->number);
    message.body.app.board_number = app->current->pages->number;
    message.body.app.count = (uint32_t)app->current->listeners.count;
    return child_send(app->worker, &message, fds, fd_count);
}

/* The next descriptors, or the commit when all have arrived. */
static int
send_sockets(struct app *app)
{
    const struct listeners *listeners = &app->current->listeners;
    size_t left = listeners->count - app->sockets_sent;
    size_t count = MIN(left, CONTROL_FDS_MAX);
    struct control_message message;
    int rc;

    if (left == 0)
        return send_app(app, CONTROL_APP_COMMIT, NULL, 0);
    control_app_message(&message, CONTROL_APP_SOCKETS, app->name, app->current->number);
    message.body.sockets.first = (uint32_t)app->sockets_sent;
    message.body.sockets.total = (uint32_t)listeners->count;
    for (size_t i = 0; i < count; i++)
        message.body.sockets.port[i] =
            (uint16_t)((app->sockets_sent + i) / listeners->per_port);
    rc = child_send(app->worker, &message, listeners->fds + app->sockets_sent, count);
    if (rc == 0)
        app->sockets_sent += count;
    return rc;
}

static void
on_sockets_ack(struct app *app, uint32_t arrived)
{
    if (app->state != APP_LOADING || arrived != app->sockets_sent)
        return;
    if (send_sockets(app) < 0)
        rollout_worker_refused(app, "its sockets cannot be sent");
}

static void
on_loaded(struct app *app, const struct control_app *answer)
{
    struct app_generation *generation = app->current;

    if (answer->result < 0) {
        rollout_worker_refused(app, answer->detail[0] != '\0' ? answer->detail
                                                              : strerror(-answer->result));
        return;
    }
    if (app->state == APP_LOADING) {
        rollout_worker_loaded(app);
        return;
    }
    if (generation->pages_old == NULL || answer->board_number != generation->pages->number)
        return;
    log_debug(app->name, "all threads use board %u", answer->board_number);
    pages_destroy(app->supervisor->runtime_fd, generation->pages_old);
    generation->pages_old = NULL;
    prober_link_grow(app);          /* it may have asked for more meanwhile */
}

static void
on_hello(struct app *app, const struct control_hello *hello)
{
    log_debug(app->name, "worker %d (%s) is there", hello->pid, hello->version);
    if (strcmp(hello->version, FPROXY_VERSION) != 0)
        log_warn(app->name, "the worker is version %s, the supervisor %s", hello->version,
                 FPROXY_VERSION);
}

static void
on_message(void *context, const struct control_message *message)
{
    struct app *app = context;
    const struct control_app *answer = &message->body.app;

    if (message->type == CONTROL_HELLO) {
        on_hello(app, &message->body.hello);
        return;
    }
    if (message->type == CONTROL_RECORD) {
        store_write_record(app->supervisor->store, &message->body.record);
        return;
    }
    if (message->type != CONTROL_APP_SOCKETS_ACK && message->type != CONTROL_APP_LOADED)
        return;                     /* APP_GONE: its end tells the same */
    if (strcmp(answer->app, app->name) != 0 || answer->generation != app->current->number)
        return;                     /* a late answer about something older */
    if (message->type == CONTROL_APP_SOCKETS_ACK)
        on_sockets_ack(app, answer->count);
    else
        on_loaded(app, answer);
}

static void
on_ended(void *context, const struct child_end *end)
{
    struct app *app = context;
    int pid = (int)app->worker->pid;
    uint64_t started_at_ms = app->worker->started_at_ms;

    app->worker = NULL;
    pages_destroy(app->supervisor->runtime_fd, app->current->pages_old);
    app->current->pages_old = NULL;
    rollout_worker_ended(app, end, pid, started_at_ms);
}

/* Everything it needs; sockets follow as they are acknowledged. */
static int
load(struct app *app)
{
    const struct app_generation *generation = app->current;
    const struct control_message settings = { .magic = CONTROL_MAGIC,
                                              .type = CONTROL_SETTINGS };
    int fds[3] = { generation_text_fd(app->current), generation->pages->board_reader_fd,
                   generation->pages->traffic_fd };
    int rc = MIN(fds[0], 0);

    if (rc == 0)
        rc = child_send(app->worker, &settings, &app->supervisor->settings_fd, 1);
    if (rc == 0)
        rc = send_app(app, CONTROL_APP_LOAD, fds, ARRAY_SIZE(fds));
    if (rc == 0)
        rc = send_sockets(app);
    return rc;
}

int
worker_link_start(struct app *app)
{
    struct supervisor *supervisor = app->supervisor;
    int rc;

    assert(app->worker == NULL);
    if (app->restart.ends > 0) {
        rc = pages_renew_traffic(supervisor->runtime_fd, app->current, app->current->pages);
        if (rc < 0)
            return rc;
        prober_link_traffic(app);
    }
    rc = child_start(supervisor->base, supervisor->runtime_fd, CONTROL_WORKER, app->name,
                     on_message, on_ended, app, &app->worker);
    if (rc < 0)
        return rc;
    app->sockets_sent = 0;
    if (load(app) < 0)
        child_signal(app->worker, SIGKILL);     /* its end starts the next try */
    return 0;
}

int
worker_link_accept(struct app *app)
{
    return send_app(app, CONTROL_APP_ACCEPT, NULL, 0);
}

void
worker_link_send_board(struct app *app)
{
    const struct app_generation *generation = app->current;
    int fds[2];

    if (generation->pages_old == NULL)
        return;
    fds[0] = generation->pages->board_reader_fd;
    fds[1] = generation->pages->traffic_fd;
    send_app(app, CONTROL_APP_BOARD, fds, ARRAY_SIZE(fds));
}

void
worker_link_stop(struct app *app, uint32_t deadline_ms)
{
    const struct control_message message = {
        .magic = CONTROL_MAGIC,
        .type = CONTROL_STOP,
        .body.stop.deadline_ms = deadline_ms,
    };

    if (child_send(app->worker, &message, NULL, 0) < 0)
        child_signal(app->worker, SIGTERM);
}
