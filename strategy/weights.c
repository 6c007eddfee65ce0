/* How numbers are divided among endpoints; the header draws it. */
#include "strategy/weights.h"

#include <assert.h>

/* Behind the last endpoint, the reserve's as well: available_snapshot_bytes() has room. */
static uint32_t *
ends_of(struct available_snapshot *snapshot)
{
    return (uint32_t *)&snapshot->endpoints[snapshot->count + snapshot->reserve];
}

void
weights_prepare(struct available_snapshot *snapshot)
{
    uint32_t *ends = ends_of(snapshot);
    uint32_t runs = 0, total = 0;

    for (uint32_t i = 0; i < snapshot->count; i++) {
        const struct available_endpoint *endpoint = &snapshot->endpoints[i];

        total += weights_of(endpoint);      /* 65,535 times 65,535 fits */
        if (i + 1 == snapshot->count || weights_of(endpoint) != weights_of(endpoint + 1))
            ends[runs++] = i + 1;
    }
    snapshot->run_count = runs;
    snapshot->weight_total = total;
}

/* How many of the first `number` numbers are those of a run that gets `share` of each `total`. */
static uint64_t
turns_before(uint64_t number, uint64_t share, uint64_t total)
{
    return (number * share + total - 1) / total;
}

uint32_t
weights_index(const struct available_snapshot *snapshot, uint64_t number)
{
    const uint32_t *ends =
        (const uint32_t *)&snapshot->endpoints[snapshot->count + snapshot->reserve];
    uint64_t left = snapshot->weight_total;
    uint32_t begin = 0, run = 0;

    assert(snapshot->count > 0);
    if (snapshot->run_count <= 1)
        return (uint32_t)(number % snapshot->count);
    number %= left;
    for (; run + 1 < snapshot->run_count; run++) {
        uint32_t length = ends[run] - begin;
        uint64_t share = (uint64_t)length * weights_of(&snapshot->endpoints[begin]);
        uint64_t before = turns_before(number, share, left);

        if (turns_before(number + 1, share, left) > before)
            return begin + (uint32_t)(before % length);
        number -= before;
        left -= share;
        begin = ends[run];
    }
    return begin + (uint32_t)(number % (ends[run] - begin));
}
