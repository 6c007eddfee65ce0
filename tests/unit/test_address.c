#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/address.h"
#include "base/util.h"

static void
an_ip_is_read_and_written_in_its_short_form(void **state)
{
    static const struct {
        const char *text, *ip, *with_port;
    } cases[] = {
        { "10.0.0.7", "10.0.0.7", "10.0.0.7:5001" },
        { "255.255.255.255", "255.255.255.255", "255.255.255.255:5001" },
        { "::1", "::1", "[::1]:5001" },
        { "2001:DB8:0:0::0:1", "2001:db8::1", "[2001:db8::1]:5001" },
        { "fe80::1%lo", "fe80::1%lo", "[fe80::1%lo]:5001" },
        { "fe80::1%1", "fe80::1%lo", "[fe80::1%lo]:5001" },
        { "fe80::1%4294967295", "fe80::1%4294967295", "[fe80::1%4294967295]:5001" },
        { "::ffff:10.0.0.7", "10.0.0.7", "10.0.0.7:5001" },
    };
    char text[ADDRESS_TEXT_BYTES];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct address address;

        assert_int_equal(address_parse_ip(cases[i].text, 5001, &address), 0);
        assert_string_equal(address_format_ip(&address, text), cases[i].ip);
        assert_string_equal(address_format(&address, text), cases[i].with_port);
    }
}

static void
what_is_no_ip_is_refused_and_changes_nothing(void **state)
{
    static const char *const texts[] = {
        "", "1.2.3", "300.1.1.1", "1.2.3.4.5", "01.2.3.4", "1.2.3.4 ", " 1.2.3.4", "localhost",
        "[::1]", ":", ":::", "::1::", "fe80::1%", "fe80::1%nosuchinterface", "::1%lo",
        "fe80::1%4294967296", "fe80::1%0", "fe80::1%-1", "fe80::1%lo:", "fe80::1%lo:x",
        "1.2.3.4%lo", "0x7f000001",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        struct address address = { .port = 7 };

        assert_int_equal(address_parse_ip(texts[i], 1, &address), -EINVAL);
        assert_int_equal(address.port, 7);
        assert_int_equal(address.family, 0);
    }
}

static void
no_address_is_written_as_nothing(void **state)
{
    const struct address none = { 0 };
    char text[ADDRESS_TEXT_BYTES] = "x";

    assert_string_equal(address_format(&none, text), "");
    assert_string_equal(address_format_ip(&none, text), "");
}

static void
addresses_survive_the_way_through_a_sockaddr(void **state)
{
    static const char *const ips[] = { "127.0.0.1", "::1", "fe80::1%lo", "2001:db8::2" };

    for (size_t i = 0; i < ARRAY_SIZE(ips); i++) {
        struct sockaddr_storage storage;
        struct address before, after;

        memset(&after, 0xff, sizeof after);
        assert_int_equal(address_parse_ip(ips[i], 65535, &before), 0);
        address_to_sockaddr(&before, &storage);
        assert_int_equal(address_from_sockaddr((struct sockaddr *)&storage, &after), 0);
        assert_true(address_equal(&before, &after));
    }
}

static void
an_ipv4_client_of_a_dual_stack_socket_is_ipv4(void **state)
{
    struct sockaddr_in6 mapped = { .sin6_family = AF_INET6, .sin6_port = htons(80) };
    struct address plain, seen;

    mapped.sin6_addr = (struct in6_addr){ { { [10] = 0xff, [11] = 0xff, 127, 0, 0, 1 } } };
    assert_int_equal(address_parse_ip("127.0.0.1", 80, &plain), 0);
    assert_int_equal(address_from_sockaddr((struct sockaddr *)&mapped, &seen), 0);
    assert_true(address_equal(&plain, &seen));
}

static void
another_family_is_refused(void **state)
{
    const struct sockaddr sockaddr = { .sa_family = AF_UNIX };
    struct address address;

    assert_int_equal(address_from_sockaddr(&sockaddr, &address), -EAFNOSUPPORT);
}

static void
port_and_host_make_addresses_different(void **state)
{
    struct address a, b;

    assert_int_equal(address_parse_ip("10.0.0.7", 80, &a), 0);
    assert_int_equal(address_parse_ip("10.0.0.7", 81, &b), 0);
    assert_false(address_equal(&a, &b));
    assert_int_equal(address_parse_ip("10.0.0.8", 80, &b), 0);
    assert_false(address_equal(&a, &b));
}

