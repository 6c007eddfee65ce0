/* duty - see duty.h. */
#include "proxy/worker/duty.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/shared_file.h"
#include "base/util.h"
#include "config/settings.h"
#include "proxy/worker/order.h"
#include "proxy/worker/takeover.h"
#include "proxy/worker/worker_priv.h"

enum { SETTINGS_BYTES_MAX = 1 << 16 };

/* ---- a generation comes ---- */

static void
load_app(struct worker *worker, const struct control_app *body, const int *fds, size_t fd_count)
{
    const struct hosted *same = tenant_find(worker, body->app, body->generation);
    struct hosted *hosted = NULL;
    char why[DETAIL_BYTES] = "";
    int rc = -EPROTO;

    if (worker->stopping)
        snprintf(why, sizeof why, "this worker is stopping");
    else if (fd_count != 3)
        snprintf(why, sizeof why, "wrong number of descriptors");
    else if (same != NULL && same->state != HOSTED_DRAINING)    /* a step back may find it so */
        snprintf(why, sizeof why, "this generation is here already");
    else
        rc = hosted_create(body->app, body->generation, fds, &hosted, why);
    if (rc == 0) {
        rc = tenant_insert(worker, hosted);
        if (rc == 0)
            return;
        hosted_destroy(hosted);
    }
    log_error(body->app, "generation %u cannot be loaded: %s", body->generation,
              why[0] != '\0' ? why : strerror(-rc));
    worker_tell_about(worker, CONTROL_APP_LOADED, body->app, body->generation, NULL, rc, why);
}

static void
add_sockets(struct worker *worker, const struct control_sockets *body, const int *fds,
            size_t fd_count)
{
    struct hosted *hosted = tenant_find(worker, body->app, body->generation);
    int rc = -ENOENT;

    if (hosted != NULL)
        rc = hosted_add_sockets(hosted, body, fds, (uint32_t)fd_count);
    if (rc == 0) {
        worker_tell(worker, CONTROL_APP_SOCKETS_ACK, hosted, 0, "");
        return;
    }
    log_error(body->app, "listening sockets do not fit: %s", strerror(-rc));
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
}

static int
ready_threads(struct worker *worker, uint32_t threads, char *why)
{
    if (threads > 0 && threads <= APP_THREADS_MAX && worker->thread_count == 0)
        return worker_start_threads(worker, threads);
    if (threads == worker->thread_count && threads > 0)
        return 0;
    snprintf(why, DETAIL_BYTES, "it is made for %u threads, this worker has %u", threads,
             worker->thread_count);
    return -EINVAL;
}

void
duty_unload(struct worker *worker, struct hosted *hosted)
{
    int rc = takeover_unload(worker, hosted);

    if (rc == 0)
        tenant_forget(worker, hosted);
    else
        log_error(hosted->app.name, "cannot be unloaded: %s", strerror(-rc));
}

/* What cannot be committed is unloaded, and nothing else has changed. */
static void
commit_app(struct worker *worker, struct hosted *hosted, uint32_t count)
{
    char why[DETAIL_BYTES] = "";
    int rc;

    if (hosted->state != HOSTED_LOADING) {
        worker_tell(worker, CONTROL_APP_LOADED, hosted, -EPROTO, "it is loaded already");
        return;
    }
    rc = ready_threads(worker, traffic_threads(hosted->traffic), why);
    if (rc == 0)
        rc = hosted_commit(hosted, &worker->ports, worker->threads, worker->thread_count, count,
                           why);
    if (rc == 0)
        hosted->state = HOSTED_LOADED;
    worker_tell(worker, CONTROL_APP_LOADED, hosted, rc, why);
    if (rc == 0)
        return;
    log_error(hosted->app.name, "generation %u cannot be loaded: %s", hosted->app.generation,
              why[0] != '\0' ? why : strerror(-rc));
    duty_unload(worker, hosted);
}

/* `finish`: its ports are gone. */
static void
let_go(struct worker *worker, struct hosted *hosted, uint64_t limit_ms, bool finish)
{
    int rc;

    if (hosted->state == HOSTED_LOADING || hosted->state == HOSTED_LOADED) {
        rc = takeover_unload(worker, hosted);
        if (rc == 0) {
            worker_app_gone(worker, hosted);
            return;
        }
    } else {
        rc = takeover_leave(worker, hosted, limit_ms, finish);
    }
    if (rc != 0)
        log_error(hosted->app.name, "cannot drain: %s", strerror(-rc));
    else if (limit_ms == DRAIN_NEVER)
        log_info(hosted->app.name, "generation %u keeps its connections until they end",
                 hosted->app.generation);
    else
        log_info(hosted->app.name, "generation %u drains for %u ms at most",
                 hosted->app.generation, (uint32_t)limit_ms);
}

