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
#include "probes/evidence.h"
#include "probes/prober_app.h"
#include "probes/prober_priv.h"
#include "probes/schedule.h"

enum {
    RECORD_AGE_MAX_MS = 5 * 60 * 1000,  /* so that history "younger than a day" stays true */
    HURRY_INTERVAL_MS = 250,            /* between probes that evidence started */
    LATE_MS = 1000,                     /* a probe that waited longer is told of */
};

static struct prober *
prober_of(const struct endpoint *endpoint)
{
    return endpoint->target->app->prober;
}

/* ---- what the database gets ---- */

static void
fill_record(const struct endpoint *endpoint, enum record_kind kind, struct record *record)
{
    *record = (struct record){ .kind = kind, .at_ms = clock_wall_ms() };
    snprintf(record->app, sizeof record->app, "%s", endpoint->target->app->config.name);
    snprintf(record->target, sizeof record->target, "%s", endpoint->target->config->name);
    address_format(&endpoint->address, record->address);
}

static void
send_record(const struct endpoint *endpoint, const struct record *record)
{
    if (!endpoint->target->app->shadowed)
        history_send(prober_of(endpoint)->history, record);
}

void
endpoint_record(struct endpoint *endpoint)
{
    struct record record;
    struct record_endpoint *row = &record.of.endpoint;

    fill_record(endpoint, RECORD_ENDPOINT, &record);
    snprintf(row->state, sizeof row->state, "%s", endpoint_state_name(endpoint->health.state));
    snprintf(row->reason, sizeof row->reason, "%s", reason_name(endpoint->health.reason));
    row->since_ms = endpoint->since_ms;
    row->weight = 1;
    endpoint->recorded_ms = record.at_ms;
    send_record(endpoint, &record);
}

void
endpoint_record_gone(const struct endpoint *endpoint)
{
    struct record record;

    fill_record(endpoint, RECORD_ENDPOINT_GONE, &record);
    send_record(endpoint, &record);
}

/* Lines that a state's changes did not get; the history has them all. */
static void
tell_untold(struct endpoint *endpoint, int64_t wall_ms)
{
    uint32_t untold = probe_lines_untold(&endpoint->lines, wall_ms);
    char address[ADDRESS_TEXT_BYTES];

    if (untold > 0)
        log_info(endpoint->target->app->config.name,
                 "%s %s: changed its state %" PRIu32 " times more within that minute",
                 endpoint->target->config->name,
                 address_format(&endpoint->address, address), untold);
}

static void
record_transition(struct endpoint *endpoint, enum endpoint_state from,
                  enum endpoint_state to, enum reason reason, const char *detail)
{
    struct record record;
    struct record_transition *row = &record.of.transition;

    fill_record(endpoint, RECORD_TRANSITION, &record);
    snprintf(row->from_state, sizeof row->from_state, "%s", endpoint_state_name(from));
    snprintf(row->to_state, sizeof row->to_state, "%s", endpoint_state_name(to));
    snprintf(row->reason, sizeof row->reason, "%s", reason_name(reason));
    snprintf(row->detail, sizeof row->detail, "%s", detail);
    send_record(endpoint, &record);
    tell_untold(endpoint, record.at_ms);
    if (probe_lines_allow(&endpoint->lines, record.at_ms))
        log_info(record.app, "%s%s%s: %s -> %s (%s)", record.target,
                 record.address[0] != '\0' ? " " : "", record.address, row->from_state,
                 row->to_state, detail[0] != '\0' ? detail : row->reason);
}

static void
record_minute(struct endpoint *endpoint, int64_t wall_ms)
{
    struct record_probe_summary summary;
    struct record record;

    if (!probe_log_minute(&endpoint->log, wall_ms, &summary))
        return;
    fill_record(endpoint, RECORD_PROBE_SUMMARY, &record);
    record.of.summary = summary;
    snprintf(record.of.summary.probe, sizeof record.of.summary.probe, "%s",
             endpoint->target->app->config.probe.kind);
    send_record(endpoint, &record);
}

