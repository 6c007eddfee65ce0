/* The board tells all that is needed: nothing else outlives a prober. */
#include "probes/prober_priv.h"
#include "probes/recall.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/util.h"
#include "probes/board_writer.h"

struct recall {
    uint32_t count;             /* in the order of their slots */
    uint32_t at;                /* behind the last that was taken: mostly the next to be */
    uint32_t taken;
    struct left {
        uint32_t slot;
        bool taken;
        struct board_detail detail;
    } left[];
};

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

    app_target_host(target, record.of.dns.name);
    snprintf(record.of.dns.status, sizeof record.of.dns.status, "ok");
    address_format_ip(address, record.address);
    resolver_seed(app->prober->resolver, &record);
}

/* The names' addresses have to be known before their targets start. */
static void
recall_addresses(struct prober_app *app)
{
    const struct recall *recall = app->recall;
    uint32_t at = 0;

    for (uint32_t i = 0; i < recall->count; i++) {
        const struct board_detail *detail = &recall->left[i].detail;
        const struct app_target *target = find_target(&app->config, detail->target, &at);

        if (detail->address.family != 0 && target != NULL && target->address.family == 0 &&
            !target->service)
            recall_address(app, target, &detail->address);
    }
}

static uint32_t
pulse_id(const struct board *board, uint32_t slot)
{
    return atomic_load_explicit(&board_pulse(board, slot)->id, memory_order_relaxed);
}

static uint32_t
count_left(const struct board *board)
{
    uint32_t count = 0;

    for (uint32_t slot = 0; slot < board_slots(board); slot++)
        count += pulse_id(board, slot) != 0;
    return count;
}

/* A pulse gets its endpoint's id after the detail: where they differ, a slot changed hands. */
static bool
read_left(const struct board *board, uint32_t slot, struct left *left)
{
    uint32_t id = pulse_id(board, slot);

    left->slot = slot;
    return id != 0 && board_detail_left(board, slot, &left->detail) && left->detail.id == id;
}

/* Most slots of a large board were never used, and their memory need not be touched. */
static bool
is_dirty(const struct board *board, uint32_t slot)
{
    struct board_detail detail;

    return pulse_id(board, slot) != 0 || board_detail_left(board, slot, &detail);
}

int
recall_begin(struct prober_app *app)
{
    const struct board *board = app->writer.board;
    uint32_t count = count_left(board);
    struct recall *recall;

    assert(app->targets == NULL);
    assert(app->recall == NULL);
    assert(app->prober->resolver != NULL);

    app->family->next_id = MAX(app->family->next_id, board_next_id(board));
    if (count == 0)
        return 0;
    recall = calloc(1, sizeof *recall + count * sizeof recall->left[0]);
    if (recall == NULL)
        return -ENOMEM;
    app->recall = recall;
    for (uint32_t slot = 0; slot < board_slots(board) && recall->count < count; slot++) {
        struct left *left = &recall->left[recall->count];

        recall->count += read_left(board, slot, left);
    }
    recall_addresses(app);
    board_writer_recall(app);
    return 0;
}

const struct board_detail *
recall_take(struct prober_app *app, const struct target *target, const struct address *address,
            uint32_t *slot)
{
    struct recall *recall = app->recall;

    for (uint32_t i = 0; recall != NULL && i < recall->count; i++) {
        uint32_t index = (recall->at + i) % recall->count;
        struct left *left = &recall->left[index];

        if (left->taken || !address_equal(&left->detail.address, address) ||
            strcmp(left->detail.target, target->config->name) != 0)
            continue;
        left->taken = true;
        recall->taken++;
        recall->at = index + 1;
        *slot = left->slot;
        return &left->detail;
    }
    return NULL;
}

const struct board_detail *
recall_next(const struct target *target, uint32_t *at)
{
    const struct recall *recall = target->app->recall;

    while (recall != NULL && *at < recall->count) {
        const struct left *left = &recall->left[(*at)++];

        if (!left->taken && left->detail.address.family != 0 &&
            strcmp(left->detail.target, target->config->name) == 0)
            return &left->detail;
    }
    return NULL;
}

void
recall_end(struct prober_app *app)
{
    const struct board *board = app->writer.board;
    uint32_t taken;

    if (app->recall == NULL)
        return;
    taken = app->recall->taken;
    free(app->recall);
    app->recall = NULL;
    if (app->targets == NULL)
        return;                     /* no memory for them: the next try finds the board as it is */
    log_info(app->config.name, "%" PRIu32 " endpoints go on as the last prober left them", taken);
    for (uint32_t slot = 0; slot < board_slots(board); slot++) {
        if (app->writer.slots[slot] == NULL && is_dirty(board, slot))
            board_writer_clear_slot(app, slot);
    }
    board_writer_house(app);
}
