/* The board, another generation, the database, `initial`: in this order. */
#include "probes/endpoint_origin.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "probes/board_writer.h"
#include "probes/ejection.h"
#include "probes/endpoint.h"
#include "probes/prober_app.h"
#include "probes/recall.h"

/* What was known of it elsewhere. */
struct past {
    bool same_probe;                /* of the same kind as the app's is now */
    bool first_done;
    struct health health;
    int64_t since_ms;
    struct last_probe last;         /* its detail is not our own */
    uint32_t connect_us;
    uint64_t passed_start_ms, failed_start_ms, due_ms;
};

static void
set_initial(struct endpoint *endpoint)
{
    struct prober_app *app = endpoint->target->app;
    enum app_initial initial = app->config.initial;
    enum endpoint_state state = ENDPOINT_UNKNOWN;
    enum reason reason = REASON_NONE;
    struct seed seed;
    bool known = endpoint->address.family != 0 &&
                 seeds_take(app->prober->seeds, app->config.name,
                            endpoint->target->config->name, &endpoint->address,
                            clock_wall_ms(), &seed);

    if (endpoint->address.family == 0) {
        state = ENDPOINT_UNRESOLVED;
    } else if (app->ops == NULL) {
        state = ENDPOINT_AVAILABLE;
        reason = REASON_INITIAL;
    } else if (initial != APP_INITIAL_HISTORY) {
        state = initial == APP_INITIAL_UP ? ENDPOINT_AVAILABLE : ENDPOINT_UNAVAILABLE;
        reason = REASON_INITIAL;
    } else if (known) {
        state = seed.state;
        reason = REASON_HISTORY;
        endpoint->since_ms = seed.since_ms;
    }
    endpoint->first_done = app->ops == NULL && endpoint->address.family != 0;
    health_init(&endpoint->health, state, reason, clock_monotonic_ms());
}

static void
take_last(struct endpoint *endpoint, const struct last_probe *last)
{
    assert(endpoint->last.detail == NULL);
    endpoint->last = *last;
    endpoint->last.detail = NULL;
    if (last->detail != NULL)
        endpoint_set_detail(endpoint, last->detail);
}

/* True when its probes go on. */
static bool
take_over(struct endpoint *endpoint, const struct past *past)
{
    uint32_t interval_ms = endpoint->target->app->policy.interval_ms;

    endpoint->since_ms = past->since_ms;
    endpoint->connect_us = past->connect_us;
    endpoint->passed_start_ms = past->passed_start_ms;
    endpoint->failed_start_ms = past->failed_start_ms;
    take_last(endpoint, &past->last);
    if (!past->same_probe) {
        health_init(&endpoint->health, health_seed_state(past->health.state), REASON_HISTORY,
                    clock_monotonic_ms());
        return false;
    }
    endpoint->health = past->health;
    endpoint->health.down_interval_ms = MIN(past->health.down_interval_ms,
                                            MAX(HEALTH_DOWN_INTERVAL_MAX_MS, interval_ms));
    endpoint->first_done = past->first_done;
    endpoint->due_ms = past->due_ms;
    endpoint->log.last_outcome = past->last.outcome;
    if (past->last.outcome == REASON_OK)
        endpoint->log.kept_success_ms = past->last.at_ms;   /* or a little earlier */
    return past->first_done;
}

/* ---- another generation of the app ---- */

/* What the one finds is what the other one would. */
static bool
same_probe(const struct app_probe *a, const struct app_probe *b)
{
    return strcmp(a->kind, b->kind) == 0 && a->port == b->port &&
           address_equal(&a->address, &b->address) && steps_equal(&a->steps, &b->steps);
}

/* What another probe found to work is not known to work for this one, and a rollout waits for its
 * first; what it found to be down is no better for being asked in another way. */
static void
begin_anew(struct endpoint *endpoint, const struct endpoint *twin)
{
    bool down = health_seed_state(twin->health.state) == ENDPOINT_UNAVAILABLE;

    health_init(&endpoint->health, down ? ENDPOINT_UNAVAILABLE : ENDPOINT_UNKNOWN,
                down ? REASON_HISTORY : REASON_NONE, clock_monotonic_ms());
}

static bool
inherit(struct endpoint *endpoint)
{
    const struct prober_app *app = endpoint->target->app;
    const struct endpoint *twin = prober_app_twin(app, endpoint->target, &endpoint->address);
    struct past past;

    if (twin == NULL)
        return false;
    endpoint->id = twin->id;
    if (endpoint->address.family == 0)
        return false;
    endpoint->worked_ms = twin->worked_ms;
    ejection_resume(endpoint, &twin->eject);
    if (app->ops == NULL || twin->target->app->ops == NULL)
        return false;
    if (!same_probe(&twin->target->app->config.probe, &app->config.probe)) {
        begin_anew(endpoint, twin);
        return false;
    }
    past = (struct past){
        .same_probe = true,
        .first_done = twin->first_done,
        .health = twin->health,
        .since_ms = twin->since_ms,
        .last = twin->last,
        .connect_us = twin->connect_us,
        .passed_start_ms = twin->passed_start_ms,
        .failed_start_ms = twin->failed_start_ms,
        .due_ms = twin->due_ms,
    };
    return take_over(endpoint, &past);
}

