#include "proxy/supervisor/rollout.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/port_owner.h"
#include "proxy/supervisor/ports.h"
#include "proxy/supervisor/prober_link.h"
#include "proxy/supervisor/shutdown.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/text.h"
#include "proxy/supervisor/worker_link.h"

enum {
    RETRY_FIRST_MS = 1000,
    RETRY_MAX_MS = 30000,
    WORKER_ENDS_MS = 100,           /* until a killed worker is gone, looked at again */
    LOAD_MAX_MS = 30000,            /* a worker that has not loaded by then is replaced */
};

/* ---- the record of it ---- */

/* Began when the present try did. */
static void
rollout_open(struct app *app)
{
    uint64_t since_ms = clock_monotonic_ms() - app->begun_at_ms;

    app->rollout = (struct store_rollout){
        .from_generation = app->from_generation,
        .to_generation = app->current->number,
        .started_at_ms = clock_wall_ms() - (int64_t)since_ms,
    };
    text_copy(app->rollout.app, sizeof app->rollout.app, app->name);
    store_write_rollout(app->supervisor->store, &app->rollout);
}

/* The first ending of a try is written; that it still fails adds no row, that it works at
 * last is a rollout of its own. An app that is held back keeps the failure that it has. */
static void
rollout_close(struct app *app, const char *outcome, const char *reason)
{
    bool open = app->rollout.outcome[0] == '\0';

    if (app->held_back)
        return;
    if (!open && strcmp(app->rollout.outcome, outcome) == 0)
        return;
    if (!open)
        rollout_open(app);
    text_copy(app->rollout.outcome, sizeof app->rollout.outcome, outcome);
    text_copy(app->rollout.reason, sizeof app->rollout.reason, reason);
    app->rollout.finished_at_ms = clock_wall_ms();
    store_write_rollout(app->supervisor->store, &app->rollout);
}

void
rollout_hold_back(struct app *app, const char *reason)
{
    int64_t now = clock_wall_ms();

    assert(app->state == APP_NEW);
    app->held_back = app->current != NULL;
    app->rollout = (struct store_rollout){
        .from_generation = app->from_generation,
        .to_generation = app->current != NULL ? app->current->number : 0,
        .outcome = "failed",
        .started_at_ms = now,
        .finished_at_ms = now,
    };
    text_copy(app->rollout.app, sizeof app->rollout.app, app->name);
    text_copy(app->rollout.reason, sizeof app->rollout.reason, reason);
    store_write_rollout(app->supervisor->store, &app->rollout);
    if (app->current == NULL)
        app_enter(app, APP_HELD);
}

/* What works is what the next start falls back to. */
static void
record_good(struct app *app)
{
    const struct app_generation *generation = app->current;

    if (app->recorded)
        return;
    app->recorded = store_write_config(app->supervisor->store, app->name, generation->number,
                                       "good", generation->source, generation->text,
                                       generation->hash, "", clock_wall_ms()) == 0;
}

/* ---- failure ---- */

/* Gives everything back and tries again later; told once, as long as `rc` stays the same. */
static void
fail(struct app *app, int rc, const char *reason)
{
    struct supervisor *supervisor = app->supervisor;

    if (app->worker != NULL)
        child_signal(app->worker, SIGKILL);
    prober_link_unload(app);
    generation_release(app->current, supervisor->runtime_fd);
    app_enter(app, APP_FAILED);
    app->retry_ms = app->retry_ms == 0 ? RETRY_FIRST_MS : MIN(app->retry_ms * 2, RETRY_MAX_MS);
    app_arm(app, app->retry_ms);
    if (rc != app->failure)
        event_write(supervisor, LOG_ERROR, app->name, "rollout_failed",
                    "cannot serve: %s; it is tried again", reason);
    app->failure = rc;
    rollout_close(app, "failed", reason);
    supervisor_announce(supervisor);
}

/* Which other app of ours has this port? */
static const struct app *
port_holder(const struct app *asking, const struct app_listen *port)
{
    for (const struct app *app = asking->supervisor->apps; app != NULL; app = app->hh.next) {
        if (app == asking || app->current == NULL || app->current->listeners.count == 0)
            continue;
        for (uint32_t i = 0; i < app->current->config.port_count; i++) {
            if (app->current->config.ports[i].address.port == port->address.port)
                return app;
        }
    }
    return NULL;
}

