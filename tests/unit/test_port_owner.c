/* Who listens on a port, and how often that is looked for. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/supervisor/port_owner.h"

static void
the_process_that_listens_is_named(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t bytes = sizeof address;
    char owner[80], pid[32];
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    uint16_t port;

    assert_true(fd >= 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
    port = ntohs(address.sin_port);

    assert_true(port_owner_find(port, owner, sizeof owner));
    snprintf(pid, sizeof pid, "(pid %d)", (int)getpid());
    assert_non_null(strstr(owner, pid));

    close(fd);
    assert_false(port_owner_find(port, owner, sizeof owner));
}

/* A port that the kernel gave to a connection. */
static void
a_connection_that_has_it_is_told(void **state)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t bytes = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char owner[PORT_OWNER_BYTES];

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &bytes), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, bytes), 0);
    assert_int_equal(getsockname(client, (struct sockaddr *)&address, &bytes), 0);

    assert_true(port_owner_find(ntohs(address.sin_port), owner, sizeof owner));
    assert_non_null(strstr(owner, "a connection"));
    assert_int_equal(owner[strlen(owner) - 1], ')');
    close(client);
    close(listener);
}

static void
searches_take_a_tenth_of_the_time_at_most(void **state)
{
    struct port_owner_pace pace = { 0 };

    assert_true(port_owner_may_search(&pace, 1000));
    port_owner_searched(&pace, 1000, 1000);
    assert_true(port_owner_may_search(&pace, 1000));
    port_owner_searched(&pace, 1000, 1020);
    assert_false(port_owner_may_search(&pace, 1199));
    assert_true(port_owner_may_search(&pace, 1200));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_process_that_listens_is_named),
        cmocka_unit_test(a_connection_that_has_it_is_told),
        cmocka_unit_test(searches_take_a_tenth_of_the_time_at_most),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
