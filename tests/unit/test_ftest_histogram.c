#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ftest/histogram.h"

static struct histogram histogram;

static int
empty_it(void **state)
{
    memset(&histogram, 0, sizeof histogram);
    return 0;
}

static void
an_empty_histogram_says_zero(void **state)
{
    assert_int_equal(histogram_percentile(&histogram, 50), 0);
    assert_int_equal(histogram_count_above(&histogram, 0), 0);
    assert_true(histogram_mean(&histogram) < 0.001);
}

static void
small_values_are_exact(void **state)
{
    for (uint64_t value = 1; value <= 100; value++)
        histogram_record(&histogram, value);

    assert_int_equal(histogram.count, 100);
    assert_int_equal(histogram.min, 1);
    assert_int_equal(histogram.max, 100);
    assert_int_equal(histogram_percentile(&histogram, 0.1), 1);
    assert_int_equal(histogram_percentile(&histogram, 50), 50);
    assert_int_equal(histogram_percentile(&histogram, 99), 99);
    assert_int_equal(histogram_percentile(&histogram, 99.9), 100);
    assert_int_equal(histogram_percentile(&histogram, 100), 100);
    assert_int_equal(histogram_count_above(&histogram, 90), 10);
}

static int
compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Against a sorted list of the same values, from nanoseconds to minutes. */
static void
large_values_are_within_one_percent(void **state)
{
    static uint64_t values[20000];
    static const double percents[] = { 1, 10, 50, 90, 99, 99.9, 100 };
    const size_t count = sizeof values / sizeof values[0];
    uint64_t seed = 42;

    for (size_t i = 0; i < count; i++) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        values[i] = (seed >> 32) << (seed >> 8 & 7);
        histogram_record(&histogram, values[i]);
    }
    qsort(values, count, sizeof values[0], compare);
    for (size_t i = 0; i < sizeof percents / sizeof percents[0]; i++) {
        size_t rank = (size_t)((double)count * percents[i] / 100 + 0.999999);
        double exact = (double)values[rank - 1];
        double found = (double)histogram_percentile(&histogram, percents[i]);

        assert_true(found >= exact);
        assert_true(found <= exact * 1.01);
    }
}

static void
every_value_of_64_bits_has_a_place(void **state)
{
    histogram_record(&histogram, 0);
    for (unsigned bit = 0; bit < 64; bit++) {
        histogram_record(&histogram, 1ULL << bit);
        histogram_record(&histogram, (1ULL << bit) - 1 + (1ULL << bit));
    }
    assert_int_equal(histogram.count, 129);
    assert_int_equal(histogram.min, 0);
    assert_true(histogram.max == UINT64_MAX);
    assert_true(histogram_percentile(&histogram, 100) == UINT64_MAX);
}

static void
a_percentile_is_never_above_the_maximum(void **state)
{
    histogram_record(&histogram, 1000001);

    assert_int_equal(histogram_percentile(&histogram, 50), 1000001);
    assert_int_equal(histogram_percentile(&histogram, 99.9), 1000001);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_empty_histogram_says_zero, empty_it),
        cmocka_unit_test_setup(small_values_are_exact, empty_it),
        cmocka_unit_test_setup(large_values_are_within_one_percent, empty_it),
        cmocka_unit_test_setup(every_value_of_64_bits_has_a_place, empty_it),
        cmocka_unit_test_setup(a_percentile_is_never_above_the_maximum, empty_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
