#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"

static void
a_time_is_written_as_utc_with_milliseconds(void **state)
{
    char text[TIME_TEXT_BYTES];

    assert_string_equal(clock_format_utc(0, text), "1970-01-01T00:00:00.000Z");
    assert_string_equal(clock_format_utc(1769862896789, text), "2026-01-31T12:34:56.789Z");
    assert_string_equal(clock_format_utc(-1, text), "1969-12-31T23:59:59.999Z");
    clock_format_utc(INT64_MAX, text);
    clock_format_utc(INT64_MIN, text);
}

static void
what_was_written_is_read_back(void **state)
{
    const int64_t times[] = { 0, -1, 1, 999, 1000, 1769862896789, 951782400000, -86400001,
                              253402300799999 };
    char text[TIME_TEXT_BYTES];

    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        int64_t back = 42;

        assert_int_equal(clock_parse_utc(clock_format_utc(times[i], text), &back), 0);
        assert_int_equal(back, times[i]);
    }
}

static void
milliseconds_and_the_z_may_be_missing(void **state)
{
    int64_t ms;

    assert_int_equal(clock_parse_utc("1970-01-01T00:00:01", &ms), 0);
    assert_int_equal(ms, 1000);
    assert_int_equal(clock_parse_utc("1970-01-01T00:00:01Z", &ms), 0);
    assert_int_equal(ms, 1000);
    assert_int_equal(clock_parse_utc("1970-01-01T00:00:01.5", &ms), 0);
    assert_int_equal(ms, 1500);
    assert_int_equal(clock_parse_utc("1970-01-01T00:00:01.123456789Z", &ms), 0);
    assert_int_equal(ms, 1123);
}

static void
what_is_no_time_is_refused(void **state)
{
    static const char *const texts[] = {
        "", "Z", "2026", "2026-01-31", "2026-01-31 12:34:56", "2026-01-31T12:34",
        "2026-02-30T00:00:00Z", "2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00ZZ", "2026-01-01T00:00:00+01",
        "-026-01-01T00:00:00Z", "2026-1-01T00:00:00Z",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        int64_t ms = 7;

        assert_int_equal(clock_parse_utc(texts[i], &ms), -EINVAL);
        assert_int_equal(ms, 7);
    }
}

static void
the_monotonic_clock_never_goes_back(void **state)
{
    uint64_t before_us = clock_monotonic_us();
    uint64_t ms = clock_monotonic_ms();
    uint64_t after_us = clock_monotonic_us();

    assert_true(before_us / 1000 <= ms);
    assert_true(ms <= after_us / 1000);
    assert_true(clock_wall_ms() > 1577836800000);       /* 2020: it is wall time, and ms */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_written_as_utc_with_milliseconds),
        cmocka_unit_test(what_was_written_is_read_back),
        cmocka_unit_test(milliseconds_and_the_z_may_be_missing),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(the_monotonic_clock_never_goes_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
