#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "proxy/supervisor/readiness.h"

static void
enough_available_endpoints_make_it_accept(void **state)
{
    const struct control_health health = { .total = 4, .available = 2, .eligible = 4 };

    assert_true(readiness_may_accept(&health, 2, 0, 10000));
    assert_false(readiness_may_accept(&health, 3, 0, 10000));
}

static void
it_accepts_when_every_first_probe_has_ended(void **state)
{
    const struct control_health health = { .total = 4, .first_round_done = 1 };

    assert_true(readiness_may_accept(&health, 1, 0, 10000));
    assert_false(readiness_reached(&health, 1));
}

static void
it_accepts_when_the_time_is_up(void **state)
{
    const struct control_health nothing_heard = { .total = 0 };

    assert_false(readiness_may_accept(&nothing_heard, 1, 9999, 10000));
    assert_true(readiness_may_accept(&nothing_heard, 1, 10000, 10000));
}

static void
nothing_available_is_never_ready(void **state)
{
    const struct control_health health = { .total = 1, .first_round_done = 1 };

    assert_false(readiness_reached(&health, 0));
}

static const char *
serving(uint32_t total, uint32_t available, uint32_t eligible, bool first_round, bool panic)
{
    const struct control_health health = { .total = total, .available = available,
                                           .eligible = eligible, .panic = panic,
                                           .first_round_done = first_round };

    return readiness_word(APP_SERVING, &health, false, false, false);
}

static void
a_serving_app_has_the_word_of_its_endpoints(void **state)
{
    assert_string_equal(serving(3, 3, 3, true, false), "ready");
    assert_string_equal(serving(3, 2, 2, true, false), "ready");
    assert_string_equal(serving(4, 2, 2, true, false), "degraded");
    assert_string_equal(serving(4, 1, 1, true, false), "degraded");
    assert_string_equal(serving(4, 0, 0, true, true), "panic");
    assert_string_equal(serving(4, 0, 0, true, false), "unavailable");
    assert_string_equal(serving(4, 0, 4, false, false), "starting");
}

static void
a_state_has_its_word(void **state)
{
    const struct control_health good = { .total = 1, .available = 1, .eligible = 1 };

    assert_string_equal(readiness_word(APP_LOADING, &good, false, false, false), "starting");
    assert_string_equal(readiness_word(APP_WAITING, &good, false, false, false), "starting");
    assert_string_equal(readiness_word(APP_FAILED, &good, false, false, false), "unavailable");
    assert_string_equal(readiness_word(APP_HELD, &good, false, false, false), "config_error");
    assert_string_equal(readiness_word(APP_STOPPING, &good, true, true, false), "draining");
    assert_string_equal(readiness_word(APP_STOPPED, &good, true, false, false), "stopped");
    assert_string_equal(readiness_word(APP_RESTARTING, &good, false, false, false), "starting");
}

static void
a_held_back_app_tells_so_while_it_serves(void **state)
{
    const struct control_health good = { .total = 1, .available = 1, .eligible = 1 };

    assert_string_equal(readiness_word(APP_SERVING, &good, true, false, false), "config_error");
}

static void
a_crash_loop_is_told_until_it_serves_again(void **state)
{
    const struct control_health good = { .total = 1, .available = 1, .eligible = 1 };

    assert_string_equal(readiness_word(APP_RESTARTING, &good, false, true, false), "crash_loop");
    assert_string_equal(readiness_word(APP_LOADING, &good, false, true, false), "crash_loop");
    assert_string_equal(readiness_word(APP_SERVING, &good, false, true, false), "ready");
}

static void
what_is_rolled_out_is_told_while_it_serves(void **state)
{
    const struct control_health good = { .total = 1, .available = 1, .eligible = 1 };

    assert_string_equal(readiness_word(APP_SERVING, &good, false, false, true), "rolling_out");
    assert_string_equal(readiness_word(APP_RESTARTING, &good, false, false, true), "starting");
    assert_string_equal(readiness_word(APP_SERVING, &good, true, false, true), "config_error");
}

static void
a_stopped_app_stays_stopped(void **state)
{
    for (int next = 0; next < APP_STATES; next++)
        assert_false(app_state_allows(APP_STOPPED, (enum app_state)next));
    assert_false(app_state_allows(APP_NEW, APP_SERVING));
    assert_true(app_state_allows(APP_WAITING, APP_SERVING));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enough_available_endpoints_make_it_accept),
        cmocka_unit_test(it_accepts_when_every_first_probe_has_ended),
        cmocka_unit_test(it_accepts_when_the_time_is_up),
        cmocka_unit_test(nothing_available_is_never_ready),
        cmocka_unit_test(a_serving_app_has_the_word_of_its_endpoints),
        cmocka_unit_test(a_state_has_its_word),
        cmocka_unit_test(a_held_back_app_tells_so_while_it_serves),
        cmocka_unit_test(a_crash_loop_is_told_until_it_serves_again),
        cmocka_unit_test(what_is_rolled_out_is_told_while_it_serves),
        cmocka_unit_test(a_stopped_app_stays_stopped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