/* Who of other programs has it? Searched once for each failure, and not for many at once. */
static bool
find_owner(const struct app *app, uint16_t port, char *owner, size_t owner_bytes)
{
    struct port_owner_pace *pace = &app->supervisor->owner_pace;
    uint64_t began_ms = clock_monotonic_ms();
    bool found;

    if (app->failure == -EADDRINUSE || !port_owner_may_search(pace, began_ms))
        return false;
    found = port_owner_find(port, owner, owner_bytes);
    port_owner_searched(pace, began_ms, clock_monotonic_ms());
    return found;
}

static void
fail_in_use(struct app *app, const struct app_listen *port, const char *name)
{
    char owner[80], reason[APP_REASON_BYTES];
    const struct app *holder = port_holder(app, port);

    if (holder != NULL)
        snprintf(reason, sizeof reason, "port %s is in use by app %s", name, holder->name);
    else if (find_owner(app, port->address.port, owner, sizeof owner))
        snprintf(reason, sizeof reason, "port %s is in use by %s", name, owner);
    else
        snprintf(reason, sizeof reason, "port %s is in use", name);
    fail(app, -EADDRINUSE, reason);
}

static void
fail_bind(struct app *app, int rc, uint32_t port_index)
{
    const struct app_config *config = &app->current->config;
    char port[ADDRESS_TEXT_BYTES], reason[APP_REASON_BYTES];

    port_text(&config->ports[port_index], port);
    if (rc == -EADDRINUSE) {
        fail_in_use(app, &config->ports[port_index], port);
        return;
    }
    if (rc == -EMFILE || rc == -ENFILE)
        snprintf(reason, sizeof reason,
                 "no descriptor is left for port %s: %u ports are asked for, the limit is "
                 "%" PRIu64 " descriptors (ulimit -n, LimitNOFILE)",
                 port, config->port_count, app->supervisor->descriptors_max);
    else if (rc == -EACCES)
        snprintf(reason, sizeof reason,
                 "port %s may not be bound: that takes root or CAP_NET_BIND_SERVICE", port);
    else
        snprintf(reason, sizeof reason, "port %s cannot be bound: %s", port, strerror(-rc));
    fail(app, rc, reason);
}

/* ---- the way to serving ---- */

static int
open_listeners(struct app *app, uint32_t *failed_port)
{
    struct supervisor *supervisor = app->supervisor;
    struct app_generation *generation = app->current;
    const struct app_config *config = &generation->config;
    uint32_t per_port;

    generation->threads = supervisor_threads(supervisor, config->threads);
    per_port = listeners_per_port(generation->threads, supervisor->descriptors_max,
                                  supervisor->port_count);
    return listeners_open(&generation->listeners, config->ports, config->port_count, per_port,
                          config->user_timeout_ms, failed_port);
}

/* No worker runs: one is started after a while. Returns that while. */
static uint32_t
await_worker(struct app *app, uint64_t started_at_ms, const char *why)
{
    uint32_t delay_ms = restart_delay(&app->restart, started_at_ms, clock_monotonic_ms());

    app_enter(app, APP_RESTARTING);
    app_arm(app, delay_ms);
    if (!app->served)
        rollout_close(app, "failed", why);
    supervisor_announce(app->supervisor);
    return delay_ms;
}

static void
start_worker(struct app *app)
{
    char why[APP_REASON_BYTES];
    int rc = worker_link_start(app);

    if (rc == 0) {
        app_enter(app, APP_LOADING);
        app_arm(app, LOAD_MAX_MS);
        return;
    }
    snprintf(why, sizeof why, "no worker can be started: %s", strerror(-rc));
    log_error(app->name, "%s", why);
    await_worker(app, clock_monotonic_ms(), why);
}

void
rollout_begin(struct app *app)
{
    struct app_generation *generation = app->current;
    char reason[APP_REASON_BYTES];
    uint32_t failed_port;
    int rc;

    assert(generation != NULL);
    assert(generation->pages == NULL);
    app->begun_at_ms = clock_monotonic_ms();
    if (!app->held_back && app->rollout.outcome[0] == '\0')
        rollout_open(app);
    rc = open_listeners(app, &failed_port);
    if (rc < 0) {
        fail_bind(app, rc, failed_port);
        return;
    }
    rc = pages_create(app->supervisor->runtime_fd, generation, ++app->pages_last,
                      generation_slots(&generation->config), &generation->pages);
    if (rc < 0) {
        snprintf(reason, sizeof reason, "no board can be made in the runtime directory: %s",
                 strerror(-rc));
        fail(app, rc, reason);
        return;
    }
    prober_link_load(app);
    start_worker(app);
}

