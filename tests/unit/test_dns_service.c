/* SRV answers, byte by byte. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "probes/dns_service.h"

enum { PACKET_BYTES = 65535 };

/* An answer that is put together record by record. */
struct packet {
    unsigned char bytes[PACKET_BYTES];
    size_t length;
};

static void
put(struct packet *packet, const void *bytes, size_t count)
{
    memcpy(packet->bytes + packet->length, bytes, count);
    packet->length += count;
}

static void
put_number(struct packet *packet, uint32_t number, size_t bytes)
{
    while (bytes-- > 0)
        packet->bytes[packet->length++] = (unsigned char)(number >> 8 * bytes);
}

static void
begin(struct packet *packet)
{
    static const char head[] = "\0\1\201\200\0\1\0\0\0\0\0\0"
                               "\5_http\4_tcp\1A\4test\0\0\41\0\1";

    packet->length = 0;
    put(packet, head, sizeof head - 1);
}

/* `host` in the form of the wire. */
static void
put_srv(struct packet *packet, uint32_t ttl_s, uint16_t priority, uint16_t weight, uint16_t port,
        const char *host, size_t host_bytes)
{
    packet->bytes[7]++;
    put(packet, "\300\14\0\41\0\1", 6);
    put_number(packet, ttl_s, 4);
    put_number(packet, (uint32_t)host_bytes + 6, 2);
    put_number(packet, priority, 2);
    put_number(packet, weight, 2);
    put_number(packet, port, 2);
    put(packet, host, host_bytes);
}
#define PUT_SRV(packet, ttl_s, priority, weight, port, host)                                   \
    put_srv(packet, ttl_s, priority, weight, port, host, sizeof(host) - 1)

/* From memory of exactly that size, so that a sanitizer sees every step beyond. */
static int
parse(struct dns_services *services, const struct packet *packet, size_t length)
{
    unsigned char *bytes = malloc(length > 0 ? length : 1);
    int rc;

    assert_non_null(bytes);
    memcpy(bytes, packet->bytes, length);
    rc = dns_services_parse(services, bytes, length);
    free(bytes);
    return rc;
}

static void
records_come_by_priority_with_the_smallest_ttl(void **state)
{
    struct packet *packet = *state;
    struct dns_services services;

    begin(packet);
    PUT_SRV(packet, 60, 20, 5, 81, "\2B2\300\27");     /* the rest of the name: A.test */
    PUT_SRV(packet, 7, 10, 0, 80, "\1c\4test\0");
    assert_int_equal(parse(&services, packet, packet->length), 0);
    assert_int_equal(services.count, 2);
    assert_int_equal(services.ttl_s, 7);
    assert_int_equal(services.list[0].priority, 10);
    assert_int_equal(services.list[0].weight, 0);
    assert_int_equal(services.list[0].port, 80);
    assert_string_equal(services.list[0].host, "c.test");
    assert_int_equal(services.list[1].weight, 5);
    assert_string_equal(services.list[1].host, "b2.a.test");
    dns_services_fini(&services);
}

static void
a_dot_says_that_there_is_no_service(void **state)
{
    struct packet *packet = *state;
    struct dns_services services;

    begin(packet);
    PUT_SRV(packet, 30, 0, 0, 0, "\0");
    assert_int_equal(parse(&services, packet, packet->length), 0);
    assert_int_equal(services.count, 0);
    assert_int_equal(services.records, 1);
    assert_int_equal(services.ttl_s, 30);
    assert_null(services.list);
}

static void
other_records_and_bad_hosts_are_passed_over(void **state)
{
    struct packet *packet = *state;
    struct dns_services services;
    size_t loop;

    begin(packet);
    packet->bytes[7]++;
    put(packet, "\300\14\0\5\0\1\0\0\0\1\0\2\300\27", 14);      /* a CNAME */
    PUT_SRV(packet, 60, 0, 0, 0, "\1c\4test\0");                /* no port */
    loop = packet->length + 18;                                 /* where its host will be */
    PUT_SRV(packet, 60, 0, 0, 80, "\300\0");                    /* points at itself */
    packet->bytes[loop + 1] = (unsigned char)loop;
    PUT_SRV(packet, 60, 0, 0, 80, "\1d\4test\0");
    assert_int_equal(parse(&services, packet, packet->length), 0);
    assert_int_equal(services.count, 1);
    assert_int_equal(services.records, 3);
    assert_string_equal(services.list[0].host, "d.test");
    dns_services_fini(&services);
}

