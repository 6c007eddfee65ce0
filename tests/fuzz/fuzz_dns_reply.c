/* Any packet: what is read from a DNS server's answer is sound, whatever it claims. */
#include <assert.h>
#include <ares.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probes/dns_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void
check_services(const struct dns_reply *reply)
{
    const struct dns_services *services = &reply->services;

    assert(services->count <= DNS_SERVICES_MAX);
    assert(reply->reason != REASON_OK || services->records > 0);
    assert(services->count == 0 || reply->reason == REASON_OK);
    for (uint32_t i = 0; i < services->count; i++) {
        const struct dns_service *service = &services->list[i];

        assert(service->port != 0);
        assert(strnlen(service->host, HOST_NAME_BYTES) < HOST_NAME_BYTES);
        assert(service->host[0] != '\0');
        assert(i == 0 || services->list[i - 1].priority <= service->priority);
    }
}

static void
check(enum dns_family family, int status, const uint8_t *data, size_t bytes)
{
    struct dns_reply reply;

    dns_reply_parse(&reply, family, status, data, bytes);
    assert(reply.count <= DNS_ADDRESSES_MAX);
    if (family == DNS_SRV)
        check_services(&reply);
    else
        assert((reply.reason == REASON_OK) == (reply.count > 0));
    assert(reply.soa_s == DNS_NO_SOA || (reply.soa_s >= 0 && reply.soa_s <= UINT32_MAX));
    for (uint32_t i = 0; i < reply.count; i++)
        assert(reply.addresses[i].family == (family == DNS_A ? 4 : 6));
    dns_reply_fini(&reply);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    check(DNS_A, ARES_SUCCESS, data, bytes);
    check(DNS_AAAA, ARES_SUCCESS, data, bytes);
    check(DNS_SRV, ARES_SUCCESS, data, bytes);
    check(DNS_A, ARES_ENOTFOUND, data, bytes);
    return 0;
}
