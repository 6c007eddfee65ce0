#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "probes/schedule.h"

static void
jitter_stays_within_its_percent(void **state)
{
    uint64_t random = 1;
    uint32_t low = UINT32_MAX, high = 0;

    for (int i = 0; i < 10000; i++) {
        uint32_t ms = schedule_jitter(5000, 10, schedule_random(&random));

        low = ms < low ? ms : low;
        high = ms > high ? ms : high;
    }
    assert_in_range(low, 4500, 4520);
    assert_in_range(high, 5480, 5500);
}

static void
without_jitter_the_interval_is_exact(void **state)
{
    assert_int_equal(schedule_jitter(5000, 0, 12345), 5000);
    assert_int_equal(schedule_jitter(0, 10, 12345), 0);
    assert_int_equal(schedule_jitter(7, 10, 12345), 7);     /* less than a millisecond */
}

static void
what_is_due_at_about_the_same_time_is_due_at_once(void **state)
{
    for (uint64_t now_ms = 100000; now_ms < 100100; now_ms++) {
        uint32_t wait_ms = schedule_align_ms(now_ms, 5000);

        assert_in_range(wait_ms, 5000 - SCHEDULE_GRID_MS + 1, 5000);
        assert_int_equal((now_ms + wait_ms) % SCHEDULE_GRID_MS, 0);
        assert_int_equal(schedule_align_ms(now_ms, 250), 250);
    }
    assert_int_equal(schedule_align_ms(100000, 1000), 1000);    /* it stays on the grid */
}

static void
the_first_probe_of_an_app_goes_at_once(void **state)
{
    assert_int_equal(schedule_first_probe_ms(0, 1, 1, 5000), 0);
    assert_int_equal(schedule_first_probe_ms(0, 4000, 10000, 5000), 0);
}

static void
second_probes_come_evenly_within_the_interval_after_the_first_ones(void **state)
{
    for (uint32_t i = 1; i < 1000; i++) {
        uint32_t first_ms = schedule_first_probe_ms(i, 1000, 10000, 5000);
        uint32_t wait_ms = schedule_second_probe_ms(i, 1000, 10000, 5000, 1000);
        uint32_t even_ms = 2000 + i * 5;

        assert_in_range(first_ms + wait_ms, even_ms - 1, even_ms);
        assert_in_range(wait_ms, 2000, 5000);
    }
}

static void
second_probes_come_when_the_first_ones_can_be_over(void **state)
{
    assert_int_equal(schedule_second_probe_ms(1, 1000, 1000, 5000, 2000), 2003);
    assert_int_equal(schedule_second_probe_ms(999, 1000, 1000, 5000, 2000), 4997);
    assert_int_equal(schedule_second_probe_ms(500, 1000, 1000, 5000, 5000), 5000);
}

static void
the_first_of_an_app_and_few_endpoints_keep_their_interval(void **state)
{
    assert_int_equal(schedule_second_probe_ms(0, 1000, 10000, 5000, 1000), 5000);
    assert_int_equal(schedule_second_probe_ms(0, 1, 1, 5000, 1000), 5000);
    assert_int_equal(schedule_second_probe_ms(500, 1000, 10000, 250, 250), 250);
}

static void
a_probe_is_late_when_it_waited_longer_than_its_jitter(void **state)
{
    assert_int_equal(schedule_late_ms(5000, 10), 500);
    assert_int_equal(schedule_late_ms(250, 10), SCHEDULE_LATE_MIN_MS);
    assert_int_equal(schedule_late_ms(5000, 0), SCHEDULE_LATE_MIN_MS);
    assert_int_equal(schedule_late_ms(60000, 10), SCHEDULE_LATE_MAX_MS);
}

static void
a_probe_that_ended_long_after_its_time_was_not_looked_at(void **state)
{
    assert_false(schedule_overran(2000000, 2000, 500));
    assert_false(schedule_overran(2500999, 2000, 500));
    assert_true(schedule_overran(2501000, 2000, 500));
    assert_false(schedule_overran(UINT32_MAX, UINT32_MAX, SCHEDULE_LATE_MAX_MS));
}

