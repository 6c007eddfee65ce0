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
#include "probes/ejection.h"
#include "probes/endpoint_origin.h"
#include "probes/endpoint_records.h"
#include "probes/evidence.h"
#include "probes/prober_priv.h"
#include "probes/schedule.h"
#include "probes/standing.h"

enum {
    HURRY_INTERVAL_MS = 250,            /* between probes that evidence started */
    LATE_MS = 1000,                     /* a probe that waited longer is told of */
};

static struct prober *
prober_of(const struct endpoint *endpoint)
{
    return endpoint->target->app->prober;
}

void
endpoint_set_detail(struct endpoint *endpoint, const char *detail)
{
    char *copy = detail[0] == '\0' ? NULL : strdup(detail);     /* no memory: no detail */

    free(endpoint->last.detail);
    endpoint->last.detail = copy;
}

/* ---- probing ---- */

static void
arm(struct endpoint *endpoint, uint32_t wait_ms)
{
    struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };

    endpoint->due_ms = clock_monotonic_ms() + wait_ms;
    endpoint->last.next_ms = clock_wall_ms() + wait_ms;
    event_add(&endpoint->timer, &wait);
}

static void
arm_next(struct endpoint *endpoint, uint64_t started_ms, uint64_t now_ms)
{
    const struct prober_app *app = endpoint->target->app;
    uint32_t interval_ms = health_interval_ms(&endpoint->health, &app->policy);
    uint32_t random = schedule_random(&prober_of(endpoint)->random);

    interval_ms = schedule_jitter(interval_ms, app->config.probe.jitter_percent, random);
    arm(endpoint,
        schedule_align_ms(now_ms, schedule_wait_ms(started_ms, interval_ms, now_ms)));
}

/* One of another port or address says nothing of what clients meet: a mark that they left ends with
 * its time then. */
static bool
tells_of_traffic(const struct app_probe *probe)
{
    return probe->port == 0 && probe->address.family == 0;
}

static void
note_passed(struct endpoint *endpoint, const struct probe_result *result, uint64_t started_ms,
            uint64_t now_ms)
{
    if (tells_of_traffic(&endpoint->target->app->config.probe)) {
        endpoint->passed_start_ms = started_ms;
        ejection_probe_passed(endpoint, started_ms, now_ms);
    }
    if (endpoint_state_works(endpoint->health.state))
        endpoint->worked_ms = now_ms;
    if (result->connect_us == 0)
        return;
    endpoint->connect_us = endpoint->connect_us == 0
                               ? result->connect_us
                               : (uint32_t)(((uint64_t)endpoint->connect_us * 7 +
                                             result->connect_us) / 8);
}

/* A probe ended with `result`, having started at `started_ms`. */
static void
finish(struct endpoint *endpoint, const struct probe_result *result, uint64_t started_ms)
{
    struct prober_app *app = endpoint->target->app;
    struct health *health = &endpoint->health;
    enum endpoint_state from = endpoint_state(endpoint);
    enum reason reason_before = health->reason;
    uint64_t now_ms = clock_monotonic_ms();
    bool first = !endpoint->first_done;
    bool changed;

    assert(endpoint->address.family != 0);
    assert(endpoint->ticket.destination == NULL);
    health_apply(health, &app->policy, result->outcome, now_ms);
    endpoint->first_done = true;
    endpoint->last.outcome = result->outcome;
    endpoint->last.duration_us = result->duration_us;
    endpoint->last.at_ms = clock_wall_ms();
    endpoint_set_detail(endpoint, result->detail);
    if (result->outcome == REASON_OK)
        note_passed(endpoint, result, started_ms, now_ms);
    else if (result->outcome != REASON_CONNECT_LOCAL)
        endpoint->failed_start_ms = started_ms;
    changed = endpoint_state(endpoint) != from;
    if (changed) {
        endpoint->since_ms = endpoint->last.at_ms;
        endpoint_record_transition(endpoint, from, endpoint_state(endpoint), result->outcome,
                                   result->detail);
    }
    endpoint_record_result(endpoint, result);
    if (changed || health->reason != reason_before)
        endpoint_record(endpoint);
    arm_next(endpoint, started_ms, now_ms);
    board_writer_show(endpoint);
    if (changed || first)
        board_writer_changed(app);
}

