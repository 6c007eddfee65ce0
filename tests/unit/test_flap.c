/* flap: when an endpoint is held, for how long, and when nobody is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/names.h"
#include "probes/flap.h"

#define NOW_MS INT64_C(1700000000000)

static const struct flap_policy policy = { .half_life_ms = 60000, .suppress = 3000,
                                           .reuse = 1500 };

static struct flap
after_changes(uint32_t count, int64_t apart_ms)
{
    struct flap flap = { 0 };

    for (uint32_t i = 0; i < count; i++)
        flap_change(&flap, &policy, NOW_MS + i * apart_ms);
    return flap;
}

static void
what_is_there_halves_each_half_life(void **state)
{
    struct flap flap = after_changes(2, 0);

    assert_int_equal(flap_penalty(&flap, &policy, NOW_MS), 2000);
    assert_int_equal(flap_penalty(&flap, &policy, NOW_MS + 60000), 1000);
    assert_int_equal(flap_penalty(&flap, &policy, NOW_MS + 120000), 500);
    assert_int_equal(flap_penalty(&flap, &policy, NOW_MS + 30000), 1414);
}

static void
a_restart_is_no_flapping(void **state)
{
    struct flap flap = after_changes(2, 10000);

    assert_false(flap.held);
    flap = after_changes(3, 0);
    assert_false(flap.held);                    /* 3000 is not above */
    flap = after_changes(20, 120000);           /* down and up every four minutes, for ever */
    assert_false(flap.held);
}

static void
it_is_held_from_suppress_to_reuse(void **state)
{
    struct flap flap = after_changes(4, 5000);
    int64_t at_ms = NOW_MS + 15000;
    uint32_t wait_ms = flap_wait_ms(&flap, &policy, at_ms);

    assert_true(flap.held);
    assert_in_range(wait_ms, 60000, 85000);
    assert_false(flap_age(&flap, &policy, at_ms + wait_ms - 1000));
    assert_true(flap.held);
    assert_true(flap_age(&flap, &policy, at_ms + wait_ms));
    assert_false(flap.held);
    assert_int_equal(flap_wait_ms(&flap, &policy, at_ms + wait_ms), 0);
    assert_false(flap_age(&flap, &policy, at_ms + wait_ms + 1));
}

static void
whoever_waits_as_told_finds_it_free(void **state)
{
    for (uint32_t changes = 4; changes < 200; changes++) {
        struct flap flap = after_changes(changes, 100);
        int64_t at_ms = NOW_MS + (changes - 1) * 100;
        uint32_t wait_ms = flap_wait_ms(&flap, &policy, at_ms);

        assert_true(flap.held);
        assert_in_range(wait_ms, 1, FLAP_HOLD_MAX_MS + 1);
        assert_true(flap_age(&flap, &policy, at_ms + wait_ms + 100));
        assert_false(flap.held);
    }
}

static void
what_has_faded_is_forgotten(void **state)
{
    struct flap flap = after_changes(3, 0), none = { 0 };

    assert_false(flap_age(&flap, &policy, NOW_MS + 3600000));
    assert_memory_equal(&flap, &none, sizeof flap);
}

static void
what_lies_ahead_holds_no_longer(void **state)
{
    struct flap flap = after_changes(5, 0);
    int64_t then_ms = NOW_MS - 86400000;        /* the board is of another start of the machine */

    flap_age(&flap, &policy, then_ms);
    assert_true(flap.held);
    assert_true(flap_age(&flap, &policy, then_ms + FLAP_HOLD_MAX_MS));
    assert_false(flap.held);
}

static void
without_a_half_life_nothing_is_held(void **state)
{
    static const struct flap_policy off = { 0 };
    struct flap flap = { 0 };

    for (int i = 0; i < 100; i++)
        flap_change(&flap, &off, NOW_MS);
    assert_false(flap.held);
    assert_int_equal(flap_penalty(&flap, &off, NOW_MS), 0);
    flap = after_changes(10, 0);                /* an update turned it off */
    assert_true(flap_age(&flap, &off, NOW_MS));
    assert_false(flap.held);
}

static void
extreme_numbers_do_no_harm(void **state)
{
    static const struct flap_policy steep = { .half_life_ms = 1, .suppress = 2, .reuse = 1 };
    struct flap flap = { 0 };

    for (int i = 0; i < 5000; i++)
        flap_change(&flap, &steep, NOW_MS);
    assert_true(flap.penalty <= FLAP_MAX);
    assert_true(flap.held);
    assert_true(flap_age(&flap, &steep, INT64_MAX));
    flap = flap_resume(UINT32_MAX, INT64_MAX, true);
    flap_age(&flap, &policy, NOW_MS);
    assert_true(flap_penalty(&flap, &policy, NOW_MS) <= FLAP_MAX);
}

static void
a_restarted_process_goes_on(void **state)
{
    struct flap before = after_changes(5, 1000), flap;

    flap = flap_resume(before.penalty, before.at_ms, before.held);
    assert_int_equal(flap_penalty(&flap, &policy, NOW_MS + 30000),
                     flap_penalty(&before, &policy, NOW_MS + 30000));
    assert_true(flap.held);
    flap = flap_resume(before.penalty, before.at_ms, false);    /* the database has no flag */
    assert_true(flap_age(&flap, &policy, before.at_ms + 1000));
    assert_true(flap.held);
    flap = flap_resume(0, NOW_MS, false);
    assert_int_equal(flap.changes, 0);
    flap = flap_resume(4000, 1000 - 60000, true);   /* from before the machine was started */
    assert_int_equal(flap_penalty(&flap, &policy, 1000), 2000);
    flap_age(&flap, &policy, 1000);
    assert_true(flap.held);
}

static void
people_are_told_why(void **state)
{
    struct flap flap = after_changes(5, 20000);
    char text[DETAIL_BYTES];

    flap_describe(&flap, &policy, NOW_MS + 120000, text, sizeof text);
    assert_string_equal(text, "flapping: 5 changes in 2 min; held until its penalty, 2092, is "
                              "below 1500: 29 s");
}

static void
the_last_ones_are_never_held(void **state)
{
    assert_true(flap_releases(1, 0));
    assert_true(flap_releases(3, 1));
    assert_false(flap_releases(2, 1));
    assert_false(flap_releases(4, 2));
    assert_true(flap_releases(5, 2));
    assert_false(flap_releases(4, 4));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there_halves_each_half_life),
        cmocka_unit_test(a_restart_is_no_flapping),
        cmocka_unit_test(it_is_held_from_suppress_to_reuse),
        cmocka_unit_test(whoever_waits_as_told_finds_it_free),
        cmocka_unit_test(what_has_faded_is_forgotten),
        cmocka_unit_test(what_lies_ahead_holds_no_longer),
        cmocka_unit_test(without_a_half_life_nothing_is_held),
        cmocka_unit_test(extreme_numbers_do_no_harm),
        cmocka_unit_test(a_restarted_process_goes_on),
        cmocka_unit_test(people_are_told_why),
        cmocka_unit_test(the_last_ones_are_never_held),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
