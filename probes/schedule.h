/*
 * schedule - when probes and lookups happen: pure arithmetic over times and random numbers.
 *
 * Whatever is periodic is spread, for a thousand timers that began together would stay
 * together for ever. Any thread; `random` is any 32-bit random number.
 */
#ifndef FPROXY_PROBES_SCHEDULE_H
#define FPROXY_PROBES_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SCHEDULE_SPREAD_MAX_MS = 2000,
    SCHEDULE_FIRST_PER_SECOND = 2500,   /* how fast first probes are started */
    SCHEDULE_GRID_MS = 20,
    SCHEDULE_GRID_FROM_MS = 500,        /* shorter waits are left as they are */
    SCHEDULE_LATE_MIN_MS = 100, SCHEDULE_LATE_MAX_MS = 1000,
};

/* `interval_ms` plus or minus at most `percent` of it. */
uint32_t schedule_jitter(uint32_t interval_ms, uint32_t percent, uint32_t random);

/* How long after its app's load the first probe of the endpoint number `index` of `count`
 * waits. The first goes at once, for readiness must not wait; the others are spread over what
 * the `total` endpoints of the whole process need, at most 2 s or an interval. */
uint32_t schedule_first_probe_ms(uint32_t index, uint32_t count, uint32_t total,
                                 uint32_t interval_ms);

/* The interval until the second one: so that the second probes of the app come evenly, from when
 * the first ones are over, those that nobody answered as well, to an interval later. Else all would
 * come within 2 s of each interval, until the jitter has spread them. At most an interval, and a
 * whole one for the first. */
uint32_t schedule_second_probe_ms(uint32_t index, uint32_t count, uint32_t total,
                                  uint32_t interval_ms, uint32_t timeout_ms);

/* A probe that starts so much after its time is told of: its jitter, within reason. */
uint32_t schedule_late_ms(uint32_t interval_ms, uint32_t percent);

/* A probe that took so long was over by its timeout, but nobody looked for more than `late_ms`. */
bool schedule_overran(uint32_t duration_us, uint32_t timeout_ms, uint32_t late_ms);

/* How long to wait for the next start, when the last was at `started_ms`; 0: it is due. */
uint32_t schedule_wait_ms(uint64_t started_ms, uint32_t interval_ms, uint64_t now_ms);

/* `wait_ms`, shortened so that it ends on a multiple of SCHEDULE_GRID_MS: what is due at about the
 * same time wakes the process once. */
uint32_t schedule_align_ms(uint64_t now_ms, uint32_t wait_ms);

/* An interval with as much jitter as there can be. */
uint32_t schedule_longest_ms(uint32_t interval_ms, uint32_t percent);

/* How long a probe waits that was meant to start at `due_ms` before another took over: as long
 * as it would have. One that is overdue, or beyond the longest interval because that became
 * shorter, comes at a random time, for there are others. */
uint32_t schedule_resume_ms(uint64_t due_ms, uint32_t longest_ms, uint64_t now_ms,
                            uint32_t random);

/* A small generator (xorshift), good enough to spread timers; `*state` is never 0. */
uint32_t schedule_random(uint64_t *state);

#endif
