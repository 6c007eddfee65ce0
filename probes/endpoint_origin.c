/* The board, another generation, the database, `initial`: in this order. */
#include "probes/endpoint_origin.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "probes/board_writer.h"
#include "probes/ejection.h"
#include "probes/endpoint.h"
#include "probes/endpoint_policy.h"
#include "probes/prober_app.h"
#include "probes/prober_priv.h"
#include "probes/recall.h"

static void
begin_check(struct check *check, enum endpoint_state state, enum reason reason)
{
    health_init(&check->health, state, reason, clock_monotonic_ms());
    /* Whatever worked has started. */
    if (check->of->config->role == PROBE_STARTUP && state == ENDPOINT_AVAILABLE)
        check->health.successes = 1;
}

/* All its checks begin with this. */
static void
begin(struct endpoint *endpoint, enum endpoint_state state, enum reason reason)
{
    endpoint->probed_reason = reason;
    endpoint->was_down = state == ENDPOINT_UNAVAILABLE;
    for (uint32_t i = 0; i < endpoint->check_count; i++)
        begin_check(&endpoint->checks[i], state, reason);
}

/* The database knows the wall clock only; one that was set back since ages nothing. */
static struct flap
seeded_flap(const struct seed *seed, int64_t wall_ms)
{
    int64_t age_ms = MAX(wall_ms - seed->penalty_at_ms, 0);

    return flap_resume(seed->penalty, (int64_t)clock_monotonic_ms() - age_ms, false);
}

static void
set_initial(struct endpoint *endpoint)
{
    struct prober_app *app = endpoint->target->app;
    enum app_initial initial = app->config.initial;
    int64_t wall_ms = clock_wall_ms();
    struct seed seed;
    bool known = endpoint->address.family != 0 &&
                 seeds_take(app->prober->seeds, app->config.name,
                            endpoint->target->config->name, &endpoint->address,
                            wall_ms, &seed);

    if (known)
        endpoint->flap = seeded_flap(&seed, wall_ms);
    endpoint->first_done = endpoint->check_count == 0 && endpoint->address.family != 0;
    if (endpoint->check_count == 0) {
        endpoint->probed_reason = endpoint->address.family != 0 ? REASON_INITIAL : REASON_NONE;
    } else if (initial != APP_INITIAL_HISTORY) {
        begin(endpoint, initial == APP_INITIAL_UP ? ENDPOINT_AVAILABLE : ENDPOINT_UNAVAILABLE,
              REASON_INITIAL);
    } else if (known) {
        begin(endpoint, seed.state, REASON_HISTORY);
        endpoint->since_ms = seed.since_ms;
    } else {
        begin(endpoint, ENDPOINT_UNKNOWN, REASON_NONE);
    }
}

static void
take_last(struct last_probe *to, const struct last_probe *from)
{
    *to = *from;
    to->detail = NULL;
    if (from->detail != NULL)
        last_probe_set_detail(to, from->detail);
}

/* What a check did is what it goes on from. */
static void
go_on(struct check *check, const struct health *health, const struct last_probe *last,
      bool first_done, uint64_t due_ms)
{
    uint32_t interval_ms = check->of->policy.interval_ms;

    check->health = *health;
    check->health.down_interval_ms =
        MIN(health->down_interval_ms, MAX(HEALTH_DOWN_INTERVAL_MAX_MS, interval_ms));
    check->first_done = first_done;
    check->due_ms = first_done ? due_ms : 0;
    check->log.last_outcome = last->outcome;
    if (last->outcome == REASON_OK)
        check->log.kept_success_ms = last->at_ms;   /* or a little earlier */
}

/* ---- another generation of the app ---- */

static const struct check *
find_same(const struct endpoint *twin, const struct check *check)
{
    for (uint32_t i = 0; i < twin->check_count; i++) {
        const struct check *other = &twin->checks[i];

        if (app_probe_same_check(other->of->config, check->of->config) &&
            strcmp(app_probe_title(other->of->config), app_probe_title(check->of->config)) == 0)
            return other;
    }
    return NULL;
}

/* What another probe found to work is not known to work for this one, and a rollout waits for its
 * first; what it found to be down is no better for being asked in another way. */
