#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/util.h"
#include "probes/dns_policy.h"
#include "probes/schedule.h"

static const struct dns_policy policy = { 5000, 300000, 5000, 30000 };

static void
a_ttl_is_clamped(void **state)
{
    static const struct dns_policy open = { 0, 1000000000, 5000, 30000 };

    assert_int_equal(dns_policy_ttl_ms(&policy, 0), 5000);
    assert_int_equal(dns_policy_ttl_ms(&policy, 60), 60000);
    assert_int_equal(dns_policy_ttl_ms(&policy, UINT32_MAX), 300000);
    assert_int_equal(dns_policy_ttl_ms(&open, 0), 1000);
}

static void
an_answer_is_refreshed_before_it_expires(void **state)
{
    uint64_t random = 1;

    for (int i = 0; i < 1000; i++)
        assert_in_range(dns_policy_refresh_ms(60000, schedule_random(&random)), 43200, 52800);
}

static void
what_does_not_exist_is_asked_again_when_the_soa_says(void **state)
{
    static const struct {
        int64_t soa_s;
        uint32_t wait_ms;
    } wanted[] = { { DNS_NO_SOA, 10000 }, { 0, 5000 }, { 7, 7000 }, { 86400, 30000 } };
    static const enum reason reasons[] = { REASON_DNS_NXDOMAIN, REASON_DNS_EMPTY };
    uint64_t random = 1;

    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        for (size_t k = 0; k < ARRAY_SIZE(reasons); k++) {
            uint32_t wait_ms = dns_policy_retry_ms(&policy, reasons[k], wanted[i].soa_s, 9,
                                                   schedule_random(&random));

            assert_in_range(wait_ms, wanted[i].wait_ms * 9 / 10, wanted[i].wait_ms * 11 / 10);
        }
    }
}

static void
when_nobody_can_say_it_backs_off(void **state)
{
    static const uint32_t wanted_ms[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000 };
    uint64_t random = 1;

    for (uint32_t i = 0; i < ARRAY_SIZE(wanted_ms); i++) {
        uint32_t wait_ms = dns_policy_retry_ms(&policy, REASON_DNS_TIMEOUT, DNS_NO_SOA, i + 1,
                                               schedule_random(&random));

        assert_in_range(wait_ms, wanted_ms[i] * 9 / 10, wanted_ms[i] * 11 / 10);
    }
    assert_in_range(dns_policy_retry_ms(&policy, REASON_DNS_SERVFAIL, 5, UINT32_MAX, 0), 27000,
                    33000);
}

static void
a_question_takes_seven_seconds_at_most(void **state)
{
    assert_int_equal(dns_policy_deadline_ms(1000, 3, 1), 7000);
    assert_int_equal(dns_policy_deadline_ms(1000, 10, 1), 7000);
    assert_int_equal(dns_policy_deadline_ms(60000, 1, 1), 7000);
    assert_int_equal(dns_policy_deadline_ms(200, 2, 1), 600);
    assert_int_equal(dns_policy_deadline_ms(100, 1, 1), 100);
    assert_int_equal(dns_policy_deadline_ms(100, 1, 3), 300);
    assert_int_equal(dns_policy_deadline_ms(1000, 3, 3), 7000);
    assert_int_equal(dns_policy_deadline_ms(100, 1, 0), 100);
}

static void
no_round_begins_after_the_deadline(void **state)
{
    assert_int_equal(dns_policy_tries(1000, 3), 3);
    assert_int_equal(dns_policy_tries(1000, 10), 3);
    assert_int_equal(dns_policy_tries(10, 10), 10);
    assert_int_equal(dns_policy_tries(100, 10), 7);
    assert_int_equal(dns_policy_tries(200, 2), 2);
    assert_int_equal(dns_policy_tries(60000, 10), 1);
    assert_int_equal(dns_policy_timeout_ms(60000), 7000);
    assert_int_equal(dns_policy_timeout_ms(50), 50);
}

static void
the_certain_reason_goes_first(void **state)
{
    assert_int_equal(dns_policy_reason(REASON_DNS_EMPTY, REASON_DNS_EMPTY), REASON_DNS_EMPTY);
    assert_int_equal(dns_policy_reason(REASON_DNS_EMPTY, REASON_DNS_TIMEOUT),
                     REASON_DNS_TIMEOUT);
    assert_int_equal(dns_policy_reason(REASON_DNS_TIMEOUT, REASON_DNS_NXDOMAIN),
                     REASON_DNS_NXDOMAIN);
    assert_int_equal(dns_policy_reason(REASON_DNS_SERVFAIL, REASON_DNS_EMPTY),
                     REASON_DNS_SERVFAIL);
    assert_int_equal(dns_policy_reason(REASON_NONE, REASON_NONE), REASON_NONE);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_ttl_is_clamped),
        cmocka_unit_test(an_answer_is_refreshed_before_it_expires),
        cmocka_unit_test(what_does_not_exist_is_asked_again_when_the_soa_says),
        cmocka_unit_test(when_nobody_can_say_it_backs_off),
        cmocka_unit_test(a_question_takes_seven_seconds_at_most),
        cmocka_unit_test(no_round_begins_after_the_deadline),
        cmocka_unit_test(the_certain_reason_goes_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
