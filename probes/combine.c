#include "probes/combine.h"

#include <assert.h>

struct votes {
    uint32_t count, sure, passing, unknown, recovering;     /* of readiness */
    uint32_t degraded;
};

static struct votes
count_votes(const struct combine_part *parts, uint32_t count)
{
    struct votes votes = { 0 };

    for (uint32_t i = 0; i < count; i++) {
        enum endpoint_state state = parts[i].state;

        if (parts[i].startup)
            continue;
        votes.count++;
        votes.degraded += state == ENDPOINT_DEGRADED;
        votes.sure += state == ENDPOINT_AVAILABLE || state == ENDPOINT_DEGRADED;
        votes.passing += endpoint_state_works(state);
        votes.unknown += state == ENDPOINT_UNKNOWN;
        votes.recovering += state == ENDPOINT_RECOVERING;
    }
    return votes;
}

static enum endpoint_state
decide(const struct votes *votes, uint32_t required)
{
    uint32_t need = required == 0 || required > votes->count ? votes->count : required;

    if (votes->passing >= need) {
        if (votes->sure < need)
            return ENDPOINT_FAILING;
        return votes->sure - votes->degraded < need ? ENDPOINT_DEGRADED : ENDPOINT_AVAILABLE;
    }
    if (votes->passing + votes->unknown >= need)
        return ENDPOINT_UNKNOWN;
    if (votes->passing + votes->unknown + votes->recovering >= need)
        return ENDPOINT_RECOVERING;
    return ENDPOINT_UNAVAILABLE;
}

/* How much a probe in this state says for an endpoint that is `state`: those that fail say why it
 * is down, and the first of those that are on their way why it is. */
static uint32_t
weight_of(enum endpoint_state part, enum endpoint_state state)
{
    if (part == state)
        return 3;
    if (part == ENDPOINT_UNAVAILABLE || part == ENDPOINT_RECOVERING)
        return endpoint_state_works(state) ? 0 : 2;
    return endpoint_state_works(part) && endpoint_state_works(state) ? 2 : 1;
}

static uint32_t
find_reason(const struct combine_part *parts, uint32_t count, bool startup,
            enum endpoint_state state)
{
    uint32_t best = 0, best_weight = 0;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t weight = parts[i].startup == startup ? 1 + weight_of(parts[i].state, state) : 0;

        if (startup && parts[i].startup && !parts[i].passed)
            weight += 4;
        if (weight > best_weight) {
            best = i;
            best_weight = weight;
        }
    }
    return best;
}

bool
combine_started(const struct combine_part *parts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (parts[i].startup && !parts[i].passed)
            return false;
    }
    return true;
}

struct combined
combine(const struct combine_part *parts, uint32_t count, uint32_t required, bool was_down)
{
    struct combined combined;
    struct votes votes = count_votes(parts, count);
    bool started = combine_started(parts, count);

    assert(count > 0);
    if (!started)
        combined.state = was_down ? ENDPOINT_UNAVAILABLE : ENDPOINT_STARTING;
    else
        combined.state = decide(&votes, required);
    combined.because = find_reason(parts, count, !started || votes.count == 0, combined.state);
    return combined;
}
