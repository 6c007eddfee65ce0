/* Several probes of one endpoint, as stories: each letter is a probe, in upper case one of startup;
 * k unknown, a available, d degraded, f failing, u unavailable, r recovering. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "probes/combine.h"
#include "probes/verdict.h"

static enum endpoint_state
state_of(char letter)
{
    switch (tolower(letter)) {
    case 'a':
        return ENDPOINT_AVAILABLE;
    case 'd':
        return ENDPOINT_DEGRADED;
    case 'f':
        return ENDPOINT_FAILING;
    case 'u':
        return ENDPOINT_UNAVAILABLE;
    case 'r':
        return ENDPOINT_RECOVERING;
    case 's':
        return ENDPOINT_STARTING;
    default:
        return ENDPOINT_UNKNOWN;
    }
}

struct story {
    const char *probes;
    uint32_t required;
    char state;
    uint32_t because;
};

static uint32_t
parts_of(const char *probes, struct combine_part *parts)
{
    uint32_t count = 0;

    for (; *probes != '\0'; probes++)
        parts[count++] = (struct combine_part){ .startup = isupper((unsigned char)*probes),
                                                .passed = *probes == 'A',
                                                .state = state_of(*probes) };
    return count;
}

static void
check(const struct story *stories, size_t count, bool was_down)
{
    for (size_t i = 0; i < count; i++) {
        struct combine_part parts[8];
        uint32_t number = parts_of(stories[i].probes, parts);
        struct combined found = combine(parts, number, stories[i].required, was_down);

        print_message("%s, %u required\n", stories[i].probes, stories[i].required);
        assert_string_equal(endpoint_state_name(found.state),
                            endpoint_state_name(state_of(stories[i].state)));
        assert_int_equal(found.because, stories[i].because);
    }
}

static void
one_probe_is_what_it_says(void **state)
{
    static const struct story stories[] = {
        { "k", 0, 'k', 0 }, { "a", 0, 'a', 0 }, { "d", 0, 'd', 0 },
        { "f", 0, 'f', 0 }, { "u", 0, 'u', 0 }, { "r", 0, 'r', 0 },
        { "a", 1, 'a', 0 }, { "u", 1, 'u', 0 },
    };

    check(stories, ARRAY_SIZE(stories), false);
}

static void
all_must_pass(void **state)
{
    static const struct story stories[] = {
        { "aa", 0, 'a', 0 },  { "au", 0, 'u', 1 }, { "ua", 0, 'u', 0 }, { "af", 0, 'f', 1 },
        { "ak", 0, 'k', 1 },  { "ku", 0, 'u', 1 }, { "ar", 0, 'r', 1 }, { "ru", 0, 'u', 1 },
        { "ad", 0, 'd', 1 },  { "fu", 0, 'u', 1 }, { "aaf", 0, 'f', 2 },
    };

    check(stories, ARRAY_SIZE(stories), false);
}

static void
any_may_pass(void **state)
{
    static const struct story stories[] = {
        { "au", 1, 'a', 0 }, { "ua", 1, 'a', 1 }, { "uu", 1, 'u', 0 }, { "fu", 1, 'f', 0 },
        { "fa", 1, 'a', 1 }, { "ku", 1, 'k', 0 }, { "ru", 1, 'r', 0 }, { "du", 1, 'd', 0 },
        { "da", 1, 'a', 1 },
    };

    check(stories, ARRAY_SIZE(stories), false);
}

static void
a_number_must_pass(void **state)
{
    static const struct story stories[] = {
        { "aau", 2, 'a', 0 }, { "auu", 2, 'u', 1 }, { "afu", 2, 'f', 1 }, { "aru", 2, 'r', 1 },
        { "aku", 2, 'k', 1 }, { "aaa", 2, 'a', 0 }, { "aaf", 2, 'a', 0 },
        { "aa", 3, 'a', 0 },
    };

    check(stories, ARRAY_SIZE(stories), false);
}

static void
what_starts_is_not_asked_yet(void **state)
{
    static const struct story fresh[] = {
        { "Ka", 0, 's', 0 }, { "Uk", 0, 's', 0 }, { "AU", 0, 's', 1 }, { "Aa", 0, 'a', 1 },
        { "Au", 0, 'u', 1 }, { "A", 0, 'a', 0 },  { "K", 0, 's', 0 },  { "aK", 1, 's', 1 },
    };
    static const struct story back[] = {
        { "Ku", 0, 'u', 0 }, { "Au", 0, 'u', 1 }, { "Ar", 0, 'r', 1 }, { "Aa", 0, 'a', 1 },
    };

    check(fresh, ARRAY_SIZE(fresh), false);
    check(back, ARRAY_SIZE(back), true);
}

/* Better results of one never make the whole worse, whatever the number that must pass. */
static void
it_is_monotonous(void **state)
{
    static const char order[] = "urkfa";        /* from bad to good */
    static const char rank[] = "urksfda";

    for (unsigned code = 0; code < 5 * 5 * 5; code++) {
        char probes[4] = { order[code % 5], order[code / 5 % 5], order[code / 25], '\0' };

        for (uint32_t required = 0; required <= 3; required++) {
            struct combine_part parts[3], better[3];
            struct combined before, after;

            parts_of(probes, parts);
            before = combine(parts, 3, required, false);
            for (int i = 0; i < 3; i++) {
                const char *at = strchr(order, probes[i]);

                if (at[1] == '\0')
                    continue;
                memcpy(better, parts, sizeof better);
                better[i].state = state_of(at[1]);
                after = combine(better, 3, required, false);
                for (const char *letter = rank; state_of(*letter) != before.state; letter++)
                    assert_int_not_equal(state_of(*letter), after.state);
            }
        }
    }
}

