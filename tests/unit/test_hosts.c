#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "probes/hosts.h"

static const char text[] = "# comment\n"
                           "127.0.0.1\tlocalhost localhost.localdomain # the machine\n"
                           "::1 localhost ip6-localhost\n"
                           "\n"
                           "10.0.0.1 db DB.Example. db\r\n"
                           "10.0.0.2 db#glued\n"
                           "not-an-address nobody\n"
                           "10.0.0.3\n"
                           "fe80::1%lo linklocal\n"
                           "10.0.0.4 last";

static int
set_up(void **state)
{
    *state = hosts_parse(text, sizeof text - 1);
    return *state == NULL;
}

static int
tear_down(void **state)
{
    hosts_destroy(*state);
    return 0;
}

static void
names_have_all_their_addresses_once_in_order(void **state)
{
    struct address found[4];
    char ip[ADDRESS_TEXT_BYTES];

    assert_int_equal(hosts_find(*state, "db", 4, found, 4), 2);
    assert_string_equal(address_format_ip(&found[0], ip), "10.0.0.1");
    assert_string_equal(address_format_ip(&found[1], ip), "10.0.0.2");
    assert_int_equal(hosts_find(*state, "db", 4, found, 1), 1);
    assert_int_equal(hosts_find(*state, "last", 4, found, 4), 1);
}

static void
families_are_apart(void **state)
{
    struct address found[4];

    assert_int_equal(hosts_find(*state, "localhost", 4, found, 4), 1);
    assert_int_equal(hosts_find(*state, "localhost", 6, found, 4), 1);
    assert_int_equal(hosts_find(*state, "ip6-localhost", 4, found, 4), 0);
    assert_true(hosts_has(*state, "ip6-localhost"));
}

static void
case_and_a_final_dot_do_not_matter(void **state)
{
    assert_true(hosts_has(*state, "db.example"));
    assert_true(hosts_has(*state, "DB.EXAMPLE."));
}

static void
nonsense_is_passed_over(void **state)
{
    char too_long[600];

    memset(too_long, 'a', sizeof too_long - 1);
    too_long[sizeof too_long - 1] = '\0';
    assert_false(hosts_has(*state, "nobody"));
    assert_false(hosts_has(*state, "glued"));
    assert_false(hosts_has(*state, "comment"));
    assert_false(hosts_has(*state, ""));
    assert_false(hosts_has(*state, too_long));
}

static void
a_file_that_is_not_there_has_no_names(void **state)
{
    struct hosts *hosts = hosts_read("/nonexistent/hosts");

    assert_non_null(hosts);
    assert_false(hosts_has(hosts, "localhost"));
    hosts_destroy(hosts);
}

static void
localhost_and_what_is_below_it_mean_the_loopback(void **state)
{
    assert_true(hosts_is_localhost("localhost"));
    assert_true(hosts_is_localhost("LOCALHOST."));
    assert_true(hosts_is_localhost("db.localhost"));
    assert_false(hosts_is_localhost("notlocalhost"));
    assert_false(hosts_is_localhost("localhost.example"));
    assert_false(hosts_is_localhost(""));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_have_all_their_addresses_once_in_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(families_are_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(case_and_a_final_dot_do_not_matter, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nonsense_is_passed_over, set_up, tear_down),
        cmocka_unit_test(a_file_that_is_not_there_has_no_names),
        cmocka_unit_test(localhost_and_what_is_below_it_mean_the_loopback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
