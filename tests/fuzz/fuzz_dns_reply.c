/* Any packet: what is read from a DNS server's answer is sound, whatever it claims. */
#include <assert.h>
#include <ares.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probes/dns_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void
check(enum dns_family family, int status, const uint8_t *data, size_t bytes)
{
    struct dns_reply reply;

    dns_reply_parse(&reply, family, status, data, bytes);
    assert(reply.count <= DNS_ADDRESSES_MAX);
    assert((reply.reason == REASON_OK) == (reply.count > 0));
    assert(reply.soa_s == DNS_NO_SOA || (reply.soa_s >= 0 && reply.soa_s <= UINT32_MAX));
    for (uint32_t i = 0; i < reply.count; i++)
        assert(reply.addresses[i].family == (family == DNS_A ? 4 : 6));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    check(DNS_A, ARES_SUCCESS, data, bytes);
    check(DNS_AAAA, ARES_SUCCESS, data, bytes);
    check(DNS_A, ARES_ENOTFOUND, data, bytes);
    return 0;
}
