/* Who was available at an instant: what history lets us say, and what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probes/inspect_at.h"

enum { AT_MS = 1000000 };

static struct inspect_endpoint endpoint;

static enum at_verdict
judge(const struct at_evidence *evidence)
{
    memset(&endpoint, 0, sizeof endpoint);
    return at_judge(evidence, AT_MS, &endpoint);
}

static void
the_last_transition_before_counts(void **state)
{
    const struct at_evidence evidence = {
        .before_ms = AT_MS - 5, .before_to = "unavailable", .before_reason = "connect_refused",
        .before_detail = "connection refused",
        .after_ms = AT_MS + 5, .after_from = "unavailable",
        .row_since_ms = AT_MS + 5, .row_state = "available",
    };

    assert_int_equal(judge(&evidence), AT_KNOWN);
    assert_string_equal(endpoint.state, "unavailable");
    assert_string_equal(endpoint.reason, "connect_refused");
    assert_string_equal(endpoint.probe.detail, "connection refused");
    assert_int_equal(endpoint.since_ms, AT_MS - 5);
}

static void
an_address_that_had_left_was_not_there(void **state)
{
    const struct at_evidence evidence = {
        .before_ms = AT_MS - 5, .before_to = "unresolved", .before_reason = "ttl_expired",
    };

    assert_int_equal(judge(&evidence), AT_NOT_THERE);
}

static void
what_came_new_later_was_not_there(void **state)
{
    const struct at_evidence evidence = { .after_ms = AT_MS + 5, .after_from = "unknown",
                                          .row_since_ms = AT_MS + 5, .row_state = "available" };

    assert_int_equal(judge(&evidence), AT_NOT_THERE);
}

static void
what_a_later_transition_left_was_so_if_it_was_probed_before(void **state)
{
    struct at_evidence evidence = { .after_ms = AT_MS + 5, .after_from = "available",
                                    .first_probe_ms = AT_MS - 1 };

    assert_int_equal(judge(&evidence), AT_KNOWN);
    assert_string_equal(endpoint.state, "available");
    assert_int_equal(endpoint.since_ms, 0);
    evidence.first_probe_ms = AT_MS + 1;
    assert_int_equal(judge(&evidence), AT_NOT_KNOWN);
    evidence.first_probe_ms = 0;
    assert_int_equal(judge(&evidence), AT_NOT_KNOWN);
}

static void
without_transitions_its_row_tells_if_it_is_old_enough(void **state)
{
    struct at_evidence evidence = { .row_since_ms = AT_MS, .row_state = "available",
                                    .row_reason = "initial" };

    assert_int_equal(judge(&evidence), AT_KNOWN);
    assert_string_equal(endpoint.state, "available");
    assert_string_equal(endpoint.reason, "initial");
    evidence.row_since_ms = AT_MS + 1;
    assert_int_equal(judge(&evidence), AT_NOT_KNOWN);
    evidence.row_since_ms = 0;
    assert_int_equal(judge(&evidence), AT_NOT_KNOWN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_transition_before_counts),
        cmocka_unit_test(an_address_that_had_left_was_not_there),
        cmocka_unit_test(what_came_new_later_was_not_there),
        cmocka_unit_test(what_a_later_transition_left_was_so_if_it_was_probed_before),
        cmocka_unit_test(without_transitions_its_row_tells_if_it_is_old_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
