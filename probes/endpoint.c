/* One address of a target: its probes, its state, and what is told of both. */
#include "probes/endpoint.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "probes/admin.h"
#include "probes/board_writer.h"
#include "probes/choose.h"
#include "probes/combine.h"
#include "probes/ejection.h"
#include "probes/endpoint_origin.h"
#include "probes/endpoint_policy.h"
#include "probes/endpoint_policy.h"
#include "probes/endpoint_records.h"
#include "probes/evidence.h"
#include "probes/prober_priv.h"
#include "probes/prober_target.h"
#include "probes/standing.h"
#include "probes/verdict.h"

enum {
    CHECKS_MAX = APP_PROBES_MAX + 1,    /* those of `probes`, and that of `probe` */
    HURRY_INTERVAL_MS = 250,            /* between probes that evidence started */
    WARN_INTERVAL_MS = 24 * 60 * 60 * 1000,
};

const struct check *
endpoint_because(const struct endpoint *endpoint)
{
    return endpoint->check_count == 0 ? NULL : &endpoint->checks[endpoint->because];
}

/* ---- its state ---- */

static uint32_t
take_parts(const struct endpoint *endpoint, struct combine_part *parts)
{
    for (uint32_t i = 0; i < endpoint->check_count; i++) {
        const struct check *check = &endpoint->checks[i];

        parts[i] = (struct combine_part){
            .startup = check->of->config->role == PROBE_STARTUP,
            .passed = check->health.successes > 0,
            .state = check->health.degraded && check->health.state == ENDPOINT_AVAILABLE
                         ? ENDPOINT_DEGRADED : check->health.state,
        };
    }
    return endpoint->check_count;
}

/* What its probes say; one that has none works until traffic says otherwise. */
static enum endpoint_state
weigh(struct endpoint *endpoint)
{
    struct combine_part parts[CHECKS_MAX];
    uint32_t count = take_parts(endpoint, parts);
    struct combined combined;

    if (count == 0)
        return endpoint->address.family != 0 ? ENDPOINT_AVAILABLE : ENDPOINT_UNRESOLVED;
    combined = combine(parts, count, endpoint->target->app->config.probes.required,
                       endpoint->was_down);
    endpoint->because = combined.because;
    return combined.state;
}

static enum reason
why_so(const struct endpoint *endpoint)
{
    switch (endpoint->state) {
    case ENDPOINT_MAINTENANCE:
        return REASON_ADMIN;
    case ENDPOINT_DRAINING:
        return endpoint->admin.action == OVERRIDE_DRAIN ? REASON_ADMIN : REASON_TTL_EXPIRED;
    case ENDPOINT_EJECTED:
        return REASON_PASSIVE_CONNECT;
    default:
        return endpoint->probed_reason;
    }
}

static enum verdict_admin
admin_of(const struct endpoint *endpoint)
{
    switch (endpoint->admin.action) {
    case OVERRIDE_MAINTAIN:
        return ADMIN_MAINTAIN;
    case OVERRIDE_DRAIN:
        return ADMIN_DRAIN;
    default:
        return ADMIN_NONE;
    }
}

static void
work_out(struct endpoint *endpoint)
{
    const struct check *check = endpoint_because(endpoint);

    endpoint->percent = endpoint_policy_percent(endpoint, clock_monotonic_ms());
    endpoint->state = verdict(&(struct verdict_parts){
        .resolved = endpoint->address.family != 0,
        .health = endpoint->probed,
        .admin = admin_of(endpoint),
        .leaving = endpoint->leaving,
        .ejected = endpoint->eject.until_ms != 0,
        .flapping = endpoint_policy_holds(endpoint),
        .warming = endpoint->percent < CHOOSE_PERCENT_FULL,
    });
    if (check != NULL && check->first_done)
        endpoint->probed_reason = check->health.reason;
    endpoint->reason = why_so(endpoint);
}

/* Its first probes ended, as far as somebody waits for them. */
static bool
is_first_done(const struct endpoint *endpoint)
{
    uint32_t done = 0, readiness = 0;

    for (uint32_t i = 0; i < endpoint->check_count; i++) {
        const struct check *check = &endpoint->checks[i];

        if (check->of->config->role == PROBE_STARTUP && check->health.failures > 0)
            return true;            /* what waits for it may wait for long */
        done += check->first_done && check->of->config->role == PROBE_READINESS;
        readiness += check->of->config->role == PROBE_READINESS;
    }
    if (endpoint->state == ENDPOINT_UNKNOWN)
        return done == readiness;
    return endpoint->state != ENDPOINT_STARTING && (done > 0 || readiness == 0);
}

