#include "proxy/supervisor/serve.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/supervisor/acquire.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/follow.h"
#include "proxy/supervisor/holds.h"
#include "proxy/supervisor/journal.h"
#include "proxy/supervisor/ports.h"
#include "proxy/supervisor/prober_link.h"
#include "proxy/supervisor/rollout.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/worker_link.h"

enum {
    RETRY_FIRST_MS = 1000,
    RETRY_MAX_MS = 30000,
    RETRY_OURS_MS = 20,             /* a port of ours that a worker is about to close */
    OURS_MAX_MS = 1000,             /* ... which takes no longer */
    LOAD_MAX_MS = 30000,            /* a worker that has not loaded by then is ended */
};

/* ---- failure ---- */

/* A port that was ours until just now: its worker closes it within moments. */
static bool
is_closing(const struct app *app, int rc)
{
    uint64_t since_ms = clock_monotonic_ms() - app->supervisor->closed_ports_at_ms;

    return rc == -EADDRINUSE && app->supervisor->closed_ports_at_ms != 0 &&
           since_ms < OURS_MAX_MS;
}

/* Gives everything back and tries again later; told once, as long as `rc` stays the same. */
static void
fail(struct app *app, int rc, const char *reason)
{
    struct app_generation *generation = app->current;
    struct worker *worker = generation->worker;

    if (generation->load != LOAD_NONE)
        worker_link_drain(generation, 0);
    prober_link_unload(generation);
    generation_assign(generation, NULL);
    generation_release(generation);
    if (worker != NULL)
        worker_release(worker);
    if (is_closing(app, rc)) {
        app_enter(app, APP_FAILED);
        app_arm(app, RETRY_OURS_MS);
        return;
    }
    app->retry_ms = app->retry_ms == 0 ? RETRY_FIRST_MS : MIN(app->retry_ms * 2, RETRY_MAX_MS);
    if (rc != app->failure)
        event_write(app->supervisor, LOG_ERROR, app->name, "rollout_failed",
                    "cannot serve: %s; it is tried again", reason);
    app->failure = rc;
    journal_close(app, "failed", reason);
    app_enter(app, APP_FAILED);
    app_arm(app, app->retry_ms);
    holds_tell(app);
    rollouts_start(app->supervisor);        /* a newer one may wait for how this went */
}

/* ---- the way to serving ---- */

void
serve_begin(struct app *app)
{
    struct app_generation *generation = app->current;
    char reason[APP_REASON_BYTES];
    int rc;

    assert(generation != NULL);
    assert(generation->pages == NULL);
    app->begun_at_ms = clock_monotonic_ms();
    if (app->config_error == NULL && app->rollout.outcome[0] == '\0')
        journal_open(app, generation->number);
    rc = acquire_ports(generation, NULL, NULL, reason);
    if (rc == 0)
        rc = acquire_listen(generation, reason);
    if (rc == 0)
        rc = acquire_pages(generation, acquire_worker(generation), reason);
    if (rc < 0) {
        fail(app, rc, reason);
        return;
    }
    prober_link_load(generation);
    app_enter(app, APP_LOADING);
    app_arm(app, LOAD_MAX_MS);
    if (generation->worker->there)
        worker_link_load(generation);
    else if (generation->worker->child == NULL && !generation->worker->queued)
        serve_worker_lost(generation, false, "no worker can be started");
}

bool
serve_retry(struct app *app)
{
    if (app->state != APP_FAILED || app->pending || app->rolling != NULL || app->removed)
        return false;
    app->failure = 0;               /* how it goes now is told, and waited for */
    app->retry_ms = 0;
    app_arm(app, 0);
    app_settle(app);
    return true;
}

/* Its worker takes orders: it is put into the queue of what that gets. */
void
serve_worker_there(struct app *app)
{
    struct app_generation *generation = app->current;

    if (generation->load != LOAD_NONE || generation->pages == NULL)
        return;
    if (app->state != APP_LOADING)
        app_enter(app, APP_LOADING);
    app_arm(app, LOAD_MAX_MS);
    worker_link_queue(generation);
}

int
serve_before_load(struct app_generation *generation)
{
    return generation == generation->app->current ? acquire_fresh_traffic(generation) : 0;
}

