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

static struct listeners listeners;      /* 128 KiB */

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
a_port_gets_its_group_of_sockets_which_listen_when_told(void **state)
{
    const struct address port = loopback(free_port()).address;
    struct listen_port *opened;

    assert_int_equal(listeners_open(&listeners, &port, 3, NULL, &opened), 0);
    assert_int_equal(opened->count, 3);
    for (size_t i = 0; i < opened->count; i++) {
        struct sockaddr_in address;
        socklen_t bytes = sizeof address;

        assert_int_equal(option(opened->fds[i], SOL_SOCKET, SO_ACCEPTCONN), 0);
        assert_int_equal(getsockname(opened->fds[i], (struct sockaddr *)&address, &bytes), 0);
        assert_int_equal(ntohs(address.sin_port), port.port);
    }
    assert_ptr_equal(listeners_find(&listeners, &port), opened);
    assert_int_equal(listen_port_listen(opened), 0);
    assert_int_equal(listen_port_listen(opened), 0);
    for (size_t i = 0; i < opened->count; i++)
        assert_int_equal(option(opened->fds[i], SOL_SOCKET, SO_ACCEPTCONN), 1);
    listeners_unref(&listeners, opened);
    assert_null(listeners_find(&listeners, &port));
}

static void
it_is_closed_with_its_last_reference(void **state)
{
    const struct address port = loopback(free_port()).address;
    struct listen_port *opened;

    assert_int_equal(listeners_open(&listeners, &port, 1, NULL, &opened), 0);
    opened->refs++;
    listeners_unref(&listeners, opened);
    assert_ptr_equal(listeners_find(&listeners, &port), opened);
    listeners_unref(&listeners, opened);
    assert_null(listeners_find(&listeners, &port));
    assert_int_equal(listeners.held[port.port], 0);
}

static void
accepted_connections_inherit_their_options(void **state)
{
    const struct address port = loopback(free_port()).address;
    struct sockaddr_storage address;
    socklen_t bytes = address_to_sockaddr(&port, &address);
    struct listen_port *opened;
    int client, accepted;

    assert_int_equal(listeners_open(&listeners, &port, 1, NULL, &opened), 0);
    listen_port_tune(opened, 4321);
    assert_int_equal(listen_port_listen(opened), 0);
    client = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, bytes), 0);
    accepted = accept4(opened->fds[0], NULL, NULL, 0);
    assert_true(accepted >= 0);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_NODELAY), 1);
    assert_int_equal(option(accepted, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_KEEPIDLE), 60);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_KEEPINTVL), 10);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_KEEPCNT), 6);
    assert_int_equal(option(accepted, IPPROTO_TCP, TCP_USER_TIMEOUT), 4321);
    close(accepted);
    close(client);
    listeners_unref(&listeners, opened);
}

static void
a_port_that_others_would_share_is_not_taken(void **state)
{
    struct listen_port *opened;
    uint16_t taken;
    int fd = stranger(&taken);
    const struct address one = loopback(taken).address;
    const struct address every = { .port = taken };

    assert_int_equal(listeners_open(&listeners, &one, 2, NULL, &opened), -EADDRINUSE);
    assert_int_equal(listeners_open(&listeners, &every, 2, NULL, &opened), -EADDRINUSE);
    assert_null(listeners.by_address);
    close(fd);
    assert_int_equal(listeners_open(&listeners, &every, 2, NULL, &opened), 0);
    listeners_unref(&listeners, opened);
}

/* "5001" becomes "127.0.0.1:5001" while its clients come. */
static void
a_port_may_be_bound_beside_one_of_ours_that_overlaps(void **state)
{
    const struct address every = { .port = free_port() };
    const struct address one = loopback(every.port).address;
    const struct address other = { .port = free_port() };
    struct listen_port *old, *new;

    assert_int_equal(listeners_open(&listeners, &every, 2, NULL, &old), 0);
    assert_int_equal(listen_port_listen(old), 0);
    assert_ptr_equal(listeners_overlap(&listeners, &one), old);
    assert_null(listeners_overlap(&listeners, &other));
    assert_int_equal(listeners_open(&listeners, &one, 2, NULL, &new), 0);
    assert_int_equal(new->count, 2);
    assert_int_equal(listen_port_listen(new), 0);
    listeners_unref(&listeners, old);
    assert_ptr_equal(listeners_overlap(&listeners, &every), new);
    listeners_unref(&listeners, new);
}

/* "127.0.0.1:5001" becomes "5001" and goes back: whoever waits is asked by the next one. */
static void
narrower_sockets_go_on_in_the_next_port(void **state)
{
    const struct address every = { .port = free_port() };
    const struct address one = loopback(every.port).address;
    struct sockaddr_storage address;
    socklen_t bytes = address_to_sockaddr(&one, &address);
    struct listen_port *narrow, *wide;
    int client = socket(AF_INET, SOCK_STREAM, 0), accepted = -1;

    assert_int_equal(listeners_open(&listeners, &one, 2, NULL, &narrow), 0);
    assert_int_equal(listen_port_listen(narrow), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, bytes), 0);
    assert_int_equal(listeners_open(&listeners, &every, 2, NULL, &wide), 0);
    assert_int_equal(wide->count, 4);
    listeners_unref(&listeners, narrow);
    assert_true(listen_port_waits(wide));
    assert_int_equal(listeners_open(&listeners, &one, 2, NULL, &narrow), 0);
    assert_int_equal(narrow->count, 2);
    listeners_unref(&listeners, wide);
    for (uint32_t i = 0; i < narrow->count && accepted < 0; i++)
        accepted = accept4(narrow->fds[i], NULL, NULL, 0);
    assert_true(accepted >= 0);
    close(accepted);
    close(client);
    listeners_unref(&listeners, narrow);
}

/* Workers of one supervisor have copies of the same sockets, and all of them report theirs. */
static void
a_socket_that_comes_twice_is_kept_once(void **state)
{
    const struct address port = loopback(free_port()).address;
    struct listen_port *opened;

    assert_int_equal(listeners_open(&listeners, &port, 2, NULL, &opened), 0);
    assert_int_equal(listen_port_add(opened, dup(opened->fds[1])), 0);
    assert_int_equal(opened->count, 2);
    listeners_unref(&listeners, opened);
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
        cmocka_unit_test(a_port_gets_its_group_of_sockets_which_listen_when_told),
        cmocka_unit_test(it_is_closed_with_its_last_reference),
        cmocka_unit_test(accepted_connections_inherit_their_options),
        cmocka_unit_test(a_port_that_others_would_share_is_not_taken),
        cmocka_unit_test(a_port_may_be_bound_beside_one_of_ours_that_overlaps),
        cmocka_unit_test(narrower_sockets_go_on_in_the_next_port),
        cmocka_unit_test(a_socket_that_comes_twice_is_kept_once),
        cmocka_unit_test(whoever_listens_on_a_port_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
