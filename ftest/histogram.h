/*
 * histogram - how long things took, in fixed memory.
 *
 * Log-linear, as HdrHistogram: each power of two is split into 128 equal buckets, so a
 * value is kept with an error below 1 % over the whole range of 64 bits, in 58 KiB. Values
 * below 128 are exact. One thread. The unit is the caller's (ftest: nanoseconds).
 */
#ifndef FPROXY_FTEST_HISTOGRAM_H
#define FPROXY_FTEST_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_SUB_BITS = 7,
    HISTOGRAM_BUCKETS = (64 - HISTOGRAM_SUB_BITS + 1) << HISTOGRAM_SUB_BITS,
};

/* All zero is an empty one. */
struct histogram {
    uint64_t count;
    uint64_t min, max;          /* exact */
    double sum;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_record(struct histogram *histogram, uint64_t value);

/* The value that `percent` of all values do not exceed, as the highest value of its bucket
 * but never more than the maximum. 0 when there are none. 0 < percent <= 100. */
uint64_t histogram_percentile(const struct histogram *histogram, double percent);

/* 0 when there are none. */
double histogram_mean(const struct histogram *histogram);

/* How many values are above `value` (bucketwise: those in its own bucket do not count). */
uint64_t histogram_count_above(const struct histogram *histogram, uint64_t value);

#endif
