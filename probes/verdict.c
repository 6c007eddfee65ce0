#include "probes/verdict.h"

enum endpoint_state
verdict(const struct verdict_parts *parts)
{
    if (!parts->resolved)
        return ENDPOINT_UNRESOLVED;
    if (parts->admin == ADMIN_MAINTAIN)
        return ENDPOINT_MAINTENANCE;
    if (parts->admin == ADMIN_DRAIN)
        return ENDPOINT_DRAINING;
    if (parts->leaving)
        return ENDPOINT_DRAINING;
    if (!endpoint_state_eligible(parts->health) && !endpoint_state_works(parts->health))
        return parts->health;
    if (parts->ejected)
        return ENDPOINT_EJECTED;
    if (parts->flapping)
        return ENDPOINT_RECOVERING;
    if (parts->warming && parts->health == ENDPOINT_AVAILABLE)
        return ENDPOINT_WARMING;
    return parts->health;
}
