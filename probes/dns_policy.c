#include "probes/dns_policy.h"

#include <assert.h>
#include <stddef.h>

#include "base/util.h"
#include "probes/schedule.h"

enum { REFRESH_PERCENT = 80, JITTER_PERCENT = 10 };

static uint64_t
clamp(uint64_t value, uint64_t low, uint64_t high)
{
    return MAX(low, MIN(value, high));
}

uint32_t
dns_policy_ttl_ms(const struct dns_policy *policy, uint32_t ttl_s)
{
    uint64_t ttl_ms = clamp((uint64_t)ttl_s * 1000, policy->ttl_min_ms, policy->ttl_max_ms);

    return (uint32_t)MAX(ttl_ms, DNS_KEEP_MIN_MS);
}

uint32_t
dns_policy_refresh_ms(uint32_t ttl_ms, uint32_t random)
{
    uint32_t at_ms = (uint32_t)((uint64_t)ttl_ms * REFRESH_PERCENT / 100);

    return schedule_jitter(at_ms, JITTER_PERCENT, random);
}

uint32_t
dns_policy_retry_ms(const struct dns_policy *policy, enum reason reason, int64_t soa_s,
                    uint32_t failures, uint32_t random)
{
    uint64_t wait_ms;

    assert(failures > 0);
    if (reason == REASON_DNS_NXDOMAIN || reason == REASON_DNS_EMPTY) {
        wait_ms = soa_s == DNS_NO_SOA ? DNS_NEGATIVE_DEFAULT_MS : (uint64_t)soa_s * 1000;
        wait_ms = clamp(wait_ms, policy->negative_min_ms, policy->negative_max_ms);
    } else {
        wait_ms = (uint64_t)DNS_RETRY_MIN_MS << MIN(failures - 1, 10);
        wait_ms = MIN(wait_ms, DNS_RETRY_MAX_MS);
    }
    return schedule_jitter((uint32_t)wait_ms, JITTER_PERCENT, random);
}

uint32_t
dns_policy_deadline_ms(uint32_t timeout_ms, uint32_t tries, uint32_t servers)
{
    uint64_t all_ms = (uint64_t)timeout_ms * ((1u << MIN(tries, 16)) - 1) * MAX(servers, 1);

    return (uint32_t)clamp(all_ms, 1, DNS_QUERY_MAX_MS);
}

uint32_t
dns_policy_timeout_ms(uint32_t timeout_ms)
{
    return MIN(timeout_ms, DNS_QUERY_MAX_MS);
}

uint32_t
dns_policy_tries(uint32_t timeout_ms, uint32_t tries)
{
    uint32_t rounds = 1;

    while (rounds < tries && dns_policy_deadline_ms(timeout_ms, rounds, 1) < DNS_QUERY_MAX_MS)
        rounds++;
    return rounds;
}

enum reason
dns_policy_reason(enum reason a, enum reason aaaa)
{
    static const enum reason order[] = { REASON_DNS_NXDOMAIN, REASON_DNS_TIMEOUT,
                                         REASON_DNS_SERVFAIL, REASON_DNS_EMPTY };

    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        if (a == order[i] || aaaa == order[i])
            return order[i];
    }
    return REASON_NONE;
}
