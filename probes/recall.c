/* The board tells all that is needed: nothing else outlives a prober. */
#include "probes/recall.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"

static void
recall_state(struct prober_app *app, const struct board_detail *detail)
{
    struct record record = { .kind = RECORD_ENDPOINT, .at_ms = clock_wall_ms() };
    struct record_endpoint *row = &record.of.endpoint;

    snprintf(record.app, sizeof record.app, "%s", app->config.name);
    snprintf(record.target, sizeof record.target, "%s", detail->target);
    address_format(&detail->address, record.address);
    snprintf(row->state, sizeof row->state, "%s", endpoint_state_name(detail->state));
    row->since_ms = detail->since_ms;
    seeds_recall(app->prober->seeds, &record);
}

/* The target of this name; `*at` is where the last one was found: slots are mostly taken in the
 * order of the configuration. */
static const struct app_target *
find_target(const struct app_config *config, const char *name, uint32_t *at)
{
    for (uint32_t i = 0; i < config->target_count; i++) {
        uint32_t index = (*at + i) % config->target_count;

        if (strcmp(config->targets[index].name, name) != 0)
            continue;
        *at = index;
        return &config->targets[index];
    }
    return NULL;
}

static void
recall_address(struct prober_app *app, const struct app_target *target,
               const struct address *address)
{
    struct record record = { .kind = RECORD_DNS };

    snprintf(record.of.dns.name, sizeof record.of.dns.name, "%s", target->host);
    snprintf(record.of.dns.status, sizeof record.of.dns.status, "ok");
    address_format_ip(address, record.address);
    resolver_seed(app->prober->resolver, &record);
}

static void
free_slot(struct board *board, uint32_t slot)
{
    static const struct board_detail nothing;

    atomic_store_explicit(&board_pulse_writable(board, slot)->id, 0, memory_order_relaxed);
    board_set_detail(board, slot, &nothing);
}

void
recall_board(struct prober_app *app)
{
    struct board *board = app->writer.board;
    const struct app_target *target;
    struct board_detail detail;
    uint32_t at = 0, count = 0;

    assert(app->targets == NULL);
    assert(app->prober->resolver != NULL);
    for (uint32_t slot = 0; slot < board_slots(board); slot++) {
        if (!board_detail(board, slot, &detail))
            continue;
        free_slot(board, slot);
        app->next_id = MAX(app->next_id, detail.id + 1);
        target = find_target(&app->config, detail.target, &at);
        if (detail.address.family == 0 || target == NULL)
            continue;
        count++;
        recall_state(app, &detail);
        if (target->address.family == 0)
            recall_address(app, target, &detail.address);
    }
    if (count > 0)
        log_info(app->config.name, "%u endpoints are as the last prober left them", count);
}
