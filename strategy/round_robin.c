/*
 * round_robin - every available endpoint in its turn, in exact order over all threads.
 *
 * One counter for the whole app: a thread takes a number and serves that endpoint; with weights
 * an endpoint has several turns of each round (weights.h). Should an endpoint be passed over,
 * the next number is taken, not its neighbour: its share then spreads over all the others and
 * they keep their rotation.
 */
#include "strategy/strategy.h"

#include <stdatomic.h>

#include "base/util.h"
#include "strategy/weights.h"

struct round_robin {
    _Atomic uint64_t next;      /* wraps after centuries */
};

static void
round_robin_init(void *state)
{
    struct round_robin *robin = state;

    atomic_init(&robin->next, 0);
}

static bool
is_skipped(const struct strategy_filter *filter, const struct available_endpoint *endpoint)
{
    return filter != NULL && filter->skip(filter, endpoint);
}

/* Other threads may have taken all the numbers of the few endpoints that are left. */
static int
scan_from(const struct available_snapshot *snapshot, uint32_t begin,
          const struct strategy_filter *filter)
{
    for (uint32_t i = 0; i < snapshot->count; i++) {
        uint32_t index = (begin + i) % snapshot->count;

        if (!is_skipped(filter, &snapshot->endpoints[index]))
            return (int)index;
    }
    return -1;
}

/* All bits of a number from all bits of another (splitmix64). */
static uint64_t
scatter(uint64_t number)
{
    number += 0x9e3779b97f4a7c15u;
    number = (number ^ number >> 30) * 0xbf58476d1ce4e5b9u;
    number = (number ^ number >> 27) * 0x94d049bb133111ebu;
    return number ^ number >> 31;
}

/* With weights, one with most of the turns may have had all the numbers that were taken: of
 * those that are left one by lot, each with the chance of its weight, in one pass. */
static int
draw(const struct available_snapshot *snapshot, uint64_t number,
     const struct strategy_filter *filter)
{
    uint64_t total = 0;
    int drawn = -1;

    for (uint32_t i = 0; i < snapshot->count; i++) {
        uint32_t weight = weights_of(&snapshot->endpoints[i]);

        if (is_skipped(filter, &snapshot->endpoints[i]))
            continue;
        total += weight;
        number = scatter(number);
        if (number % total < weight)
            drawn = (int)i;
    }
    return drawn;
}

static int
round_robin_pick(void *state, const struct available_snapshot *snapshot,
                 const struct strategy_filter *filter)
{
    struct round_robin *robin = state;
    bool weighted = snapshot->run_count > 1;
    uint64_t number = 0;
    uint32_t index = 0;

    for (uint32_t i = 0; i < snapshot->count; i++) {
        number = atomic_fetch_add_explicit(&robin->next, 1, memory_order_relaxed);
        index = UNLIKELY(weighted) ? weights_index(snapshot, number)
                                   : (uint32_t)(number % snapshot->count);
        if (!is_skipped(filter, &snapshot->endpoints[index]))
            return (int)index;
    }
    return weighted ? draw(snapshot, number, filter) : scan_from(snapshot, index, filter);
}

const struct strategy_ops strategy_round_robin = {
    .name = "round_robin",
    .state_bytes = sizeof(struct round_robin),
    .init = round_robin_init,
    .pick = round_robin_pick,
};
