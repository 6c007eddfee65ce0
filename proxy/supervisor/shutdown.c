#include "proxy/supervisor/shutdown.h"

#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/notify.h"
#include "proxy/supervisor/prober_link.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/worker_link.h"

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
on_deadline(evutil_socket_t fd, short what, void *context)
{
    struct supervisor *supervisor = context;

    for (struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        if (app->worker == NULL)
            continue;
        log_warn(app->name, "the worker (pid %d) has not ended in time: it is killed",
                 (int)app->worker->pid);
        child_signal(app->worker, SIGKILL);
    }
    if (supervisor->prober != NULL && supervisor->shutdown->prober_told)
        child_signal(supervisor->prober, SIGKILL);
}

static uint32_t
longest_drain_ms(const struct supervisor *supervisor)
{
    uint32_t longest = 0;

    for (const struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        if (app->current != NULL)
            longest = MAX(longest, app->current->config.drain_timeout_ms);
    }
    return longest;
}

/* The worker accepts what its sockets' queues still hold, so ours close after it was told. */
static void
stop_app(struct app *app)
{
    if (app->worker == NULL) {
        app_enter(app, APP_STOPPED);
    } else {
        worker_link_stop(app, app->current->config.drain_timeout_ms);
        app_enter(app, APP_STOPPING);
    }
    if (app->current != NULL)
        listeners_close(&app->current->listeners);
}

static uint64_t
connections(const struct supervisor *supervisor)
{
    uint64_t sum = 0;

    for (const struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        if (app->worker != NULL && app->current != NULL)
            sum += generation_connections(app->current);
    }
    return sum;
}

static void
drain(struct supervisor *supervisor)
{
    uint32_t drain_ms = longest_drain_ms(supervisor);

    event_write(supervisor, LOG_INFO, NULL, "supervisor_stop",
                "stops: %" PRIu64 " connections have up to %u ms to end",
                connections(supervisor), drain_ms);
    notify_send("STOPPING=1\nSTATUS=draining");
    evtimer_del(supervisor->prober_timer);
    for (struct app *app = supervisor->apps; app != NULL; app = app->hh.next)
        stop_app(app);
    arm(supervisor->shutdown, (uint64_t)drain_ms + GRACE_MS);
    shutdown_continue(supervisor);
}

static void
end_at_once(struct supervisor *supervisor)
{
    log_warn(NULL, "stops at once: %" PRIu64 " connections are cut", connections(supervisor));
    for (struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        if (app->worker != NULL)
            worker_link_stop(app, 0);
    }
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
        drain(supervisor);
    } else if (at_once && !supervisor->shutdown->at_once) {
        supervisor->shutdown->at_once = true;
        end_at_once(supervisor);
    }
}

void
shutdown_continue(struct supervisor *supervisor)
{
    struct shutdown *shutdown = supervisor->shutdown;

    for (struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        if (app->worker != NULL)
            return;
    }
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
