#include "proxy/supervisor/readiness.h"

#include <assert.h>

#include "base/util.h"

static const char *const app_state_names[] = {
    "new",     "held",       "failed",   "loading", "waiting",
    "serving", "restarting", "stopping", "stopped",
};
_Static_assert(ARRAY_SIZE(app_state_names) == APP_STATES, "name every state");

#define TO(state) (1u << (state))
static const unsigned app_next[APP_STATES] = {
    [APP_NEW] = TO(APP_HELD) | TO(APP_FAILED) | TO(APP_LOADING) | TO(APP_STOPPING) |
                TO(APP_STOPPED),
    [APP_HELD] = TO(APP_NEW) | TO(APP_LOADING) | TO(APP_STOPPING) | TO(APP_STOPPED),
    [APP_FAILED] = TO(APP_NEW) | TO(APP_HELD) | TO(APP_FAILED) | TO(APP_LOADING) |
                   TO(APP_STOPPING) | TO(APP_STOPPED),
    [APP_LOADING] = TO(APP_WAITING) | TO(APP_RESTARTING) | TO(APP_FAILED) | TO(APP_STOPPING) |
                    TO(APP_STOPPED),
    [APP_WAITING] = TO(APP_SERVING) | TO(APP_RESTARTING) | TO(APP_FAILED) | TO(APP_STOPPING) |
                    TO(APP_STOPPED),
    [APP_SERVING] = TO(APP_RESTARTING) | TO(APP_STOPPING) | TO(APP_STOPPED),
    [APP_RESTARTING] = TO(APP_RESTARTING) | TO(APP_LOADING) | TO(APP_FAILED) |
                       TO(APP_STOPPING) | TO(APP_STOPPED),
    [APP_STOPPING] = TO(APP_NEW) | TO(APP_HELD) | TO(APP_STOPPED),
};

const char *
app_state_name(enum app_state state)
{
    assert(state < APP_STATES);
    return app_state_names[state];
}

bool
app_state_allows(enum app_state from, enum app_state to)
{
    assert(from < APP_STATES);
    return (app_next[from] & TO(to)) != 0;
}

bool
readiness_reached(const struct control_health *health, uint32_t min_available)
{
    return health->available >= MAX(min_available, 1);
}

bool
readiness_may_accept(const struct control_health *health, uint32_t min_available,
                     uint64_t waited_ms, uint32_t timeout_ms)
{
    return readiness_reached(health, min_available) || health->first_round_done ||
           waited_ms >= timeout_ms;
}

static const char *
serving_word(const struct control_health *health)
{
    if (health->panic)
        return "panic";
    if (health->available == 0 && !health->first_round_done)
        return "starting";
    if (health->eligible == 0)
        return "unavailable";
    if ((health->total - health->available) * 2 >= health->total)
        return "degraded";
    return "ready";
}

const char *
readiness_word(enum app_state state, const struct control_health *health, bool held_back,
               bool looping, bool rolling_out)
{
    switch (state) {
    case APP_STOPPING:
        return "draining";
    case APP_STOPPED:
        return "stopped";
    case APP_HELD:
        return "config_error";
    default:
        break;
    }
    if (held_back)
        return "config_error";
    if (looping && state != APP_SERVING)
        return "crash_loop";
    switch (state) {
    case APP_FAILED:
        return "unavailable";
    case APP_SERVING:
        return rolling_out ? "rolling_out" : serving_word(health);
    default:
        return "starting";
    }
}
