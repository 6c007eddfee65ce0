/*
 * lag - how late probes start: from when one is due until it begins. What the prober is busy with,
 * or waits for, and no target's fault.
 *
 *   slices of 20 s, each a histogram:  [ -60 s | -40 s | -20 s | now ]  --lag_read()--> board_lag
 *
 * Percentiles are exact below 16 ms and at most an eighth too high above. Pure: `now_ms` is
 * CLOCK_MONOTONIC. Zeroed by its owner. The loop's thread only.
 */
#ifndef FPROXY_PROBES_LAG_H
#define FPROXY_PROBES_LAG_H

#include <stdbool.h>
#include <stdint.h>

#include "strategy/board.h"

enum {
    LAG_SLICE_MS = 20000, LAG_SLICES = 4,
    LAG_EXACT = 16, LAG_PER_OCTAVE = 8,         /* buckets */
    LAG_MAX_MS = UINT16_MAX,                    /* what is later counts as that */
    LAG_BUCKETS = LAG_EXACT + (16 - 4) * LAG_PER_OCTAVE,
};

struct lag_slice {
    uint64_t number;                            /* now_ms / LAG_SLICE_MS */
    uint32_t probes, overruns, max_ms;
    uint32_t buckets[LAG_BUCKETS];
};

struct lag {
    struct lag_slice slices[LAG_SLICES];
    uint32_t overruns;                          /* in all */
};

/* A probe starts now, so much after its time; `overrun`: that is more than its jitter. */
void lag_add(struct lag *lag, uint64_t now_ms, uint64_t late_ms, bool overrun);

/* Of the last 60 to 80 s; `overruns` of all time. */
void lag_read(const struct lag *lag, uint64_t now_ms, struct board_lag *shown);

#endif
