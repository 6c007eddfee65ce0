/* Slow start, flap damping and `degraded` applied to endpoints; the rules are elsewhere. */
#include "probes/endpoint_policy.h"

#include "base/log.h"
#include "base/util.h"
#include "probes/board_writer.h"
#include "probes/choose.h"
#include "probes/endpoint.h"
#include "probes/slow_start.h"

struct flap_policy
endpoint_flap_policy(const struct endpoint *endpoint)
{
    const struct app_config *config = &endpoint->target->app->config;

    return (struct flap_policy){
        .half_life_ms = config->flap_half_life_ms,
        .suppress = config->flap_suppress,
        .reuse = config->flap_reuse,
    };
}

static bool
is_up(enum endpoint_state by_probe)
{
    return endpoint_state_works(by_probe);
}

static bool
is_down(enum endpoint_state by_probe)
{
    return by_probe == ENDPOINT_UNAVAILABLE || by_probe == ENDPOINT_RECOVERING;
}

/* At a cold start all are new, and nobody is there who would carry more meanwhile. */
static bool
is_cold(const struct prober_app *app)
{
    return !app->first_round_done && !app->goes_on;
}

void
endpoint_policy_moved(struct endpoint *endpoint, enum endpoint_state from, int64_t now_ms)
{
    const struct prober_app *app = endpoint->target->app;
    const struct flap_policy policy = endpoint_flap_policy(endpoint);
    enum endpoint_state to = endpoint->probed;

    if ((is_up(from) && is_down(to)) || (is_down(from) && is_up(to)))
        flap_change(&endpoint->flap, &policy, now_ms);
    if (!is_up(to))
        endpoint->warm_since_ms = 0;
    else if (!is_up(from) && app->config.slow_start_ms > 0 && !is_cold(app))
        endpoint->warm_since_ms = now_ms;
}

bool
endpoint_policy_holds(const struct endpoint *endpoint)
{
    const struct prober_app *app = endpoint->target->app;

    /* A penalty of a generation that had damping holds nobody in one that has none. */
    return endpoint->flap.held && app->config.flap_half_life_ms != 0 &&
           !app->flapping_released;
}

const char *
endpoint_policy_detail(const struct endpoint *endpoint, const char *detail, int64_t now_ms,
                       char *text)
{
    const struct flap_policy policy = endpoint_flap_policy(endpoint);

    if (!endpoint->flap.held || !is_up(endpoint->probed))
        return detail;
    if (!endpoint_policy_holds(endpoint))
        return "flapping, but too few others are there to do without it";
    flap_describe(&endpoint->flap, &policy, now_ms, text, DETAIL_BYTES);
    return text;
}

uint8_t
endpoint_policy_percent(const struct endpoint *endpoint, int64_t now_ms)
{
    if (endpoint->warm_since_ms == 0)
        return CHOOSE_PERCENT_FULL;
    return slow_start_percent(now_ms - endpoint->warm_since_ms,
                              endpoint->target->app->config.slow_start_ms);
}

/* ---- all endpoints of an app ---- */

static void
soonest(uint32_t *wait_ms, uint32_t other_ms)
{
    if (other_ms != 0 && (*wait_ms == 0 || other_ms < *wait_ms))
        *wait_ms = other_ms;
}

/* Are there enough without those that flap? */
static void
decide_release(struct prober_app *app, int64_t now_ms)
{
    uint32_t total = 0, held = 0, free = 0;
    struct endpoint *endpoint;

    for (uint32_t i = 0; i < app->config.target_count; i++) {
        TAILQ_FOREACH (endpoint, &app->targets[i].endpoints, link) {
            const struct flap_policy policy = endpoint_flap_policy(endpoint);

            flap_age(&endpoint->flap, &policy, now_ms);
            total++;
            held += endpoint->flap.held;
            free += !endpoint->flap.held && endpoint_eligible(endpoint);
        }
    }
    app->flapping_released = held > 0 && flap_releases(total, free);
}

static const char *
why(const struct endpoint *endpoint, enum endpoint_state from, int64_t now_ms, char *text)
{
    if (from == ENDPOINT_WARMING && !endpoint->flap.held)
        return "it has its whole share";
    return endpoint_policy_detail(endpoint, "steady again: no longer held for flapping", now_ms,
                                  text);
}

static void
review(struct endpoint *endpoint, int64_t now_ms)
{
    enum endpoint_state from = endpoint->state;
    char text[DETAIL_BYTES];

    /* It begins to warm when it begins to be used. */
    if (from == ENDPOINT_RECOVERING && is_up(endpoint->probed) &&
        !endpoint_policy_holds(endpoint) && endpoint->target->app->config.slow_start_ms > 0)
        endpoint->warm_since_ms = now_ms;
    if (endpoint_policy_percent(endpoint, now_ms) == CHOOSE_PERCENT_FULL)
        endpoint->warm_since_ms = 0;
    endpoint_judge(endpoint, why(endpoint, from, now_ms, text));
}

uint32_t
endpoint_policy_review(struct prober_app *app, int64_t now_ms)
{
    struct endpoint *endpoint;
    uint32_t wait_ms = 0;

    if (app->config.slow_start_ms == 0 && app->config.flap_half_life_ms == 0)
        return 0;
    decide_release(app, now_ms);
    for (uint32_t i = 0; i < app->config.target_count; i++) {
        TAILQ_FOREACH (endpoint, &app->targets[i].endpoints, link) {
            const struct flap_policy policy = endpoint_flap_policy(endpoint);

            review(endpoint, now_ms);
            soonest(&wait_ms, flap_wait_ms(&endpoint->flap, &policy, now_ms));
            if (endpoint->warm_since_ms != 0)
                soonest(&wait_ms, slow_start_wait_ms(now_ms - endpoint->warm_since_ms,
                                                     app->config.slow_start_ms));
        }
    }
    return wait_ms;
}