/* ---- the board of an earlier prober ---- */

/* The machine may have been started anew since: no instant lies ahead. */
static uint64_t
no_later(uint64_t instant_ms, uint64_t now_ms)
{
    return instant_ms <= now_ms ? instant_ms : 0;
}

static struct health
recall_health(const struct board_detail *detail, uint64_t now_ms)
{
    bool known = detail->health_state < ENDPOINT_STATES && detail->health_reason < REASONS;

    return (struct health){
        .state = known ? (enum endpoint_state)detail->health_state : ENDPOINT_UNKNOWN,
        .reason = known ? (enum reason)detail->health_reason : REASON_NONE,
        .successes = detail->successes,
        .failures = detail->failures,
        .probed = detail->successes > 0 || detail->failures > 0,
        .down_since_ms = no_later(detail->down_since_ms, now_ms),
        .down_interval_ms = detail->down_interval_ms,
    };
}

/* The text stays the board's. */
static struct last_probe
recall_last(const struct board_detail *detail)
{
    return (struct last_probe){
        .outcome = detail->probe_outcome < REASONS ? (enum reason)detail->probe_outcome
                                                   : REASON_NONE,
        .duration_us = detail->probe_duration_us,
        .at_ms = detail->probe_at_ms,
        .next_ms = detail->probe_next_ms,
        .detail = (char *)detail->probe_detail,
    };
}

static struct eject
recall_eject(const struct board_detail *detail)
{
    return (struct eject){
        .until_ms = detail->eject_until_ms,
        .changed_ms = detail->eject_changed_ms,
        .count = detail->eject_count,
        .failures = detail->eject_failures,
        .flags = detail->eject_flags,
    };
}

static uint64_t
pulse_ms(const _Atomic uint64_t *instant_ms, uint64_t now_ms)
{
    return no_later(atomic_load_explicit(instant_ms, memory_order_relaxed), now_ms);
}

static bool
go_on(struct endpoint *endpoint, const struct board_detail *detail)
{
    const struct prober_app *app = endpoint->target->app;
    const struct board_pulse *pulse = board_pulse(app->writer.board, endpoint->slot);
    uint64_t now_ms = clock_monotonic_ms();
    struct past past = {
        .same_probe = strcmp(detail->probe_kind, app->config.probe.kind) == 0,
        .first_done = detail->first_done,
        .health = recall_health(detail, now_ms),
        .since_ms = detail->since_ms,
        .last = recall_last(detail),
        .connect_us = atomic_load_explicit(&pulse->connect_us, memory_order_relaxed),
        .passed_start_ms = pulse_ms(&pulse->passed_start_ms, now_ms),
        .failed_start_ms = pulse_ms(&pulse->failed_start_ms, now_ms),
        .due_ms = detail->due_ms,
    };

    return take_over(endpoint, &past);
}

static bool
recall(struct endpoint *endpoint, const struct board_detail *detail)
{
    struct prober_app *app = endpoint->target->app;
    struct last_probe last = recall_last(detail);
    struct eject eject = recall_eject(detail);
    bool was_probed = strcmp(detail->probe_kind, "none") != 0;

    endpoint->id = detail->id;
    board_writer_keep_slot(endpoint);
    if (endpoint->address.family == 0) {        /* the resolver tells the rest */
        endpoint->since_ms = detail->since_ms;
        endpoint->health.reason = recall_health(detail, 0).reason;
        take_last(endpoint, &last);
        return false;
    }
    endpoint->worked_ms = no_later(detail->worked_ms, clock_monotonic_ms());
    ejection_resume(endpoint, &eject);
    if (app->ops == NULL || !was_probed) {
        if (app->ops == NULL && !was_probed)
            endpoint->since_ms = detail->since_ms;
        return false;
    }
    return go_on(endpoint, detail);
}

bool
endpoint_origin(struct endpoint *endpoint)
{
    struct prober_app *app = endpoint->target->app;
    const struct board_detail *detail =
        recall_take(app, endpoint->target, &endpoint->address, &endpoint->slot);
    bool goes_on;

    set_initial(endpoint);
    goes_on = detail != NULL ? recall(endpoint, detail) : inherit(endpoint);
    if (endpoint->id == 0)
        endpoint->id = app->family->next_id++;
    board_set_next_id(app->writer.board, app->family->next_id);
    return goes_on;
}
