/*
 * c-ares reads the addresses; it hands out no SOA, so that is found here, in the authority
 * section (RFC 2308: the smaller of the record's TTL and its last field).
 */
#include "probes/dns_reply.h"

#include <ares.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "base/util.h"

enum {
    HEADER_BYTES = 12,
    QUESTION_TAIL_BYTES = 4,    /* type, class */
    RECORD_HEAD_BYTES = 10,     /* type, class, TTL, length */
    TYPE_SOA = 6,
    SOA_BYTES_MIN = 22,         /* two root names and five numbers */
};

struct cursor {
    const unsigned char *bytes;
    size_t at, length;
};

const char *
dns_family_name(enum dns_family family)
{
    return family == DNS_A ? "A" : "AAAA";
}

static uint32_t
number(const unsigned char *bytes, size_t count)
{
    uint32_t value = 0;

    for (size_t i = 0; i < count; i++)
        value = value << 8 | bytes[i];
    return value;
}

static bool
skip(struct cursor *cursor, size_t bytes)
{
    if (cursor->length - cursor->at < bytes)
        return false;
    cursor->at += bytes;
    return true;
}

/* Over a name, which ends with a zero byte or a pointer; pointers are not followed. */
static bool
skip_name(struct cursor *cursor)
{
    for (;;) {
        unsigned char label;

        if (cursor->at >= cursor->length)
            return false;
        label = cursor->bytes[cursor->at];
        if (label == 0)
            return skip(cursor, 1);
        if ((label & 0xc0) == 0xc0)
            return skip(cursor, 2);
        if ((label & 0xc0) != 0 || !skip(cursor, (size_t)label + 1))
            return false;
    }
}

/* Over one record; `*soa_s` is set when it is a SOA. */
static bool
skip_record(struct cursor *cursor, int64_t *soa_s)
{
    const unsigned char *head;
    size_t data_bytes;
    uint32_t ttl_s, minimum_s;

    if (!skip_name(cursor))
        return false;
    head = cursor->bytes + cursor->at;
    if (!skip(cursor, RECORD_HEAD_BYTES))
        return false;
    data_bytes = number(head + 8, 2);
    if (!skip(cursor, data_bytes))
        return false;
    if (number(head, 2) != TYPE_SOA || data_bytes < SOA_BYTES_MIN)
        return true;
    ttl_s = number(head + 4, 4);
    minimum_s = number(cursor->bytes + cursor->at - 4, 4);
    *soa_s = MIN(ttl_s, minimum_s);
    return true;
}

int64_t
dns_reply_soa(const unsigned char *bytes, size_t length)
{
    struct cursor cursor = { .bytes = bytes, .length = length };
    int64_t soa_s = DNS_NO_SOA;
    uint32_t questions, answers, authorities;

    if (!skip(&cursor, HEADER_BYTES))
        return DNS_NO_SOA;
    questions = number(bytes + 4, 2);
    answers = number(bytes + 6, 2);
    authorities = number(bytes + 8, 2);
    for (uint32_t i = 0; i < questions; i++) {
        if (!skip_name(&cursor) || !skip(&cursor, QUESTION_TAIL_BYTES))
            return DNS_NO_SOA;
    }
    for (uint32_t i = 0; i < answers; i++) {
        int64_t ignored;

        if (!skip_record(&cursor, &ignored))
            return DNS_NO_SOA;
    }
    for (uint32_t i = 0; i < authorities && soa_s == DNS_NO_SOA; i++) {
        if (!skip_record(&cursor, &soa_s))
            return DNS_NO_SOA;
    }
    return soa_s;
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

void
dns_reply_parse(struct dns_reply *reply, enum dns_family family, int status,
                const unsigned char *bytes, size_t length)
{
    reply->count = 0;
    reply->ttl_s = 0;
    reply->soa_s = DNS_NO_SOA;
    if (status == ARES_SUCCESS && bytes != NULL)
        status = family == DNS_A ? parse_a(reply, bytes, (int)length)
                                 : parse_aaaa(reply, bytes, (int)length);
    if (bytes != NULL && status != ARES_SUCCESS)
        reply->soa_s = dns_reply_soa(bytes, length);
    if (status == ARES_SUCCESS && reply->count == 0)
        status = ARES_ENODATA;
    reply->reason = reason_of(status);
}
