/*
 * dns_reply - what the answer to one question (a name; A, AAAA or SRV) says.
 *
 * Reads bytes from the network; the loop's thread only.
 */
#ifndef FPROXY_PROBES_DNS_REPLY_H
#define FPROXY_PROBES_DNS_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "probes/dns_policy.h"
#include "probes/dns_service.h"
#include "strategy/endpoint_state.h"

/* What is asked for. DNS_FAMILIES counts the kinds of addresses; SRV has no addresses. */
enum dns_family { DNS_A, DNS_AAAA, DNS_FAMILIES, DNS_SRV = DNS_FAMILIES };
enum { DNS_ADDRESSES_MAX = 256 };   /* of one answer; the rest is ignored */

struct dns_reply {
    enum reason reason;         /* REASON_OK: there is an address at least, or an SRV record */
    uint32_t count;
    uint32_t ttl_s;             /* the smallest of them */
    int64_t soa_s;              /* how long a negative answer counts, or DNS_NO_SOA */
    uint32_t search_rank;       /* which of the names that the search list makes of the question
                                 * was answered; the smallest is tried first */
    struct address addresses[DNS_ADDRESSES_MAX];    /* port 0, in the order of the answer;
                                                     * none unspecified, no IPv4 in IPv6 */
    struct dns_services services;   /* of DNS_SRV; owned */
};

/* "A", "AAAA" or "SRV". */
const char *dns_family_name(enum dns_family family);

/* The query ended with the c-ares status `status` and, where an answer came, its `bytes`
 * (else NULL). What `reply` held before is not freed. */
void dns_reply_parse(struct dns_reply *reply, enum dns_family family, int status,
                     const unsigned char *bytes, size_t length);

/* Frees what it owns; after an A or AAAA there is nothing. */
void dns_reply_fini(struct dns_reply *reply);

/* How long the answer's SOA lets its absence count, in s; DNS_NO_SOA when it has none. */
int64_t dns_reply_soa(const unsigned char *bytes, size_t length);

#endif