static void
host_and_port_are_split(void **state)
{
    static const struct {
        const char *text, *host;
        uint16_t port;
    } cases[] = {
        { "tcp-echo.example:5001", "tcp-echo.example", 5001 },
        { "localhost:1", "localhost", 1 },
        { "10.0.0.7:65535", "10.0.0.7", 65535 },
        { "[::1]:80", "::1", 80 },
        { "[fe80::1%lo]:80", "fe80::1%lo", 80 },
        { "example.:80", "example.", 80 },
        { "_srv.my_host-1:80", "_srv.my_host-1", 80 },
        { "1and1.com:80", "1and1.com", 80 },
        { "1.2.3.4a:80", "1.2.3.4a", 80 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char host[HOST_NAME_BYTES];
        const char *why;
        uint16_t port;

        assert_int_equal(address_split(cases[i].text, host, &port, &why), 0);
        assert_string_equal(host, cases[i].host);
        assert_int_equal(port, cases[i].port);
        assert_null(why);
    }
}

/* The reason says the words that help. */
static void
a_wrong_address_is_refused_with_its_reason(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "", "empty" },
        { "host", "no port: write host:port" },
        { "host:", "no port after the colon" },
        { "10.0.0.7", "no port: write host:port" },
        { ":80", "no host" },
        { ":", "no host" },
        { "[::1", "the bracket is not closed" },
        { "[", "the bracket is not closed" },
        { "[::1]", "no port" },
        { "[::1]:", "no port" },
        { "[]:80", "no address in the brackets" },
        { "[::1]x:80", "only :port may follow" },
        { "[::1] :80", "spaces" },
        { "[::1]80", "only :port may follow" },
        { "[10.0.0.7]:80", "only an IPv6 address has brackets" },
        { "[host]:80", "not an IPv6 address" },
        { "[fe80::1%nosuch0]:80", "interface" },
        { "::1:80", "an IPv6 address needs brackets: [::1]:80" },
        { "::1", "an IPv6 address needs brackets: [::1]:80" },
        { "2001:db8::1:80", "an IPv6 address needs brackets" },
        { "1:2:3:4:5:6:7:8:80", "an IPv6 address needs brackets" },
        { "host:80:81", "more than one colon" },
        { "tcp://host:80", "more than one colon" },
        { "host:0", "1 to 65535" },
        { "host:65536", "1 to 65535" },
        { "host:99999999999999999999", "1 to 65535" },
        { "host:-1", "not a number" },
        { "host:+80", "not a number" },
        { "host:80x", "not a number" },
        { "host:0x50", "not a number" },
        { "host:http", "not a number" },
        { "host:080", "begins with 0" },
        { "host: 80", "spaces" },
        { "host :80", "spaces" },
        { " host:80", "spaces" },
        { "host:80\n", "spaces" },
        { "300.1.1.1:80", "not an IPv4 address" },
        { "1.2.3:80", "not an IPv4 address" },
        { "1.2.3.4.:80", "not an IPv4 address" },
        { "123:80", "not an IPv4 address" },
        { "a..b:80", "empty part" },
        { ".a:80", "empty part" },
        { ".:80", "empty part" },
        { "a..:80", "empty part" },
        { "h\xc3\xb6st:80", "not a host name" },
        { "ho/st:80", "not a host name" },
        { "ho\x01st:80", "not a host name" },
        { "host]:80", "not a host name" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char host[HOST_NAME_BYTES];
        const char *why;
        uint16_t port;

        assert_int_equal(address_split(cases[i].text, host, &port, &why), -EINVAL);
        if (strstr(why, cases[i].says) == NULL)
            fail_msg("%s: '%s' does not say '%s'", cases[i].text, why, cases[i].says);
    }
}

/* `labels` labels of `chars` characters, with dots between and `more` at the end. */
static const char *
long_name(char *text, int labels, int chars, const char *more)
{
    char *end = text;

    for (int i = 0; i < labels; i++) {
        memset(end, 'a', (size_t)chars);
        end += chars;
        *end++ = '.';
    }
    strcpy(end, more);
    return text;
}

static void
a_name_may_have_253_characters_in_labels_of_63(void **state)
{
    char text[2048], host[HOST_NAME_BYTES];
    const char *why;
    uint16_t port;

    /* 3 * 64 + 61 = 253, and a trailing dot */
    char last[80] = { 0 };
    memset(last, 'b', 61);
    strcat(last, ".:80");
    assert_int_equal(address_split(long_name(text, 3, 63, last), host, &port, &why), 0);
    assert_int_equal(strlen(host), 254);

    memset(last, 'b', 62);
    strcpy(last + 62, ":80");
    assert_int_equal(address_split(long_name(text, 3, 63, last), host, &port, &why), -EINVAL);
    assert_non_null(strstr(why, "253"));
    assert_int_equal(address_split(long_name(text, 1, 64, "a:80"), host, &port, &why), -EINVAL);
    assert_non_null(strstr(why, "63"));
    assert_int_equal(address_split(long_name(text, 20, 63, "a:80"), host, &port, &why),
                     -EINVAL);
    assert_non_null(strstr(why, "253"));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ip_is_read_and_written_in_its_short_form),
        cmocka_unit_test(what_is_no_ip_is_refused_and_changes_nothing),
        cmocka_unit_test(no_address_is_written_as_nothing),
        cmocka_unit_test(addresses_survive_the_way_through_a_sockaddr),
        cmocka_unit_test(an_ipv4_client_of_a_dual_stack_socket_is_ipv4),
        cmocka_unit_test(another_family_is_refused),
        cmocka_unit_test(port_and_host_make_addresses_different),
        cmocka_unit_test(host_and_port_are_split),
        cmocka_unit_test(a_wrong_address_is_refused_with_its_reason),
        cmocka_unit_test(a_name_may_have_253_characters_in_labels_of_63),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
