#include "proxy/supervisor/commit.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/supervisor/acquire.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/follow.h"
#include "proxy/supervisor/holds.h"
#include "proxy/supervisor/journal.h"
#include "proxy/supervisor/leaving.h"
#include "proxy/supervisor/ports.h"
#include "proxy/supervisor/prober_link.h"
#include "proxy/supervisor/serve.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/worker_link.h"

/* Whose clients come to a port that this generation had: nobody's, until somebody else says
 * so. */
static void
let_go_of_ports(struct app_generation *generation)
{
    for (uint32_t i = 0; generation->ports != NULL && i < generation->config.port_count; i++) {
        if (generation->ports[i]->holder == generation->app)
            generation->ports[i]->holder = NULL;
    }
}

/* `old` was current until now. */
static void
let_leave(struct app_generation *old, const struct app_generation *new)
{
    bool shares_board = old->pages != NULL && old->pages->board == new->pages->board;

    if (!shares_board)
        prober_link_unload(old);
    if (old->worker == NULL || old->load == LOAD_NONE || old->worker->child == NULL) {
        struct worker *worker = old->worker;

        generation_destroy(old);
        if (worker != NULL)
            worker_release(worker);
        return;
    }
    old->stays = old->worker != new->worker;
    if (old->stays)
        worker_link_retire(old, new->config.handover_timeout_ms);
    leaving_begin(old);
    if (old->worker != new->worker)
        leaving_ports_closed(old->app, old->worker);    /* its copies alone are closed */
    else
        leaving_overlaps_closed(old);
}

static void
enter_serving(struct app *app)
{
    static const enum app_state way[] = { APP_LOADING, APP_WAITING, APP_SERVING };

    for (size_t i = 0; app->state != APP_SERVING && i < ARRAY_SIZE(way); i++) {
        if (app_state_allows(app->state, way[i]))
            app_enter(app, way[i]);
    }
    app->served = true;
    app->failure = 0;
    app->retry_ms = 0;
}

static void
tell(struct app *app, bool hand_over, bool ready)
{
    const struct app_generation *generation = app->current;
    char ports[128];

    if (hand_over) {
        event_write(app->supervisor, LOG_INFO, app->name, "handed_over",
                    "worker %s (pid %d) has taken over; connections stay with the old one",
                    generation->worker->name, (int)generation->worker->child->pid);
        return;
    }
    event_write(app->supervisor, ready ? LOG_INFO : LOG_WARN, app->name, "app_updated",
                "serves on %s with generation %u, %u of %u endpoints available, after %" PRIu64
                " ms%s",
                ports_text(generation->config.ports, generation->config.port_count, ports,
                           sizeof ports),
                generation->number, app->health.available, app->health.total,
                clock_monotonic_ms() - app->begun_at_ms, ready ? "" : ": not ready");
}

/* Another worker than before, or other threads: what runs is handed over afterwards. */
static void
note_worker(struct supervisor *supervisor, const struct app_generation *old,
            const struct app_generation *new)
{
    if (old->config.threads != new->config.threads ||
        strcmp(old->config.worker, new->config.worker) != 0)
        supervisor->workers_unsettled = true;
}

static void
promote(struct app *app, bool hand_over)
{
    struct app_generation *old = app->current, *new = app->next;
    bool ready, told;

    app->current = new;
    app->next = NULL;
    if (!hand_over)
        app->health = app->next_health;
    app->next_health = (struct control_health){ 0 };
    if (!hand_over)
        app->grow_to = 0;
    if (old != NULL)
        let_go_of_ports(old);
    acquire_hold_ports(app);
    /* A worker that has just ended loads it as soon as there is another one. */
    told = worker_link_accept(new, new->config.drain_timeout_ms) == 0;
    new->loaded_before = true;
    if (hand_over)
        prober_link_traffic(new);
    if (old != NULL) {
        note_worker(app->supervisor, old, new);
        let_leave(old, new);
    }
    follow_current(app);
    ready = readiness_reached(&app->health, new->config.ready_min_available);
    if (!hand_over) {
        journal_good(app);
        journal_close(app, "done", ready ? "" : "not_ready");
    }
    tell(app, hand_over, ready);
    if (!hand_over) {
        app->refused.stepping_back = false;
        if (!app->refused.pinned)
            app_forget_refused(app);
    }
    prober_link_grow(app);
    holds_tell(app);
    if (told)                       /* last: who waits for the end of it looks at all this */
        enter_serving(app);
}

void
commit_group(struct supervisor *supervisor, struct app **members, size_t count, bool hand_over)
{
    supervisor_hush(supervisor);
    for (size_t i = 0; i < count; i++) {
        if (members[i]->next != NULL)
            promote(members[i], hand_over);
    }
    for (size_t i = 0; i < count; i++) {
        if (members[i]->removed && members[i]->current != NULL)
            commit_removal(members[i]);
        else
            app_settle(members[i]);
    }
    supervisor_speak(supervisor);
}

/* ---- the end of an app ---- */

void
commit_drop_current(struct app *app)
{
    struct app_generation *generation = app->current;
    struct worker *worker = generation->worker;

    if (generation->load != LOAD_NONE)
        worker_link_drain(generation, 0);
    prober_link_unload(generation);
    let_go_of_ports(generation);
    app->current = NULL;
    app->health = (struct control_health){ 0 };
    if (app->state == APP_LOADING || app->state == APP_WAITING || app->state == APP_RESTARTING)
        app_enter(app, APP_FAILED);
    app_disarm(app);
    app->supervisor->closed_ports_at_ms = clock_monotonic_ms();
    generation_assign(generation, NULL);
    generation_release(generation);
    if (worker != NULL)
        worker_release(worker);
}

static void
drain_current(struct app *app)
{
    struct app_generation *old = app->current;

    let_go_of_ports(old);
    prober_link_unload(old);
    app->current = NULL;
    app->health = (struct control_health){ 0 };
    if (old->load == LOAD_NONE || old->worker->child == NULL) {
        struct worker *worker = old->worker;

        generation_destroy(old);
        if (worker != NULL)
            worker_release(worker);
        return;
    }
    /* The worker accepts what its sockets' queues still hold, so ours close after it was told. */
    worker_link_drain(old, old->config.drain_timeout_ms);
    leaving_begin(old);
    leaving_ports_closed(app, old->worker);
    app->supervisor->closed_ports_at_ms = clock_monotonic_ms();
}

/* What an earlier hand-over left with the old worker had time without end; not any more. */
static void
drain_leaving(struct app *app)
{
    struct app_generation *leaving;

    LIST_FOREACH(leaving, &app->leaving, of_app) {
        leaving->stays = false;
        worker_link_drain(leaving, leaving->config.drain_timeout_ms);
    }
}

void
commit_removal(struct app *app)
{
    struct supervisor *supervisor = app->supervisor;
    uint64_t left = app_connections(app);

    assert(app->removed);
    supervisor_hush(supervisor);
    if (!app_rollout_is_open(&app->rollout)) {
        app->begun_at_ms = clock_monotonic_ms();
        journal_open(app, 0);
    }
    drain_leaving(app);
    if (app->current != NULL)
        drain_current(app);
    journal_close(app, "done", "");
    store_forget_app(supervisor->store, app->name, clock_wall_ms());
    event_write(supervisor, LOG_INFO, app->name, "app_removed",
                "is no longer configured: its ports are closed, %" PRIu64
                " connections have time to end",
                left);
    app->good_generation = 0;
    app_enter(app, APP_STOPPING);
    serve_left(app);
    supervisor_speak(supervisor);
}
