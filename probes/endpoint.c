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
#include "probes/board_writer.h"
#include "probes/combine.h"
#include "probes/endpoint_origin.h"
#include "probes/endpoint_records.h"
#include "probes/evidence.h"
#include "probes/prober_priv.h"
#include "probes/verdict.h"

enum {
    HURRY_INTERVAL_MS = 250,            /* between probes that evidence started */
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
            .state = check->health.state,
        };
    }
    return endpoint->check_count;
}

/* What its probes say; one that has none works until traffic says otherwise. */
static enum endpoint_state
weigh(struct endpoint *endpoint)
{
    struct combine_part parts[APP_PROBES_MAX];
    uint32_t count = take_parts(endpoint, parts);
    struct combined combined;

    if (count == 0)
        return ENDPOINT_AVAILABLE;
    combined = combine(parts, count, endpoint->target->app->config.probes.required,
                       endpoint->was_down);
    endpoint->because = combined.because;
    return combined.state;
}

static enum endpoint_state
work_out(struct endpoint *endpoint)
{
    return verdict(&(struct verdict_parts){
        .resolved = endpoint->address.family != 0,
        .health = weigh(endpoint),
    });
}

/* Its first probes ended, as far as somebody waits for them. */
static bool
is_first_done(const struct endpoint *endpoint)
{
    uint32_t done = 0, readiness = 0;

    for (uint32_t i = 0; i < endpoint->check_count; i++) {
        const struct check *check = &endpoint->checks[i];

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
    enum endpoint_state from = endpoint->state;
    enum reason reason_before = endpoint->reason;
    bool first_before = endpoint->first_done, changed;

    endpoint->state = work_out(endpoint);
    if (endpoint->check_count > 0)
        endpoint->reason = endpoint_because(endpoint)->health.reason;
    endpoint->first_done = endpoint->first_done || is_first_done(endpoint);
    changed = endpoint->state != from;
    if (changed) {
        endpoint->since_ms = clock_wall_ms();
        endpoint_record_transition(endpoint, from, endpoint->state, endpoint->reason, detail);
    }
    if (changed || endpoint->reason != reason_before)
        endpoint_record(endpoint);
    board_writer_show(endpoint);
    if (changed || endpoint->first_done != first_before)
        board_writer_changed(endpoint->target->app);
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
    struct combine_part parts[APP_PROBES_MAX];

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
    if (!check_tells_of_traffic(check))
        return;
    endpoint->passed_start_ms = started_ms;
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

static void
on_result(struct check *check, const struct probe_result *result, uint64_t started_ms)
{
    struct endpoint *endpoint = check->owner;
    bool was_started = !is_startup(check);

    assert(endpoint->address.family != 0);
    if (result->outcome == REASON_OK)
        note_passed(endpoint, check, result, started_ms);
    else if (result->outcome != REASON_CONNECT_LOCAL)
        note_failed(endpoint, check, started_ms);
    endpoint_record_result(endpoint, check, result);
    endpoint_judge(endpoint, result->detail);
    if (!was_started && is_started(endpoint))
        begin_readiness(endpoint);
    else if (was_started && endpoint->state == ENDPOINT_UNAVAILABLE && has_startup(endpoint))
        begin_startup(endpoint);
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
make(struct target *target, const struct address *address)
{
    struct prober_app *app = target->app;
    uint32_t count = address->family != 0 ? app->check_count : 0;
    struct endpoint *endpoint = calloc(1, sizeof *endpoint + count * sizeof endpoint->checks[0]);

    if (endpoint == NULL)
        return NULL;
    endpoint->target = target;
    endpoint->address = *address;
    endpoint->slot = SLOT_NONE;
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

struct endpoint *
endpoint_create(struct target *target, const struct address *address)
{
    struct prober_app *app = target->app;
    struct endpoint *endpoint = make(target, address);

    if (endpoint == NULL)
        return NULL;
    app->endpoint_count++;
    app->prober->endpoint_count++;
    insert_sorted(endpoint);
    endpoint_origin(endpoint);
    begin_probing(endpoint);
    if (endpoint->slot == SLOT_NONE)
        board_writer_take_slot(endpoint);
    endpoint->state = work_out(endpoint);
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
tell_end(struct endpoint *endpoint)
{
    if (endpoint->address.family != 0)
        endpoint_record_transition(endpoint, endpoint->state, ENDPOINT_UNRESOLVED,
                                   REASON_TTL_EXPIRED, "the name no longer has this address");
    for (uint32_t i = 0; i < endpoint->check_count; i++)
        endpoint_record_minute(endpoint, &endpoint->checks[i], INT64_MAX);
    endpoint_record_gone(endpoint);
}

void
endpoint_destroy(struct endpoint *endpoint, bool gone)
{
    struct prober_app *app = endpoint->target->app;

    if (gone) {
        tell_end(endpoint);
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
    free(endpoint);
}

static const char *
describe_unresolved(enum reason reason)
{
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
    endpoint->reason = endpoint->lookup.outcome = reason;
    endpoint->lookup.duration_us = answer->duration_us;
    endpoint->lookup.at_ms = answer->last_at_ms;
    endpoint->lookup.next_ms = answer->next_at_ms;
    last_probe_set_detail(&endpoint->lookup, describe_unresolved(reason));
    if (changed) {
        endpoint_record(endpoint);
        log_warn(endpoint->target->app->config.name, "%s: %s", endpoint->target->config->name,
                 describe_unresolved(reason));
    }
    board_writer_show(endpoint);
}
