/*
 * dns_search - which of the names that the search list of resolv.conf makes of one was answered.
 *
 * c-ares asks for them in turn, for A and for AAAA apart, so that the two may be found in
 * different domains, where they are different hosts. For dns_client.c.
 */
#ifndef FPROXY_PROBES_DNS_SEARCH_H
#define FPROXY_PROBES_DNS_SEARCH_H

#include <ares.h>
#include <stddef.h>
#include <stdint.h>

struct dns_search {
    char **domains;             /* owned */
    uint32_t domain_count, ndots;
};

/* Takes that of `ares`. Without memory it is empty: every name is as good as another then. */
void dns_search_init(struct dns_search *search, ares_channel ares);
void dns_search_fini(struct dns_search *search);

/* When the name that the answer is about is tried, being asked for `name`: a name of `ndots` dots
 * as it is (0), then with each domain (from 1), other ones as they are at the end. */
uint32_t dns_search_rank(const struct dns_search *search, const char *name,
                         const unsigned char *bytes, size_t length);

#endif