void
endpoint_judge(struct endpoint *endpoint, const char *detail)
{
    endpoint_judge_because(endpoint, REASON_NONE, detail);
}

void
endpoint_judge_because(struct endpoint *endpoint, enum reason reason, const char *detail)
{
    enum endpoint_state from = endpoint->state, probed_before = endpoint->probed;
    enum reason reason_before = endpoint->reason;
    bool first_before = endpoint->first_done, changed;
    uint8_t percent_before = endpoint->percent;
    uint64_t now_ms = clock_monotonic_ms();
    char text[DETAIL_BYTES];

    endpoint->probed = weigh(endpoint);
    if (endpoint->probed != probed_before)
        endpoint_policy_moved(endpoint, probed_before, now_ms);
    work_out(endpoint);
    endpoint->first_done = endpoint->first_done || is_first_done(endpoint);
    changed = endpoint->state != from;
    if (changed) {
        endpoint->since_ms = clock_wall_ms();
        endpoint_record_transition(endpoint, from, endpoint->state,
                                   reason != REASON_NONE ? reason : endpoint->reason,
                                   endpoint_policy_detail(endpoint, detail, now_ms, text));
    }
    if (changed || endpoint->reason != reason_before)
        endpoint_record(endpoint);
    board_writer_show(endpoint);
    if (changed || endpoint->first_done != first_before || endpoint->percent != percent_before)
        board_writer_changed(endpoint->target->app);
}

/* Startup probes come before the others, or have passed long ago. */
bool
endpoint_proven(const struct endpoint *endpoint)
{
    for (uint32_t i = 0; i < endpoint->check_count; i++) {
        const struct check *check = &endpoint->checks[i];

        if (check->of->config->role == PROBE_READINESS && !check->health.probed)
            return false;
    }
    return true;
}

bool
endpoint_eligible(const struct endpoint *endpoint)
{
    return endpoint_state_eligible(endpoint->state) &&
           (!endpoint->must_prove || endpoint_proven(endpoint));
}

bool
endpoint_in_reserve(const struct endpoint *endpoint)
{
    return endpoint_state_eligible(endpoint->probed) &&
           endpoint->admin.action == OVERRIDE_NONE;
}

void
endpoint_set_leaving(struct endpoint *endpoint, bool leaving, const char *why)
{
    assert(endpoint->leaving != leaving);
    endpoint->leaving = leaving;
    endpoint->leave_ms = leaving ? clock_monotonic_ms() : 0;
    endpoint_judge(endpoint, why);
}

/* ---- startup probes ---- */

static bool
is_startup(const struct check *check)
{
    return check->of->config->role == PROBE_STARTUP;
}

static bool
has_startup(const struct endpoint *endpoint)
{
    for (uint32_t i = 0; i < endpoint->check_count; i++) {
        if (is_startup(&endpoint->checks[i]))
            return true;
    }
    return false;
}

static bool
is_started(const struct endpoint *endpoint)
{
    struct combine_part parts[CHECKS_MAX];

    return combine_started(parts, take_parts(endpoint, parts));
}

/* The others have waited for it. */
static void
begin_readiness(struct endpoint *endpoint)
{
    for (uint32_t i = 0; i < endpoint->check_count; i++) {
        struct check *check = &endpoint->checks[i];

        if (is_startup(check))
            check_hold(check);
        else if (check->held)
            check_arm(check, 0);
    }
}

/* It went down: whatever comes back there has to start first. */
static void
begin_startup(struct endpoint *endpoint)
{
    endpoint->was_down = true;
    for (uint32_t i = 0; i < endpoint->check_count; i++) {
        struct check *check = &endpoint->checks[i];

        if (!is_startup(check)) {
            check_hold(check);
            continue;
        }
        health_init(&check->health, ENDPOINT_UNAVAILABLE, check->health.reason,
                    clock_monotonic_ms());
        check_arm(check, HEALTH_CHANGING_INTERVAL_MS);
    }
}

