#include "proxy/supervisor/worker_link.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/control.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/leaving.h"
#include "proxy/supervisor/prober_link.h"
#include "proxy/supervisor/relief.h"
#include "proxy/supervisor/rollout.h"
#include "proxy/supervisor/serve.h"
#include "proxy/supervisor/supervisor.h"

static void
fill(struct control_message *message, enum control_type type,
     const struct app_generation *generation, const struct pages *pages)
{
    control_app_message(message, type, generation->app->name, generation->number);
    if (pages == NULL)
        return;
    message->body.app.board_number = pages->board->number;
    message->body.app.traffic_number = pages->traffic_number;
}

static int
send_about(const struct app_generation *generation, enum control_type type, uint32_t count)
{
    struct control_message message;

    if (generation->worker->child == NULL)
        return -EPIPE;
    fill(&message, type, generation, generation->pages);
    message.body.app.count = count;
    return child_send(generation->worker->child, &message, NULL, 0);
}

/* ---- loading ---- */

/* Its worker has this port already: from an older generation, or from another app. */
static bool
worker_has(const struct app_generation *generation, const struct listen_port *port)
{
    const struct app *holder = port->holder;

    return holder != NULL && holder->current != NULL &&
           holder->current != generation && holder->current->worker == generation->worker &&
           holder->current->load >= LOAD_DONE &&
           generation_has_port(holder->current, &port->address);
}

static uint32_t
count_sockets(const struct app_generation *generation)
{
    uint32_t total = 0;

    for (uint32_t i = 0; i < generation->config.port_count; i++) {
        if (!worker_has(generation, generation->ports[i]))
            total += generation->ports[i]->count;
    }
    return total;
}

/* The next CONTROL_FDS_MAX after those that were sent. */
static uint32_t
gather(const struct app_generation *generation, int *fds, uint16_t *ports)
{
    uint32_t at = 0, count = 0;

    for (uint32_t i = 0; i < generation->config.port_count; i++) {
        const struct listen_port *port = generation->ports[i];

        if (worker_has(generation, port))
            continue;
        for (uint32_t k = 0; k < port->count; k++, at++) {
            if (at < generation->sockets_sent || count == CONTROL_FDS_MAX)
                continue;
            fds[count] = port->fds[k];
            ports[count++] = (uint16_t)i;
        }
    }
    return count;
}

/* The next sockets, or the commit when all have arrived. */
static int
send_sockets(struct app_generation *generation)
{
    struct control_message message;
    int fds[CONTROL_FDS_MAX];
    uint32_t count;
    int rc;

    if (generation->sockets_sent == generation->sockets_total)
        return send_about(generation, CONTROL_APP_COMMIT, generation->sockets_total);
    control_app_message(&message, CONTROL_APP_SOCKETS, generation->app->name,
                        generation->number);
    message.body.sockets.first = generation->sockets_sent;
    message.body.sockets.total = generation->sockets_total;
    count = gather(generation, fds, message.body.sockets.port);
    rc = child_send(generation->worker->child, &message, fds, count);
    if (rc == 0)
        generation->sockets_sent += count;
    return rc;
}