static void
record_result(struct endpoint *endpoint, const struct probe_result *result)
{
    struct record record;
    struct record_probe_result *row = &record.of.result;

    fill_record(endpoint, RECORD_PROBE_RESULT, &record);
    record_minute(endpoint, record.at_ms);
    probe_log_add(&endpoint->log, result->outcome, result->duration_us);
    if (!probe_log_keep(&endpoint->log, result->outcome, record.at_ms))
        return;
    snprintf(row->probe, sizeof row->probe, "%s", endpoint->target->app->config.probe.kind);
    snprintf(row->outcome, sizeof row->outcome, "%s", reason_name(result->outcome));
    row->duration_us = result->duration_us;
    memcpy(row->detail, result->detail, sizeof row->detail);
    send_record(endpoint, &record);
}

void
endpoint_minute(struct endpoint *endpoint, int64_t wall_ms)
{
    int64_t age_ms = wall_ms - endpoint->recorded_ms;

    tell_untold(endpoint, wall_ms);
    record_minute(endpoint, wall_ms);
    if (age_ms < 0 || age_ms >= RECORD_AGE_MAX_MS)
        endpoint_record(endpoint);
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
    arm(endpoint, schedule_wait_ms(started_ms, interval_ms, now_ms));
}

static void
note_passed(struct endpoint *endpoint, const struct probe_result *result, uint64_t started_ms)
{
    endpoint->passed_start_ms = started_ms;
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
    enum endpoint_state from = health->state;
    enum reason reason_before = health->reason;
    uint64_t now_ms = clock_monotonic_ms();
    bool first = !endpoint->first_done;
    bool changed = health_apply(health, &app->policy, result->outcome, now_ms);

    assert(endpoint->address.family != 0);
    assert(endpoint->ticket.destination == NULL);
    endpoint->first_done = true;
    endpoint->last.outcome = result->outcome;
    endpoint->last.duration_us = result->duration_us;
    endpoint->last.at_ms = clock_wall_ms();
    memcpy(endpoint->last.detail, result->detail, sizeof endpoint->last.detail);
    if (result->outcome == REASON_OK)
        note_passed(endpoint, result, started_ms);
    else if (result->outcome != REASON_CONNECT_LOCAL)
        endpoint->failed_start_ms = started_ms;
    if (changed) {
        endpoint->since_ms = endpoint->last.at_ms;
        record_transition(endpoint, from, health->state, result->outcome, result->detail);
    }
    record_result(endpoint, result);
    if (changed || health->reason != reason_before)
        endpoint_record(endpoint);
    arm_next(endpoint, started_ms, now_ms);
    board_writer_show(endpoint);
    if (changed || first)
        board_writer_changed(app);
}

static void
on_done(struct probe *probe)
{
    struct endpoint *endpoint = probe->context;
    struct probe_result result = probe->result;
    uint64_t started_ms = probe->started_us / 1000;

    gate_leave(prober_of(endpoint)->gate, &endpoint->ticket);
    finish(endpoint, &result, started_ms);
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
    int rc = gate_enter(prober_of(endpoint)->gate, &endpoint->ticket, &endpoint->address,
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
        endpoint->ticket.destination != NULL || recently || !is_trusted(endpoint))
        return;
    endpoint->hurried_ms = now_ms;
    endpoint->due_ms = now_ms;
    event_del(&endpoint->timer);
    enter(endpoint);
}

/* ---- beginning and end ---- */

