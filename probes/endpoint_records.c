/* What the database gets of an endpoint, and the log. */
#include "probes/endpoint_records.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "probes/endpoint.h"
#include "probes/prober_priv.h"
#include "probes/standing.h"

enum {
    RECORD_AGE_MAX_MS = 5 * 60 * 1000,  /* so that history "younger than a day" stays true */
};

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
        history_send(endpoint->target->app->prober->history, record);
}

void
endpoint_record(struct endpoint *endpoint)
{
    struct record record;
    struct record_endpoint *row = &record.of.endpoint;

    fill_record(endpoint, RECORD_ENDPOINT, &record);
    snprintf(row->state, sizeof row->state, "%s", endpoint_state_name(endpoint->state));
    snprintf(row->reason, sizeof row->reason, "%s", reason_name(endpoint->reason));
    row->since_ms = endpoint->since_ms;
    row->weight = endpoint->weight;
    row->penalty = endpoint->flap.penalty;
    row->penalty_at_ms = record.at_ms - ((int64_t)clock_monotonic_ms() - endpoint->flap.at_ms);
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

void
endpoint_record_transition(struct endpoint *endpoint, enum endpoint_state from,
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

void
endpoint_record_minute(struct endpoint *endpoint, struct check *check, int64_t wall_ms)
{
    struct record_probe_summary summary;
    struct record record;

    if (!probe_log_minute(&check->log, wall_ms, &summary))
        return;
    fill_record(endpoint, RECORD_PROBE_SUMMARY, &record);
    record.of.summary = summary;
    snprintf(record.of.summary.probe, sizeof record.of.summary.probe, "%s",
             app_probe_title(check->of->config));
    send_record(endpoint, &record);
}

void
endpoint_record_result(struct endpoint *endpoint, struct check *check,
                       const struct probe_result *result)
{
    struct record record;
    struct record_probe_result *row = &record.of.result;

    fill_record(endpoint, RECORD_PROBE_RESULT, &record);
    endpoint_record_minute(endpoint, check, record.at_ms);
    probe_log_add(&check->log, result->outcome, result->duration_us);
    if (!probe_log_keep(&check->log, result->outcome, record.at_ms))
        return;
    snprintf(row->probe, sizeof row->probe, "%s", app_probe_title(check->of->config));
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
    for (uint32_t i = 0; i < endpoint->check_count; i++)
        endpoint_record_minute(endpoint, &endpoint->checks[i], wall_ms);
    if (age_ms < 0 || age_ms >= RECORD_AGE_MAX_MS)
        endpoint_record(endpoint);
}