/* ---- probing ---- */

static void
note_passed(struct endpoint *endpoint, const struct check *check,
            const struct probe_result *result, uint64_t started_ms)
{
    uint64_t now_ms = clock_monotonic_ms();

    if (!check_tells_of_traffic(check))
        return;
    endpoint->passed_start_ms = started_ms;
    ejection_probe_passed(endpoint, started_ms, now_ms);
    if (result->connect_us == 0)
        return;
    endpoint->connect_us = endpoint->connect_us == 0
                               ? result->connect_us
                               : (uint32_t)(((uint64_t)endpoint->connect_us * 7 +
                                             result->connect_us) / 8);
}

/* A mark of a worker on it lasts while the newest probe has failed; so it does with one that tells
 * nothing of traffic, if that is the only one. */
static void
note_failed(struct endpoint *endpoint, const struct check *check, uint64_t started_ms)
{
    if (check_tells_of_traffic(check) || endpoint->check_count == 1)
        endpoint->failed_start_ms = started_ms;
}

/* It passed, but somebody should look: told once a day. */
static void
tell_warning(const struct endpoint *endpoint, struct check *check,
             const struct probe_result *result)
{
    const struct prober_app *app = endpoint->target->app;
    uint64_t now_ms = clock_monotonic_ms();
    char address[ADDRESS_TEXT_BYTES], message[256];

    if (!result->warning || app->shadowed ||
        (check->warned_ms != 0 && now_ms - check->warned_ms < WARN_INTERVAL_MS))
        return;
    check->warned_ms = now_ms;
    snprintf(message, sizeof message, "%.80s %s: %.120s", endpoint->target->config->name,
             address_format(&endpoint->address, address), result->detail);
    log_warn(app->config.name, "%s", message);
    prober_event(app->prober, app->config.name, "probe_warning", LOG_WARN, message);
}

static void
on_result(struct check *check, const struct probe_result *result, uint64_t started_ms)
{
    struct endpoint *endpoint = check->owner;
    enum endpoint_state probed_before = endpoint->probed;
    bool was_started = !is_startup(check);

    assert(endpoint->address.family != 0);
    if (result->outcome == REASON_OK)
        note_passed(endpoint, check, result, started_ms);
    else if (!reason_is_ours(result->outcome))
        note_failed(endpoint, check, started_ms);
    tell_warning(endpoint, check, result);
    endpoint_record_result(endpoint, check, result);
    endpoint_judge(endpoint, result->detail);
    if (result->outcome == REASON_OK && endpoint_state_works(endpoint->probed))
        endpoint->worked_ms = clock_monotonic_ms();
    if (!was_started && is_started(endpoint))
        begin_readiness(endpoint);
    else if (!was_started && result->outcome == REASON_OK)
        check_hold(check);          /* it has passed; others of startup have not yet */
    else if (was_started && endpoint->probed == ENDPOINT_UNAVAILABLE && has_startup(endpoint))
        begin_startup(endpoint);
    if (endpoint->probed != probed_before)
        target_look_soon(endpoint->target);
    if (check->health.failures == 1)
        target_doubt(endpoint->target);
}

static void
on_start(struct check *check)
{
    evidence_seen(check->owner);
}

/* Whether it can be in doubt: otherwise it fails or recovers at the pace of `rise` and `fall`,
 * which clients must not quicken, or is known to be down. */
static bool
is_trusted(const struct check *check)
{
    return check->health.state == ENDPOINT_AVAILABLE || check->health.state == ENDPOINT_DEGRADED ||
           check->health.state == ENDPOINT_UNKNOWN;
}

void
endpoint_hurry(struct endpoint *endpoint, uint64_t now_ms)
{
    bool recently = endpoint->hurried_ms != 0 &&
                    now_ms - endpoint->hurried_ms < HURRY_INTERVAL_MS;

    if (recently)
        return;
    for (uint32_t i = 0; i < endpoint->check_count; i++) {
        struct check *check = &endpoint->checks[i];

        if (check->probe.running || check->ticket.destination != NULL || check->held ||
            !is_trusted(check))
            continue;
        endpoint->hurried_ms = now_ms;
        check_hurry(check, now_ms);
    }
}