static void
set_initial(struct endpoint *endpoint)
{
    struct prober_app *app = endpoint->target->app;
    enum app_initial initial = app->config.initial;
    enum endpoint_state state = ENDPOINT_UNKNOWN;
    enum reason reason = REASON_NONE;
    struct seed seed = { .recalled = false };
    bool known = endpoint->address.family != 0 &&
                 seeds_take(app->prober->seeds, app->config.name,
                            endpoint->target->config->name, &endpoint->address,
                            clock_wall_ms(), &seed);

    if (endpoint->address.family == 0) {
        state = ENDPOINT_UNRESOLVED;
    } else if (app->ops == NULL) {
        state = ENDPOINT_AVAILABLE;
        reason = REASON_INITIAL;
    } else if (initial != APP_INITIAL_HISTORY && !(known && seed.recalled)) {
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

/* What another generation of the app knows of the same address is known here as well. */
static void
inherit(struct endpoint *endpoint)
{
    const struct prober_app *app = endpoint->target->app;
    const struct endpoint *twin = prober_app_twin(app, endpoint->target, &endpoint->address);

    if (twin == NULL || app->ops == NULL || twin->target->app->ops == NULL)
        return;
    endpoint->health = twin->health;
    endpoint->since_ms = twin->since_ms;
    endpoint->connect_us = twin->connect_us;
    endpoint->passed_start_ms = twin->passed_start_ms;
    endpoint->failed_start_ms = twin->failed_start_ms;
    endpoint->last = twin->last;
    endpoint->first_done = twin->first_done && twin->target->app->ops == app->ops;
}

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

struct endpoint *
endpoint_create(struct target *target, const struct address *address)
{
    struct prober_app *app = target->app;
    struct endpoint *endpoint = calloc(1, sizeof *endpoint);
    bool probed = app->ops != NULL && address->family != 0;

    if (endpoint == NULL)
        return NULL;
    endpoint->target = target;
    endpoint->address = *address;
    endpoint->since_ms = clock_wall_ms();
    event_assign(&endpoint->timer, app->prober->base, -1, 0, on_timer, endpoint);
    if (probed && probe_init(&endpoint->probe, app->ops, app->prober->base, address) < 0) {
        free(endpoint);
        return NULL;
    }
    endpoint->probe.timeout_ms = app->config.probe.timeout_ms;
    endpoint->probe.on_done = on_done;
    endpoint->probe.context = endpoint;
    endpoint->id = app->next_id++;
    app->endpoint_count++;
    app->prober->endpoint_count++;
    insert_sorted(endpoint);
    set_initial(endpoint);
    inherit(endpoint);
    snprintf(endpoint->last.kind, sizeof endpoint->last.kind, "%s",
             address->family == 0 ? "dns" : app->config.probe.kind);
    if (probed)
        start_probing(endpoint);
    board_writer_take_slot(endpoint);
    board_writer_show(endpoint);
    endpoint_record(endpoint);
    board_writer_changed(app);
    return endpoint;
}

void
endpoint_destroy(struct endpoint *endpoint, bool recorded)
{
    struct prober_app *app = endpoint->target->app;

    event_del(&endpoint->timer);
    if (endpoint->probe.ops != NULL)
        probe_fini(&endpoint->probe);
    gate_leave(app->prober->gate, &endpoint->ticket);
    if (recorded) {
        if (endpoint->address.family != 0)
            record_transition(endpoint, endpoint->health.state, ENDPOINT_UNRESOLVED,
                              REASON_TTL_EXPIRED, "the name no longer has this address");
        record_minute(endpoint, INT64_MAX);
        endpoint_record_gone(endpoint);
    }
    board_writer_free_slot(endpoint);
    assert(app->endpoint_count > 0);
    TAILQ_REMOVE(&endpoint->target->endpoints, endpoint, link);
    app->endpoint_count--;
    app->prober->endpoint_count--;
    board_writer_changed(app);
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
    snprintf(endpoint->last.detail, sizeof endpoint->last.detail, "%s",
             describe_unresolved(reason));
    if (changed) {
        endpoint_record(endpoint);
        log_warn(endpoint->target->app->config.name, "%s: %s", endpoint->target->config->name,
                 endpoint->last.detail);
    }
    board_writer_show(endpoint);
}