/* Text, board and traffic page as descriptors, all or none. 0 or -errno. */
static int
open_load(struct app_generation *generation, int fds[3])
{
    int runtime_fd = generation->app->supervisor->runtime_fd;
    int rc = 0;

    fds[0] = generation_text_fd(generation);
    fds[1] = pages_open_board(runtime_fd, generation->pages, false);
    fds[2] = pages_open_traffic(runtime_fd, generation->pages, true);
    for (int i = 0; i < 3; i++)
        rc = rc == 0 ? MIN(fds[i], 0) : rc;
    for (int i = 0; rc < 0 && i < 3; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    return rc;
}

static int
send_load(struct app_generation *generation)
{
    struct control_message message;
    int fds[3];
    int rc = open_load(generation, fds);

    assert(generation->load == LOAD_NONE);
    if (rc < 0)
        return rc;
    fill(&message, CONTROL_APP_LOAD, generation, generation->pages);
    rc = child_send(generation->worker->child, &message, fds, ARRAY_SIZE(fds));
    generation_leave_text_fd(generation, fds[0], generation->for_prober);
    close(fds[1]);
    close(fds[2]);
    if (rc < 0)
        return rc;
    generation->load = LOAD_SENT;
    if (generation->leaving)
        return send_about(generation, CONTROL_APP_FOLLOW, generation->config.drain_timeout_ms);
    generation->sockets_sent = 0;
    generation->sockets_total = count_sockets(generation);
    return send_sockets(generation);
}

void
worker_link_forget(struct app_generation *generation)
{
    if (!generation->for_worker)
        return;
    generation->for_worker = false;
    TAILQ_REMOVE(&generation->worker->to_load, generation, to_worker);
}

static void
refused(struct app_generation *generation, const char *why)
{
    if (!generation->leaving) {
        serve_worker_refused(generation, why);
        return;
    }
    log_error(generation->app->name, "worker %s cannot be told of generation %u: %s",
              generation->worker->name, generation->number, why);
    leaving_lost(generation);
}

void
worker_link_drained(struct worker *worker)
{
    struct app_generation *generation;

    while (worker->there && child_takes(worker->child) &&
           (generation = TAILQ_FIRST(&worker->to_load)) != NULL) {
        int rc;

        worker_link_forget(generation);
        rc = serve_before_load(generation);
        if (rc == 0)
            rc = send_load(generation);
        if (rc < 0)
            refused(generation, strerror(-rc));
    }
}

void
worker_link_queue(struct app_generation *generation)
{
    assert(generation->load == LOAD_NONE);
    if (generation->for_worker)
        return;
    generation->for_worker = true;
    TAILQ_INSERT_TAIL(&generation->worker->to_load, generation, to_worker);
}

void
worker_link_load(struct app_generation *generation)
{
    struct worker *worker = generation->worker;

    worker_link_queue(generation);
    worker_link_drained(worker);
}

/* ---- orders ---- */

int
worker_link_accept(struct app_generation *generation, uint32_t drain_ms)
{
    int rc = send_about(generation, CONTROL_APP_ACCEPT, drain_ms);

    if (rc == 0)
        generation->load = LOAD_ACCEPTING;
    return rc;
}

void
worker_link_board(struct app_generation *generation)
{
    int runtime_fd = generation->app->supervisor->runtime_fd;
    struct control_message message;
    int fds[2];

    if (generation->pages_old == NULL || generation->worker->child == NULL)
        return;
    fds[0] = pages_open_board(runtime_fd, generation->pages, false);
    fds[1] = pages_open_traffic(runtime_fd, generation->pages, true);
    fill(&message, CONTROL_APP_BOARD, generation, generation->pages);
    if (fds[0] >= 0 && fds[1] >= 0)
        child_send(generation->worker->child, &message, fds, ARRAY_SIZE(fds));
    else
        log_error(generation->app->name, "its larger board cannot be opened again: %s",
                  strerror(fds[0] < 0 ? -fds[0] : -fds[1]));
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

void
worker_link_drain(struct app_generation *generation, uint32_t limit_ms)
{
    const struct child *child = generation->worker->child;

    if (child == NULL || child_speaks(child))
        send_about(generation, CONTROL_APP_DRAIN, limit_ms);
    else                            /* where 0 is no limit */
        send_about(generation, CONTROL_APP_RETIRE, MAX(limit_ms, 1));
}

void
worker_link_retire(struct app_generation *generation, uint32_t limit_ms)
{
    send_about(generation, CONTROL_APP_RETIRE, limit_ms);
}

void
worker_link_stop(struct worker *worker, uint32_t deadline_ms)
{
    const struct control_message message = {
        .magic = CONTROL_MAGIC,
        .type = CONTROL_STOP,
        .body.stop.deadline_ms = deadline_ms,
    };

    worker->ending = true;
    if (child_send(worker->child, &message, NULL, 0) < 0)
        child_signal(worker->child, SIGTERM);
}

void
worker_link_settings(struct worker *worker)
{
    const struct control_message message = { .magic = CONTROL_MAGIC,
                                             .type = CONTROL_SETTINGS };

    child_send(worker->child, &message, &worker->supervisor->settings_fd, 1);
}

/* All are put into the queue before the first one is sent: what fails may end others. What comes
 * after a current generation of this worker follows when that is loaded. */
void
worker_link_greet(struct worker *worker)
{
    struct app_generation *generation;

    worker_link_settings(worker);
    LIST_FOREACH(generation, &worker->generations, of_worker) {
        if (generation->leaving)
            continue;
        if (generation == generation->app->current)
            serve_worker_there(generation->app);
        else if (rollout_may_load(generation->app))
            worker_link_queue(generation);
    }
    worker_link_drained(worker);
}

/* ---- what it says ---- */

static struct app_generation *
find_live(const struct worker *worker, struct app *app, uint32_t number)
{
    struct app_generation *both[] = { app->next, app->current };

    for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
        if (both[i] != NULL && both[i]->worker == worker && both[i]->number == number)
            return both[i];
    }
    return NULL;
}

static void
on_sockets_ack(struct app_generation *generation, uint32_t arrived)
{
    if (generation->load != LOAD_SENT || generation->ports == NULL ||
        arrived != generation->sockets_sent)
        return;
    if (send_sockets(generation) < 0)
        serve_worker_refused(generation, "its sockets cannot be sent");
}

/* All threads of the worker use the larger board. */
static void
on_board_used(struct app_generation *generation, uint32_t board_number)
{
    struct supervisor *supervisor = generation->app->supervisor;

    if (generation->pages_old == NULL || board_number != generation->pages->board->number)
        return;
    log_debug(generation->app->name, "all threads use board %u", board_number);
    pages_destroy(supervisor->runtime_fd, generation->pages_old);
    generation->pages_old = NULL;
    prober_link_grow(generation->app);      /* it may have asked for more meanwhile */
}

static void
on_loaded(struct app_generation *generation, const struct control_app *answer)
{
    if (answer->result < 0) {
        if (generation->load == LOAD_SENT)  /* one of its number may be there, which stays */
            generation->load = LOAD_NONE;
        serve_worker_refused(generation, answer->detail[0] != '\0' ? answer->detail
                                                                   : strerror(-answer->result));
        return;
    }
    if (generation->load != LOAD_SENT) {
        on_board_used(generation, answer->board_number);
        return;
    }
    generation->load = LOAD_DONE;
    worker_link_board(generation);          /* it grew meanwhile */
    serve_worker_loaded(generation);
}

/* One that cannot accept leaves clients waiting in silence: its successor can. */
static void
on_accepting(struct worker *worker, struct app *app, const struct control_app *answer)
{
    if (answer->result == 0) {
        leaving_ports_closed(app, worker);
        return;
    }
    log_error(app->name, "worker %s (pid %d) cannot accept on every socket: %s; it is replaced",
              worker->name, (int)worker->child->pid, strerror(-answer->result));
    child_signal(worker->child, SIGKILL);
}

static void
on_about_app(struct worker *worker, const struct control_message *message)
{
    const struct control_app *answer = &message->body.app;
    struct app *app = app_find(worker->supervisor, answer->app);
    struct app_generation *generation;

    if (app == NULL)
        return;
    if (message->type == CONTROL_APP_GONE) {
        leaving_gone(app, worker, answer->generation, answer->traffic_number);
        return;
    }
    generation = find_live(worker, app, answer->generation);
    if (generation == NULL || !generation_is_load(generation, answer->traffic_number))
        return;                     /* a late answer about something older */
    switch (message->type) {
    case CONTROL_APP_SOCKETS_ACK:
        on_sockets_ack(generation, answer->count);
        break;
    case CONTROL_APP_LOADED:
        on_loaded(generation, answer);
        break;
    case CONTROL_APP_ACCEPTING:
        on_accepting(worker, app, answer);
        break;
    default:
        break;
    }
}

void
worker_link_message(struct worker *worker, const struct control_message *message)
{
    switch (message->type) {
    case CONTROL_RECORD:
        store_write_record(worker->supervisor->store, &message->body.record);
        break;
    case CONTROL_APP_SOCKETS_ACK:
    case CONTROL_APP_LOADED:
    case CONTROL_APP_ACCEPTING:
    case CONTROL_APP_GONE:
        on_about_app(worker, message);
        break;
    case CONTROL_TOLD_TO_END:
        relief_asked(worker);
        break;
    default:
        break;
    }
}
