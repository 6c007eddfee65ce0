/* What becomes of an address that DNS does not name any more: time is an argument. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "probes/dns_hold.h"

enum { T = 1000000, DRAIN = 30000 };

/* Others are named since T; its probes pass. */
static struct dns_hold_input
dropped(void)
{
    return (struct dns_hold_input){ .says = DNS_SAYS_OTHERS, .since_ms = T, .probed = true,
                                    .passes = true, .drain_ms = DRAIN };
}

/* No lookup has told anything since T; its probes pass. */
static struct dns_hold_input
unknown(void)
{
    struct dns_hold_input input = dropped();

    input.says = DNS_SAYS_NOTHING;
    return input;
}

static void
check(const struct dns_hold_input *input, uint64_t now_ms, enum dns_hold_what what,
      enum dns_hold_rule rule, uint64_t look_ms)
{
    struct dns_hold hold = dns_hold_decide(input, now_ms);

    assert_int_equal(hold.what, what);
    assert_int_equal(hold.rule, rule);
    assert_int_equal(hold.look_ms, look_ms);
}

static void
what_is_named_stays_whatever_its_probes_say(void **state)
{
    struct dns_hold_input input = dropped();

    input.says = DNS_SAYS_IT;
    input.passes = false;
    check(&input, T + (uint64_t)DNS_HOLD_PROBED_MS * 9, DNS_HOLD_KEEP, DNS_RULE_NAMED, 0);
}

static void
what_left_dns_but_passes_drains_and_then_goes(void **state)
{
    struct dns_hold_input input = dropped();

    check(&input, T, DNS_HOLD_LEAVE, DNS_RULE_DRAINS, T + DRAIN);
    check(&input, T + DRAIN - 1, DNS_HOLD_LEAVE, DNS_RULE_DRAINS, T + DRAIN);
    check(&input, T + DRAIN, DNS_HOLD_REMOVE, DNS_RULE_DRAINED, 0);
}

static void
what_left_dns_and_fails_goes_at_once(void **state)
{
    struct dns_hold_input input = dropped();

    input.passes = false;
    check(&input, T, DNS_HOLD_REMOVE, DNS_RULE_FAILS, 0);
    check(&input, T + DRAIN / 2, DNS_HOLD_REMOVE, DNS_RULE_FAILS, 0);
    input.needed = true;    /* it would not help anybody */
    check(&input, T, DNS_HOLD_REMOVE, DNS_RULE_FAILS, 0);
}

static void
without_probes_it_drains_as_well(void **state)
{
    struct dns_hold_input input = dropped();

    input.probed = input.passes = false;
    check(&input, T, DNS_HOLD_LEAVE, DNS_RULE_DRAINS, T + DRAIN);
    input.needed = true;    /* nobody knows whether it works */
    check(&input, T + DRAIN, DNS_HOLD_REMOVE, DNS_RULE_DRAINED, 0);
}

static void
without_a_time_to_drain_it_goes_at_once(void **state)
{
    struct dns_hold_input input = dropped();

    input.drain_ms = 0;
    check(&input, T, DNS_HOLD_REMOVE, DNS_RULE_DRAINED, 0);
}

static void
while_nothing_else_works_it_stays_for_a_day(void **state)
{
    struct dns_hold_input input = dropped();
    uint64_t day_ms = DNS_HOLD_PROBED_MS;

    input.needed = true;
    check(&input, T + DRAIN, DNS_HOLD_LEAVE, DNS_RULE_NEEDED, T + DRAIN + DNS_HOLD_LOOK_MS);
    check(&input, T + day_ms - 1, DNS_HOLD_LEAVE, DNS_RULE_NEEDED,
          T + day_ms - 1 + DNS_HOLD_LOOK_MS);
    check(&input, T + day_ms, DNS_HOLD_REMOVE, DNS_RULE_DRAINED, 0);
}

static void
no_service_means_no_service(void **state)
{
    struct dns_hold_input input = dropped();

    input.says = DNS_SAYS_NO_SERVICE;
    input.needed = true;
    check(&input, T, DNS_HOLD_LEAVE, DNS_RULE_DRAINS, T + DRAIN);
    check(&input, T + DRAIN, DNS_HOLD_REMOVE, DNS_RULE_DRAINED, 0);
}

