/* The part of the board_writer that gives endpoints their slots and shows them there. */
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/util.h"
#include "probes/board_writer.h"
#include "probes/endpoint.h"
#include "probes/endpoint_policy.h"
#include "probes/evidence.h"
#include "probes/prober_app_priv.h"
#include "probes/standing.h"

void
board_writer_take_slot(struct endpoint *endpoint)
{
    struct board_writer *writer = &endpoint->target->app->writer;

    endpoint->slot = SLOT_NONE;
    if (endpoint->target->app->recall != NULL)
        return;
    while (writer->slot_next < writer->slot_count && writer->slots[writer->slot_next] != NULL)
        writer->slot_next++;
    if (writer->slot_next == writer->slot_count)
        return;
    endpoint->slot = writer->slot_next++;
    writer->slots[endpoint->slot] = endpoint;
    evidence_begin(endpoint);
}

void
board_writer_keep_slot(struct endpoint *endpoint)
{
    struct board_writer *writer = &endpoint->target->app->writer;

    assert(endpoint->slot < writer->slot_count);
    assert(writer->slots[endpoint->slot] == NULL);
    writer->slots[endpoint->slot] = endpoint;
}

void
board_writer_clear_slot(struct prober_app *app, uint32_t slot)
{
    static const struct board_detail nothing;
    struct board *board = app->writer.board;

    assert(app->writer.slots[slot] == NULL);
    atomic_store_explicit(&board_pulse_writable(board, slot)->id, 0, memory_order_relaxed);
    board_set_detail(board, slot, &nothing);
}

void
board_writer_free_slot(struct endpoint *endpoint)
{
    struct board_writer *writer = &endpoint->target->app->writer;

    if (endpoint->slot == SLOT_NONE)
        return;
    assert(writer->slots[endpoint->slot] == endpoint);
    writer->slots[endpoint->slot] = NULL;
    writer->slot_next = MIN(writer->slot_next, endpoint->slot);
    board_writer_clear_slot(endpoint->target->app, endpoint->slot);
    endpoint->slot = SLOT_NONE;
}

/* What the check that tells most says. */
static void
show_check(const struct check *check, struct board_detail *detail)
{
    const struct health *health = &check->health;

    detail->successes = health->successes;
    detail->failures = health->failures;
    detail->due_ms = check->due_ms;
    detail->down_since_ms = health->down_since_ms;
    detail->down_interval_ms = health->down_interval_ms;
    detail->results = health->results;
    detail->result_count = health->result_count;
}

static uint8_t
flags_of(const struct endpoint *endpoint)
{
    const struct check *check = endpoint_because(endpoint);
    bool released = endpoint->flap.held && endpoint->target->app->flapping_released;

    return (uint8_t)((endpoint->flap.held ? BOARD_FLAPPING : 0) |
                     (released ? BOARD_RELEASED : 0) |
                     (endpoint->leaving ? BOARD_LEAVING : 0) |
                     (check != NULL && check->health.degraded ? BOARD_DEGRADED : 0));
}

static void
show_last(const struct endpoint *endpoint, const struct last_probe *last, const char *title,
          struct board_detail *detail)
{
    char text[DETAIL_BYTES];

    detail->probe_outcome = last->outcome;
    detail->probe_lag_ms = last->lag_ms;
    detail->probe_duration_us = last->duration_us;
    detail->probe_at_ms = last->at_ms;
    detail->probe_next_ms = last->next_ms;
    snprintf(detail->probe_kind, sizeof detail->probe_kind, "%s", title);
    snprintf(detail->probe_detail, sizeof detail->probe_detail, "%s",
             endpoint_policy_detail(endpoint, last->detail != NULL ? last->detail : "",
                                    clock_monotonic_ms(), text));
}

static void
fill_detail(const struct endpoint *endpoint, struct board_detail *detail)
{
    const struct check *check = endpoint_because(endpoint);

    *detail = (struct board_detail){
        .id = endpoint->id,
        .state = (uint8_t)endpoint->state,
        .reason = (uint8_t)endpoint->reason,
        .first_done = endpoint->first_done,
        .weight = endpoint->weight,
        .since_ms = endpoint->since_ms,
        .address = endpoint->address,
        .tier = endpoint->tier,
        .probed_state = (uint8_t)endpoint->probed,
        .probed_reason = (uint8_t)endpoint->probed_reason,
        .percent = endpoint->percent,
        .eject_until_ms = endpoint->eject.until_ms,
        .eject_changed_ms = endpoint->eject.changed_ms,
        .eject_count = endpoint->eject.count,
        .eject_failures = endpoint->eject.failures,
        .eject_flags = endpoint->eject.flags,
        .worked_ms = endpoint->worked_ms,
        .flags = flags_of(endpoint),
        .warm_since_ms = endpoint->warm_since_ms,
        .penalty = endpoint->flap.penalty,
        .penalty_at_ms = endpoint->flap.at_ms,
        .flap_changes = (uint16_t)MIN(endpoint->flap.changes, UINT16_MAX),
    };
    snprintf(detail->target, sizeof detail->target, "%s", endpoint->target->config->name);
    if (check != NULL) {
        show_check(check, detail);
        show_last(endpoint, &check->last, app_probe_title(check->of->config), detail);
    } else {
        show_last(endpoint, &endpoint->lookup,
                  endpoint->address.family == 0 ? "dns" : "none", detail);
    }
}

void
board_writer_show(const struct endpoint *endpoint)
{
    struct board *board = endpoint->target->app->writer.board;
    struct board_detail detail;
    struct board_pulse *pulse;

    if (endpoint->slot == SLOT_NONE)
        return;
    fill_detail(endpoint, &detail);
    endpoint_state_detail(endpoint, detail.state_detail);
    board_set_detail(board, endpoint->slot, &detail);
    pulse = board_pulse_writable(board, endpoint->slot);
    atomic_store_explicit(&pulse->passed_start_ms, endpoint->passed_start_ms,
                          memory_order_relaxed);
    atomic_store_explicit(&pulse->failed_start_ms, endpoint->failed_start_ms,
                          memory_order_relaxed);
    atomic_store_explicit(&pulse->connect_us, endpoint->connect_us, memory_order_relaxed);
    atomic_store_explicit(&pulse->id, endpoint->id, memory_order_relaxed);
}

void
board_writer_house(struct prober_app *app)
{
    struct endpoint *endpoint;

    for (uint32_t i = 0; i < app->config.target_count; i++) {
        TAILQ_FOREACH (endpoint, &app->targets[i].endpoints, link) {
            if (endpoint->slot != SLOT_NONE)
                continue;
            board_writer_take_slot(endpoint);
            board_writer_show(endpoint);
        }
    }
}
