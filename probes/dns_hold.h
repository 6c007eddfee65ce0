/*
 * dns_hold - may an address stay that DNS does not name any more? A pure function of what DNS
 * says, what the probes say, and the time. Any thread. Instants are CLOCK_MONOTONIC.
 *
 *                     named again
 *         +------------------------------+
 *         v                              |
 *   kept (named, or nobody can say) --> leaving (others are named; no new clients) --> gone
 *         |                                   drain_timeout over, or its probes fail
 *         +-- hold over, or NXDOMAIN and its probes fail ------------------------------> gone
 *
 * An answer that names other addresses is a decision of somebody; no answer, an empty one and
 * even "no such name" are more often an accident, which must not take away what still works.
 */
#ifndef FPROXY_PROBES_DNS_HOLD_H
#define FPROXY_PROBES_DNS_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    DNS_HOLD_PROBED_MS = 24 * 60 * 60 * 1000,   /* of last good, while its probes pass */
    DNS_HOLD_BLIND_MS = 60 * 60 * 1000,         /* likewise, where there are no probes */
    DNS_HOLD_NXDOMAINS = 3,                     /* in a row, over at least ... */
    DNS_HOLD_NXDOMAIN_MS = 30 * 1000,
    DNS_HOLD_LOOK_MS = 1000,                    /* how often something else may have come up */
};

/* What DNS says of an address now. */
enum dns_says {
    DNS_SAYS_IT,            /* the newest answer names it */
    DNS_SAYS_OTHERS,        /* the newest answer names addresses, but not this one */
    DNS_SAYS_NOTHING,       /* it was named last; since then no lookup has told anything */
    DNS_SAYS_NO_SERVICE,    /* that there is decidedly none (SRV with the target ".") */
};

struct dns_hold_input {
    enum dns_says says;
    uint64_t since_ms;          /* says so without a break since */
    uint32_t nxdomains;         /* in a row, up to now, in DNS_SAYS_NOTHING */
    uint64_t nxdomain_since_ms; /* the first of these */
    bool probed;                /* the app has probes */
    bool passes;                /* they pass */
    bool rotates;               /* the name names other ones of its addresses each time */
    bool needed;                /* nothing else of the app may have clients */
    uint32_t drain_ms;
};

enum dns_hold_what { DNS_HOLD_KEEP, DNS_HOLD_LEAVE, DNS_HOLD_REMOVE };

/* Why, for people: dns_hold_describe(). */
enum dns_hold_rule {
    DNS_RULE_NAMED,             /* keep: named */
    DNS_RULE_ROTATES,           /* keep: it will be named again soon */
    DNS_RULE_HELD,              /* keep: DNS does not say anything better */
    DNS_RULE_DRAINS,            /* leave */
    DNS_RULE_NEEDED,            /* leave: what is named does not work yet */
    DNS_RULE_DRAINED,           /* remove: the time to drain is over */
    DNS_RULE_FAILS,             /* remove: others are named, and its probes do not pass */
    DNS_RULE_NXDOMAIN,          /* remove: no such name, for long, and its probes do not pass */
    DNS_RULE_HOLD_OVER,         /* remove: DNS has said nothing for too long */
};

struct dns_hold {
    enum dns_hold_what what;
    enum dns_hold_rule rule;
    uint64_t look_ms;           /* when to ask again, though nothing else changed; 0: never */
};

struct dns_hold dns_hold_decide(const struct dns_hold_input *input, uint64_t now_ms);

/* "the name no longer has this address; drains for 30 s", into `text`. */
const char *dns_hold_describe(enum dns_hold_rule rule, const struct dns_hold_input *input,
                              char *text, size_t bytes);

#endif
