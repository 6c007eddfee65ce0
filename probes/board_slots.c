/* The part of the board_writer that gives endpoints their slots and shows them there. */
#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/util.h"
#include "probes/board_writer.h"
#include "probes/evidence.h"
#include "probes/prober_priv.h"
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
    evidence_seen(endpoint);
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

void
board_writer_show(const struct endpoint *endpoint)
{
    const struct prober_app *app = endpoint->target->app;
    struct board *board = app->writer.board;
    struct board_detail detail = {
        .id = endpoint->id,
        .state = (uint8_t)endpoint_state(endpoint),
        .reason = (uint8_t)endpoint_reason(endpoint),
        .health_state = (uint8_t)endpoint->health.state,
        .health_reason = (uint8_t)endpoint->health.reason,
        .probe_outcome = (uint8_t)endpoint->last.outcome,
        .first_done = endpoint->first_done,
        .weight = 1,
        .probe_duration_us = endpoint->last.duration_us,
        .successes = endpoint->health.successes,
        .failures = endpoint->health.failures,
        .since_ms = endpoint->since_ms,
        .probe_at_ms = endpoint->last.at_ms,
        .probe_next_ms = endpoint->last.next_ms,
        .address = endpoint->address,
        .due_ms = endpoint->due_ms,
        .down_since_ms = endpoint->health.down_since_ms,
        .down_interval_ms = endpoint->health.down_interval_ms,
        .eject_until_ms = endpoint->eject.until_ms,
        .eject_changed_ms = endpoint->eject.changed_ms,
        .eject_count = endpoint->eject.count,
        .eject_failures = endpoint->eject.failures,
        .eject_flags = endpoint->eject.flags,
        .worked_ms = endpoint->worked_ms,
    };
    struct board_pulse *pulse;

    if (endpoint->slot == SLOT_NONE)
        return;
    snprintf(detail.target, sizeof detail.target, "%s", endpoint->target->config->name);
    snprintf(detail.probe_kind, sizeof detail.probe_kind, "%s",
             endpoint->address.family == 0 ? "dns" : app->config.probe.kind);
    endpoint_state_detail(endpoint, detail.state_detail);
    if (endpoint->last.detail != NULL)
        snprintf(detail.probe_detail, sizeof detail.probe_detail, "%s", endpoint->last.detail);
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
