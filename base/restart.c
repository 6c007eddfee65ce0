#include "base/restart.h"

#include "base/util.h"

uint32_t
restart_delay(struct restart *restart, uint64_t started_at_ms, uint64_t now_ms)
{
    uint32_t delay_ms;

    restart->ended_at_ms[restart->ends++ % RESTART_LOOP_ENDS] = now_ms;
    if (now_ms - started_at_ms >= RESTART_STABLE_MS)
        restart->next_ms = 0;
    delay_ms = restart->next_ms;
    restart->next_ms = delay_ms == 0 ? RESTART_FIRST_MS : MIN(delay_ms * 2, RESTART_MAX_MS);
    return delay_ms;
}

bool
restart_looping(const struct restart *restart, uint64_t now_ms)
{
    uint64_t oldest;

    if (restart->ends < RESTART_LOOP_ENDS)
        return false;
    oldest = restart->ended_at_ms[restart->ends % RESTART_LOOP_ENDS];
    return now_ms - oldest < RESTART_STABLE_MS;
}
