/*
 * inspect_time - the times that people write, as "10m ago" or "yesterday 12:00".
 *
 *    2026-11-26T12:00:00Z       UTC, as fproxy prints it; fractions of a second may follow
 *    2026-11-26T12:00           local time; a space will do for the T; seconds may follow
 *    2026-11-26                 the begin of that day, local
 *    12:00                      when it was that last, local; seconds may follow
 *    today 12:00, yesterday 12:00, yesterday, today, now
 *    10m ago, 1h 30m ago        ms, s, m, h, d; the "ago" may be missing
 *
 * Any thread; reads the time zone.
 */
#ifndef FPROXY_PROBES_INSPECT_TIME_H
#define FPROXY_PROBES_INSPECT_TIME_H

#include <stdint.h>

/* What a message says about them. */
#define INSPECT_TIME_FORMS                                                                     \
    "2026-11-26T12:00:00Z, 2026-11-26T12:00 (local time), 12:00, yesterday 12:00 or 10m ago"

/* 0 and UTC ms; -EINVAL when it is no time. A time may lie ahead of `now_wall_ms`. */
int inspect_time_parse(const char *text, int64_t now_wall_ms, int64_t *wall_ms);

#endif
