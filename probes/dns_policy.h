/*
 * dns_policy - how long answers count and when to ask again: pure arithmetic. Any thread.
 */
#ifndef FPROXY_PROBES_DNS_POLICY_H
#define FPROXY_PROBES_DNS_POLICY_H

#include <stdint.h>

#include "strategy/endpoint_state.h"

struct dns_policy {
    uint32_t ttl_min_ms, ttl_max_ms;
    uint32_t negative_min_ms, negative_max_ms;
};

enum {
    DNS_KEEP_MIN_MS = 1000,
    DNS_NEGATIVE_DEFAULT_MS = 10000,    /* where the answer brought no SOA */
    DNS_RETRY_MIN_MS = 1000,            /* nobody answered: 1 s, doubling ... */
    DNS_RETRY_MAX_MS = 30000,           /* ... to 30 s */
    DNS_QUERY_MAX_MS = 7000,            /* one question with all its tries */
    DNS_NO_SOA = -1,
};

/* How long an answer with this TTL counts: a second at least, or a TTL of 0 with a ttl_min of
 * 0 would ask without end. */
uint32_t dns_policy_ttl_ms(const struct dns_policy *policy, uint32_t ttl_s);

/* When to ask again for what counts `ttl_ms`: at 80 %, give or take a tenth of that. */
uint32_t dns_policy_refresh_ms(uint32_t ttl_ms, uint32_t random);

/* When to ask again after a failure, the `failures`-th in a row (from 1): after what the SOA
 * allows (`soa_s` seconds, or DNS_NO_SOA) when there is no such name or address; backing off
 * when nobody could say. */
uint32_t dns_policy_retry_ms(const struct dns_policy *policy, enum reason reason, int64_t soa_s,
                             uint32_t failures, uint32_t random);

/* The most that one question may take: `tries` rounds over all servers, each waiting twice as
 * long as the one before, from `timeout_ms` on; at most 7 s. */
uint32_t dns_policy_deadline_ms(uint32_t timeout_ms, uint32_t tries, uint32_t servers);

/* The rounds, of `tries`, that can begin before a question's deadline, and at most how long the
 * first one waits for a server: what c-ares is to be given, for it does not know the deadline
 * and would go on asking long after it. */
uint32_t dns_policy_tries(uint32_t timeout_ms, uint32_t tries);
uint32_t dns_policy_timeout_ms(uint32_t timeout_ms);

/* Why a target has no address, from how the lookups of both its families ended (REASON_NONE
 * while they run): what is certain first, then what is not known. */
enum reason dns_policy_reason(enum reason a, enum reason aaaa);

#endif
