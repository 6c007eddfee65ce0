#include <errno.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "proxy/supervisor/listeners.h"
#include "proxy/supervisor/port_owner.h"

/* A socket of somebody who is willing to share, on a port the kernel chose. */
static int
stranger(uint16_t *port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t bytes = sizeof address;
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, bytes), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &bytes), 0);
    *port = ntohs(address.sin_port);
    return fd;
}

/* A port that nobody has (for the moment). */
static uint16_t
free_port(void)
{
    uint16_t port;

    close(stranger(&port));
    return port;
}

static struct app_listen
loopback(uint16_t port)
{
    struct app_listen listen;

    assert_int_equal(address_parse_ip("127.0.0.1", port, &listen.address), 0);
    return listen;
}

static int
option(int fd, int level, int name)
{
    int value = -1;
    socklen_t bytes = sizeof value;

    assert_int_equal(getsockopt(fd, level, name, &value, &bytes), 0);
    return value;
}

static void
half_of_the_descriptors_are_shared_by_the_ports(void **state)
{
    assert_int_equal(listeners_per_port(4, 20000, 200), 4);
    assert_int_equal(listeners_per_port(4, 1000, 200), 2);
    assert_int_equal(listeners_per_port(4, 100, 200), 1);
    assert_int_equal(listeners_per_port(4, 1024, 0), 4);
    assert_int_equal(listeners_per_port(1, 20000, 1), 1);
}

static void
each_port_gets_its_group_of_listening_sockets(void **state)
{
    const struct app_listen ports[] = { loopback(free_port()), loopback(free_port()) };
    struct listeners listeners;
    uint32_t failed;

    assert_int_equal(listeners_open(&listeners, ports, 2, 3, 0, &failed), 0);
    assert_int_equal(listeners.count, 6);
    assert_int_equal(listeners.per_port, 3);
    for (size_t i = 0; i < listeners.count; i++) {
        struct sockaddr_in address;
        socklen_t bytes = sizeof address;

        assert_int_equal(option(listeners.fds[i], SOL_SOCKET, SO_ACCEPTCONN), 1);
        assert_int_equal(getsockname(listeners.fds[i], (struct sockaddr *)&address, &bytes), 0);
        assert_int_equal(ntohs(address.sin_port), ports[i / 3].address.port);
    }
    listeners_close(&listeners);
    assert_int_equal(listeners.count, 0);
}

static void
accepted_connections_inherit_their_options(void **state)
{
    const struct app_listen port = loopback(free_port());
    struct sockaddr_storage address;
    socklen_t bytes = address_to_sockaddr(&port.address, &address);
    struct listeners listeners;
    uint32_t failed;
    int client, accepted;

    assert_int_equal(listeners_open(&listeners, &port, 1, 1, 4321, &failed), 0);
    client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, bytes), 0);
    accepted = accept4(listeners.fds[0], NULL, NULL, 0);
    assert_true(accepted >= 0);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option(accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_KEEPINTVL), 10);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_KEEPCNT), 6);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_USER_TIMEOUT), 4321);
    close(accepted);
    close(client);
    listeners_close(&listeners);
}

static void
a_port_that_others_would_share_is_not_taken(void **state)
{
    struct listeners listeners;
    struct app_listen ports[2] = { loopback(free_port()) };
    uint16_t taken;
    uint32_t failed;
    int fd = stranger(&taken);

    ports[1] = loopback(taken);
    assert_int_equal(listeners_open(&listeners, ports, 2, 2, 0, &failed), -EADDRINUSE);
    assert_int_equal(failed, 1);
    assert_int_equal(listeners.count, 0);
    ports[1] = (struct app_listen){ .address.port = taken };    /* on every address */
    assert_int_equal(listeners_open(&listeners, ports, 2, 2, 0, &failed), -EADDRINUSE);
    close(fd);
    assert_int_equal(listeners_open(&listeners, ports, 2, 2, 0, &failed), 0);
    listeners_close(&listeners);
}

static void
whoever_listens_on_a_port_is_named(void **state)
{
    char owner[80], expected[32];
    uint16_t port;
    int fd = stranger(&port);

    snprintf(expected, sizeof expected, "(pid %d)", (int)getpid());
    assert_true(port_owner_find(port, owner, sizeof owner));
    assert_non_null(strstr(owner, expected));
    close(fd);
    assert_false(port_owner_find(port, owner, sizeof owner));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_of_the_descriptors_are_shared_by_the_ports),
        cmocka_unit_test(each_port_gets_its_group_of_listening_sockets),
        cmocka_unit_test(accepted_connections_inherit_their_options),
        cmocka_unit_test(a_port_that_others_would_share_is_not_taken),
        cmocka_unit_test(whoever_listens_on_a_port_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