static void
a_few_endpoints_are_hardly_spread(void **state)
{
    assert_int_equal(schedule_first_probe_ms(2, 3, 3, 5000), 0);
    assert_in_range(schedule_first_probe_ms(499, 500, 500, 5000), 190, 200);
}

static void
many_endpoints_are_spread_over_two_seconds_or_an_interval(void **state)
{
    assert_in_range(schedule_first_probe_ms(9999, 10000, 10000, 5000), 1990, 2000);
    assert_in_range(schedule_first_probe_ms(9999, 10000, 10000, 700), 690, 700);
    assert_int_equal(schedule_first_probe_ms(5000, 10000, 10000, 5000), 1000);
}

static void
intervals_count_from_start_to_start(void **state)
{
    assert_int_equal(schedule_wait_ms(1000, 5000, 1000), 5000);
    assert_int_equal(schedule_wait_ms(1000, 5000, 3000), 3000);
    assert_int_equal(schedule_wait_ms(1000, 5000, 6000), 0);
    assert_int_equal(schedule_wait_ms(1000, 5000, 99000), 0);
}

static void
a_probe_that_another_had_planned_stays_where_it_was(void **state)
{
    uint32_t longest_ms = schedule_longest_ms(5000, 10);

    assert_int_equal(longest_ms, 5500);
    assert_int_equal(schedule_longest_ms(UINT32_MAX / 2, 100), UINT32_MAX - 1);
    for (uint32_t random = 0; random < 100; random++) {
        assert_int_equal(schedule_resume_ms(13000, longest_ms, 10000, random), 3000);
        assert_int_equal(schedule_resume_ms(15500, longest_ms, 10000, random), 5500);
    }
}

static void
overdue_probes_and_those_of_longer_intervals_are_spread(void **state)
{
    uint32_t latest_ms = 0, latest_of_short_ms = 0, latest_of_long_ms = 0;
    uint64_t seed = 42;

    for (int i = 0; i < 2000; i++) {
        uint32_t random = schedule_random(&seed);

        latest_ms = MAX(latest_ms, schedule_resume_ms(9999, 5500, 10000, random));
        latest_of_short_ms = MAX(latest_of_short_ms, schedule_resume_ms(0, 220, 10000, random));
        latest_of_long_ms =
            MAX(latest_of_long_ms, schedule_resume_ms(60000, 5500, 10000, random));
    }
    assert_in_range(latest_ms, 1900, SCHEDULE_SPREAD_MAX_MS);
    assert_in_range(latest_of_short_ms, 200, 220);
    assert_in_range(latest_of_long_ms, 5300, 5500);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jitter_stays_within_its_percent),
        cmocka_unit_test(without_jitter_the_interval_is_exact),
        cmocka_unit_test(what_is_due_at_about_the_same_time_is_due_at_once),
        cmocka_unit_test(the_first_probe_of_an_app_goes_at_once),
        cmocka_unit_test(second_probes_come_evenly_within_the_interval_after_the_first_ones),
        cmocka_unit_test(second_probes_come_when_the_first_ones_can_be_over),
        cmocka_unit_test(the_first_of_an_app_and_few_endpoints_keep_their_interval),
        cmocka_unit_test(a_probe_is_late_when_it_waited_longer_than_its_jitter),
        cmocka_unit_test(a_probe_that_ended_long_after_its_time_was_not_looked_at),
        cmocka_unit_test(a_few_endpoints_are_hardly_spread),
        cmocka_unit_test(many_endpoints_are_spread_over_two_seconds_or_an_interval),
        cmocka_unit_test(intervals_count_from_start_to_start),
        cmocka_unit_test(a_probe_that_another_had_planned_stays_where_it_was),
        cmocka_unit_test(overdue_probes_and_those_of_longer_intervals_are_spread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
