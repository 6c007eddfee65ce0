/*
 * clock - the two times there are. Any thread.
 *
 * Deadlines and durations use CLOCK_MONOTONIC (it means the same in every process
 * of a machine, so it may lie in shared files); what people read is UTC wall time.
 * Policies take `now_ms` as an argument and never call these themselves.
 */
#ifndef FPROXY_BASE_CLOCK_H
#define FPROXY_BASE_CLOCK_H

#include <stdint.h>

#include "base/names.h"

uint64_t clock_monotonic_ms(void);
uint64_t clock_monotonic_us(void);

/* Milliseconds since 1970-01-01 UTC. */
int64_t clock_wall_ms(void);

/* "2026-01-31T12:34:56.789Z" into `text`, of at least TIME_TEXT_BYTES; returns it. */
const char *clock_format_utc(int64_t wall_ms, char *text);

/* The reverse; 0 or -EINVAL. Milliseconds and the Z may be missing. */
int clock_parse_utc(const char *text, int64_t *wall_ms);

#endif
