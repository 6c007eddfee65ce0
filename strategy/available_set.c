/*
 * available_set - see the header for the algorithm; here is why it is right.
 *
 * Generation g lies in bucket g % 2, which is written again only for generation g + 2,
 * after the writer stored generation g + 1. A reader that copied for g and met a word of
 * g + 2 has acquired what the writer released with it, generation g + 1 included, so its
 * second look at the generation cannot answer g. What it copied in between may be a mix of
 * both: the count is bounded before it is used, and the rest is thrown away.
 */
#include "strategy/available_set.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "strategy/atomic_words.h"
#include "strategy/weights.h"

enum {
    ENDPOINT_WORDS = sizeof(struct available_endpoint) / WORD_BYTES,
    WORD_PUBLISHED_AT = 0,
    WORD_COUNT_FLAGS,           /* count in the low half */
    WORD_ENDPOINTS,
    LINE_WORDS = CACHE_LINE_BYTES / WORD_BYTES,
};
_Static_assert(sizeof(struct available_endpoint) % WORD_BYTES == 0, "whole words");

struct available_set {
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t generation;
    uint32_t endpoints_max;                                     /* never changes */
    _Alignas(CACHE_LINE_BYTES) _Atomic uint64_t words[];        /* two buckets */
};

/* Buckets begin on cache lines of their own: filling one does not disturb the other. */
static size_t
bucket_words(uint32_t endpoints_max)
{
    size_t words = WORD_ENDPOINTS + (size_t)endpoints_max * ENDPOINT_WORDS;

    return (words + LINE_WORDS - 1) / LINE_WORDS * LINE_WORDS;
}

static size_t
bucket_offset(const struct available_set *set, uint64_t generation)
{
    return (generation & 1) * bucket_words(set->endpoints_max);
}

size_t
available_set_bytes(uint32_t endpoints_max)
{
    return sizeof(struct available_set) + 2 * bucket_words(endpoints_max) * WORD_BYTES;
}

size_t
available_snapshot_bytes(uint32_t endpoints_max)
{
    return sizeof(struct available_snapshot) +
           (size_t)endpoints_max * (sizeof(struct available_endpoint) + sizeof(uint32_t));
}

void
available_set_init(struct available_set *set, uint32_t endpoints_max)
{
    assert((uintptr_t)set % CACHE_LINE_BYTES == 0);

    set->endpoints_max = endpoints_max;
}

uint32_t
available_set_endpoints_max(const struct available_set *set)
{
    return set->endpoints_max;
}

uint64_t
available_set_generation(const struct available_set *set)
{
    return atomic_load_explicit(&set->generation, memory_order_acquire);
}

int
available_set_publish(struct available_set *set, const struct available_endpoint *endpoints,
                      uint32_t count, uint32_t flags, uint64_t now_ms)
{
    /* The only writer: nobody else moves the generation. */
    uint64_t next = atomic_load_explicit(&set->generation, memory_order_relaxed) + 1;
    _Atomic uint64_t *bucket;
    uint64_t head[WORD_ENDPOINTS];

    if (count > set->endpoints_max)
        return -E2BIG;
    for (uint32_t i = 0; i < count; i++)
        assert(endpoints[i].slot < set->endpoints_max);

    head[WORD_PUBLISHED_AT] = now_ms;
    head[WORD_COUNT_FLAGS] = count | (uint64_t)flags << 32;
    bucket = set->words + bucket_offset(set, next);
    atomic_words_store(bucket, head, WORD_ENDPOINTS);
    atomic_words_store(bucket + WORD_ENDPOINTS, endpoints, (size_t)count * ENDPOINT_WORDS);
    atomic_store_explicit(&set->generation, next, memory_order_release);
    return 0;
}

bool
available_set_moved(const struct available_set *set, const struct available_snapshot *snapshot)
{
    return available_set_generation(set) != snapshot->generation;
}

/* What no prober publishes but a damaged file may hold: slots outside all the tables. */
static void
drop_stray_slots(struct available_snapshot *snapshot, uint32_t endpoints_max)
{
    uint32_t kept = 0, all = snapshot->count, reserve = MIN(snapshot->reserve, all);

    for (uint32_t i = 0; i < all; i++) {
        if (i == all - reserve)
            snapshot->count = kept;
        if (UNLIKELY(snapshot->endpoints[i].slot >= endpoints_max))
            continue;
        if (UNLIKELY(kept != i))
            snapshot->endpoints[kept] = snapshot->endpoints[i];
        kept++;
    }
    if (reserve == 0)
        snapshot->count = kept;
    snapshot->reserve = kept - snapshot->count;
}

void
available_set_copy(const struct available_set *set, struct available_snapshot *snapshot)
{
    const _Atomic uint64_t *bucket;
    uint64_t generation, head[WORD_ENDPOINTS];
    uint64_t now = available_set_generation(set);

    do {
        generation = now;
        bucket = set->words + bucket_offset(set, generation);
        atomic_words_load(bucket, head, WORD_ENDPOINTS);
        snapshot->published_at_ms = head[WORD_PUBLISHED_AT];
        snapshot->count = MIN((uint32_t)head[WORD_COUNT_FLAGS], set->endpoints_max);
        snapshot->flags = head[WORD_COUNT_FLAGS] >> 32 & AVAILABLE_FLAGS;
        snapshot->reserve =
            (uint32_t)(head[WORD_COUNT_FLAGS] >> (32 + AVAILABLE_RESERVE_SHIFT));
        atomic_words_load(bucket + WORD_ENDPOINTS, snapshot->endpoints,
                          (size_t)snapshot->count * ENDPOINT_WORDS);
        now = available_set_generation(set);
    } while (UNLIKELY(now != generation));

    snapshot->generation = generation;
    drop_stray_slots(snapshot, set->endpoints_max);
    weights_prepare(snapshot);
}
