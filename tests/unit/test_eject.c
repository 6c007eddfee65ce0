/* When traffic alone takes an endpoint out, and when it comes back: no clock, no sleep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/util.h"
#include "probes/eject.h"

#define TEST(name) cmocka_unit_test(name)

enum { MIDDLE = 100 };      /* the random number without jitter */

static const struct eject_policy policy = {
    .failures = 3, .time_ms = 10000, .time_max_ms = 300000, .share_percent = 50,
};

static void
the_third_failure_in_a_row_is_the_one(void **state)
{
    const struct eject_policy off = { .failures = 0, .time_ms = 1, .time_max_ms = 1 };
    struct eject eject = { 0 };

    assert_false(eject_due(&policy, &eject, 0));
    assert_false(eject_due(&policy, &eject, 2));
    assert_true(eject_due(&policy, &eject, 3));
    assert_true(eject_due(&policy, &eject, 9));
    assert_false(eject_due(&off, &eject, 9));
    eject_begin(&eject, &policy, 3, 1000, MIDDLE);
    assert_false(eject_due(&policy, &eject, 9));
}

static void
half_of_them_at_most_and_never_the_last(void **state)
{
    struct eject_policy tenth = policy;

    assert_false(eject_allowed(&policy, 1, 0, 0));
    assert_true(eject_allowed(&policy, 2, 0, 1));
    assert_false(eject_allowed(&policy, 2, 0, 0));      /* the other one is down by probe */
    assert_false(eject_allowed(&policy, 2, 1, 1));
    assert_true(eject_allowed(&policy, 3, 0, 2));
    assert_false(eject_allowed(&policy, 3, 1, 1));
    assert_true(eject_allowed(&policy, 4, 1, 2));
    assert_false(eject_allowed(&policy, 4, 2, 1));
    tenth.share_percent = 10;
    assert_true(eject_allowed(&tenth, 4, 0, 3));        /* one may always be */
    assert_false(eject_allowed(&tenth, 4, 1, 2));
}

static void
it_grows_with_each_and_has_a_cap(void **state)
{
    struct eject eject = { 0 };
    uint64_t now_ms = 1000;

    for (uint32_t n = 1; n <= 40; n++) {
        assert_int_equal(eject_begin(&eject, &policy, 3, now_ms, MIDDLE), MIN(n * 10000, 300000));
        assert_int_equal(eject.count, n);
        now_ms = eject.until_ms;
        eject_end(&eject, false, now_ms);
        assert_int_equal(eject.until_ms, 0);
        now_ms += 1000;
    }
}

static void
it_begins_anew_after_a_long_good_time(void **state)
{
    struct eject eject = { 0 };

    eject_begin(&eject, &policy, 3, 1000, MIDDLE);
    eject_end(&eject, false, 11000);
    eject_begin(&eject, &policy, 3, 11000 + 299999, MIDDLE);
    assert_int_equal(eject.count, 2);
    eject_end(&eject, false, 400000);
    assert_int_equal(eject_begin(&eject, &policy, 3, 400000 + 300000, MIDDLE), 10000);
    assert_int_equal(eject.count, 1);
}

static void
jitter_is_a_tenth_both_ways(void **state)
{
    uint32_t least = UINT32_MAX, most = 0;

    for (uint32_t random = 0; random < 1000; random++) {
        struct eject eject = { 0 };
        uint32_t ms = eject_begin(&eject, &policy, 3, 1000, random);

        least = MIN(least, ms);
        most = MAX(most, ms);
    }
    assert_int_equal(least, 9000);
    assert_int_equal(most, 11000);
}

static void
a_probe_that_started_since_brings_it_back(void **state)
{
    struct eject eject = { 0 };

    assert_false(eject_probe_counts(&eject, 5000));
    eject_begin(&eject, &policy, 3, 1000, MIDDLE);
    assert_false(eject_probe_counts(&eject, 999));
    assert_true(eject_probe_counts(&eject, 1000));
}

static void
a_probe_that_passes_while_connections_fail_is_not_believed_twice(void **state)
{
    struct eject eject = { 0 };

    eject_begin(&eject, &policy, 3, 1000, MIDDLE);
    eject_end(&eject, true, 1100);
    eject_note(&eject, 4);                          /* nothing has connected in between */
    assert_true(eject_due(&policy, &eject, 4));     /* one more failure is enough */
    assert_int_equal(eject_begin(&eject, &policy, 4, 2000, MIDDLE), 20000);
    assert_false(eject_probe_counts(&eject, 3000));
    eject_end(&eject, false, 22000);
    eject_begin(&eject, &policy, 5, 23000, MIDDLE); /* its time was over: once more on trust */
    assert_true(eject_probe_counts(&eject, 24000));
}

static void
a_connection_in_between_makes_it_believed_again(void **state)
{
    struct eject eject = { 0 };

    eject_begin(&eject, &policy, 3, 1000, MIDDLE);
    eject_end(&eject, true, 1100);
    eject_note(&eject, 0);
    eject_note(&eject, 5);
    eject_begin(&eject, &policy, 5, 2000, MIDDLE);
    assert_true(eject_probe_counts(&eject, 3000));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_third_failure_in_a_row_is_the_one),
        TEST(half_of_them_at_most_and_never_the_last),
        TEST(it_grows_with_each_and_has_a_cap),
        TEST(it_begins_anew_after_a_long_good_time),
        TEST(jitter_is_a_tenth_both_ways),
        TEST(a_probe_that_started_since_brings_it_back),
        TEST(a_probe_that_passes_while_connections_fail_is_not_believed_twice),
        TEST(a_connection_in_between_makes_it_believed_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