/* What cannot follow is gone at once: the one that has retired keeps its connections. */
static void
follow(struct worker *worker, struct hosted *hosted, uint32_t limit_ms)
{
    char why[DETAIL_BYTES] = "";
    int rc = -EPROTO;

    if (hosted->state == HOSTED_LOADING)
        rc = ready_threads(worker, traffic_threads(hosted->traffic), why);
    if (rc == 0)
        rc = hosted_commit_retired(hosted, worker->threads, worker->thread_count);
    if (rc == 0) {
        hosted->state = HOSTED_LOADED;
        rc = takeover_follow(worker, hosted, limit_ms);
    }
    if (rc == 0) {
        log_info(hosted->app.name, "generation %u has the connections that stay here",
                 hosted->app.generation);
        return;
    }
    if (rc != -ENOENT)          /* their last connection has just ended */
        log_error(hosted->app.name, "generation %u is unknown to what is left here: %s",
                  hosted->app.generation, why[0] != '\0' ? why : strerror(-rc));
    if (hosted->state == HOSTED_LOADING || hosted->state == HOSTED_LOADED)
        let_go(worker, hosted, 0, false);
    else                        /* it could not be loaded; this is an older one of its number */
        worker_tell_about(worker, CONTROL_APP_GONE, hosted->app.name, hosted->app.generation,
                          NULL, 0, "");
}

static void
accept_clients(struct worker *worker, struct hosted *hosted, uint32_t limit_ms)
{
    int rc = 0;

    if (hosted->state == HOSTED_LOADED)
        rc = takeover_accept(worker, hosted, limit_ms);
    else if (hosted->state == HOSTED_ACCEPTING)     /* a successor may ask again */
        worker_tell(worker, CONTROL_APP_ACCEPTING, hosted, 0, "");
    else
        rc = -EPROTO;
    if (rc != 0)
        worker_tell(worker, CONTROL_APP_ACCEPTING, hosted, rc, "");
}

/* The threads change to it one by one; until all have, the old one stays. */
static int
order_board(struct worker *worker, struct hosted *hosted, const int *fds)
{
    struct order *order = order_create(worker, COMMAND_BOARD, 0);
    int rc = order != NULL ? hosted_next_board(hosted, fds) : -ENOMEM;

    for (uint32_t i = 0; rc == 0 && i < worker->thread_count; i++) {
        order->commands[i].board = hosted->next_board;
        order->commands[i].traffic = hosted->next_traffic;
        order->commands[i].snapshot = snapshot_create(hosted->next_board);
        if (order->commands[i].snapshot == NULL) {
            hosted_drop_next_board(hosted);
            rc = -ENOMEM;
        }
    }
    if (rc == 0) {
        order->app = hosted;
        order_post(worker, order);
    } else if (order != NULL) {
        order_destroy(worker, order);
    }
    return rc;
}

static void
change_board(struct worker *worker, struct hosted *hosted, const int *fds, size_t fd_count)
{
    bool unused = hosted->state == HOSTED_LOADING || hosted->state == HOSTED_LOADED;
    int rc = -EPROTO;

    if (fd_count == 2)
        rc = unused ? hosted_change_board(hosted, fds) : order_board(worker, hosted, fds);
    if (rc != 0)
        log_error(hosted->app.name, "the larger board is unusable: %s", strerror(-rc));
    else if (unused)
        worker_tell(worker, CONTROL_APP_LOADED, hosted, 0, "");
}

void
duty_stop(struct worker *worker, uint32_t deadline_ms)
{
    struct hosted *hosted, *next;

    if (worker->stopping && deadline_ms > 0)
        return;
    if (worker->stopping) {         /* told twice: at once */
        worker_exit_threads(worker);
        return;
    }
    worker->stopping = true;
    if (TAILQ_EMPTY(&worker->apps))
        worker_exit_threads(worker);
    for (hosted = TAILQ_FIRST(&worker->apps); hosted != NULL; hosted = next) {
        next = TAILQ_NEXT(hosted, link);
        let_go(worker, hosted, deadline_ms, true);
    }
}