static void
a_name_that_rotates_gives_each_address_time_to_come_again(void **state)
{
    struct dns_hold_input input = dropped();

    input.rotates = true;
    input.passes = false;   /* it would be asked for its first probe again and again */
    check(&input, T, DNS_HOLD_KEEP, DNS_RULE_ROTATES, T + DRAIN);
    input.passes = true;
    check(&input, T + DRAIN - 1, DNS_HOLD_KEEP, DNS_RULE_ROTATES, T + DRAIN);
    check(&input, T + DRAIN, DNS_HOLD_LEAVE, DNS_RULE_DRAINS, T + 2 * DRAIN);
    check(&input, T + 2 * DRAIN, DNS_HOLD_REMOVE, DNS_RULE_DRAINED, 0);
}

static void
what_passes_is_held_for_a_day_and_blind_ones_for_an_hour(void **state)
{
    struct dns_hold_input input = unknown();
    uint64_t day_ms = DNS_HOLD_PROBED_MS, hour_ms = DNS_HOLD_BLIND_MS;

    input.nxdomains = 1000;
    input.nxdomain_since_ms = T;
    check(&input, T + day_ms - 1, DNS_HOLD_KEEP, DNS_RULE_HELD, T + day_ms);
    check(&input, T + day_ms, DNS_HOLD_REMOVE, DNS_RULE_HOLD_OVER, 0);
    input.probed = input.passes = false;
    check(&input, T + hour_ms - 1, DNS_HOLD_KEEP, DNS_RULE_HELD, T + hour_ms);
    check(&input, T + hour_ms, DNS_HOLD_REMOVE, DNS_RULE_HOLD_OVER, 0);
}

static void
no_such_name_is_believed_the_third_time_and_after_30_s(void **state)
{
    struct dns_hold_input input = unknown();
    uint64_t day_ms = DNS_HOLD_PROBED_MS, first_ms = T + 5000;

    input.passes = false;
    input.nxdomain_since_ms = first_ms;
    input.nxdomains = 2;
    check(&input, first_ms + 3 * DNS_HOLD_NXDOMAIN_MS, DNS_HOLD_KEEP, DNS_RULE_HELD,
          T + day_ms);
    input.nxdomains = 3;
    check(&input, first_ms + DNS_HOLD_NXDOMAIN_MS - 1, DNS_HOLD_KEEP, DNS_RULE_HELD,
          first_ms + DNS_HOLD_NXDOMAIN_MS);
    check(&input, first_ms + DNS_HOLD_NXDOMAIN_MS, DNS_HOLD_REMOVE, DNS_RULE_NXDOMAIN, 0);
}

static void
a_dead_server_is_no_reason_to_forget_what_fails(void **state)
{
    struct dns_hold_input input = unknown();

    input.passes = false;
    check(&input, T + DNS_HOLD_BLIND_MS, DNS_HOLD_KEEP, DNS_RULE_HELD,
          T + (uint64_t)DNS_HOLD_PROBED_MS);
}

static void
every_decision_has_words(void **state)
{
    struct dns_hold_input input = dropped();
    char text[128];

    assert_string_equal(dns_hold_describe(DNS_RULE_DRAINS, &input, text, sizeof text),
                        "the name no longer has this address; drains for 30 s");
    input.drain_ms = 250;
    input.says = DNS_SAYS_NO_SERVICE;
    assert_string_equal(dns_hold_describe(DNS_RULE_DRAINED, &input, text, sizeof text),
                        "the name says that there is no such service; drained for 0.25 s");
    for (int rule = DNS_RULE_NAMED; rule <= DNS_RULE_HOLD_OVER; rule++) {
        text[0] = '\0';
        dns_hold_describe((enum dns_hold_rule)rule, &input, text, sizeof text);
        assert_int_not_equal(text[0], '\0');
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_named_stays_whatever_its_probes_say),
        cmocka_unit_test(what_left_dns_but_passes_drains_and_then_goes),
        cmocka_unit_test(what_left_dns_and_fails_goes_at_once),
        cmocka_unit_test(without_probes_it_drains_as_well),
        cmocka_unit_test(without_a_time_to_drain_it_goes_at_once),
        cmocka_unit_test(while_nothing_else_works_it_stays_for_a_day),
        cmocka_unit_test(no_service_means_no_service),
        cmocka_unit_test(a_name_that_rotates_gives_each_address_time_to_come_again),
        cmocka_unit_test(what_passes_is_held_for_a_day_and_blind_ones_for_an_hour),
        cmocka_unit_test(no_such_name_is_believed_the_third_time_and_after_30_s),
        cmocka_unit_test(a_dead_server_is_no_reason_to_forget_what_fails),
        cmocka_unit_test(every_decision_has_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