static void
on_done(struct probe *probe, const struct probe_result *result)
{
    struct endpoint *endpoint = probe->context;
    uint64_t started_ms = probe->started_us / 1000;

    gate_leave(prober_of(endpoint)->gate, &endpoint->ticket);
    finish(endpoint, result, started_ms);
}

static void
note_lag(struct endpoint *endpoint)
{
    struct prober *prober = prober_of(endpoint);
    uint64_t now_ms = clock_monotonic_ms();
    uint32_t lag_ms = now_ms > endpoint->due_ms ? (uint32_t)(now_ms - endpoint->due_ms) : 0;

    if (lag_ms < LATE_MS)
        return;
    prober->lagging++;
    prober->lag_max_ms = MAX(prober->lag_max_ms, lag_ms);
}

/* It is its turn. */
static void
run(struct endpoint *endpoint)
{
    struct probe_result result = { .outcome = REASON_NONE };
    int rc;

    assert(endpoint->probe.ops != NULL);
    assert(endpoint->ticket.running);
    note_lag(endpoint);
    evidence_seen(endpoint);
    rc = probe_start(&endpoint->probe);
    if (rc == 0)
        return;
    result.outcome = probe_start_reason(rc);
    snprintf(result.detail, sizeof result.detail, "cannot start: %s", strerror(-rc));
    gate_leave(prober_of(endpoint)->gate, &endpoint->ticket);
    finish(endpoint, &result, clock_monotonic_ms());
}

void
endpoint_gate_open(struct gate_ticket *ticket)
{
    run(CONTAINER_OF(ticket, struct endpoint, ticket));
}

static void
enter(struct endpoint *endpoint)
{
    int rc = gate_enter(prober_of(endpoint)->gate, &endpoint->ticket, &endpoint->probe.address,
                        health_down(&endpoint->health));

    if (rc > 0)
        run(endpoint);
    else if (rc < 0)
        arm(endpoint, HEALTH_CHANGING_INTERVAL_MS);
}

static void
on_timer(evutil_socket_t fd, short what, void *context)
{
    enter(context);
}

/* Whether it can be in doubt: otherwise it fails or recovers at the pace of `rise` and `fall`,
 * which clients must not quicken, or is known to be down. */
static bool
is_trusted(const struct endpoint *endpoint)
{
    return endpoint->health.state == ENDPOINT_AVAILABLE ||
           endpoint->health.state == ENDPOINT_UNKNOWN;
}

void
endpoint_hurry(struct endpoint *endpoint, uint64_t now_ms)
{
    bool recently = endpoint->hurried_ms != 0 &&
                    now_ms - endpoint->hurried_ms < HURRY_INTERVAL_MS;

    if (endpoint->probe.ops == NULL || endpoint->probe.running ||
        endpoint->ticket.destination != NULL || recently || !is_trusted(endpoint) ||
        endpoint->admin.action == OVERRIDE_MAINTAIN)
        return;
    endpoint->hurried_ms = now_ms;
    endpoint->due_ms = now_ms;
    event_del(&endpoint->timer);
    enter(endpoint);
}

void
endpoint_pause(struct endpoint *endpoint)
{
    if (endpoint->probe.ops == NULL)
        return;
    event_del(&endpoint->timer);
    if (endpoint->probe.running)
        probe_cancel(&endpoint->probe);
    gate_leave(prober_of(endpoint)->gate, &endpoint->ticket);
    endpoint->due_ms = 0;
    endpoint->last.next_ms = 0;
}