static void
reported(struct endpoint *endpoint, struct check *check, uint64_t now_ms)
{
    uint64_t next_ms = endpoint->hurried_ms + HURRY_INTERVAL_MS;

    if (check->of->ops != &probe_push || check->probe.running || check->held)
        return;
    if (endpoint->hurried_ms != 0 && now_ms < next_ms) {
        if (check->due_ms > next_ms)
            check_arm(check, (uint32_t)(next_ms - now_ms));
        return;
    }
    endpoint->hurried_ms = now_ms;
    check_hurry(check, now_ms);
}

void
endpoint_reported(struct endpoint *endpoint, uint64_t now_ms)
{
    for (uint32_t i = 0; i < endpoint->check_count; i++)
        reported(endpoint, &endpoint->checks[i], now_ms);
}

/* ---- beginning and end ---- */

/* IPv4 before IPv6, then by the bytes of the address. */
static bool
before(const struct address *a, const struct address *b)
{
    if (a->family != b->family)
        return a->family < b->family;
    return memcmp(a, b, sizeof *a) < 0;
}

static void
insert_sorted(struct endpoint *endpoint)
{
    struct endpoints *list = &endpoint->target->endpoints;
    struct endpoint *other;

    TAILQ_FOREACH (other, list, link) {
        if (before(&endpoint->address, &other->address)) {
            TAILQ_INSERT_BEFORE(other, endpoint, link);
            return;
        }
    }
    TAILQ_INSERT_TAIL(list, endpoint, link);
}

static void
start_probing(struct endpoint *endpoint, struct check *check)
{
    struct prober_app *app = endpoint->target->app;
    uint32_t index = app->started++;
    uint32_t count = MAX(app->config.target_count * app->check_count, app->started);

    check_arm_spread(check, index, count, app->prober->endpoint_count);
}

/* Those whose turn it is: what waits for a startup probe is held. */
static void
begin_probing(struct endpoint *endpoint)
{
    bool started = is_started(endpoint);

    for (uint32_t i = 0; i < endpoint->check_count; i++) {
        struct check *check = &endpoint->checks[i];

        if (is_startup(check) == started)
            continue;
        if (check->due_ms != 0)
            check_resume(check);
        else
            start_probing(endpoint, check);
    }
}

static struct endpoint *
make(struct target *target, const struct address *address, uint16_t weight, uint16_t tier)
{
    struct prober_app *app = target->app;
    uint32_t count = address->family != 0 ? app->check_count : 0;
    struct endpoint *endpoint = calloc(1, sizeof *endpoint + count * sizeof endpoint->checks[0]);

    if (endpoint == NULL)
        return NULL;
    endpoint->target = target;
    endpoint->address = *address;
    endpoint->slot = SLOT_NONE;
    endpoint->weight = weight;
    endpoint->tier = tier;
    endpoint->must_prove =
        count > 0 && app->first_round_done && app->config.initial != APP_INITIAL_UP;
    endpoint->since_ms = clock_wall_ms();
    endpoint->check_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct check *check = &endpoint->checks[i];

        check->owner = endpoint;
        check->on_start = on_start;
        check->on_result = on_result;
        check_init(check, app->prober, &app->checks[i], address, app->config.name,
                   target->config->name);
    }
    return endpoint;
}

/* Something was known of its probes. */
static bool
goes_on(const struct endpoint *endpoint)
{
    for (uint32_t i = 0; i < endpoint->check_count; i++) {
        if (endpoint->checks[i].first_done)
            return true;
    }
    return false;
}

void
endpoint_pause(struct endpoint *endpoint)
{
    for (uint32_t i = 0; i < endpoint->check_count; i++)
        check_hold(&endpoint->checks[i]);
}

void
endpoint_resume(struct endpoint *endpoint)
{
    const struct prober_app *app = endpoint->target->app;

    endpoint->was_down = false;
    endpoint->must_prove = endpoint->check_count > 0 && app->first_round_done &&
                           app->config.initial != APP_INITIAL_UP;
    for (uint32_t i = 0; i < endpoint->check_count; i++)
        health_init(&endpoint->checks[i].health, ENDPOINT_UNKNOWN, REASON_NONE,
                    clock_monotonic_ms());
    for (uint32_t i = 0; i < endpoint->check_count; i++) {
        if (is_startup(&endpoint->checks[i]) || is_started(endpoint))
            check_arm(&endpoint->checks[i], 0);
    }
}

