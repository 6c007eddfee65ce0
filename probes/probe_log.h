/*
 * probe_log - which results of an endpoint's probes are worth a row, and its minutes; and
 * which changes of state are worth a line in the log.
 *
 * Every result of 10,000 endpoints would be 2,000 rows a second: kept are every failure,
 * every change of outcome and one success a minute; a summary a minute tells the rest.
 * Pure functions of what is added; `wall_ms` is UTC.
 */
#ifndef FPROXY_PROBES_PROBE_LOG_H
#define FPROXY_PROBES_PROBE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/record.h"
#include "strategy/endpoint_state.h"

enum {
    PROBE_LOG_SAMPLES = 32,
    PROBE_LOG_MINUTE_MS = 60000,
    PROBE_LOG_LINES_MAX = 20,               /* of one probe_lines in a minute */
};

/* Zeroed by its owner. */
struct probe_log {
    enum reason last_outcome;
    int64_t kept_success_ms;
    int64_t minute_ms;                      /* begin of the minute that is being counted */
    uint32_t runs, failures, max_us;
    uint32_t *samples_us;                   /* owned; of the minute: the latest win */
    uint32_t samples_room;                  /* up to PROBE_LOG_SAMPLES, as many as it takes */
};

void probe_log_fini(struct probe_log *log);

/* Changes of something that may flap. Zeroed by its owner. */
struct probe_lines {
    int64_t minute_ms;                      /* begin of the minute of the last change */
    uint32_t changes;                       /* in that minute */
};

/* Does this result deserve its own row? */
bool probe_log_keep(struct probe_log *log, enum reason outcome, int64_t wall_ms);

/* Something changed: may that be a line in the log? What flaps must fill no disk. */
bool probe_lines_allow(struct probe_lines *lines, int64_t wall_ms);

/* How many changes of a minute that is over at `wall_ms` got no line; told once. To be called
 * before probe_lines_allow(), and every now and then. */
uint32_t probe_lines_untold(struct probe_lines *lines, int64_t wall_ms);

/* True when a minute with results is over at `wall_ms`: `summary` has all but its probe's
 * name, and the next minute begins. */
bool probe_log_minute(struct probe_log *log, int64_t wall_ms,
                      struct record_probe_summary *summary);

/* Counts a result into the present minute; call probe_log_minute() first. */
void probe_log_add(struct probe_log *log, enum reason outcome, uint32_t duration_us);

#endif
