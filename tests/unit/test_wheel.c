/* The timing wheel, against the plainest model: a list that is searched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "proxy/worker/wheel.h"

enum { TIMERS = 300 };

static struct wheel wheel;
static struct wheel_timer timers[TIMERS];
static uint64_t due_ms[TIMERS];     /* the model; 0: not armed */
static unsigned fired;

static void
note(struct wheel_timer *timer)
{
    size_t index = (size_t)(timer - timers);

    assert_true(index < TIMERS);
    assert_true(due_ms[index] != 0);
    assert_true(wheel.now_ms >= due_ms[index]);     /* never early */
    assert_false(wheel_armed(timer));
    due_ms[index] = 0;
    fired++;
}

static int
begin(void **state)
{
    (void)state;
    memset(timers, 0, sizeof timers);
    memset(due_ms, 0, sizeof due_ms);
    fired = 0;
    for (int i = 0; i < TIMERS; i++)
        timers[i].fire = note;
    wheel_init(&wheel, 1000);
    return 0;
}

static void
arm(int index, uint64_t at_ms)
{
    due_ms[index] = at_ms;
    wheel_arm(&wheel, &timers[index], at_ms);
}

static void
an_empty_wheel_has_nothing_to_wait_for(void **state)
{
    (void)state;
    assert_int_equal(wheel_timeout_ms(&wheel), -1);
    wheel_advance(&wheel, 1u << 30);
    assert_int_equal(fired, 0);
}

static void
a_timer_fires_in_its_millisecond(void **state)
{
    (void)state;
    arm(0, 1250);
    wheel_advance(&wheel, 1249);
    assert_int_equal(fired, 0);
    wheel_advance(&wheel, 1250);
    assert_int_equal(fired, 1);
}

static void
what_is_past_fires_at_the_next_look(void **state)
{
    (void)state;
    arm(0, 500);
    wheel_advance(&wheel, 1001);
    assert_int_equal(fired, 1);
}

static void
a_cancelled_timer_does_not_fire(void **state)
{
    (void)state;
    arm(0, 1100);
    arm(1, 1100);
    wheel_cancel(&wheel, &timers[0]);
    due_ms[0] = 0;
    wheel_advance(&wheel, 2000);
    assert_int_equal(fired, 1);
}

static void
arming_again_moves_a_timer(void **state)
{
    (void)state;
    arm(0, 1100);
    arm(0, 9000);
    wheel_advance(&wheel, 8999);
    assert_int_equal(fired, 0);
    wheel_advance(&wheel, 9000);
    assert_int_equal(fired, 1);
}

static void
a_timer_beyond_the_reach_fires_in_its_time(void **state)
{
    const uint64_t week_ms = 7ull * 24 * 3600 * 1000;

    (void)state;
    arm(0, 1000 + week_ms);
    wheel_advance(&wheel, 1000 + week_ms - 1);
    assert_int_equal(fired, 0);
    wheel_advance(&wheel, 1000 + week_ms);
    assert_int_equal(fired, 1);
}

static void
again(struct wheel_timer *timer)
{
    fired++;
    if (fired < 5)
        wheel_arm(&wheel, timer, wheel.now_ms + 64);
}

static void
a_timer_may_arm_itself_again(void **state)
{
    (void)state;
    timers[0].fire = again;
    wheel_arm(&wheel, &timers[0], 1064);
    wheel_advance(&wheel, 1064 + 4 * 64);
    assert_int_equal(fired, 5);
}

/* Steps of all lengths; after each, exactly what was due has fired, and the wheel never says to
 * sleep past the first timer. */
static void
random_timers_fire_as_the_model_says(void **state)
{
    (void)state;
    srandom(7);
    for (int round = 0; round < 20000; round++) {
        int index = (int)(random() % TIMERS);
        uint64_t reach = 1ull << (random() % 26);
        uint64_t earliest = UINT64_MAX;
        uint64_t now_ms = wheel.now_ms + (uint64_t)random() % (1ull << (random() % 16));
        int timeout_ms;

        if (random() % 4 == 0) {
            wheel_cancel(&wheel, &timers[index]);
            due_ms[index] = 0;
        } else {
            arm(index, wheel.now_ms + 1 + (uint64_t)random() % reach);
        }
        for (int i = 0; i < TIMERS; i++)
            earliest = due_ms[i] != 0 ? MIN(earliest, due_ms[i]) : earliest;
        timeout_ms = wheel_timeout_ms(&wheel);
        if (earliest != UINT64_MAX)
            assert_true(timeout_ms >= 0 && wheel.now_ms + (uint64_t)timeout_ms <= earliest);
        wheel_advance(&wheel, now_ms);
        for (int i = 0; i < TIMERS; i++)
            assert_true(due_ms[i] == 0 || due_ms[i] > now_ms);
    }
    assert_true(fired > 1000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_empty_wheel_has_nothing_to_wait_for, begin),
        cmocka_unit_test_setup(a_timer_fires_in_its_millisecond, begin),
        cmocka_unit_test_setup(what_is_past_fires_at_the_next_look, begin),
        cmocka_unit_test_setup(a_cancelled_timer_does_not_fire, begin),
        cmocka_unit_test_setup(arming_again_moves_a_timer, begin),
        cmocka_unit_test_setup(a_timer_beyond_the_reach_fires_in_its_time, begin),
        cmocka_unit_test_setup(a_timer_may_arm_itself_again, begin),
        cmocka_unit_test_setup(random_timers_fire_as_the_model_says, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
