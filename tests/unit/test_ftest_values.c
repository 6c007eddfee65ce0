#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "ftest/values.h"

static void
durations_have_units_and_default_to_milliseconds(void **state)
{
    static const struct {
        const char *text;
        uint64_t ns;
    } cases[] = {
        { "250ms", 250000000 }, { "5s", 5000000000 },   { "1.5s", 1500000000 },
        { "10us", 10000 },      { "40", 40000000 },     { "2m", 120000000000 },
        { "1h", 3600000000000 }, { "0", 0 },            { "24h", 86400000000000 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t ns = 1;

        assert_int_equal(value_duration(cases[i].text, &ns), 0);
        assert_int_equal(ns, cases[i].ns);
    }
}

static void
what_is_no_duration_is_refused_and_changes_nothing(void **state)
{
    static const char *const texts[] = {
        "", "s", "-1s", " 5s", "5 s", "5s ", "inf", "nan", "0x10", "1e3", ".5s", "5.s",
        "1.2.3s", "5d", "5ss",
    };
    uint64_t ns = 77;

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(value_duration(texts[i], &ns), -EINVAL);
    assert_int_equal(value_duration("25h", &ns), -ERANGE);
    assert_int_equal(value_duration("99999999999999999999999999s", &ns), -ERANGE);
    assert_int_equal(ns, 77);
}

static void
sizes_are_powers_of_1024(void **state)
{
    size_t bytes = 0;

    assert_int_equal(value_size("512", &bytes), 0);
    assert_int_equal(bytes, 512);
    assert_int_equal(value_size("64k", &bytes), 0);
    assert_int_equal(bytes, 65536);
    assert_int_equal(value_size("1M", &bytes), 0);
    assert_int_equal(bytes, 1048576);
    assert_int_equal(value_size("2g", &bytes), -ERANGE);
    assert_int_equal(value_size("1kb", &bytes), -EINVAL);
    assert_int_equal(bytes, 1048576);
}

static void
counts_are_whole_and_start_at_one(void **state)
{
    uint64_t count = 0;

    assert_int_equal(value_count("1", 10, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(value_count("10", 10, &count), 0);
    assert_int_equal(count, 10);
    assert_int_equal(value_count("0", 10, &count), -EINVAL);
    assert_int_equal(value_count("-1", 10, &count), -EINVAL);
    assert_int_equal(value_count("1.5", 10, &count), -EINVAL);
    assert_int_equal(value_count("", 10, &count), -EINVAL);
    assert_int_equal(value_count("11", 10, &count), -ERANGE);
    assert_int_equal(value_count("99999999999999999999", UINT64_MAX, &count), -ERANGE);
    assert_int_equal(count, 10);
}

static void
rates_may_be_below_one_but_not_zero(void **state)
{
    double rate = 0;

    assert_int_equal(value_rate("0.5", &rate), 0);
    assert_true(rate > 0.49 && rate < 0.51);
    assert_int_equal(value_rate("2k", &rate), 0);
    assert_true(rate > 1999 && rate < 2001);
    assert_int_equal(value_rate("0", &rate), -EINVAL);
    assert_int_equal(value_rate("-3", &rate), -EINVAL);
    assert_int_equal(value_rate("99999999", &rate), -ERANGE);
}

static void
a_list_is_split_at_its_commas(void **state)
{
    struct value_list list = { 0 };

    assert_int_equal(value_list_parse("a,bc,d e", &list), 0);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0], "a");
    assert_string_equal(list.items[1], "bc");
    assert_string_equal(list.items[2], "d e");
    value_list_free(&list);
    assert_int_equal(list.count, 0);
}

static void
a_backslash_keeps_a_comma_in_its_item(void **state)
{
    struct value_list list = { 0 };

    assert_int_equal(value_list_parse("a\\,b,c\\\\,\\n", &list), 0);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[0], "a,b");
    assert_string_equal(list.items[1], "c\\");
    assert_string_equal(list.items[2], "\\n");
    value_list_free(&list);
}

static void
empty_items_are_refused(void **state)
{
    static const char *const texts[] = { "", ",", "a,", ",a", "a,,b" };
    struct value_list list = { 0 };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_int_equal(value_list_parse(texts[i], &list), -EINVAL);
    assert_int_equal(list.count, 0);
}

static void
bytes_that_do_not_print_are_escaped_and_long_texts_cut(void **state)
{
    char text[16];

    assert_string_equal(value_printable("a\n\xff", 3, text, sizeof text), "a\\x0a\\xff");
    assert_string_equal(value_printable("a\\b", 3, text, sizeof text), "a\\\\b");
    assert_string_equal(value_printable("", 0, text, sizeof text), "");
    value_printable("0123456789012345678901234567890", 31, text, sizeof text);
    assert_true(strlen(text) < sizeof text);
    assert_string_equal(text + strlen(text) - 3, "...");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_have_units_and_default_to_milliseconds),
        cmocka_unit_test(what_is_no_duration_is_refused_and_changes_nothing),
        cmocka_unit_test(sizes_are_powers_of_1024),
        cmocka_unit_test(counts_are_whole_and_start_at_one),
        cmocka_unit_test(rates_may_be_below_one_but_not_zero),
        cmocka_unit_test(a_list_is_split_at_its_commas),
        cmocka_unit_test(a_backslash_keeps_a_comma_in_its_item),
        cmocka_unit_test(empty_items_are_refused),
        cmocka_unit_test(bytes_that_do_not_print_are_escaped_and_long_texts_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
