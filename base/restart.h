/*
 * restart - how long to wait before a child that ended is started again. Pure.
 *
 * The first time at once, then 1 s, doubling to 30 s; a child that was up for a minute
 * starts from the beginning. It never gives up. One that ended five times within a minute is in a
 * crash loop until one has been up for a minute, however long the waits have become.
 */
#ifndef FPROXY_BASE_RESTART_H
#define FPROXY_BASE_RESTART_H

#include <stdbool.h>
#include <stdint.h>

enum {
    RESTART_FIRST_MS = 1000,
    RESTART_MAX_MS = 30000,
    RESTART_STABLE_MS = 60000,      /* up this long: the trouble is over */
    RESTART_LOOP_ENDS = 5,          /* so many ends in RESTART_STABLE_MS: a crash loop */
};

/* Zeroed: never ended. */
struct restart {
    uint32_t next_ms;                       /* the next wait */
    uint64_t ended_at_ms[RESTART_LOOP_ENDS];    /* a ring of the last ends, CLOCK_MONOTONIC */
    uint32_t ends;
    bool looping;
    uint64_t stable_at_ms;                  /* CLOCK_MONOTONIC: the next one is up for so long */
};

/* The child that had started at `started_at_ms` ended at `now_ms`: wait this many ms. */
uint32_t restart_delay(struct restart *restart, uint64_t started_at_ms, uint64_t now_ms);

/* It ended so often lately that people should look at it, and has not lasted since. */
bool restart_looping(const struct restart *restart, uint64_t now_ms);

#endif
