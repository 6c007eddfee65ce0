/*
 * The small parts of the configuration: durations, suggestions, quoting.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "config/app_read.h"
#include "config/duration.h"
#include "config/problem.h"
#include "strategy/strategy.h"

static void
a_duration_is_a_number_and_a_unit(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } durations[] = {
        { "0ms", 0 },
        { "250ms", 250 },
        { "5s", 5000 },
        { "1m", 60000 },
        { "1h", 3600000 },
        { "24d", 2073600000 },
        { "-1s", -1000 },
        { "007s", 7000 },
        { "9223372036854775807d", INT64_MAX },
        { "-9223372036854775807d", INT64_MIN },
    };

    for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
        int64_t ms;

        assert_int_equal(duration_parse(durations[i].text, &ms), 0);
        assert_true(ms == durations[i].ms);
    }
}

static void
anything_else_is_no_duration(void **state)
{
    static const char *const texts[] = { "",     "5",   "s",   "5S",    "5 s",   "1.5s", "+5s",
                                         "--5s", "5s ", " 5s", "1h30m", "5msec", "0x5s", "1w" };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        int64_t ms;

        assert_int_equal(duration_parse(texts[i], &ms), -EINVAL);
    }
}

static void
a_duration_is_printed_in_its_largest_whole_unit_and_reads_back(void **state)
{
    static const uint32_t values[] = { 0,     1,       999,     1000,     1001,           59000,
                                       60000, 3600000, 5400000, 86400000, DURATION_MS_MAX };
    static const char *const texts[] = { "0s", "1ms", "999ms", "1s", "1001ms", "59s",
                                         "1m", "1h",  "90m",   "1d", "24d" };

    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        char text[DURATION_TEXT_BYTES];
        int64_t ms;

        assert_string_equal(duration_format(values[i], text), texts[i]);
        assert_int_equal(duration_parse(text, &ms), 0);
        assert_true(ms == values[i]);
    }
}

static void
the_nearest_word_is_found_and_a_far_one_is_not(void **state)
{
    static const char *const words[] = { "interval", "timeout", "rise", "fall", "jitter" };
    static const struct {
        const char *text, *nearest;
    } cases[] = {
        { "timeout", "timeout" },
        { "timeuot", "timeout" },
        { "tiemout", "timeout" },
        { "time", NULL },
        { "intervals", "interval" },
        { "inteval", "interval" },
        { "rsie", "rise" },
        { "ris", "rise" },
        { "fail", "fall" },
        { "x", NULL },
        { "weight", NULL },
        { "", NULL },
        { "a-key-that-is-much-longer-than-every-key-there-could-be", NULL },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *nearest =
            problem_nearest(cases[i].text, words, ARRAY_SIZE(words), sizeof *words);

        if (cases[i].nearest == NULL)
            assert_null(nearest);
        else
            assert_string_equal(nearest, cases[i].nearest);
    }
}

static void
a_quote_is_short_and_printable(void **state)
{
    char quoted[QUOTE_BYTES], text[300];

    assert_string_equal(problem_quote("a\x1b[0m\n\xff", quoted), "\"a\\x1b[0m\\x0a\\xff\"");
    assert_string_equal(problem_quote("", quoted), "\"\"");
    for (size_t length = 0; length < sizeof text; length++) {
        memset(text, length % 2 ? 'a' : '\x01', length);
        text[length] = '\0';
        problem_quote(text, quoted);
        assert_true(strlen(quoted) < QUOTE_BYTES);
        assert_true(quoted[strlen(quoted) - 1] == '"');
    }
}

static void
the_names_of_strategies_are_those_of_the_strategies(void **state)
{
    size_t i;

    for (i = 0; strategy_table[i] != NULL; i++) {
        assert_non_null(app_strategy_names[i]);
        assert_string_equal(app_strategy_names[i], strategy_table[i]->name);
    }
    assert_null(app_strategy_names[i]);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_duration_is_a_number_and_a_unit),
        cmocka_unit_test(anything_else_is_no_duration),
        cmocka_unit_test(a_duration_is_printed_in_its_largest_whole_unit_and_reads_back),
        cmocka_unit_test(the_nearest_word_is_found_and_a_far_one_is_not),
        cmocka_unit_test(a_quote_is_short_and_printable),
        cmocka_unit_test(the_names_of_strategies_are_those_of_the_strategies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