static void
the_first_that_holds_tells(void **state)
{
    static const struct {
        struct verdict_parts parts;
        enum endpoint_state state;
    } cases[] = {
        { { .health = ENDPOINT_AVAILABLE }, ENDPOINT_UNRESOLVED },
        { { true, ENDPOINT_AVAILABLE, ADMIN_MAINTAIN, true, true, true, true },
          ENDPOINT_MAINTENANCE },
        { { true, ENDPOINT_UNAVAILABLE, ADMIN_DRAIN, false, true, true, true },
          ENDPOINT_DRAINING },
        { { true, ENDPOINT_AVAILABLE, ADMIN_NONE, true, true, true, true }, ENDPOINT_DRAINING },
        { { true, ENDPOINT_UNAVAILABLE, ADMIN_NONE, false, true, true, true },
          ENDPOINT_UNAVAILABLE },
        { { true, ENDPOINT_RECOVERING, ADMIN_NONE, false, true, false, false },
          ENDPOINT_RECOVERING },
        { { true, ENDPOINT_AVAILABLE, ADMIN_NONE, false, true, true, true }, ENDPOINT_EJECTED },
        { { true, ENDPOINT_FAILING, ADMIN_NONE, false, false, true, true }, ENDPOINT_RECOVERING },
        { { true, ENDPOINT_AVAILABLE, ADMIN_NONE, false, false, false, true }, ENDPOINT_WARMING },
        { { true, ENDPOINT_DEGRADED, ADMIN_NONE, false, false, false, true }, ENDPOINT_DEGRADED },
        { { true, ENDPOINT_UNKNOWN, ADMIN_NONE, false, false, false, false }, ENDPOINT_UNKNOWN },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_string_equal(endpoint_state_name(verdict(&cases[i].parts)),
                            endpoint_state_name(cases[i].state));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_probe_is_what_it_says), cmocka_unit_test(all_must_pass),
        cmocka_unit_test(any_may_pass),              cmocka_unit_test(a_number_must_pass),
        cmocka_unit_test(what_starts_is_not_asked_yet),
        cmocka_unit_test(it_is_monotonous),          cmocka_unit_test(the_first_that_holds_tells),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
