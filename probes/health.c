/* The rules are in health.h; each function here is one of them. */
#include "probes/health.h"

#include <assert.h>

#include "base/util.h"

void
health_init(struct health *health, enum endpoint_state state, enum reason reason,
            uint64_t now_ms)
{
    *health = (struct health){ .state = state, .reason = reason, .down_since_ms = now_ms };
}

enum endpoint_state
health_seed_state(enum endpoint_state last)
{
    switch (last) {
    case ENDPOINT_AVAILABLE:
    case ENDPOINT_FAILING:
    case ENDPOINT_DEGRADED:
    case ENDPOINT_WARMING:
        return ENDPOINT_AVAILABLE;
    case ENDPOINT_UNAVAILABLE:
    case ENDPOINT_RECOVERING:
    case ENDPOINT_EJECTED:
        return ENDPOINT_UNAVAILABLE;
    default:
        return ENDPOINT_UNKNOWN;
    }
}

uint32_t
health_passes(const struct health *health, uint32_t window)
{
    uint64_t mask = window >= HEALTH_WINDOW_MAX ? UINT64_MAX : (UINT64_C(1) << window) - 1;

    return (uint32_t)__builtin_popcountll(health->results & mask);
}

/* Counted as well where rise and fall decide: an update may bring a window. Those that are missing
 * are assumed when the first one is known. */
static void
remember(struct health *health, bool passed)
{
    bool well = passed || health_seed_state(health->state) == ENDPOINT_AVAILABLE;

    if (health->result_count == 0)
        health->results = well ? UINT64_MAX : 0;
    health->results = health->results << 1 | passed;
    health->result_count += health->result_count < HEALTH_WINDOW_MAX;
}

static bool
up(enum endpoint_state state)
{
    return state == ENDPOINT_AVAILABLE || state == ENDPOINT_FAILING;
}

static bool
window_allows(const struct health *health, const struct health_policy *policy)
{
    return health_passes(health, policy->window) >= policy->threshold;
}

static enum endpoint_state
after_success(const struct health *health, const struct health_policy *policy)
{
    if (policy->window > 0)
        return window_allows(health, policy) ? ENDPOINT_AVAILABLE : ENDPOINT_RECOVERING;
    if (up(health->state) || health->state == ENDPOINT_UNKNOWN)
        return ENDPOINT_AVAILABLE;
    /* After a start we know little: the first probe of this process is believed. */
    if (!health->probed || health->successes >= policy->rise)
        return ENDPOINT_AVAILABLE;
    return ENDPOINT_RECOVERING;
}

static enum endpoint_state
after_failure(const struct health *health, const struct health_policy *policy)
{
    if (policy->window > 0)
        return window_allows(health, policy) ? ENDPOINT_FAILING : ENDPOINT_UNAVAILABLE;
    if (!up(health->state) || health->failures >= policy->fall)
        return ENDPOINT_UNAVAILABLE;
    return ENDPOINT_FAILING;
}

/* `was` is the state before this failure. */
static void
lengthen_down_interval(struct health *health, const struct health_policy *policy,
                       enum endpoint_state was, uint64_t now_ms)
{
    uint32_t longest_ms = MAX(HEALTH_DOWN_INTERVAL_MAX_MS, policy->interval_ms);
    uint64_t grown_ms;

    if (was != ENDPOINT_UNAVAILABLE) {
        health->down_since_ms = now_ms;
        health->down_interval_ms = policy->interval_ms;
        return;
    }
    health->down_interval_ms = MAX(health->down_interval_ms, policy->interval_ms);
    if (now_ms - health->down_since_ms <= HEALTH_DOWN_PATIENCE_MS)
        return;
    grown_ms = (uint64_t)health->down_interval_ms * 3 / 2;
    health->down_interval_ms = (uint32_t)MIN(grown_ms, longest_ms);
}

bool
health_apply(struct health *health, const struct health_policy *policy, enum reason outcome,
             uint64_t now_ms)
{
    enum endpoint_state was = health->state;

    assert(outcome != REASON_NONE);
    assert(policy->rise > 0);
    assert(policy->fall > 0);
    assert(policy->window <= HEALTH_WINDOW_MAX);
    assert(policy->threshold <= policy->window);
    if (reason_is_ours(outcome))
        return false;
    remember(health, outcome == REASON_OK);
    if (outcome == REASON_OK) {
        health->failures = 0;
        health->successes++;
        health->state = after_success(health, policy);
    } else {
        health->successes = 0;
        health->failures++;
        health->state = after_failure(health, policy);
    }
    if (health->state == ENDPOINT_UNAVAILABLE)
        lengthen_down_interval(health, policy, was, now_ms);
    health->reason = outcome;
    health->probed = true;
    return health->state != was;
}

uint32_t
health_interval_ms(const struct health *health, const struct health_policy *policy)
{
    switch (health->state) {
    case ENDPOINT_FAILING:
    case ENDPOINT_RECOVERING:
    case ENDPOINT_UNKNOWN: /* its probe was our own failure: try again soon */
        return MIN(policy->interval_ms, HEALTH_CHANGING_INTERVAL_MS);
    case ENDPOINT_UNAVAILABLE:
        return MAX(policy->interval_ms, health->down_interval_ms);
    default:
        return policy->interval_ms;
    }
}

bool
health_down(const struct health *health)
{
    return health->state == ENDPOINT_UNAVAILABLE;
}
