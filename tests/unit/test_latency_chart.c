/* The chart of latencies: which column a minute falls into, and how high it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "probes/latency_chart.h"

#define MINUTE_MS INT64_C(60000)

static const int64_t begin_ms = 100 * MINUTE_MS;

static void
add(struct chart *chart, int64_t minute, uint32_t runs, uint32_t failures, double p50_ms)
{
    const struct chart_minute one = { .minute_ms = begin_ms + minute * MINUTE_MS, .runs = runs,
                                      .failures = failures, .p50_ms = p50_ms,
                                      .max_ms = p50_ms * 2 };

    chart_add(chart, &one);
}

static void
a_short_time_has_a_column_a_minute(void **state)
{
    struct chart chart;
    char text[CHART_TEXT_BYTES];
    double lowest, highest;

    chart_init(&chart, begin_ms + 1234, begin_ms + 4 * MINUTE_MS + 59999);
    assert_int_equal(chart.columns, 5);
    assert_int_equal(chart.column_minutes, 1);
    add(&chart, 0, 10, 0, 1.0);
    add(&chart, 1, 10, 5, 9.0);
    add(&chart, 4, 10, 10, 5.0);
    add(&chart, 5, 10, 10, 99.0);       /* outside, both ways */
    add(&chart, -1, 10, 10, 99.0);

    assert_true(chart_medians(&chart, false, text, &lowest, &highest));
    assert_string_equal(text, "_#  =");
    assert_true(lowest == 1.0 && highest == 9.0);
    chart_failures(&chart, false, text);
    assert_string_equal(text, " =  #");
    assert_int_equal(chart_total(&chart).runs, 30);
    assert_int_equal(chart_total(&chart).failures, 15);
    assert_true(chart_total(&chart).max_ms == 18.0);
}

static void
a_long_time_shares_columns(void **state)
{
    struct chart chart;
    char text[CHART_TEXT_BYTES];
    double lowest, highest;

    chart_init(&chart, begin_ms, begin_ms + 24 * 60 * MINUTE_MS);
    assert_true(chart.columns <= CHART_COLUMNS);
    assert_true(chart.columns > CHART_COLUMNS / 2);
    add(&chart, 0, 1, 0, 2.0);
    add(&chart, 1, 3, 1, 6.0);
    assert_true(chart_medians(&chart, false, text, &lowest, &highest));
    assert_true(lowest == 5.0 && highest == 5.0);
    assert_int_equal(strlen(text), chart.columns);
    assert_int_equal(chart.buckets[0].runs, 4);
}

static void
blocks_are_utf8_and_fit(void **state)
{
    struct chart chart;
    char text[CHART_TEXT_BYTES];
    double lowest, highest;

    chart_init(&chart, begin_ms, begin_ms + (CHART_COLUMNS - 1) * MINUTE_MS);
    for (int i = 0; i < CHART_COLUMNS; i++)
        add(&chart, i, 1, 0, i % 2 == 0 ? 1.0 : 2.0);
    assert_true(chart_medians(&chart, true, text, &lowest, &highest));
    assert_int_equal(strlen(text), CHART_COLUMNS * CHART_BLOCK_BYTES);
    assert_memory_equal(text, "▁█▁█", 12);
}

static void
what_hardly_differs_looks_flat(void **state)
{
    struct chart chart;
    char text[CHART_TEXT_BYTES];
    double lowest, highest;

    chart_init(&chart, begin_ms, begin_ms + 2 * MINUTE_MS);
    add(&chart, 0, 1, 0, 1.00);
    add(&chart, 1, 1, 0, 1.01);
    add(&chart, 2, 1, 0, 1.02);
    assert_true(chart_medians(&chart, false, text, &lowest, &highest));
    assert_string_equal(text, "___");
}

static void
without_a_probe_there_is_no_chart(void **state)
{
    struct chart chart;
    char text[CHART_TEXT_BYTES];
    double lowest, highest;

    chart_init(&chart, begin_ms, begin_ms - 5);         /* a clock that was set back */
    assert_int_equal(chart.columns, 1);
    add(&chart, 0, 0, 0, 1.0);
    assert_false(chart_medians(&chart, true, text, &lowest, &highest));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_short_time_has_a_column_a_minute),
        cmocka_unit_test(a_long_time_shares_columns),
        cmocka_unit_test(blocks_are_utf8_and_fit),
        cmocka_unit_test(what_hardly_differs_looks_flat),
        cmocka_unit_test(without_a_probe_there_is_no_chart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