static void
ping(struct worker *worker)
{
    struct order *order;

    if (worker->pinging)            /* one answer is for both */
        return;
    if (worker->thread_count == 0) {
        worker_pong(worker);
        return;
    }
    order = order_create(worker, COMMAND_PING, 0);
    if (order == NULL)
        return;
    worker->pinging = true;
    order_post(worker, order);
}

static void
on_settings(const int *fds, size_t fd_count)
{
    struct settings settings;
    char why[DETAIL_BYTES];
    char *text;
    size_t bytes;

    if (fd_count != 1 || sealed_text_read(fds[0], SETTINGS_BYTES_MAX, &text, &bytes) != 0)
        return;
    if (settings_parse(text, &settings, why) == 0) {
        log_set_level(settings.log_level);
        log_set_format(settings.log_format);
    } else {
        log_error(NULL, "the settings cannot be read: %s", why);
    }
    free(text);
}

/* Whoever waits for its end, or for its being loaded, learns that it is not here. */
static void
answer_unknown(struct worker *worker, const struct control_message *message)
{
    const struct control_app *body = &message->body.app;

    log_warn(body->app, "order %u for generation %u, which is not here", message->type,
             body->generation);
    if (message->type == CONTROL_APP_DRAIN || message->type == CONTROL_APP_RETIRE ||
        message->type == CONTROL_APP_FOLLOW)
        worker_tell_about(worker, CONTROL_APP_GONE, body->app, body->generation, NULL, 0, "");
    else if (message->type == CONTROL_APP_COMMIT || message->type == CONTROL_APP_ACCEPT)
        worker_tell_about(worker,
                          message->type == CONTROL_APP_COMMIT ? CONTROL_APP_LOADED
                                                              : CONTROL_APP_ACCEPTING,
                          body->app, body->generation, NULL, -ENOENT, "");
}

static void
on_app_order(struct worker *worker, const struct control_message *message, const int *fds,
             size_t fd_count)
{
    const struct control_app *body = &message->body.app;
    struct hosted *hosted = tenant_find(worker, body->app, body->generation);

    if (hosted == NULL) {
        answer_unknown(worker, message);
        return;
    }
    switch (message->type) {
    case CONTROL_APP_COMMIT:
        commit_app(worker, hosted, body->count);
        break;
    case CONTROL_APP_ACCEPT:
        accept_clients(worker, hosted, body->count);
        break;
    case CONTROL_APP_FOLLOW:
        follow(worker, hosted, body->count);
        break;
    case CONTROL_APP_BOARD:
        change_board(worker, hosted, fds, fd_count);
        break;
    case CONTROL_APP_DRAIN:
        let_go(worker, hosted, body->count, true);
        break;
    case CONTROL_APP_RETIRE:
        let_go(worker, hosted, body->count != 0 ? body->count : DRAIN_NEVER, false);
        break;
    default:
        break;
    }
}

/* Did it keep the descriptors? */
static bool
do_one(struct worker *worker, const struct control_message *message, const int *fds,
       size_t fd_count)
{
    switch (message->type) {
    case CONTROL_SETTINGS:
        on_settings(fds, fd_count);
        break;
    case CONTROL_STOP:
        duty_stop(worker, message->body.stop.deadline_ms);
        break;
    case CONTROL_PING:
        ping(worker);
        break;
    case CONTROL_APP_LOAD:
        load_app(worker, &message->body.app, fds, fd_count);
        break;
    case CONTROL_APP_SOCKETS:
        add_sockets(worker, &message->body.sockets, fds, fd_count);
        return true;
    case CONTROL_APP_COMMIT:
    case CONTROL_APP_ACCEPT:
    case CONTROL_APP_BOARD:
    case CONTROL_APP_DRAIN:
    case CONTROL_APP_RETIRE:
    case CONTROL_APP_FOLLOW:
        on_app_order(worker, message, fds, fd_count);
        break;
    default:
        log_warn(NULL, "message %u is not for a worker", message->type);
        break;
    }
    return false;
}

/* Threads that were told to exit answer no more. */
void
duty_do(struct worker *worker, const struct control_message *message, const int *fds,
        size_t fd_count)
{
    bool kept = !worker->exiting && do_one(worker, message, fds, fd_count);

    for (size_t i = 0; !kept && i < fd_count; i++)
        close(fds[i]);
}
