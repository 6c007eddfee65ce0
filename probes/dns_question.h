/*
 * dns_question - one question to a DNS server, and what its answer is worth.
 *
 * Bytes in and out, no socket. What a server says is taken for what anybody may have sent: bounded,
 * and no name is followed that points forward or is longer than a name may be.
 */
#ifndef FPROXY_PROBES_DNS_QUESTION_H
#define FPROXY_PROBES_DNS_QUESTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "strategy/endpoint_state.h"

enum {
    DNS_HEADER_BYTES = 12,
    DNS_NAME_BYTES = 255,           /* on the wire, with the last, empty label */
    DNS_QUESTION_BYTES = DNS_HEADER_BYTES + DNS_NAME_BYTES + 4,
    DNS_CHAIN_MAX = 16,             /* CNAMEs that are followed */
    DNS_RECORDS_MAX = 256,          /* of an answer that are looked at */
};

/* Ready to be sent, but for the id in its first two bytes. */
struct dns_question {
    uint16_t type;
    size_t bytes;
    unsigned char packet[DNS_QUESTION_BYTES];
};

struct dns_verdict {
    enum reason reason;             /* ok, dns_nxdomain, dns_servfail, dns_empty, mismatch */
    bool ours;                      /* it has our id and question: who sent it has heard us */
    bool truncated;                 /* more was to be said than fits: TCP tells (`reason` is ok) */
    uint32_t records;               /* of the type, at the end of the chain of CNAMEs */
    const char *what;               /* English, static: "SERVFAIL", "it is no DNS message" */
};

/* `type` is a word such as "A". 0; -EINVAL: `name` can be no name, or the type is not known. */
int dns_question_make(const char *name, const char *type, struct dns_question *question);

/* What arrived after the question was asked with `id`. */
void dns_question_judge(const struct dns_question *question, uint16_t id,
                        const unsigned char *bytes, size_t length, struct dns_verdict *verdict);

#endif
