#include "probes/probe_log.h"

#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum { SAMPLES_MIN = 2 };

void
probe_log_fini(struct probe_log *log)
{
    free(log->samples_us);
    log->samples_us = NULL;
    log->samples_room = 0;
}

/* Without memory the room stays, and the samples that do not fit are not in the median. */
static void
ensure_room(struct probe_log *log, uint32_t count)
{
    uint32_t room = MIN(MAX(log->samples_room * 2, SAMPLES_MIN), PROBE_LOG_SAMPLES);
    uint32_t *samples_us;

    if (count <= log->samples_room)
        return;
    samples_us = realloc(log->samples_us, room * sizeof *samples_us);
    if (samples_us == NULL)
        return;
    log->samples_us = samples_us;
    log->samples_room = room;
}

bool
probe_log_keep(struct probe_log *log, enum reason outcome, int64_t wall_ms)
{
    bool changed = outcome != log->last_outcome;
    int64_t age_ms = wall_ms - log->kept_success_ms;

    log->last_outcome = outcome;
    if (outcome != REASON_OK)
        return true;
    /* A clock that was set back must not silence an endpoint. */
    if (!changed && age_ms >= 0 && age_ms < PROBE_LOG_MINUTE_MS)
        return false;
    log->kept_success_ms = wall_ms;
    return true;
}

static int64_t
minute_of(int64_t wall_ms)
{
    return wall_ms - wall_ms % PROBE_LOG_MINUTE_MS;
}

bool
probe_lines_allow(struct probe_lines *lines, int64_t wall_ms)
{
    lines->minute_ms = minute_of(wall_ms);
    return lines->changes++ < PROBE_LOG_LINES_MAX;
}

uint32_t
probe_lines_untold(struct probe_lines *lines, int64_t wall_ms)
{
    uint32_t untold =
        lines->changes > PROBE_LOG_LINES_MAX ? lines->changes - PROBE_LOG_LINES_MAX : 0;

    if (minute_of(wall_ms) == lines->minute_ms)
        return 0;
    lines->changes = 0;
    return untold;
}

static int
compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static uint32_t
median(const struct probe_log *log)
{
    uint32_t sorted[PROBE_LOG_SAMPLES];
    uint32_t count = MIN(log->runs, log->samples_room);

    if (count == 0)
        return 0;
    memcpy(sorted, log->samples_us, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare);
    return sorted[(count - 1) / 2];
}

bool
probe_log_minute(struct probe_log *log, int64_t wall_ms, struct record_probe_summary *summary)
{
    int64_t minute_ms = minute_of(wall_ms);
    bool over = log->runs > 0 && minute_ms != log->minute_ms;

    if (over) {
        *summary = (struct record_probe_summary){
            .minute_ms = log->minute_ms,
            .runs = log->runs,
            .failures = log->failures,
            .p50_us = median(log),
            .max_us = log->max_us,
        };
        log->runs = log->failures = log->max_us = 0;
    }
    log->minute_ms = minute_ms;
    return over;
}

void
probe_log_add(struct probe_log *log, enum reason outcome, uint32_t duration_us)
{
    uint32_t at = log->runs % PROBE_LOG_SAMPLES;

    ensure_room(log, at + 1);
    if (at < log->samples_room)
        log->samples_us[at] = duration_us;
    log->runs++;
    log->failures += outcome != REASON_OK;
    log->max_us = MAX(log->max_us, duration_us);
}
