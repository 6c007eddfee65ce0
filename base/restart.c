#include "base/restart.h"

#include "base/util.h"

/* Of all that are remembered, if they fill the ring. */
static bool
ended_often(const struct restart *restart, uint64_t now_ms)
{
    return restart->ends >= RESTART_LOOP_ENDS &&
           now_ms - restart->ended_at_ms[restart->ends % RESTART_LOOP_ENDS] < RESTART_STABLE_MS;
}

uint32_t
restart_delay(struct restart *restart, uint64_t started_at_ms, uint64_t now_ms)
{
    uint32_t delay_ms;

    restart->ended_at_ms[restart->ends++ % RESTART_LOOP_ENDS] = now_ms;
    if (now_ms - started_at_ms >= RESTART_STABLE_MS) {
        restart->next_ms = 0;
        restart->looping = false;
    }
    delay_ms = restart->next_ms;
    restart->next_ms = delay_ms == 0 ? RESTART_FIRST_MS : MIN(delay_ms * 2, RESTART_MAX_MS);
    restart->looping = restart->looping || ended_often(restart, now_ms);
    restart->stable_at_ms = now_ms + delay_ms + RESTART_STABLE_MS;
    return delay_ms;
}

bool
restart_looping(const struct restart *restart, uint64_t now_ms)
{
    return restart->looping && now_ms < restart->stable_at_ms;
}