static void
begin_anew(struct check *check, const struct endpoint *twin)
{
    bool down = health_seed_state(twin->probed) == ENDPOINT_UNAVAILABLE;

    begin_check(check, down ? ENDPOINT_UNAVAILABLE : ENDPOINT_UNKNOWN,
                down ? REASON_HISTORY : REASON_NONE);
}

static void
inherit_check(struct check *check, const struct endpoint *twin)
{
    const struct check *same = find_same(twin, check);

    if (same == NULL) {
        begin_anew(check, twin);
        return;
    }
    take_last(&check->last, &same->last);
    go_on(check, &same->health, &same->last, same->first_done, same->due_ms);
}

static void
inherit(struct endpoint *endpoint)
{
    const struct prober_app *app = endpoint->target->app;
    const struct endpoint *twin = prober_app_twin(app, endpoint->target, &endpoint->address);

    if (twin == NULL)
        return;
    endpoint->id = twin->id;
    endpoint->flap = twin->flap;
    if (endpoint->address.family == 0)
        return;
    endpoint->worked_ms = twin->worked_ms;
    ejection_resume(endpoint, &twin->eject);
    if (endpoint->check_count == 0 || twin->check_count == 0)
        return;
    endpoint->must_prove = endpoint->must_prove || (twin->must_prove && !endpoint_proven(twin));
    endpoint->was_down = twin->was_down;
    for (uint32_t i = 0; i < endpoint->check_count; i++)
        inherit_check(&endpoint->checks[i], twin);
    if (find_same(twin, &endpoint->checks[0]) == NULL)
        return;
    endpoint->first_done = twin->first_done;
    endpoint->since_ms = twin->since_ms;
    endpoint->warm_since_ms = twin->warm_since_ms;
    endpoint->probed_reason = twin->probed_reason;
    endpoint->connect_us = twin->connect_us;
    endpoint->passed_start_ms = twin->passed_start_ms;
    endpoint->failed_start_ms = twin->failed_start_ms;
}

/* ---- the board of an earlier prober ---- */

/* The machine may have been started anew since: no instant lies ahead. */
static uint64_t
no_later(uint64_t instant_ms, uint64_t now_ms)
{
    return instant_ms <= now_ms ? instant_ms : 0;
}

static enum endpoint_state
recall_state(const struct board_detail *detail)
{
    return detail->probed_state < ENDPOINT_STATES ? (enum endpoint_state)detail->probed_state
                                                  : ENDPOINT_UNKNOWN;
}

static enum reason
recall_reason(const struct board_detail *detail)
{
    return detail->probed_reason < REASONS ? (enum reason)detail->probed_reason : REASON_NONE;
}

static struct flap
recall_flap(const struct board_detail *detail)
{
    struct flap flap = flap_resume(detail->penalty, detail->penalty_at_ms,
                                   detail->flags & BOARD_FLAPPING);

    if (flap.changes > 0)
        flap.changes = MAX(detail->flap_changes, 1);
    return flap;
}

static struct health
recall_health(const struct board_detail *detail, uint64_t now_ms)
{
    enum endpoint_state state = recall_state(detail);

    return (struct health){
        .state = state == ENDPOINT_DEGRADED ? ENDPOINT_AVAILABLE : state,
        .reason = recall_reason(detail),
        .successes = detail->successes,
        .failures = detail->failures,
        .probed = detail->successes > 0 || detail->failures > 0,
        .down_since_ms = no_later(detail->down_since_ms, now_ms),
        .down_interval_ms = detail->down_interval_ms,
        .results = detail->results,
        .result_count = MIN(detail->result_count, HEALTH_WINDOW_MAX),
        .degraded = detail->flags & BOARD_DEGRADED,
    };
}

