#include "probes/eject.h"

#include <assert.h>

#include "base/util.h"

enum { JITTER_PERCENT = 10 };

bool
eject_due(const struct eject_policy *policy, const struct eject *eject,
          uint32_t failures_in_row)
{
    return policy->failures > 0 && eject->until_ms == 0 &&
           failures_in_row >= policy->failures;
}

bool
eject_allowed(const struct eject_policy *policy, uint32_t total, uint32_t ejected,
              uint32_t others)
{
    uint64_t most = MAX((uint64_t)total * policy->share_percent / 100, 1);

    return others > 0 && ejected < most;
}

uint32_t
eject_begin(struct eject *eject, const struct eject_policy *policy, uint32_t failures_in_row,
            uint64_t now_ms, uint32_t random)
{
    bool forgotten = now_ms - eject->changed_ms >= policy->time_max_ms;
    bool lied = (eject->flags & EJECT_BACK_BY_PROBE) && failures_in_row > eject->failures;
    uint64_t length_ms;

    assert(eject->until_ms == 0);
    eject->count = eject->changed_ms == 0 || forgotten ? 1 : eject->count + 1;
    length_ms = MIN((uint64_t)policy->time_ms * eject->count, (uint64_t)policy->time_max_ms);
    length_ms = length_ms * (1000 - JITTER_PERCENT * 10 + random % (JITTER_PERCENT * 20 + 1)) /
                1000;
    length_ms = MAX(length_ms, 1);
    eject->until_ms = now_ms + length_ms;
    eject->changed_ms = now_ms;
    eject->failures = (uint16_t)MIN(failures_in_row, UINT16_MAX);
    eject->flags = lied ? EJECT_PROBES_LIE : 0;
    return (uint32_t)length_ms;
}

bool
eject_probe_counts(const struct eject *eject, uint64_t started_ms)
{
    return eject->until_ms != 0 && started_ms >= eject->changed_ms &&
           !(eject->flags & EJECT_PROBES_LIE);
}

void
eject_end(struct eject *eject, bool by_probe, uint64_t now_ms)
{
    assert(eject->until_ms != 0);
    eject->until_ms = 0;
    eject->changed_ms = now_ms;
    if (by_probe)
        eject->flags |= EJECT_BACK_BY_PROBE;
}

void
eject_note(struct eject *eject, uint32_t failures_in_row)
{
    if (failures_in_row >= eject->failures)
        return;
    eject->failures = 0;
    eject->flags &= (uint8_t)~EJECT_BACK_BY_PROBE;
}