void
endpoint_resume(struct endpoint *endpoint)
{
    if (endpoint->probe.ops == NULL)
        return;
    health_init(&endpoint->health, ENDPOINT_UNKNOWN, REASON_NONE, clock_monotonic_ms());
    arm(endpoint, 0);
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
start_probing(struct endpoint *endpoint)
{
    struct prober_app *app = endpoint->target->app;
    uint32_t index = app->started++;
    uint32_t count = MAX(app->config.target_count, app->started);
    uint32_t total = app->prober->endpoint_count;

    arm(endpoint,
        schedule_first_probe_ms(index, count, total, app->config.probe.interval_ms));
}

/* Its probes go on as if nothing had happened. */
static void
resume_probing(struct endpoint *endpoint)
{
    const struct prober_app *app = endpoint->target->app;
    uint32_t interval_ms = health_interval_ms(&endpoint->health, &app->policy);
    uint32_t longest_ms = schedule_longest_ms(interval_ms, app->config.probe.jitter_percent);
    uint32_t random = schedule_random(&prober_of(endpoint)->random);

    arm(endpoint,
        schedule_resume_ms(endpoint->due_ms, longest_ms, clock_monotonic_ms(), random));
}

/* Another port or address may tell more of a target than the one that clients use. */
static struct address
where_to_probe(const struct app_probe *probe, const struct address *address)
{
    struct address where = probe->address.family != 0 ? probe->address : *address;

    where.port = probe->port != 0 ? (uint16_t)probe->port : address->port;
    return where;
}

struct endpoint *
endpoint_create(struct target *target, const struct address *address)
{
    struct prober_app *app = target->app;
    struct endpoint *endpoint = calloc(1, sizeof *endpoint);
    const struct address probed_address = where_to_probe(&app->config.probe, address);
    bool probed = app->ops != NULL && address->family != 0;
    bool goes_on;

    if (endpoint == NULL)
        return NULL;
    endpoint->target = target;
    endpoint->address = *address;
    endpoint->slot = SLOT_NONE;
    endpoint->since_ms = clock_wall_ms();
    event_assign(&endpoint->timer, app->prober->base, -1, 0, on_timer, endpoint);
    if (probed)
        probe_init(&endpoint->probe, app->ops, app->prober->base, &probed_address);
    endpoint->probe.config = &app->config.probe;
    endpoint->probe.shared = app->shared;
    endpoint->probe.app = app->config.name;
    endpoint->probe.target = target->config->name;
    endpoint->probe.on_done = on_done;
    endpoint->probe.context = endpoint;
    app->endpoint_count++;
    app->prober->endpoint_count++;
    insert_sorted(endpoint);
    goes_on = endpoint_origin(endpoint);
    admin_begin(endpoint);
    if (endpoint->admin.action == OVERRIDE_MAINTAIN)
        endpoint_pause(endpoint);
    else if (probed && goes_on)
        resume_probing(endpoint);
    else if (probed)
        start_probing(endpoint);
    if (endpoint->slot == SLOT_NONE)
        board_writer_take_slot(endpoint);
    board_writer_show(endpoint);
    /* What its first probe finds is worth a row, not that there was none yet; should that take
     * long, endpoint_minute() makes one. */
    if (!probed || endpoint_state(endpoint) != ENDPOINT_UNKNOWN)
        endpoint_record(endpoint);
    board_writer_changed(app);
    return endpoint;
}

/* The history of an address that is no more ends. */
static void
tell_end(struct endpoint *endpoint)
{
    if (endpoint->address.family != 0)
        endpoint_record_transition(endpoint, endpoint_state(endpoint), ENDPOINT_UNRESOLVED,
                                   REASON_TTL_EXPIRED, "the name no longer has this address");
    endpoint_record_minute(endpoint, INT64_MAX);
    endpoint_record_gone(endpoint);
}

void
endpoint_destroy(struct endpoint *endpoint, bool gone)
{
    struct prober_app *app = endpoint->target->app;

    event_del(&endpoint->timer);
    if (endpoint->probe.ops != NULL)
        probe_fini(&endpoint->probe);
    gate_leave(app->prober->gate, &endpoint->ticket);
    ejection_fini(endpoint);
    if (gone) {
        tell_end(endpoint);
        board_writer_free_slot(endpoint);
        board_writer_changed(app);
    }
    assert(app->endpoint_count > 0);
    TAILQ_REMOVE(&endpoint->target->endpoints, endpoint, link);
    app->endpoint_count--;
    app->prober->endpoint_count--;
    free(endpoint->last.detail);
    free(endpoint->admin.note);
    probe_log_fini(&endpoint->log);
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
    bool changed = reason != endpoint->health.reason;

    assert(endpoint->address.family == 0);
    endpoint->health.reason = reason;
    endpoint->last.outcome = reason;
    endpoint->last.duration_us = answer->duration_us;
    endpoint->last.at_ms = answer->last_at_ms;
    endpoint->last.next_ms = answer->next_at_ms;
    endpoint_set_detail(endpoint, describe_unresolved(reason));
    if (changed) {
        endpoint_record(endpoint);
        log_warn(endpoint->target->app->config.name, "%s: %s", endpoint->target->config->name,
                 describe_unresolved(reason));
    }
    board_writer_show(endpoint);
}