static void
accept_clients(struct app *app)
{
    struct supervisor *supervisor = app->supervisor;
    const struct app_generation *generation = app->current;
    bool ready = readiness_reached(&app->health, generation->config.ready_min_available);
    char ports[128];

    if (worker_link_accept(app->current, generation->config.drain_timeout_ms) < 0)
        return;                     /* it has ended; its end is on its way */
    app->failure = 0;
    app->retry_ms = 0;
    acquire_hold_ports(app);
    if (app->served) {
        app_enter(app, APP_SERVING);
        log_info(app->name, "serves again");
        rollout_advance(app);
        return;
    }
    app->served = true;
    holds_tell(app);
    journal_good(app);
    journal_close(app, "done", ready ? "" : "not_ready");
    event_write(supervisor, ready ? LOG_INFO : LOG_WARN, app->name, "app_serving",
                "serves on %s, generation %u, %u of %u endpoints available, after %" PRIu64
                " ms%s",
                ports_text(generation->config.ports, generation->config.port_count, ports,
                           sizeof ports),
                generation->number, app->health.available, app->health.total,
                clock_monotonic_ms() - app->begun_at_ms, ready ? "" : ": not ready");
    app_enter(app, APP_SERVING);
    follow_current(app);        /* of an earlier life in a process that has connections left */
    follow_send(supervisor);
    rollouts_start(supervisor);
}

/* In APP_WAITING: accept now, or when the time is up. */
static void
consider_accepting(struct app *app)
{
    const struct app_config *config = &app->current->config;
    uint64_t waited_ms = clock_monotonic_ms() - app->waiting_since_ms;

    assert(app->state == APP_WAITING);
    if (app->served || readiness_may_accept(&app->health, config->ready_min_available,
                                            waited_ms, config->ready_timeout_ms))
        accept_clients(app);
    else
        app_arm(app, config->ready_timeout_ms - waited_ms);
}

/* Its worker is on its way, or could not load it a moment ago. */
static void
try_load_again(struct app *app)
{
    app_arm(app, LOAD_MAX_MS);
    if (app->current->worker->there && !app->current->for_worker)
        worker_link_load(app->current);
}

void
serve_timer(struct app *app)
{
    switch (app->state) {
    case APP_FAILED:
        serve_begin(app);
        break;
    case APP_LOADING:
        if (app->current->load == LOAD_NONE) {
            try_load_again(app);
            break;
        }
        serve_worker_refused(app->current, "it has not loaded in 30 s");
        break;
    case APP_WAITING:
        consider_accepting(app);
        break;
    default:
        break;
    }
}

/* ---- what the processes tell ---- */

void
serve_worker_loaded(struct app_generation *generation)
{
    struct app *app = generation->app;

    if (generation == app->current && app->state == APP_LOADING) {
        app_enter(app, APP_WAITING);
        app->waiting_since_ms = clock_monotonic_ms();
        consider_accepting(app);
    }
    rollout_advance(app);
}

/* One that hangs on this app alone is found by its pings; others may share it. */
static void
withdraw(struct app_generation *generation)
{
    if (generation->load != LOAD_NONE)
        worker_link_drain(generation, 0);
    generation->load = LOAD_NONE;
}

void
serve_worker_refused(struct app_generation *generation, const char *why)
{
    struct app *app = generation->app;
    char reason[APP_REASON_BYTES];

    snprintf(reason, sizeof reason, "the worker cannot load it: %.200s", why);
    if (generation == app->next) {
        rollout_fail(app, "failed", reason);
        return;
    }
    if (app->state != APP_LOADING)
        return;
    if (app->served) {              /* its sockets stay open: clients wait for the next try */
        log_error(app->name, "%s; it is tried again", reason);
        withdraw(generation);
        app_arm(app, RETRY_FIRST_MS);
        return;
    }
    fail(app, -EPROTO, reason);
}

void
serve_worker_lost(struct app_generation *generation, bool was_sent, const char *why)
{
    struct app *app = generation->app;

    if (generation == app->next) {
        rollout_lost(app, was_sent);
        return;
    }
    if (generation != app->current || app->state == APP_STOPPING)
        return;
    if (app->state != APP_LOADING && app->state != APP_WAITING && app->state != APP_SERVING)
        return;
    if (!app->served) {
        app->failure = app->failure != 0 ? app->failure : -EPROTO;
        journal_close(app, "failed", why);
    }
    app_enter(app, APP_RESTARTING);
}

void
serve_health(struct app *app)
{
    if (app->state == APP_WAITING)
        consider_accepting(app);
}

void
serve_prober_refused(struct app_generation *generation, const char *why)
{
    struct app *app = generation->app;
    char reason[APP_REASON_BYTES];

    snprintf(reason, sizeof reason, "the prober cannot load it: %.200s", why);
    if (generation == app->next)
        rollout_fail(app, "failed", reason);
    else if (!app->served && (app->state == APP_LOADING || app->state == APP_WAITING))
        fail(app, -EPROTO, reason);
    else
        event_write(app->supervisor, LOG_ERROR, app->name, "prober_refused", "%s", reason);
}

void
serve_left(struct app *app)
{
    if (!LIST_EMPTY(&app->leaving) || app->current != NULL)
        return;
    if (app->removed && app->wanted == NULL && app->next == NULL && !app->pending) {
        log_info(app->name, "its last connection has ended: it is gone");
        numbers_keep(&app->supervisor->numbers, app->name, app->generation_last);
        app_drop(app);
    }
}
