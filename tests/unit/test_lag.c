/* How late probes begin, as people are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "probes/lag.h"

#define TEST(name) cmocka_unit_test(name)

static const uint64_t now_ms = 7000000;         /* a slice begins */

static void
nothing_is_known_before_the_first_probe(void **state)
{
    struct lag lag = { 0 };
    struct board_lag shown;

    lag_read(&lag, now_ms, &shown);
    assert_int_equal(shown.probes, 0);
    assert_int_equal(shown.max_ms, 0);
}

static void
percentiles_are_of_all_that_started(void **state)
{
    struct lag lag = { 0 };
    struct board_lag shown;

    for (uint32_t i = 1; i <= 100; i++)
        lag_add(&lag, now_ms + i, i <= 98 ? 2 : 9, false);
    lag_read(&lag, now_ms + 200, &shown);
    assert_int_equal(shown.probes, 100);
    assert_int_equal(shown.p50_ms, 2);
    assert_int_equal(shown.p99_ms, 9);
    assert_int_equal(shown.max_ms, 9);
    assert_int_equal(shown.overruns, 0);
}

/* Whatever it was: never too low, and not more than an eighth too high. */
static void
a_percentile_is_near_to_what_was(void **state)
{
    for (uint32_t ms = 0; ms <= LAG_MAX_MS; ms++) {
        struct lag lag = { 0 };
        struct board_lag shown;

        lag_add(&lag, now_ms, ms, false);
        lag_add(&lag, now_ms, LAG_MAX_MS, false);
        lag_read(&lag, now_ms, &shown);
        assert_in_range(shown.p50_ms, ms, ms + ms / 8);
        assert_int_equal(shown.max_ms, LAG_MAX_MS);
    }
}

static void
what_is_too_late_to_be_told_counts_as_the_latest(void **state)
{
    struct lag lag = { 0 };
    struct board_lag shown;

    lag_add(&lag, now_ms, UINT64_C(1) << 40, true);
    lag_read(&lag, now_ms, &shown);
    assert_int_equal(shown.p50_ms, LAG_MAX_MS);
    assert_int_equal(shown.max_ms, LAG_MAX_MS);
    assert_int_equal(shown.overruns_lately, 1);
}

static void
a_minute_later_only_the_sum_of_overruns_is_left(void **state)
{
    struct lag lag = { 0 };
    struct board_lag shown;

    lag_add(&lag, now_ms, 500, true);
    lag_read(&lag, now_ms + 60000, &shown);
    assert_int_equal(shown.overruns_lately, 1);
    lag_read(&lag, now_ms + 80000, &shown);
    assert_int_equal(shown.probes, 0);
    assert_int_equal(shown.max_ms, 0);
    assert_int_equal(shown.overruns_lately, 0);
    assert_int_equal(shown.overruns, 1);
}

static void
a_slice_that_is_used_again_begins_empty(void **state)
{
    struct lag lag = { 0 };
    struct board_lag shown;

    lag_add(&lag, now_ms, 500, true);
    lag_add(&lag, now_ms + LAG_SLICES * LAG_SLICE_MS, 3, false);
    lag_read(&lag, now_ms + LAG_SLICES * LAG_SLICE_MS, &shown);
    assert_int_equal(shown.probes, 1);
    assert_int_equal(shown.max_ms, 3);
    assert_int_equal(shown.overruns_lately, 0);
    assert_int_equal(shown.overruns, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_known_before_the_first_probe),
        TEST(percentiles_are_of_all_that_started),
        TEST(a_percentile_is_near_to_what_was),
        TEST(what_is_too_late_to_be_told_counts_as_the_latest),
        TEST(a_minute_later_only_the_sum_of_overruns_is_left),
        TEST(a_slice_that_is_used_again_begins_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
