/* slow_start: shares by age, and that the steps are met exactly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "probes/slow_start.h"

static void
the_share_grows_in_tenths(void **state)
{
    assert_int_equal(slow_start_percent(0, 30000), 10);
    assert_int_equal(slow_start_percent(2999, 30000), 10);
    assert_int_equal(slow_start_percent(3000, 30000), 20);
    assert_int_equal(slow_start_percent(15000, 30000), 60);
    assert_int_equal(slow_start_percent(29999, 30000), 100);
    assert_int_equal(slow_start_percent(30000, 30000), 100);
}

static void
a_clock_that_was_set_ends_it(void **state)
{
    assert_int_equal(slow_start_percent(-1, 30000), 100);
    assert_int_equal(slow_start_wait_ms(-1, 30000), 0);
    assert_int_equal(slow_start_percent(INT64_MAX, 30000), 100);
    assert_int_equal(slow_start_wait_ms(INT64_MAX, 30000), 0);
    assert_int_equal(slow_start_percent(0, 0), 100);
    assert_int_equal(slow_start_wait_ms(0, 0), 0);
}

static void
who_waits_as_told_meets_each_step_once(void **state)
{
    static const uint32_t durations_ms[] = { 1, 3, 9, 10, 11, 1000, 30001, 3600000 };

    for (size_t i = 0; i < ARRAY_SIZE(durations_ms); i++) {
        uint32_t duration_ms = durations_ms[i], wait_ms;
        uint8_t before = 0;
        int64_t age_ms = 0;

        while ((wait_ms = slow_start_wait_ms(age_ms, duration_ms)) > 0) {
            uint8_t percent = slow_start_percent(age_ms, duration_ms);

            assert_true(percent > before);
            assert_int_equal(slow_start_percent(age_ms + wait_ms - 1, duration_ms), percent);
            before = percent;
            age_ms += wait_ms;
        }
        assert_int_equal(age_ms, duration_ms);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_share_grows_in_tenths),
        cmocka_unit_test(a_clock_that_was_set_ends_it),
        cmocka_unit_test(who_waits_as_told_meets_each_step_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