static void
accept_clients(struct app *app)
{
    struct supervisor *supervisor = app->supervisor;
    bool ready = readiness_reached(&app->health, app->current->config.ready_min_available);
    char ports[128];

    if (worker_link_accept(app) < 0)
        return;                     /* it has ended; its end is on its way */
    app_enter(app, APP_SERVING);
    app->failure = 0;
    app->retry_ms = 0;
    if (app->served) {
        log_info(app->name, "serves again");
        return;
    }
    app->served = true;
    record_good(app);
    rollout_close(app, "done", ready ? "" : "not_ready");
    event_write(supervisor, ready ? LOG_INFO : LOG_WARN, app->name, "app_serving",
                "serves on %s, generation %u, %u of %u endpoints available, after %" PRIu64
                " ms%s",
                ports_text(app->current->config.ports, app->current->config.port_count, ports,
                           sizeof ports),
                app->current->number, app->health.available, app->health.total,
                clock_monotonic_ms() - app->begun_at_ms, ready ? "" : ": not ready");
    supervisor_announce(supervisor);
}

/* In APP_WAITING: accept now, or when the time is up. */
static void
consider_accepting(struct app *app)
{
    const struct app_config *config = &app->current->config;
    uint64_t waited_ms = clock_monotonic_ms() - app->begun_at_ms;

    assert(app->state == APP_WAITING);
    if (app->served || readiness_may_accept(&app->health, config->ready_min_available,
                                            waited_ms, config->ready_timeout_ms))
        accept_clients(app);
    else
        app_arm(app, config->ready_timeout_ms - waited_ms);
}

void
rollout_timer(struct app *app)
{
    switch (app->state) {
    case APP_FAILED:
        if (app->worker != NULL)
            app_arm(app, WORKER_ENDS_MS);
        else
            rollout_begin(app);
        break;
    case APP_LOADING:
        log_error(app->name, "the worker (pid %d) has not loaded in %d s: it is killed",
                  (int)app->worker->pid, LOAD_MAX_MS / 1000);
        child_signal(app->worker, SIGKILL);
        break;
    case APP_WAITING:
        consider_accepting(app);
        break;
    case APP_RESTARTING:
        start_worker(app);
        break;
    default:
        break;
    }
}

/* ---- what the processes tell ---- */

void
rollout_worker_loaded(struct app *app)
{
    if (app->state != APP_LOADING)
        return;
    app_enter(app, APP_WAITING);
    worker_link_send_board(app);
    consider_accepting(app);
}

void
rollout_worker_refused(struct app *app, const char *why)
{
    char reason[APP_REASON_BYTES];

    if (app->state != APP_LOADING)
        return;
    snprintf(reason, sizeof reason, "the worker cannot load it: %s", why);
    if (app->served) {              /* its sockets stay open for the next worker */
        log_error(app->name, "%s", reason);
        child_signal(app->worker, SIGTERM);
        return;
    }
    fail(app, -EPROTO, reason);
}

void
rollout_worker_ended(struct app *app, const struct child_end *end, int pid,
                     uint64_t started_at_ms)
{
    struct supervisor *supervisor = app->supervisor;
    char text[64], why[APP_REASON_BYTES];
    uint32_t delay_ms;

    assert(app->worker == NULL);
    if (app->state == APP_STOPPING) {
        if (end->exit_code != 0)
            log_warn(app->name, "its worker (pid %d) ended with %s", pid,
                     child_end_text(end, text, sizeof text));
        app_enter(app, APP_STOPPED);
        shutdown_continue(supervisor);
        return;
    }
    if (app->state == APP_FAILED)
        return;                     /* we ended it; the retry is armed */
    child_end_text(end, text, sizeof text);
    snprintf(why, sizeof why, "the worker ended before it served: %s", text);
    delay_ms = await_worker(app, started_at_ms, why);
    event_write(supervisor, LOG_ERROR, app->name, "worker_ended",
                "its worker (pid %d) ended with %s; another starts in %u ms", pid, text,
                delay_ms);
    store_write_crash(supervisor->store, clock_wall_ms(), "worker", app->name, pid, end->signal,
                      end->exit_code, delay_ms);
}

void
rollout_health(struct app *app)
{
    if (app->state == APP_WAITING)
        consider_accepting(app);
}

void
rollout_prober_refused(struct app *app, const char *why)
{
    char reason[APP_REASON_BYTES];

    snprintf(reason, sizeof reason, "the prober cannot load it: %s", why);
    if (!app->served && (app->state == APP_LOADING || app->state == APP_WAITING))
        fail(app, -EPROTO, reason);
    else
        event_write(app->supervisor, LOG_ERROR, app->name, "prober_refused", "%s", reason);
}
