/* Slow start and flap damping of endpoints, at times of the test's choice. What a review makes of
 * them is told to endpoint_judge(), which is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "probes/endpoint.h"
#include "probes/endpoint_policy.h"
#include "probes/slow_start.h"

enum {
    COUNT = 4,
    NOW_MS = 1000000,                   /* wall */
    SLOW_START_MS = 30000,
    HALF_LIFE_MS = 60000,
    SUPPRESS = 3000,
    REUSE = 1500,
};

struct fixture {
    struct prober_app app;
    struct target target;
    struct endpoint *endpoints[COUNT];
};

static struct {
    const struct endpoint *endpoint;
    char detail[DETAIL_BYTES];
    uint32_t count;
} judged;

void
endpoint_judge(struct endpoint *endpoint, const char *detail)
{
    judged.count++;
    if (endpoint == judged.endpoint)
        snprintf(judged.detail, sizeof judged.detail, "%s", detail);
}

bool
endpoint_eligible(const struct endpoint *endpoint)
{
    return endpoint_state_eligible(endpoint->state);
}

/* All available, in an app that has run for a while, with both policies. */
static int
set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    fixture->app.config.slow_start_ms = SLOW_START_MS;
    fixture->app.config.flap_half_life_ms = HALF_LIFE_MS;
    fixture->app.config.flap_suppress = SUPPRESS;
    fixture->app.config.flap_reuse = REUSE;
    fixture->app.config.target_count = 1;
    fixture->app.first_round_done = true;
    fixture->app.targets = &fixture->target;
    fixture->target.app = &fixture->app;
    TAILQ_INIT(&fixture->target.endpoints);
    for (int i = 0; i < COUNT; i++) {
        struct endpoint *endpoint = calloc(1, sizeof *endpoint);

        endpoint->target = &fixture->target;
        endpoint->state = endpoint->probed = ENDPOINT_AVAILABLE;
        TAILQ_INSERT_TAIL(&fixture->target.endpoints, endpoint, link);
        fixture->endpoints[i] = endpoint;
    }
    memset(&judged, 0, sizeof judged);
    judged.endpoint = fixture->endpoints[0];
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < COUNT; i++)
        free(fixture->endpoints[i]);
    free(fixture);
    return 0;
}

static void
move(struct endpoint *endpoint, enum endpoint_state to, int64_t wall_ms)
{
    enum endpoint_state from = endpoint->probed;

    endpoint->probed = to;
    endpoint_policy_moved(endpoint, from, wall_ms);
}

/* Down and up as often as it takes until it is held. */
static void
flap(struct endpoint *endpoint, int64_t wall_ms)
{
    for (int i = 0; i < 2; i++) {
        move(endpoint, ENDPOINT_UNAVAILABLE, wall_ms);
        move(endpoint, ENDPOINT_AVAILABLE, wall_ms);
    }
    assert_true(endpoint->flap.held);
}

/* ---- slow start ---- */

static void
one_that_comes_back_begins_with_a_small_share(void **state)
{
    struct fixture *fixture = *state;
    struct endpoint *endpoint = fixture->endpoints[0];

    assert_int_equal(endpoint_policy_percent(endpoint, NOW_MS), 100);
    move(endpoint, ENDPOINT_UNAVAILABLE, NOW_MS);
    assert_int_equal(endpoint_policy_percent(endpoint, NOW_MS), 100);     /* it has none at all */
    move(endpoint, ENDPOINT_RECOVERING, NOW_MS);
    assert_int_equal(endpoint->warm_since_ms, 0);
    move(endpoint, ENDPOINT_AVAILABLE, NOW_MS + 500);
    assert_int_equal(endpoint_policy_percent(endpoint, NOW_MS + 500), 10);
    assert_int_equal(endpoint_policy_percent(endpoint, NOW_MS + 500 + SLOW_START_MS / 2), 60);
    move(endpoint, ENDPOINT_FAILING, NOW_MS + 1000);        /* that is still up */
    assert_int_equal(endpoint->warm_since_ms, NOW_MS + 500);
    assert_int_equal(endpoint_policy_percent(endpoint, NOW_MS + 500 + SLOW_START_MS), 100);
}

static void
one_that_is_new_does_so_but_not_at_a_cold_start(void **state)
{
    struct fixture *fixture = *state;
    struct endpoint *endpoint = fixture->endpoints[0];

    endpoint->probed = ENDPOINT_UNKNOWN;
    fixture->app.first_round_done = false;
    move(endpoint, ENDPOINT_AVAILABLE, NOW_MS);
    assert_int_equal(endpoint->warm_since_ms, 0);

    endpoint->probed = ENDPOINT_UNKNOWN;
    fixture->app.goes_on = true;            /* another prober knew some of its endpoints */
    move(endpoint, ENDPOINT_AVAILABLE, NOW_MS);
    assert_int_equal(endpoint->warm_since_ms, NOW_MS);

    endpoint->probed = ENDPOINT_UNKNOWN;
    endpoint->warm_since_ms = 0;
    fixture->app.config.slow_start_ms = 0;
    move(endpoint, ENDPOINT_AVAILABLE, NOW_MS);
    assert_int_equal(endpoint->warm_since_ms, 0);
}

