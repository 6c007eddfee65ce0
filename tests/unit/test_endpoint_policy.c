/*
 * endpoint_policy: what becomes of what the probes say. An app of four endpoints, without a board
 * and without a history; time is a number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probes/endpoint_policy.h"

#define NOW_MS INT64_C(1700000000000)

enum { COUNT = 4 };

static struct prober prober;
static struct prober_app app;
static struct target targets[COUNT];
static struct app_target configs[COUNT];
static struct endpoint endpoints[COUNT];

static int
set_up(void **state)
{
    memset(&app, 0, sizeof app);
    memset(endpoints, 0, sizeof endpoints);
    app.prober = &prober;
    app.shadowed = true;                /* the history is another one's */
    app.first_round_done = true;
    app.targets = targets;
    app.config.target_count = COUNT;
    app.config.slow_start_ms = 30000;
    app.config.flap_half_life_ms = 60000;
    app.config.flap_suppress = 3000;
    app.config.flap_reuse = 1500;
    for (int i = 0; i < COUNT; i++) {
        configs[i] = (struct app_target){ .name = (char *)"a:1", .weight = 1 };
        targets[i] = (struct target){ .app = &app, .config = &configs[i] };
        TAILQ_INIT(&targets[i].endpoints);
        endpoints[i].target = &targets[i];
        endpoints[i].slot = SLOT_NONE;
        endpoints[i].health.state = endpoints[i].state = ENDPOINT_AVAILABLE;
        endpoints[i].percent = 100;
        TAILQ_INSERT_TAIL(&targets[i].endpoints, &endpoints[i], link);
    }
    *state = &endpoints[0];
    return 0;
}

/* As endpoint.c does when a probe ended. */
static void
move(struct endpoint *endpoint, enum endpoint_state to, int64_t wall_ms)
{
    enum endpoint_state from = endpoint->health.state;

    endpoint->health.state = to;
    endpoint_policy_moved(endpoint, from, wall_ms);
    endpoint->state = endpoint_policy_state(endpoint, wall_ms);
    endpoint->percent = endpoint_policy_percent(endpoint, wall_ms);
}

static void
bounce(struct endpoint *endpoint, int times)
{
    for (int i = 0; i < times; i++) {
        move(endpoint, ENDPOINT_UNAVAILABLE, NOW_MS);
        move(endpoint, ENDPOINT_AVAILABLE, NOW_MS);
    }
}

static void
degraded_is_said_of_what_passes(void **state)
{
    struct endpoint *endpoint = *state;

    endpoint->health.degraded = true;
    assert_int_equal(endpoint_policy_state(endpoint, NOW_MS), ENDPOINT_DEGRADED);
    endpoint->health.state = ENDPOINT_FAILING;
    assert_int_equal(endpoint_policy_state(endpoint, NOW_MS), ENDPOINT_FAILING);
    endpoint->health.state = ENDPOINT_UNAVAILABLE;
    assert_int_equal(endpoint_policy_state(endpoint, NOW_MS), ENDPOINT_UNAVAILABLE);
}

static void
who_returns_warms_and_then_is_available(void **state)
{
    struct endpoint *endpoint = *state;
    int64_t wall_ms = NOW_MS;
    uint32_t wait_ms, reviews = 0;

    move(endpoint, ENDPOINT_UNAVAILABLE, NOW_MS);
    move(endpoint, ENDPOINT_AVAILABLE, NOW_MS);
    assert_int_equal(endpoint->state, ENDPOINT_WARMING);
    assert_int_equal(endpoint->percent, 10);
    while ((wait_ms = endpoint_policy_review(&app, wall_ms)) > 0) {
        assert_int_equal(endpoint->percent, 10 * ++reviews);
        wall_ms += wait_ms;
    }
    assert_int_equal(reviews, 9);
    assert_int_equal(wall_ms, NOW_MS + 27000);
    assert_int_equal(endpoint->percent, 100);
    assert_int_equal(endpoint->state, ENDPOINT_AVAILABLE);
    assert_int_equal(endpoint->since_ms, NOW_MS + 27000);      /* with all of its share */
}

static void
at_a_cold_start_nobody_warms(void **state)
{
    struct endpoint *endpoint = *state;

    app.first_round_done = false;
    endpoint->health.state = ENDPOINT_UNKNOWN;
    move(endpoint, ENDPOINT_AVAILABLE, NOW_MS);
    assert_int_equal(endpoint->state, ENDPOINT_AVAILABLE);
    app.goes_on = true;                 /* a new target of an app that runs */
    endpoint->health.state = ENDPOINT_UNKNOWN;
    move(endpoint, ENDPOINT_AVAILABLE, NOW_MS);
    assert_int_equal(endpoint->state, ENDPOINT_WARMING);
}

static void
who_flaps_is_held_and_then_warms(void **state)
{
    struct endpoint *endpoint = *state;
    uint32_t wait_ms;

    bounce(endpoint, 1);
    assert_int_equal(endpoint->state, ENDPOINT_WARMING);
    bounce(endpoint, 1);                /* four changes: 4000 */
    assert_int_equal(endpoint->state, ENDPOINT_RECOVERING);
    assert_true(endpoint->flap.held);
    wait_ms = endpoint_policy_review(&app, NOW_MS + 30001);     /* its warming would be over */
    assert_int_equal(endpoint->state, ENDPOINT_RECOVERING);
    assert_true(wait_ms > 0);
    endpoint_policy_review(&app, NOW_MS + 30001 + wait_ms);
    assert_int_equal(endpoint->state, ENDPOINT_WARMING);
    assert_int_equal(endpoint->percent, 10);
}

static void
the_last_ones_are_used_though_they_flap(void **state)
{
    struct endpoint *endpoint = *state;

    app.config.slow_start_ms = 0;
    bounce(endpoint, 2);
    endpoint_policy_review(&app, NOW_MS);
    assert_int_equal(endpoint->state, ENDPOINT_RECOVERING);
    move(&endpoints[1], ENDPOINT_UNAVAILABLE, NOW_MS);
    endpoint_policy_review(&app, NOW_MS);       /* two of four are left */
    assert_int_equal(endpoint->state, ENDPOINT_RECOVERING);
    move(&endpoints[2], ENDPOINT_UNAVAILABLE, NOW_MS);
    endpoint_policy_review(&app, NOW_MS);
    assert_int_equal(endpoint->state, ENDPOINT_AVAILABLE);
    assert_true(endpoint->flap.held);
    move(&endpoints[2], ENDPOINT_AVAILABLE, NOW_MS);
    endpoint_policy_review(&app, NOW_MS);
    assert_int_equal(endpoint->state, ENDPOINT_RECOVERING);
}

static void
what_is_not_configured_needs_no_review(void **state)
{
    app.config.slow_start_ms = app.config.flap_half_life_ms = 0;
    bounce(*state, 50);
    assert_int_equal(endpoints[0].state, ENDPOINT_AVAILABLE);
    assert_int_equal(endpoint_policy_review(&app, NOW_MS), 0);
}

#define TEST(test) cmocka_unit_test_setup(test, set_up)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(degraded_is_said_of_what_passes),
        TEST(who_returns_warms_and_then_is_available),
        TEST(at_a_cold_start_nobody_warms),
        TEST(who_flaps_is_held_and_then_warms),
        TEST(the_last_ones_are_used_though_they_flap),
        TEST(what_is_not_configured_needs_no_review),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
