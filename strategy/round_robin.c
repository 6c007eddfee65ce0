/*
 * round_robin - every available endpoint in its turn, in exact order over all threads.
 *
 * One counter for the whole app: a thread takes a number and serves that endpoint. Should an
 * endpoint be passed over, the next number is taken, not its neighbour: its share then
 * spreads over all the others and they keep their rotation.
 */
#include "strategy/strategy.h"

#include <stdatomic.h>

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

static int
round_robin_pick(void *state, const struct available_snapshot *snapshot,
                 const struct strategy_filter *filter)
{
    struct round_robin *robin = state;
    uint32_t index = 0;

    for (uint32_t i = 0; i < snapshot->count; i++) {
        uint64_t number = atomic_fetch_add_explicit(&robin->next, 1, memory_order_relaxed);

        index = (uint32_t)(number % snapshot->count);
        if (!is_skipped(filter, &snapshot->endpoints[index]))
            return (int)index;
    }
    return scan_from(snapshot, index, filter);
}

const struct strategy_ops strategy_round_robin = {
    .name = "round_robin",
    .state_bytes = sizeof(struct round_robin),
    .init = round_robin_init,
    .pick = round_robin_pick,
};
