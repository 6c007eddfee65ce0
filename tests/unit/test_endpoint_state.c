/*
 * endpoint_state: names that are public, and what a state allows.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/record.h"
#include "strategy/endpoint_state.h"

static void
every_state_is_found_by_its_name(void **state)
{
    for (int i = 0; i < ENDPOINT_STATES; i++) {
        const char *name = endpoint_state_name((enum endpoint_state)i);
        enum endpoint_state found = ENDPOINT_STATES;

        assert_true(strlen(name) > 1);
        assert_true(endpoint_state_parse(name, &found));
        assert_int_equal(found, i);
    }
}

static void
every_reason_is_found_by_its_name(void **state)
{
    for (int i = 0; i < REASONS; i++) {
        enum reason found = REASONS;

        assert_true(reason_parse(reason_name((enum reason)i), &found));
        assert_int_equal(found, i);
    }
}

static void
every_name_fits_a_record(void **state)
{
    struct record_transition transition;

    for (int i = 0; i < ENDPOINT_STATES; i++) {
        const char *name = endpoint_state_name((enum endpoint_state)i);

        assert_true(strlen(name) < sizeof transition.to_state);
    }
    for (int i = 0; i < REASONS; i++)
        assert_true(strlen(reason_name((enum reason)i)) < sizeof transition.reason);
}

static void
names_of_nothing_are_refused(void **state)
{
    enum endpoint_state found = ENDPOINT_AVAILABLE;
    enum reason reason = REASON_OK;

    assert_false(endpoint_state_parse("", &found));
    assert_false(endpoint_state_parse("Available", &found));
    assert_false(endpoint_state_parse("availabl", &found));
    assert_false(reason_parse("connect", &reason));
    assert_int_equal(found, ENDPOINT_AVAILABLE);
    assert_int_equal(reason, REASON_OK);
}

static void
numbers_of_a_newer_version_have_a_name_too(void **state)
{
    assert_string_equal(endpoint_state_name((enum endpoint_state)200), "?");
    assert_string_equal(endpoint_state_name((enum endpoint_state)-1), "?");
    assert_string_equal(reason_name((enum reason)255), "?");
}

static void
only_what_is_up_or_unknown_gets_connections(void **state)
{
    static const char *const eligible[] = { "unknown", "available", "failing", "warming",
                                            "degraded" };
    size_t count = 0;

    for (size_t i = 0; i < sizeof eligible / sizeof eligible[0]; i++) {
        enum endpoint_state found;

        assert_true(endpoint_state_parse(eligible[i], &found));
        assert_true(endpoint_state_eligible(found));
    }
    for (int i = 0; i < ENDPOINT_STATES; i++)
        count += endpoint_state_eligible((enum endpoint_state)i);
    assert_int_equal(count, 5);
    for (int i = 0; i < ENDPOINT_STATES; i++)
        assert_int_equal(endpoint_state_second_choice((enum endpoint_state)i),
                         i == ENDPOINT_DEGRADED);
}

static void
an_endpoint_never_probed_is_not_known_to_work(void **state)
{
    assert_false(endpoint_state_works(ENDPOINT_UNKNOWN));
    assert_false(endpoint_state_works(ENDPOINT_RECOVERING));
    assert_true(endpoint_state_works(ENDPOINT_AVAILABLE));
    assert_true(endpoint_state_works(ENDPOINT_FAILING));
    assert_true(endpoint_state_works(ENDPOINT_DEGRADED));
}

static void
a_failed_connect_tells_whose_fault_it_is(void **state)
{
    assert_int_equal(reason_from_errno(ECONNREFUSED), REASON_CONNECT_REFUSED);
    assert_int_equal(reason_from_errno(ETIMEDOUT), REASON_CONNECT_TIMEOUT);
    assert_int_equal(reason_from_errno(ECONNRESET), REASON_CONNECT_RESET);
    assert_int_equal(reason_from_errno(ENETUNREACH), REASON_CONNECT_UNREACHABLE);
    assert_int_equal(reason_from_errno(EHOSTUNREACH), REASON_CONNECT_UNREACHABLE);
    assert_int_equal(reason_from_errno(EADDRNOTAVAIL), REASON_CONNECT_LOCAL);
    assert_int_equal(reason_from_errno(EMFILE), REASON_CONNECT_LOCAL);
    assert_int_equal(reason_from_errno(ENFILE), REASON_CONNECT_LOCAL);
    assert_int_equal(reason_from_errno(ENOBUFS), REASON_CONNECT_LOCAL);
    assert_int_equal(reason_from_errno(EAFNOSUPPORT), REASON_CONNECT_UNREACHABLE);
    assert_int_equal(reason_from_errno(EINVAL), REASON_CONNECT_UNREACHABLE);
}

static void
what_is_our_fault_says_nothing_of_the_target(void **state)
{
    for (int reason = 0; reason < REASONS; reason++)
        assert_int_equal(reason_is_ours((enum reason)reason),
                         reason == REASON_CONNECT_LOCAL || reason == REASON_PROBE_OVERRUN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_is_found_by_its_name),
        cmocka_unit_test(every_reason_is_found_by_its_name),
        cmocka_unit_test(every_name_fits_a_record),
        cmocka_unit_test(names_of_nothing_are_refused),
        cmocka_unit_test(numbers_of_a_newer_version_have_a_name_too),
        cmocka_unit_test(only_what_is_up_or_unknown_gets_connections),
        cmocka_unit_test(an_endpoint_never_probed_is_not_known_to_work),
        cmocka_unit_test(a_failed_connect_tells_whose_fault_it_is),
        cmocka_unit_test(what_is_our_fault_says_nothing_of_the_target),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