static void
a_review_meets_each_step_and_tells_the_last(void **state)
{
    struct fixture *fixture = *state;
    struct endpoint *endpoint = fixture->endpoints[0];
    int64_t now_ms = NOW_MS;
    uint32_t wait_ms, reviews = 0;

    fixture->app.config.flap_half_life_ms = 0;
    move(endpoint, ENDPOINT_UNAVAILABLE, now_ms);
    move(endpoint, ENDPOINT_AVAILABLE, now_ms);
    endpoint->state = ENDPOINT_WARMING;
    do {
        wait_ms = endpoint_policy_review(&fixture->app, now_ms);
        now_ms += wait_ms;
        reviews++;
    } while (wait_ms != 0);
    assert_int_equal(now_ms, NOW_MS + SLOW_START_MS / SLOW_START_STEPS * (SLOW_START_STEPS - 1));
    assert_int_equal(reviews, SLOW_START_STEPS);
    assert_int_equal(judged.count, SLOW_START_STEPS * COUNT);
    assert_int_equal(endpoint->warm_since_ms, 0);
    assert_string_equal(judged.detail, "it has its whole share");
}

/* ---- flap damping ---- */

static void
ups_and_downs_hold_it_and_steps_between_do_not_count(void **state)
{
    struct fixture *fixture = *state;
    struct endpoint *endpoint = fixture->endpoints[0];
    char text[DETAIL_BYTES];

    for (int i = 0; i < 20; i++) {
        move(endpoint, ENDPOINT_FAILING, NOW_MS);
        move(endpoint, ENDPOINT_AVAILABLE, NOW_MS);
    }
    assert_int_equal(endpoint->flap.penalty, 0);
    move(endpoint, ENDPOINT_UNAVAILABLE, NOW_MS);
    move(endpoint, ENDPOINT_RECOVERING, NOW_MS);
    move(endpoint, ENDPOINT_UNAVAILABLE, NOW_MS);
    assert_int_equal(endpoint->flap.changes, 1);
    assert_false(endpoint_policy_holds(endpoint));

    move(endpoint, ENDPOINT_AVAILABLE, NOW_MS);
    flap(endpoint, NOW_MS);
    assert_true(endpoint_policy_holds(endpoint));
    assert_non_null(strstr(endpoint_policy_detail(endpoint, "refused", NOW_MS, text),
                           "flapping: "));
    endpoint->probed = ENDPOINT_UNAVAILABLE;        /* then that is the reason */
    assert_string_equal(endpoint_policy_detail(endpoint, "refused", NOW_MS, text), "refused");
}

static void
it_is_free_when_the_penalty_has_faded_and_warms_from_then_on(void **state)
{
    struct fixture *fixture = *state;
    struct endpoint *endpoint = fixture->endpoints[0];
    uint32_t wait_ms;
    int64_t free_ms;

    flap(endpoint, NOW_MS);
    endpoint->state = ENDPOINT_RECOVERING;
    wait_ms = endpoint_policy_review(&fixture->app, NOW_MS);
    assert_true(endpoint_policy_holds(endpoint));
    assert_int_equal(wait_ms, SLOW_START_MS / SLOW_START_STEPS);    /* that is sooner */
    fixture->app.config.slow_start_ms = 0;
    wait_ms = endpoint_policy_review(&fixture->app, NOW_MS);
    assert_true(wait_ms > HALF_LIFE_MS);        /* 4,000 have to become less than 1,500 */
    assert_true(wait_ms < 2 * HALF_LIFE_MS);

    fixture->app.config.slow_start_ms = SLOW_START_MS;
    endpoint_policy_review(&fixture->app, NOW_MS + wait_ms - 1000);
    assert_true(endpoint_policy_holds(endpoint));
    free_ms = NOW_MS + wait_ms;
    endpoint_policy_review(&fixture->app, free_ms);
    assert_false(endpoint->flap.held);
    assert_string_equal(judged.detail, "steady again: no longer held for flapping");
    assert_int_equal(endpoint->warm_since_ms, free_ms);
    assert_int_equal(endpoint_policy_percent(endpoint, free_ms), 10);
}

static void
too_few_others_release_even_those_that_flap(void **state)
{
    struct fixture *fixture = *state;
    struct endpoint *endpoint = fixture->endpoints[0];
    char text[DETAIL_BYTES];

    flap(endpoint, NOW_MS);
    endpoint_policy_review(&fixture->app, NOW_MS);
    assert_false(fixture->app.flapping_released);
    fixture->endpoints[1]->state = ENDPOINT_UNAVAILABLE;
    endpoint_policy_review(&fixture->app, NOW_MS);
    assert_true(endpoint_policy_holds(endpoint));           /* two of four are enough */
    fixture->endpoints[2]->state = ENDPOINT_MAINTENANCE;
    endpoint_policy_review(&fixture->app, NOW_MS);
    assert_true(fixture->app.flapping_released);
    assert_false(endpoint_policy_holds(endpoint));
    assert_string_equal(endpoint_policy_detail(endpoint, "", NOW_MS, text),
                        "flapping, but too few others are there to do without it");
    fixture->endpoints[2]->state = ENDPOINT_AVAILABLE;
    endpoint_policy_review(&fixture->app, NOW_MS);
    assert_true(endpoint_policy_holds(endpoint));
}

static void
a_generation_without_damping_holds_nobody(void **state)
{
    struct fixture *fixture = *state;

    flap(fixture->endpoints[0], NOW_MS);
    fixture->app.config.flap_half_life_ms = 0;
    assert_false(endpoint_policy_holds(fixture->endpoints[0]));
    fixture->app.config.slow_start_ms = 0;
    assert_int_equal(endpoint_policy_review(&fixture->app, NOW_MS), 0);
    assert_int_equal(judged.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(one_that_comes_back_begins_with_a_small_share),
        TEST(one_that_is_new_does_so_but_not_at_a_cold_start),
        TEST(a_review_meets_each_step_and_tells_the_last),
        TEST(ups_and_downs_hold_it_and_steps_between_do_not_count),
        TEST(it_is_free_when_the_penalty_has_faded_and_warms_from_then_on),
        TEST(too_few_others_release_even_those_that_flap),
        TEST(a_generation_without_damping_holds_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