static void
a_host_and_port_named_twice_count_once(void **state)
{
    struct packet *packet = *state;
    struct dns_services services;

    begin(packet);
    PUT_SRV(packet, 60, 2, 9, 80, "\1c\4test\0");
    PUT_SRV(packet, 60, 1, 3, 80, "\1C\4test\0");
    PUT_SRV(packet, 60, 1, 3, 81, "\1c\4test\0");
    assert_int_equal(parse(&services, packet, packet->length), 0);
    assert_int_equal(services.count, 2);
    assert_int_equal(services.list[0].priority, 1);
    assert_int_equal(services.list[0].port, 80);
    assert_int_equal(services.list[1].port, 81);
    dns_services_fini(&services);
}

static void
of_too_many_the_best_priorities_are_kept(void **state)
{
    struct packet *packet = *state;
    struct dns_services services;
    char host[] = "\4n000\4test";

    begin(packet);
    for (unsigned i = 0; i < 200; i++) {
        memcpy(host + 2, (char[]){ (char)('0' + i / 100), (char)('0' + i / 10 % 10),
                                   (char)('0' + i % 10) }, 3);
        put_srv(packet, 60, (uint16_t)(1000 - i), 1, 80, host, sizeof host);
    }
    assert_int_equal(parse(&services, packet, packet->length), 0);
    assert_int_equal(services.count, DNS_SERVICES_MAX);
    assert_int_equal(services.left_out, 200 - DNS_SERVICES_MAX);
    assert_string_equal(services.list[0].host, "n199.test");
    assert_string_equal(services.list[DNS_SERVICES_MAX - 1].host, "n136.test");
    dns_services_fini(&services);
}

static void
a_message_that_ends_early_is_none(void **state)
{
    struct packet *packet = *state;
    struct dns_services services;

    begin(packet);
    PUT_SRV(packet, 60, 1, 1, 80, "\1c\4test\0");
    for (size_t length = 0; length < packet->length; length++) {
        assert_int_equal(parse(&services, packet, length), -EPROTO);
        assert_null(services.list);
    }
}

static void
services_are_kept_as_text(void **state)
{
    struct dns_service service = { .priority = 1, .weight = 2, .port = 65535, .host = "a.test" };
    struct dns_services services = { 0 };
    struct dns_service again;
    char text[TARGET_NAME_BYTES];

    assert_true(dns_service_format(&service, text));
    assert_string_equal(text, "1 2 65535 a.test");
    assert_true(dns_service_read(text, &again));
    assert_memory_equal(&service, &again, sizeof service);
    assert_false(dns_service_read("1 2 0 a.test", &again));
    assert_false(dns_service_read("1 2 a.test", &again));
    assert_true(dns_services_add(&services, &service));
    assert_false(dns_services_add(&services, &service));
    assert_int_equal(services.count, 1);
    service.priority = 0;
    service.port = 80;
    assert_true(dns_services_add(&services, &service));
    assert_int_equal(services.list[0].port, 80);
    dns_services_fini(&services);
    service.priority = service.weight = 65535;
    memset(service.host, 'h', sizeof service.host - 1);
    assert_false(dns_service_format(&service, text));
}

static int
set_up(void **state)
{
    *state = calloc(1, sizeof(struct packet));
    return *state == NULL;
}

static int
tear_down(void **state)
{
    free(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_come_by_priority_with_the_smallest_ttl),
        TEST(a_dot_says_that_there_is_no_service),
        TEST(other_records_and_bad_hosts_are_passed_over),
        TEST(a_host_and_port_named_twice_count_once),
        TEST(of_too_many_the_best_priorities_are_kept),
        TEST(a_message_that_ends_early_is_none),
        TEST(services_are_kept_as_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
