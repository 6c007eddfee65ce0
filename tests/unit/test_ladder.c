/* What clients are offered when nothing is eligible. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "probes/ladder.h"

#define TEST(name) cmocka_unit_test(name)

static enum ladder_rung
rung(uint32_t eligible, uint32_t present, uint32_t recent, bool fail)
{
    const struct ladder_count count = { .eligible = eligible, .present = present,
                                        .recent = recent };

    return ladder_rung(&count, fail);
}

static void
what_is_eligible_is_offered(void **state)
{
    assert_int_equal(rung(1, 5, 3, false), LADDER_NORMAL);
    assert_int_equal(rung(1, 5, 3, true), LADDER_NORMAL);
}

static void
then_those_first_that_worked_last_and_then_all(void **state)
{
    assert_int_equal(rung(0, 5, 1, false), LADDER_LAST_GOOD);
    assert_int_equal(rung(0, 5, 0, false), LADDER_ALL);
}

static void
nothing_when_that_is_wanted_or_nothing_may_be_tried(void **state)
{
    assert_int_equal(rung(0, 5, 5, true), LADDER_FAIL);
    assert_int_equal(rung(0, 0, 0, false), LADDER_FAIL);
}

static void
recent_has_an_end(void **state)
{
    assert_false(ladder_recent(0, 100, 1000));
    assert_true(ladder_recent(100, 100, 1000));
    assert_true(ladder_recent(100, 1099, 1000));
    assert_false(ladder_recent(100, 1100, 1000));
    assert_false(ladder_recent(100, 100, 0));       /* panic_hold = 0: all alike */
}

static void
every_rung_has_a_name(void **state)
{
    assert_string_equal(ladder_name(LADDER_NORMAL), "normal");
    assert_string_equal(ladder_name(LADDER_FAIL), "fail");
    assert_string_equal(ladder_name(LADDER_RUNGS), "?");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_eligible_is_offered),
        TEST(then_those_first_that_worked_last_and_then_all),
        TEST(nothing_when_that_is_wanted_or_nothing_may_be_tried),
        TEST(recent_has_an_end),
        TEST(every_rung_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