struct endpoint *
endpoint_create(struct target *target, const struct address *address, uint16_t weight,
                uint16_t tier)
{
    struct prober_app *app = target->app;
    struct endpoint *endpoint = make(target, address, weight, tier);

    if (endpoint == NULL)
        return NULL;
    app->endpoint_count++;
    app->prober->endpoint_count++;
    insert_sorted(endpoint);
    endpoint_origin(endpoint);
    admin_begin(endpoint);
    if (endpoint->admin.action != OVERRIDE_MAINTAIN)
        begin_probing(endpoint);
    app->goes_on = app->goes_on || goes_on(endpoint);
    if (endpoint->slot == SLOT_NONE)
        board_writer_take_slot(endpoint);
    endpoint->probed = weigh(endpoint);
    work_out(endpoint);
    board_writer_show(endpoint);
    /* What its first probe finds is worth a row, not that there was none yet; should that take
     * long, endpoint_minute() makes one. */
    if (endpoint->check_count == 0 || endpoint->state != ENDPOINT_UNKNOWN)
        endpoint_record(endpoint);
    board_writer_changed(app);
    return endpoint;
}

/* The history of an address that is no more ends. */
static void
tell_end(struct endpoint *endpoint, const char *why)
{
    if (endpoint->address.family != 0)
        endpoint_record_transition(endpoint, endpoint->state, ENDPOINT_UNRESOLVED,
                                   REASON_TTL_EXPIRED, why);
    for (uint32_t i = 0; i < endpoint->check_count; i++)
        endpoint_record_minute(endpoint, &endpoint->checks[i], INT64_MAX);
    endpoint_record_gone(endpoint);
}

void
endpoint_destroy(struct endpoint *endpoint, const char *why)
{
    struct prober_app *app = endpoint->target->app;

    ejection_fini(endpoint);
    if (why != NULL) {
        tell_end(endpoint, why);
        board_writer_free_slot(endpoint);
        board_writer_changed(app);
    }
    assert(app->endpoint_count > 0);
    TAILQ_REMOVE(&endpoint->target->endpoints, endpoint, link);
    app->endpoint_count--;
    app->prober->endpoint_count--;
    for (uint32_t i = 0; i < endpoint->check_count; i++)
        check_fini(&endpoint->checks[i]);
    free(endpoint->lookup.detail);
    free(endpoint->admin.note);
    free(endpoint);
}

static const char *
describe_unresolved(const struct endpoint *endpoint, enum reason reason)
{
    if (endpoint->target->config->service && reason == REASON_DNS_EMPTY)
        return TAILQ_EMPTY(&endpoint->target->sources)
                   ? "no SRV records, or they say that there is no such service"
                   : "the hosts of its SRV records have neither an A nor an AAAA address";
    switch (reason) {
    case REASON_DNS_NXDOMAIN:
        return "there is no such name (NXDOMAIN)";
    case REASON_DNS_SERVFAIL:
        return "the DNS server failed or refused (SERVFAIL)";
    case REASON_DNS_TIMEOUT:
        return "no DNS server answered";
    case REASON_DNS_EMPTY:
        return "the name has neither an A nor an AAAA address";
    default:
        return "the name is being looked up";
    }
}

void
endpoint_set_unresolved(struct endpoint *endpoint, enum reason reason,
                        const struct resolver_answer *answer)
{
    bool changed = reason != endpoint->reason;

    assert(endpoint->address.family == 0);
    endpoint->reason = endpoint->probed_reason = reason;
    endpoint->lookup.outcome = (uint8_t)reason;
    endpoint->lookup.duration_us = answer->duration_us;
    endpoint->lookup.at_ms = answer->last_at_ms;
    endpoint->lookup.next_ms = answer->next_at_ms;
    last_probe_set_detail(&endpoint->lookup, describe_unresolved(endpoint, reason));
    if (changed) {
        endpoint_record(endpoint);
        log_warn(endpoint->target->app->config.name, "%s: %s", endpoint->target->config->name,
                 describe_unresolved(endpoint, reason));
    }
    board_writer_show(endpoint);
}