/* The text stays the board's. */
static struct last_probe
recall_last(const struct board_detail *detail)
{
    return (struct last_probe){
        .outcome = detail->probe_outcome < REASONS ? detail->probe_outcome : REASON_NONE,
        .lag_ms = detail->probe_lag_ms,
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

/* The board tells of one check, the others are as the endpoint is: nothing turns because of it. */
static void
recall_others(struct endpoint *endpoint, const struct board_detail *detail)
{
    enum endpoint_state state = health_seed_state(recall_state(detail));

    begin(endpoint, state, recall_reason(detail));
    for (uint32_t i = 0; i < endpoint->check_count; i++) {
        endpoint->checks[i].health.probed = detail->first_done;
        endpoint->checks[i].health.degraded = recall_state(detail) == ENDPOINT_DEGRADED;
        if (state == ENDPOINT_UNAVAILABLE)  /* a window begins with what led there */
            endpoint->checks[i].health.result_count = HEALTH_WINDOW_MAX;
        endpoint->checks[i].first_done = detail->first_done;
    }
}

/* The check that the board tells of; NULL: there is none of this name any more. */
static struct check *
find_titled(struct endpoint *endpoint, const char *title)
{
    for (uint32_t i = 0; i < endpoint->check_count; i++) {
        struct check *check = &endpoint->checks[i];

        if (strncmp(app_probe_title(check->of->config), title,
                    sizeof ((struct board_detail *)0)->probe_kind - 1) == 0)
            return check;
    }
    return NULL;
}

static void
recall_probed(struct endpoint *endpoint, const struct board_detail *detail)
{
    const struct board_pulse *pulse =
        board_pulse(endpoint->target->app->writer.board, endpoint->slot);
    struct check *check = find_titled(endpoint, detail->probe_kind);
    struct last_probe last = recall_last(detail);
    uint64_t now_ms = clock_monotonic_ms();
    struct health health = recall_health(detail, now_ms);

    endpoint->since_ms = detail->since_ms;
    endpoint->flap = recall_flap(detail);
    endpoint->warm_since_ms = detail->warm_since_ms;
    endpoint->connect_us = atomic_load_explicit(&pulse->connect_us, memory_order_relaxed);
    endpoint->passed_start_ms = pulse_ms(&pulse->passed_start_ms, now_ms);
    endpoint->failed_start_ms = pulse_ms(&pulse->failed_start_ms, now_ms);
    if (check == NULL) {
        begin(endpoint, health_seed_state(health.state), REASON_HISTORY);
        take_last(&endpoint->checks[0].last, &last);
        return;
    }
    endpoint->first_done = detail->first_done;
    take_last(&check->last, &last);
    if (endpoint->check_count > 1) {
        recall_others(endpoint, detail);
        check->due_ms = detail->first_done ? detail->due_ms : 0;
        return;
    }
    endpoint->probed_reason = health.reason;
    go_on(check, &health, &last, detail->first_done, detail->due_ms);
}

static void
recall(struct endpoint *endpoint, const struct board_detail *detail)
{
    struct last_probe last = recall_last(detail);
    struct eject eject = recall_eject(detail);
    bool was_probed = strcmp(detail->probe_kind, "none") != 0;

    endpoint->id = detail->id;
    board_writer_keep_slot(endpoint);
    endpoint->leaving = detail->flags & BOARD_LEAVING;
    endpoint->leave_ms = endpoint->leaving ? clock_monotonic_ms() : 0;
    if (endpoint->address.family == 0) {        /* the resolver tells the rest */
        endpoint->since_ms = detail->since_ms;
        endpoint->probed_reason = recall_reason(detail);
        take_last(&endpoint->lookup, &last);
        return;
    }
    endpoint->worked_ms = no_later(detail->worked_ms, clock_monotonic_ms());
    ejection_resume(endpoint, &eject);
    if (endpoint->check_count == 0 && !was_probed)
        endpoint->since_ms = detail->since_ms;
    else if (endpoint->check_count > 0 && was_probed)
        recall_probed(endpoint, detail);
}

void
endpoint_origin(struct endpoint *endpoint)
{
    struct prober_app *app = endpoint->target->app;
    const struct board_detail *detail =
        recall_take(app, endpoint->target, &endpoint->address, &endpoint->slot);

    set_initial(endpoint);
    if (detail != NULL)
        recall(endpoint, detail);
    else
        inherit(endpoint);
    if (endpoint->id == 0)
        endpoint->id = app->family->next_id++;
    board_set_next_id(app->writer.board, app->family->next_id);
}
