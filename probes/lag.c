#include "probes/lag.h"

#include <string.h>

#include "base/util.h"

/* 0 to 15, then eight for each power of two. */
static uint32_t
bucket_of(uint32_t ms)
{
    uint32_t power;

    if (ms < LAG_EXACT)
        return ms;
    power = 31 - (uint32_t)__builtin_clz(ms);
    return LAG_EXACT + (power - 4) * LAG_PER_OCTAVE + (ms >> (power - 3)) % LAG_PER_OCTAVE;
}

/* The latest that is counted there. */
static uint32_t
bucket_end_ms(uint32_t bucket)
{
    uint32_t above = bucket - LAG_EXACT;

    if (bucket < LAG_EXACT)
        return bucket;
    return ((LAG_PER_OCTAVE + above % LAG_PER_OCTAVE + 1) << (above / LAG_PER_OCTAVE + 1)) - 1;
}

void
lag_add(struct lag *lag, uint64_t now_ms, uint64_t late_ms, bool overrun)
{
    uint64_t number = now_ms / LAG_SLICE_MS;
    struct lag_slice *slice = &lag->slices[number % LAG_SLICES];
    uint32_t ms = (uint32_t)MIN(late_ms, (uint64_t)LAG_MAX_MS);

    if (slice->number != number) {
        memset(slice, 0, sizeof *slice);
        slice->number = number;
    }
    slice->probes++;
    slice->overruns += overrun;
    slice->max_ms = MAX(slice->max_ms, ms);
    slice->buckets[bucket_of(ms)]++;
    lag->overruns += overrun;
}

/* Adds up what is not too old. */
static void
sum_up(const struct lag *lag, uint64_t now_ms, struct lag_slice *sum)
{
    uint64_t number = now_ms / LAG_SLICE_MS;

    memset(sum, 0, sizeof *sum);
    for (size_t i = 0; i < LAG_SLICES; i++) {
        const struct lag_slice *slice = &lag->slices[i];

        if (slice->number > number || number - slice->number >= LAG_SLICES)
            continue;
        sum->probes += slice->probes;
        sum->overruns += slice->overruns;
        sum->max_ms = MAX(sum->max_ms, slice->max_ms);
        for (size_t b = 0; b < LAG_BUCKETS; b++)
            sum->buckets[b] += slice->buckets[b];
    }
}

static uint16_t
percentile_ms(const struct lag_slice *sum, uint32_t percent)
{
    uint64_t rank = ((uint64_t)sum->probes * percent + 99) / 100, seen = 0;

    for (uint32_t b = 0; b < LAG_BUCKETS; b++) {
        seen += sum->buckets[b];
        if (seen >= rank)
            return (uint16_t)MIN(bucket_end_ms(b), sum->max_ms);
    }
    return (uint16_t)sum->max_ms;
}

void
lag_read(const struct lag *lag, uint64_t now_ms, struct board_lag *shown)
{
    struct lag_slice sum;

    sum_up(lag, now_ms, &sum);
    *shown = (struct board_lag){
        .p50_ms = percentile_ms(&sum, 50),
        .p99_ms = percentile_ms(&sum, 99),
        .max_ms = (uint16_t)sum.max_ms,
        .overruns_lately = (uint16_t)MIN(sum.overruns, (uint32_t)UINT16_MAX),
        .probes = sum.probes,
        .overruns = lag->overruns,
    };
}
