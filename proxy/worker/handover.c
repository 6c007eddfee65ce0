/*
 * handover - see handover.h.
 *
 * Everything is found by sorting the new side and searching it: n log m for 4,096 of each, and
 * nothing but one array to allocate.
 */
#include "proxy/worker/handover.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "proxy/worker/thread.h"
#include "strategy/board.h"
#include "strategy/traffic.h"

/* A row of a sorted side: what it is found by, and its index (or slot). */
struct by_address {
    struct address address;
    uint32_t target;            /* index in the new app's targets; 0 for ports */
    uint32_t id;
    uint16_t index;
};

struct by_name {
    const char *name;
    uint16_t index;
};

static int
compare_addresses(const void *a, const void *b)
{
    const struct by_address *one = a, *other = b;
    int order = memcmp(&one->address, &other->address, sizeof one->address);

    return order != 0 ? order : (one->target > other->target) - (one->target < other->target);
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(((const struct by_name *)a)->name, ((const struct by_name *)b)->name);
}

static int
map_ports(struct handover *handover, const struct app_config *from, const struct app_config *to)
{
    struct by_address *sorted = calloc(to->port_count + 1, sizeof *sorted);

    if (sorted == NULL)
        return -1;
    for (uint32_t i = 0; i < to->port_count; i++) {
        sorted[i].address = to->ports[i].address;
        sorted[i].index = (uint16_t)i;
    }
    qsort(sorted, to->port_count, sizeof *sorted, compare_addresses);
    for (uint32_t i = 0; i < from->port_count; i++) {
        const struct by_address key = { .address = from->ports[i].address }, *found;

        found = bsearch(&key, sorted, to->port_count, sizeof *sorted, compare_addresses);
        handover->ports[i] = found != NULL ? found->index : HANDOVER_NONE;
    }
    free(sorted);
    return 0;
}

/* ---- targets ---- */

static struct by_name *
sort_targets(const struct app_config *config)
{
    struct by_name *names = calloc(config->target_count + 1, sizeof *names);

    if (names == NULL)
        return NULL;
    for (uint32_t i = 0; i < config->target_count; i++) {
        names[i].name = config->targets[i].name;
        names[i].index = (uint16_t)i;
    }
    qsort(names, config->target_count, sizeof *names, compare_names);
    return names;
}

static uint16_t
find_target(const struct by_name *names, const struct app_config *config, const char *name)
{
    const struct by_name key = { .name = name }, *found;

    found = bsearch(&key, names, config->target_count, sizeof key, compare_names);
    return found != NULL ? found->index : HANDOVER_NONE;
}

/* ---- endpoints ---- */

/* The endpoint in a slot, by the new app's target; false when it has none there. */
static bool
endpoint_in(const struct board *board, uint32_t slot, const struct by_name *names,
            const struct app_config *to, struct by_address *endpoint)
{
    struct board_detail detail;

    if (!board_detail(board, slot, &detail) || detail.address.family == 0)
        return false;
    memset(endpoint, 0, sizeof *endpoint);
    endpoint->address = detail.address;
    endpoint->target = find_target(names, to, detail.target);
    endpoint->id = detail.id;
    endpoint->index = (uint16_t)slot;
    return endpoint->target != HANDOVER_NONE;
}

static int
map_endpoints(struct handover *handover, const struct board *from, const struct board *to,
              const struct by_name *names, const struct app_config *config)
{
    uint32_t slots = board_slots(to), count = 0;
    struct by_address *sorted = calloc(slots, sizeof *sorted), endpoint;

    if (sorted == NULL)
        return -1;
    for (uint32_t slot = 0; slot < slots; slot++)
        count += endpoint_in(to, slot, names, config, &sorted[count]);
    qsort(sorted, count, sizeof *sorted, compare_addresses);
    for (uint32_t slot = 0; slot < handover->slot_count; slot++) {
        const struct by_address *found;

        if (!endpoint_in(from, slot, names, config, &endpoint))
            continue;
        found = bsearch(&endpoint, sorted, count, sizeof *sorted, compare_addresses);
        if (found == NULL)
            continue;
        handover->endpoints[slot] = (struct handover_endpoint){
            .old_id = endpoint.id, .id = found->id, .slot = found->index };
    }
    free(sorted);
    return 0;
}

static int
map_targets(struct handover *handover, const struct worker_app *from,
            const struct board *from_board, const struct worker_app *to,
            const struct board *to_board)
{
    struct by_name *names = sort_targets(&to->config);
    int rc;

    if (names == NULL)
        return -1;
    for (uint32_t i = 0; i < from->config.target_count; i++)
        handover->targets[i] = find_target(names, &to->config, from->config.targets[i].name);
    rc = map_endpoints(handover, from_board, to_board, names, &to->config);
    free(names);
    return rc;
}

struct handover *
handover_create(const struct worker_app *from, const struct board *from_board,
                const struct worker_app *to, const struct board *to_board)
{
    struct handover *handover = calloc(1, sizeof *handover);

    if (handover == NULL)
        return NULL;
    handover->to_generation = to->generation;
    handover->port_count = from->config.port_count;
    handover->target_count = from->config.target_count;
    handover->slot_count = board_slots(from_board);
    handover->ports = calloc(handover->port_count + 1, sizeof *handover->ports);
    handover->targets = calloc(handover->target_count + 1, sizeof *handover->targets);
    handover->endpoints = calloc(handover->slot_count, sizeof *handover->endpoints);
    if (handover->ports != NULL && handover->targets != NULL && handover->endpoints != NULL &&
        map_ports(handover, &from->config, &to->config) == 0 &&
        map_targets(handover, from, from_board, to, to_board) == 0)
        return handover;
    handover_destroy(handover);
    return NULL;
}

void
handover_destroy(struct handover *handover)
{
    if (handover == NULL)
        return;
    free(handover->ports);
    free(handover->targets);
    free(handover->endpoints);
    free(handover);
}

#define LOAD(cell) atomic_load_explicit(&(cell), memory_order_relaxed)
#define STORE(cell, value) atomic_store_explicit(&(cell), (value), memory_order_relaxed)

/* Not `failures`: the prober has seen those and would take them for news. */
void
handover_knowledge(const struct handover *handover, const struct traffic *from,
                   const struct traffic *to)
{
    for (uint32_t slot = 0; slot < MIN(handover->slot_count, traffic_slots(from)); slot++) {
        const struct handover_endpoint *endpoint = &handover->endpoints[slot];
        const struct traffic_knowledge *old = traffic_knowledge(from, slot);
        struct traffic_knowledge *new;

        if (endpoint->old_id == 0 || LOAD(old->id) != endpoint->old_id ||
            endpoint->slot >= traffic_slots(to))
            continue;
        new = traffic_knowledge(to, endpoint->slot);
        if (new == old)
            continue;
        STORE(new->id, endpoint->id);
        STORE(new->connect_us, LOAD(old->connect_us));
        STORE(new->shun_ms, LOAD(old->shun_ms));
        STORE(new->shunned_until_ms, LOAD(old->shunned_until_ms));
        STORE(new->shunned_since_ms, LOAD(old->shunned_since_ms));
    }
}
