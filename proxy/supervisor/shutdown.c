#include "proxy/supervisor/shutdown.h"

#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/notify.h"
#include "proxy/supervisor/prober_link.h"
#include "proxy/supervisor/reload.h"
#include "proxy/supervisor/spare_ports.h"
#include "proxy/supervisor/upgrade.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/worker_link.h"
#include "proxy/supervisor/workers.h"

enum {
    GRACE_MS = 5000,        /* over the longest drain_timeout, until the rest is killed */
    AT_ONCE_MS = 500,
    PROBER_MS = 2000,
};

struct shutdown {
    struct event *deadline;     /* owned */
    bool prober_told;
    bool at_once;               /* what is open is cut; asking again does not move the deadline */
};

static void
arm(struct shutdown *shutdown, uint64_t wait_ms)
{
    const struct timeval wait = {
        .tv_sec = (time_t)(wait_ms / 1000),
        .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000,
    };

    evtimer_add(shutdown->deadline, &wait);
}

static void
kill_worker(struct worker *worker, void *context)
{
    log_warn(NULL, "worker %s (pid %d) has not ended in time: it is killed", worker->name,
             (int)worker->child->pid);
    child_signal(worker->child, SIGKILL);
}

static void
on_deadline(evutil_socket_t fd, short what, void *context)
{
    struct supervisor *supervisor = context;

    workers_each(supervisor, kill_worker, NULL);
    if (supervisor->prober != NULL && supervisor->shutdown->prober_told)
        child_signal(supervisor->prober, SIGKILL);
}

static uint32_t
longest_drain_ms(const struct supervisor *supervisor)
{
    uint32_t longest = 0;

    for (const struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        const struct app_generation *leaving;

        if (app->current != NULL)
            longest = MAX(longest, app->current->config.drain_timeout_ms);
        LIST_FOREACH(leaving, &app->leaving, of_app)
            longest = MAX(longest, leaving->config.drain_timeout_ms);
    }
    return longest;
}

static void
close_ports(struct app_generation *generation)
{
    for (uint32_t i = 0; generation->ports != NULL && i < generation->config.port_count; i++)
        listeners_unref(&generation->app->supervisor->listeners, generation->ports[i]);
    free(generation->ports);
    generation->ports = NULL;
}

/* The workers accept what their sockets' queues still hold, so ours close after they were
 * told. */
static void
stop_app(struct app *app)
{
    bool runs = app->current != NULL && app->current->load != LOAD_NONE;

    if (app->state != APP_STOPPING)
        app_enter(app, runs ? APP_STOPPING : APP_STOPPED);
    if (app->current != NULL)
        close_ports(app->current);
    if (app->next != NULL)
        close_ports(app->next);
}

static void
stop_worker(struct worker *worker, void *context)
{
    const uint32_t *longest_ms = context;
    const struct app_generation *generation;
    uint32_t drain_ms = 0;

    LIST_FOREACH(generation, &worker->generations, of_worker)
        drain_ms = MAX(drain_ms, generation->config.drain_timeout_ms);
    worker_link_stop(worker, *longest_ms == 0 ? 0 : drain_ms);
}

static uint64_t
connections(const struct supervisor *supervisor)
{
    uint64_t sum = 0;

    for (const struct app *app = supervisor->apps; app != NULL; app = app->hh.next)
        sum += app_connections(app);
    return sum;
}

static void
drain(struct supervisor *supervisor)
{
    uint32_t drain_ms = longest_drain_ms(supervisor);
    uint32_t told_ms = MAX(drain_ms, 1);

    event_write(supervisor, LOG_INFO, NULL, "supervisor_stop",
                "stops: %" PRIu64 " connections have up to %u ms to end",
                connections(supervisor), drain_ms);
    notify_send("STOPPING=1\nSTATUS=draining");
    evtimer_del(supervisor->prober_timer);
    rollouts_cancel(supervisor);
    workers_each(supervisor, stop_worker, &told_ms);
    for (struct app *app = supervisor->apps; app != NULL; app = app->hh.next)
        stop_app(app);
    spare_ports_close(supervisor);
    arm(supervisor->shutdown, (uint64_t)drain_ms + GRACE_MS);
    shutdown_continue(supervisor);
}

static void
end_at_once(struct supervisor *supervisor)
{
    uint32_t nothing_ms = 0;

    log_warn(NULL, "stops at once: %" PRIu64 " connections are cut", connections(supervisor));
    workers_each(supervisor, stop_worker, &nothing_ms);
    arm(supervisor->shutdown, AT_ONCE_MS);
}

void
shutdown_begin(struct supervisor *supervisor, bool at_once)
{
    if (supervisor->shutdown == NULL) {
        supervisor->shutdown = calloc(1, sizeof *supervisor->shutdown);
        if (supervisor->shutdown == NULL)
            abort();                /* workers go on serving without us */
        supervisor->shutdown->deadline = evtimer_new(supervisor->base, on_deadline, supervisor);
        if (supervisor->shutdown->deadline == NULL)
            abort();
        upgrade_cancel(supervisor);
        reloads_free(supervisor);
        drain(supervisor);
    } else if (at_once && !supervisor->shutdown->at_once) {
        supervisor->shutdown->at_once = true;
        end_at_once(supervisor);
    }
}

static void
count_worker(struct worker *worker, void *context)
{
    unsigned *count = context;

    (*count)++;
}

void
shutdown_continue(struct supervisor *supervisor)
{
    struct shutdown *shutdown = supervisor->shutdown;
    unsigned workers = 0;

    workers_each(supervisor, count_worker, &workers);
    if (workers > 0)
        return;
    if (supervisor->prober == NULL) {
        event_base_loopbreak(supervisor->base);
        return;
    }
    if (!shutdown->prober_told) {
        shutdown->prober_told = true;
        prober_link_stop(supervisor);
        arm(shutdown, PROBER_MS);
    }
}

void
shutdown_free(struct supervisor *supervisor)
{
    if (supervisor->shutdown == NULL)
        return;
    event_free(supervisor->shutdown->deadline);
    free(supervisor->shutdown);
    supervisor->shutdown = NULL;
}
