#include <ares.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "probes/dns_reply.h"

#define QUESTION_A "\1a\4test\0\0\1\0\1"
#define QUESTION_AAAA "\1a\4test\0\0\34\0\1"
#define HEADER(flags, answers, authorities) "\0\1" flags "\0\1" answers authorities "\0\0"
#define SOA(ttl, minimum)                                                                      \
    "\300\14\0\6\0\1" ttl "\0\26\0\0" "\0\0\0\1" "\0\0\0\2" "\0\0\0\3" "\0\0\0\4" minimum

struct packet {
    const char *bytes;
    size_t length;
};
#define PACKET(text) ((struct packet){ text, sizeof(text) - 1 })

/* Parses from memory of exactly that size, so that a sanitizer sees every step beyond. */
static struct dns_reply
parse(enum dns_family family, int status, struct packet packet)
{
    unsigned char *bytes = malloc(packet.length > 0 ? packet.length : 1);
    struct dns_reply reply;

    assert_non_null(bytes);
    memcpy(bytes, packet.bytes, packet.length);
    dns_reply_parse(&reply, family, status, bytes, packet.length);
    free(bytes);
    return reply;
}

static void
addresses_and_the_smallest_ttl_are_found(void **state)
{
    struct dns_reply reply =
        parse(DNS_A, ARES_SUCCESS,
              PACKET(HEADER("\201\200", "\0\2", "\0\0") QUESTION_A
                     "\300\14\0\1\0\1\0\0\0\74\0\4\12\0\0\1"
                     "\300\14\0\1\0\1\0\0\0\5\0\4\12\0\0\2"));
    char text[ADDRESS_TEXT_BYTES];

    assert_int_equal(reply.reason, REASON_OK);
    assert_int_equal(reply.count, 2);
    assert_int_equal(reply.ttl_s, 5);
    assert_string_equal(address_format_ip(&reply.addresses[0], text), "10.0.0.1");
    assert_string_equal(address_format_ip(&reply.addresses[1], text), "10.0.0.2");
}

static void
ipv6_addresses_are_found(void **state)
{
    struct dns_reply reply =
        parse(DNS_AAAA, ARES_SUCCESS,
              PACKET(HEADER("\201\200", "\0\1", "\0\0") QUESTION_AAAA
                     "\300\14\0\34\0\1\0\0\0\74\0\20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"));
    char text[ADDRESS_TEXT_BYTES];

    assert_int_equal(reply.reason, REASON_OK);
    assert_int_equal(reply.count, 1);
    assert_string_equal(address_format_ip(&reply.addresses[0], text), "::1");
}

static void
addresses_that_mean_others_are_left_out(void **state)
{
    struct dns_reply reply =
        parse(DNS_AAAA, ARES_SUCCESS,
              PACKET(HEADER("\201\200", "\0\3", "\0\0") QUESTION_AAAA
                     "\300\14\0\34\0\1\0\0\0\74\0\20"
                     "\0\0\0\0\0\0\0\0\0\0\377\377\12\0\0\1"
                     "\300\14\0\34\0\1\0\0\0\74\0\20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                     "\300\14\0\34\0\1\0\0\0\74\0\20\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"));
    char text[ADDRESS_TEXT_BYTES];

    assert_int_equal(reply.count, 1);
    assert_string_equal(address_format_ip(&reply.addresses[0], text), "::1");
    reply = parse(DNS_A, ARES_SUCCESS,
                  PACKET(HEADER("\201\200", "\0\1", "\0\0") QUESTION_A
                         "\300\14\0\1\0\1\0\0\0\74\0\4\0\0\0\0"));
    assert_int_equal(reply.count, 0);
    assert_int_equal(reply.reason, REASON_DNS_EMPTY);
}

static void
the_soa_says_how_long_nothing_counts(void **state)
{
    struct dns_reply reply =
        parse(DNS_A, ARES_ENOTFOUND,
              PACKET(HEADER("\201\203", "\0\0", "\0\1") QUESTION_A
                     SOA("\0\0\0\74", "\0\0\0\7")));

    assert_int_equal(reply.reason, REASON_DNS_NXDOMAIN);
    assert_int_equal(reply.soa_s, 7);
    reply = parse(DNS_A, ARES_ENODATA,
                  PACKET(HEADER("\201\200", "\0\0", "\0\1") QUESTION_A
                         SOA("\0\0\0\3", "\0\0\0\7")));
    assert_int_equal(reply.reason, REASON_DNS_EMPTY);
    assert_int_equal(reply.soa_s, 3);
    reply = parse(DNS_A, ARES_ENOTFOUND,
                  PACKET(HEADER("\201\203", "\0\0", "\0\0") QUESTION_A));
    assert_int_equal(reply.soa_s, DNS_NO_SOA);
}

static void
a_packet_that_lies_about_its_length_has_no_soa(void **state)
{
    struct packet whole = PACKET(HEADER("\201\203", "\0\0", "\0\1") QUESTION_A
                                 SOA("\0\0\0\74", "\0\0\0\7"));

    for (size_t length = 0; length < whole.length; length++) {
        struct packet part = { whole.bytes, length };

        assert_int_equal(parse(DNS_A, ARES_ENOTFOUND, part).soa_s, DNS_NO_SOA);
    }
    assert_int_equal(parse(DNS_A, ARES_ENOTFOUND, whole).soa_s, 7);
}

static void
every_end_of_a_query_has_a_reason(void **state)
{
    struct dns_reply reply;

    dns_reply_parse(&reply, DNS_A, ARES_ETIMEOUT, NULL, 0);
    assert_int_equal(reply.reason, REASON_DNS_TIMEOUT);
    dns_reply_parse(&reply, DNS_A, ARES_ECONNREFUSED, NULL, 0);
    assert_int_equal(reply.reason, REASON_DNS_TIMEOUT);
    dns_reply_parse(&reply, DNS_A, ARES_ESERVFAIL, NULL, 0);
    assert_int_equal(reply.reason, REASON_DNS_SERVFAIL);
    dns_reply_parse(&reply, DNS_A, ARES_EREFUSED, NULL, 0);
    assert_int_equal(reply.reason, REASON_DNS_SERVFAIL);
    dns_reply_parse(&reply, DNS_A, ARES_EBADNAME, NULL, 0);
    assert_int_equal(reply.reason, REASON_DNS_NXDOMAIN);
    reply = parse(DNS_A, ARES_SUCCESS, PACKET("garbage"));
    assert_int_equal(reply.reason, REASON_DNS_SERVFAIL);
    assert_int_equal(reply.count, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_the_smallest_ttl_are_found),
        cmocka_unit_test(ipv6_addresses_are_found),
        cmocka_unit_test(addresses_that_mean_others_are_left_out),
        cmocka_unit_test(the_soa_says_how_long_nothing_counts),
        cmocka_unit_test(a_packet_that_lies_about_its_length_has_no_soa),
        cmocka_unit_test(every_end_of_a_query_has_a_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
