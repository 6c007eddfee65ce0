#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "proxy/supervisor/ports.h"

static struct app_listen
every_address(uint16_t port)
{
    return (struct app_listen){ .address.port = port };
}

static struct app_listen
of_address(const char *ip, uint16_t port)
{
    struct app_listen listen;

    assert_int_equal(address_parse_ip(ip, port, &listen.address), 0);
    return listen;
}

static void
neighbours_become_a_range(void **state)
{
    const struct app_listen ports[] = { every_address(5001), every_address(5002),
                                        every_address(5003), every_address(5200) };
    char text[64];

    assert_string_equal(ports_text(ports, ARRAY_SIZE(ports), text, sizeof text),
                        "5001-5003, 5200");
}

static void
a_range_holds_one_address_only(void **state)
{
    const struct app_listen ports[] = { every_address(5001), of_address("127.0.0.1", 5002),
                                        of_address("127.0.0.1", 5003), of_address("::1", 5004) };
    char text[128];

    assert_string_equal(ports_text(ports, ARRAY_SIZE(ports), text, sizeof text),
                        "5001, 127.0.0.1:5002-5003, [::1]:5004");
}

static void
the_last_port_has_no_next_one(void **state)
{
    const struct app_listen ports[] = { every_address(65535), every_address(1) };
    char text[64];

    assert_string_equal(ports_text(ports, ARRAY_SIZE(ports), text, sizeof text), "65535, 1");
}

static void
no_ports_are_no_text(void **state)
{
    char text[16];

    assert_string_equal(ports_text(NULL, 0, text, sizeof text), "");
}

static void
what_does_not_fit_is_shown_as_dots(void **state)
{
    struct app_listen ports[100];

    for (uint16_t i = 0; i < 100; i++)
        ports[i] = every_address((uint16_t)(1000 + 2 * i));
    for (size_t room = 8; room < 700; room++) {
        char text[700];
        size_t bytes;

        memset(text, 'x', sizeof text);
        ports_text(ports, 100, text, room);
        bytes = strlen(text);
        assert_true(bytes < room);
        if (bytes < 4 * 100 + 2 * 99) {
            assert_true(bytes >= 3);
            assert_string_equal(text + bytes - 3, "...");
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours_become_a_range),
        cmocka_unit_test(a_range_holds_one_address_only),
        cmocka_unit_test(the_last_port_has_no_next_one),
        cmocka_unit_test(no_ports_are_no_text),
        cmocka_unit_test(what_does_not_fit_is_shown_as_dots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
