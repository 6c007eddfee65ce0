#include "probes/schedule.h"

#include <assert.h>

#include "base/util.h"

uint32_t
schedule_jitter(uint32_t interval_ms, uint32_t percent, uint32_t random)
{
    uint64_t reach_ms = (uint64_t)interval_ms * MIN(percent, 100) / 100;

    if (reach_ms == 0)
        return interval_ms;
    return (uint32_t)(interval_ms - reach_ms + random % (2 * reach_ms + 1));
}

/* Over how long the first probes of an app are spread. */
static uint32_t
first_spread_ms(uint32_t count, uint32_t total, uint32_t interval_ms)
{
    uint64_t spread_ms = (uint64_t)MAX(total, count) * 1000 / SCHEDULE_FIRST_PER_SECOND;

    spread_ms = MIN(spread_ms, SCHEDULE_SPREAD_MAX_MS);
    return (uint32_t)MIN(spread_ms, interval_ms);
}

uint32_t
schedule_first_probe_ms(uint32_t index, uint32_t count, uint32_t total, uint32_t interval_ms)
{
    uint64_t spread_ms = first_spread_ms(count, total, interval_ms);

    assert(index < count);
    return (uint32_t)(spread_ms * index / count);
}

uint32_t
schedule_second_probe_ms(uint32_t index, uint32_t count, uint32_t total, uint32_t interval_ms,
                         uint32_t timeout_ms)
{
    uint64_t least_ms = MAX(first_spread_ms(count, total, interval_ms), timeout_ms);

    assert(index < count);
    if (index == 0)
        return interval_ms;
    least_ms = MIN(least_ms, interval_ms);
    return (uint32_t)(least_ms + (interval_ms - least_ms) * index / count);
}

uint32_t
schedule_late_ms(uint32_t interval_ms, uint32_t percent)
{
    uint64_t reach_ms = (uint64_t)interval_ms * MIN(percent, 100) / 100;

    return (uint32_t)MIN(MAX(reach_ms, SCHEDULE_LATE_MIN_MS), SCHEDULE_LATE_MAX_MS);
}

bool
schedule_overran(uint32_t duration_us, uint32_t timeout_ms, uint32_t late_ms)
{
    return duration_us / 1000 > (uint64_t)timeout_ms + late_ms;
}

uint32_t
schedule_wait_ms(uint64_t started_ms, uint32_t interval_ms, uint64_t now_ms)
{
    uint64_t due_ms = started_ms + interval_ms;

    return due_ms > now_ms ? (uint32_t)(due_ms - now_ms) : 0;
}

uint32_t
schedule_align_ms(uint64_t now_ms, uint32_t wait_ms)
{
    uint64_t due_ms = now_ms + wait_ms;

    if (wait_ms < SCHEDULE_GRID_FROM_MS)
        return wait_ms;
    return wait_ms - (uint32_t)(due_ms % SCHEDULE_GRID_MS);
}

uint32_t
schedule_longest_ms(uint32_t interval_ms, uint32_t percent)
{
    return (uint32_t)(interval_ms + (uint64_t)interval_ms * MIN(percent, 100) / 100);
}

uint32_t
schedule_resume_ms(uint64_t due_ms, uint32_t longest_ms, uint64_t now_ms, uint32_t random)
{
    if (due_ms <= now_ms)
        return random % (MIN(longest_ms, SCHEDULE_SPREAD_MAX_MS) + 1);
    if (due_ms - now_ms > longest_ms)
        return random % (longest_ms + 1);
    return (uint32_t)(due_ms - now_ms);
}

uint32_t
schedule_random(uint64_t *state)
{
    assert(*state != 0);
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (uint32_t)(*state >> 32);
}
