/*
 * c-ares reads the addresses; it hands out no SOA, so that is found here, in the authority
 * section (RFC 2308: the smaller of the record's TTL and its last field). Services (SRV) are
 * read by dns_service.c.
 */
#include "probes/dns_reply.h"

#include <ares.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "base/util.h"
#include "probes/dns_packet.h"

enum {
    TYPE_SOA = 6,
    SOA_BYTES_MIN = 22,         /* two root names and five numbers */
};

const char *
dns_family_name(enum dns_family family)
{
    static const char *const names[] = { [DNS_A] = "A", [DNS_AAAA] = "AAAA", [DNS_SRV] = "SRV" };

    return names[family];
}

int64_t
dns_reply_soa(const unsigned char *bytes, size_t length)
{
    struct dns_cursor cursor;
    struct dns_counts counts;
    struct dns_record record;

    if (!dns_packet_begin(&cursor, bytes, length, &counts))
        return DNS_NO_SOA;
    for (uint32_t i = 0; i < counts.answers; i++) {
        if (!dns_packet_next(&cursor, &record))
            return DNS_NO_SOA;
    }
    for (uint32_t i = 0; i < counts.authorities; i++) {
        uint32_t minimum_s;

        if (!dns_packet_next(&cursor, &record))
            return DNS_NO_SOA;
        if (record.type != TYPE_SOA || record.data_bytes < SOA_BYTES_MIN)
            continue;
        minimum_s = dns_number(bytes + record.data_at + record.data_bytes - 4, 4);
        return MIN(record.ttl_s, minimum_s);
    }
    return DNS_NO_SOA;
}

static enum reason
reason_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return REASON_OK;
    case ARES_ENODATA:
        return REASON_DNS_EMPTY;
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:     /* no such name can be */
        return REASON_DNS_NXDOMAIN;
    case ARES_ETIMEOUT:
    case ARES_ECONNREFUSED: /* no server listens, or none is known */
    case ARES_ECANCELLED:
    case ARES_EDESTRUCTION:
    case ARES_ENOMEM:
        return REASON_DNS_TIMEOUT;
    default:
        return REASON_DNS_SERVFAIL;
    }
}

static void
add(struct dns_reply *reply, uint8_t family, const void *ip, size_t ip_bytes, int ttl_s)
{
    struct address *address = &reply->addresses[reply->count];
    uint32_t ttl = ttl_s < 0 ? 0 : (uint32_t)ttl_s;

    *address = (struct address){ .family = family };
    memcpy(address->ip, ip, ip_bytes);
    reply->ttl_s = reply->count == 0 ? ttl : MIN(reply->ttl_s, ttl);
    reply->count++;
}

/* An address that means another one, or none: the unspecified one would reach ourselves, and
 * IPv4 within IPv6 has an A record, or it would be a second endpoint of the same target. */
static bool
is_usable(enum dns_family family, const void *ip)
{
    static const struct in6_addr unspecified;

    if (family == DNS_A)
        return memcmp(ip, &unspecified, 4) != 0;
    return memcmp(ip, &unspecified, 16) != 0 &&
           !IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)ip);
}

static int
parse_a(struct dns_reply *reply, const unsigned char *bytes, int length)
{
    struct ares_addrttl found[DNS_ADDRESSES_MAX];
    int count = DNS_ADDRESSES_MAX;
    int status = ares_parse_a_reply(bytes, length, NULL, found, &count);

    for (int i = 0; status == ARES_SUCCESS && i < count; i++) {
        if (is_usable(DNS_A, &found[i].ipaddr))
            add(reply, 4, &found[i].ipaddr, 4, found[i].ttl);
    }
    return status;
}

static int
parse_aaaa(struct dns_reply *reply, const unsigned char *bytes, int length)
{
    struct ares_addr6ttl found[DNS_ADDRESSES_MAX];
    int count = DNS_ADDRESSES_MAX;
    int status = ares_parse_aaaa_reply(bytes, length, NULL, found, &count);

    for (int i = 0; status == ARES_SUCCESS && i < count; i++) {
        if (is_usable(DNS_AAAA, &found[i].ip6addr))
            add(reply, 6, &found[i].ip6addr, 16, found[i].ttl);
    }
    return status;
}

/* An answer whose only host is "." says that there is no such service: an answer, and none. */
static int
parse_srv(struct dns_reply *reply, const unsigned char *bytes, size_t length)
{
    int rc = dns_services_parse(&reply->services, bytes, length);

    if (rc < 0)
        return rc == -ENOMEM ? ARES_ENOMEM : ARES_EBADRESP;
    if (reply->services.records == 0)
        return ARES_ENODATA;
    reply->ttl_s = reply->services.ttl_s;
    return ARES_SUCCESS;
}

static int
parse(struct dns_reply *reply, enum dns_family family, const unsigned char *bytes,
      size_t length)
{
    int status;

    if (family == DNS_SRV)
        return parse_srv(reply, bytes, length);
    status = family == DNS_A ? parse_a(reply, bytes, (int)length)
                             : parse_aaaa(reply, bytes, (int)length);
    return status == ARES_SUCCESS && reply->count == 0 ? ARES_ENODATA : status;
}

void
dns_reply_parse(struct dns_reply *reply, enum dns_family family, int status,
                const unsigned char *bytes, size_t length)
{
    reply->count = 0;
    reply->ttl_s = 0;
    reply->soa_s = DNS_NO_SOA;
    reply->search_rank = 0;
    memset(&reply->services, 0, sizeof reply->services);
    if (status == ARES_SUCCESS && bytes != NULL)
        status = parse(reply, family, bytes, length);
    else if (status == ARES_SUCCESS)
        status = ARES_ENODATA;
    if (bytes != NULL && status != ARES_SUCCESS)
        reply->soa_s = dns_reply_soa(bytes, length);
    reply->reason = reason_of(status);
}

void
dns_reply_fini(struct dns_reply *reply)
{
    dns_services_fini(&reply->services);
}
