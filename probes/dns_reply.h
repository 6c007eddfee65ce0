/*
 * dns_reply - what the answer to one question (a name, A or AAAA) says.
 *
 * Reads bytes from the network; the loop's thread only.
 */
#ifndef FPROXY_PROBES_DNS_REPLY_H
#define FPROXY_PROBES_DNS_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "probes/dns_policy.h"
#include "strategy/endpoint_state.h"

enum dns_family { DNS_A, DNS_AAAA, DNS_FAMILIES };
enum { DNS_ADDRESSES_MAX = 256 };   /* of one answer; the rest is ignored */

struct dns_reply {
    enum reason reason;         /* REASON_OK: there is an address at least */
    uint32_t count;
    uint32_t ttl_s;             /* the smallest of them */
    int64_t soa_s;              /* how long a negative answer counts, or DNS_NO_SOA */
    struct address addresses[DNS_ADDRESSES_MAX];    /* port 0, in the order of the answer;
                                                     * none unspecified, no IPv4 in IPv6 */
};

/* "A" or "AAAA". */
const char *dns_family_name(enum dns_family family);

/* The query ended with the c-ares status `status` and, where an answer came, its `bytes`
 * (else NULL). */
void dns_reply_parse(struct dns_reply *reply, enum dns_family family, int status,
                     const unsigned char *bytes, size_t length);

/* How long the answer's SOA lets its absence count, in s; DNS_NO_SOA when it has none. */
int64_t dns_reply_soa(const unsigned char *bytes, size_t length);

#endif
