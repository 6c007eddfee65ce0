/* See the drawing in slow_start.h. */
#include "probes/slow_start.h"

static bool
is_over(int64_t age_ms, uint32_t duration_ms)
{
    return age_ms < 0 || age_ms >= duration_ms;
}

/* Whole tenths of the time that have passed. */
static uint32_t
steps_done(int64_t age_ms, uint32_t duration_ms)
{
    return (uint32_t)((uint64_t)age_ms * SLOW_START_STEPS / duration_ms);
}

uint8_t
slow_start_percent(int64_t age_ms, uint32_t duration_ms)
{
    if (is_over(age_ms, duration_ms))
        return 100;
    return (uint8_t)((steps_done(age_ms, duration_ms) + 1) * 100 / SLOW_START_STEPS);
}

uint32_t
slow_start_wait_ms(int64_t age_ms, uint32_t duration_ms)
{
    uint64_t next_ms;

    if (is_over(age_ms, duration_ms))
        return 0;
    next_ms = (steps_done(age_ms, duration_ms) + 1) * (uint64_t)duration_ms;
    next_ms = (next_ms + SLOW_START_STEPS - 1) / SLOW_START_STEPS;
    return (uint32_t)(next_ms - (uint64_t)age_ms);
}
