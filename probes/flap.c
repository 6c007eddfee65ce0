/* The rules are in flap.h. */
#include "probes/flap.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "base/util.h"

enum { FADED = 1 };     /* less is nothing */

/* What is left, with its fraction: rounded, it would be free a moment too late. */
static double
left(const struct flap *flap, const struct flap_policy *policy, int64_t now_ms)
{
    int64_t age_ms = now_ms > flap->at_ms ? now_ms - flap->at_ms : 0;

    if (policy->half_life_ms == 0 || flap->penalty == 0)
        return 0;
    return flap->penalty * exp2(-(double)age_ms / policy->half_life_ms);
}

uint32_t
flap_penalty(const struct flap *flap, const struct flap_policy *policy, int64_t now_ms)
{
    return (uint32_t)(left(flap, policy, now_ms) + 0.5);
}

/* More than this takes longer to fade than anything may be held. */
static uint32_t
ceiling(const struct flap_policy *policy)
{
    double most = policy->reuse * exp2((double)FLAP_HOLD_MAX_MS / policy->half_life_ms);

    return most < FLAP_MAX ? (uint32_t)most : FLAP_MAX;
}

static void
forget(struct flap *flap)
{
    *flap = (struct flap){ 0 };
}

bool
flap_age(struct flap *flap, const struct flap_policy *policy, int64_t now_ms)
{
    double penalty = left(flap, policy, now_ms);
    bool was = flap->held;

    if (penalty < FADED) {
        forget(flap);
        return was;
    }
    if (now_ms < flap->at_ms)
        flap->at_ms = now_ms;           /* as a board told that is older than the machine */
    flap->held = flap->held ? penalty >= policy->reuse : penalty > policy->suppress;
    return flap->held != was;
}

void
flap_change(struct flap *flap, const struct flap_policy *policy, int64_t now_ms)
{
    uint32_t penalty;

    if (policy->half_life_ms == 0)
        return;
    flap_age(flap, policy, now_ms);
    penalty = flap_penalty(flap, policy, now_ms) + FLAP_PENALTY;
    if (flap->changes == 0)
        flap->first_ms = now_ms;
    flap->changes++;
    flap->penalty = MIN(penalty, ceiling(policy));
    flap->at_ms = now_ms;
    flap_age(flap, policy, now_ms);
}

uint32_t
flap_wait_ms(const struct flap *flap, const struct flap_policy *policy, int64_t now_ms)
{
    double penalty = left(flap, policy, now_ms);
    double wait_ms;

    if (!flap->held || policy->half_life_ms == 0)
        return 0;
    if (penalty <= policy->reuse)
        return 1;
    wait_ms = ceil(policy->half_life_ms * log2(penalty / policy->reuse));
    return (uint32_t)MIN(wait_ms, FLAP_HOLD_MAX_MS) + 1;
}

struct flap
flap_resume(uint32_t penalty, int64_t at_ms, bool held)
{
    if (penalty == 0)
        return (struct flap){ 0 };
    return (struct flap){
        .penalty = MIN(penalty, FLAP_MAX),
        .at_ms = at_ms,
        .first_ms = at_ms,
        .changes = (penalty + FLAP_PENALTY - 1) / FLAP_PENALTY,
        .held = held,
    };
}

void
flap_describe(const struct flap *flap, const struct flap_policy *policy, int64_t now_ms,
              char *text, size_t bytes)
{
    int64_t span_s = MAX(now_ms - flap->first_ms, 0) / 1000;
    bool minutes = span_s >= 120;

    snprintf(text, bytes,
             "flapping: %" PRIu32 " changes in %" PRId64 " %s; held until its penalty, %" PRIu32
             ", is below %" PRIu32 ": %" PRIu32 " s",
             flap->changes, minutes ? span_s / 60 : span_s, minutes ? "min" : "s",
             flap_penalty(flap, policy, now_ms), policy->reuse,
             (flap_wait_ms(flap, policy, now_ms) + 999) / 1000);
}

bool
flap_releases(uint32_t total, uint32_t free)
{
    assert(free <= total);
    return free == 0 || (uint64_t)free * 2 < total;
}
