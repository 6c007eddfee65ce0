#include "ftest/histogram.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>

#include "base/util.h"

enum { SUB_BUCKETS = 1 << HISTOGRAM_SUB_BITS };

/* The first two powers' worth of buckets are one wide, those of the next power two... */
static size_t
bucket_of(uint64_t value)
{
    unsigned shift;

    if (value < SUB_BUCKETS)
        return (size_t)value;
    shift = 63 - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
    return ((size_t)(shift + 1) << HISTOGRAM_SUB_BITS) + (size_t)(value >> shift) - SUB_BUCKETS;
}

static uint64_t
highest_of(size_t bucket)
{
    uint64_t shift, lowest;

    if (bucket < SUB_BUCKETS)
        return bucket;
    shift = (bucket >> HISTOGRAM_SUB_BITS) - 1;
    lowest = ((bucket & (SUB_BUCKETS - 1)) + SUB_BUCKETS) << shift;
    return lowest + ((1ULL << shift) - 1);
}

void
histogram_record(struct histogram *histogram, uint64_t value)
{
    size_t bucket = bucket_of(value);

    assert(bucket < HISTOGRAM_BUCKETS);
    if (histogram->count == 0 || value < histogram->min)
        histogram->min = value;
    histogram->max = MAX(histogram->max, value);
    histogram->count++;
    histogram->sum += (double)value;
    histogram->buckets[bucket]++;
}

uint64_t
histogram_percentile(const struct histogram *histogram, double percent)
{
    uint64_t wanted, seen = 0;

    assert(percent > 0 && percent <= 100);
    if (histogram->count == 0)
        return 0;
    wanted = (uint64_t)ceil((double)histogram->count * percent / 100);
    wanted = MIN(MAX(wanted, 1), histogram->count);
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen >= wanted)
            return MIN(highest_of(i), histogram->max);
    }
    return histogram->max;
}

double
histogram_mean(const struct histogram *histogram)
{
    return histogram->count == 0 ? 0 : histogram->sum / (double)histogram->count;
}

uint64_t
histogram_count_above(const struct histogram *histogram, uint64_t value)
{
    uint64_t above = 0;

    for (size_t i = bucket_of(value) + 1; i < HISTOGRAM_BUCKETS; i++)
        above += histogram->buckets[i];
    return above;
}
