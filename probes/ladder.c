#include "probes/ladder.h"

#include "base/control_message.h"
#include "base/util.h"

static const char *const rung_names[] = {
    [LADDER_NORMAL] = "normal",
    [LADDER_LAST_GOOD] = "last_good",
    [LADDER_ALL] = "all",
    [LADDER_FAIL] = "fail",
};
_Static_assert(ARRAY_SIZE(rung_names) == LADDER_RUNGS, "name every rung");
_Static_assert((int)LADDER_LAST_GOOD == (int)CONTROL_PANIC_LAST_GOOD &&
                   (int)LADDER_ALL == (int)CONTROL_PANIC_ALL,
               "the supervisor is told these numbers");

enum ladder_rung
ladder_rung(const struct ladder_count *count, bool fail)
{
    if (count->eligible > 0)
        return LADDER_NORMAL;
    if (fail || count->present == 0)
        return LADDER_FAIL;
    return count->recent > 0 ? LADDER_LAST_GOOD : LADDER_ALL;
}

bool
ladder_recent(uint64_t worked_ms, uint64_t now_ms, uint32_t hold_ms)
{
    return worked_ms != 0 && now_ms < worked_ms + hold_ms;
}

const char *
ladder_name(uint32_t rung)
{
    return rung < LADDER_RUNGS ? rung_names[rung] : "?";
}
