/* The probe of the kind "tcp", in a network of its own where that matters. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/util.h"
#include "config/app_probe.h"
#include "probe_rig.h"
#include "probes/probe.h"

/* In place of libc's: so often it says that the connection is still under way. On the loopback it
 * never is. */
static unsigned pending_calls;

int
getpeername(int fd, __SOCKADDR_ARG address, socklen_t *restrict bytes)
{
    if (pending_calls == 0)
        return (int)syscall(SYS_getpeername, fd, address.__sockaddr__, bytes);
    pending_calls--;
    errno = ENOTCONN;
    return -1;
}

static void
write_sysctl(const char *path, const char *value)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, value, strlen(value)), strlen(value));
    close(fd);
}

/* A network with a loopback alone, left at the end of the process. Skips where we may not. */
static void
enter_own_network(void)
{
    struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
    int fd;

    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        skip();
    fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
    close(fd);
}

static void
on_done(struct probe *probe, const struct probe_result *result)
{
    *(enum reason *)probe->context = result->outcome;
    event_base_loopbreak(probe->base);
}

/* One run against `address`. */
static enum reason
probe_once(const struct address *address)
{
    struct event_base *base = event_base_new();
    const struct app_probe config = { .kind = "tcp", .timeout_ms = 1000 };
    struct probe probe;
    enum reason outcome = REASON_NONE;

    assert_non_null(base);
    probe_init(&probe, &probe_tcp, base, address);
    probe.config = &config;
    probe.on_done = on_done;
    probe.context = &outcome;
    assert_int_equal(probe_start(&probe), 0);
    event_base_dispatch(base);
    probe_fini(&probe);
    event_base_free(base);
    return outcome;
}

enum { CROWD = 256 };

static void
nothing(evutil_socket_t fd, short what, void *context)
{
}

/* The probe's time is over at once, and so many others are always ready that the loop comes to its
 * timer before it is told of its socket. */
static enum reason
probe_in_a_late_loop(const struct address *address, unsigned pending)
{
    struct event_base *base = event_base_new();
    const struct app_probe config = { .kind = "tcp", .timeout_ms = 0 };
    struct event *crowd[CROWD];
    int fd = eventfd(1, EFD_CLOEXEC), fds[CROWD];
    enum reason outcome = REASON_NONE;
    struct probe probe;

    for (size_t i = 0; i < CROWD; i++) {
        fds[i] = dup(fd);
        crowd[i] = event_new(base, fds[i], EV_READ | EV_PERSIST, nothing, NULL);
        assert_int_equal(event_add(crowd[i], NULL), 0);
    }
    probe_init(&probe, &probe_tcp, base, address);
    probe.config = &config;
    probe.on_done = on_done;
    probe.context = &outcome;
    pending_calls = pending;
    assert_int_equal(probe_start(&probe), 0);
    event_base_dispatch(base);
    pending_calls = 0;
    probe_fini(&probe);
    for (size_t i = 0; i < CROWD; i++) {
        event_free(crowd[i]);
        close(fds[i]);
    }
    close(fd);
    event_base_free(base);
    return outcome;
}

static enum reason
probe_ip(const char *ip)
{
    struct address address;

    assert_int_equal(address_parse_ip(ip, 9, &address), 0);
    return probe_once(&address);
}

static void
a_listener_passes_and_a_closed_port_refuses(void **state)
{
    struct address address;
    int fd = rig_listen(&address);

    assert_int_equal(probe_once(&address), REASON_OK);
    close(fd);
    assert_int_equal(probe_once(&address), REASON_CONNECT_REFUSED);
}

static void
a_link_local_address_without_interface_is_unreachable(void **state)
{
    assert_int_equal(probe_ip("fe80::1"), REASON_CONNECT_UNREACHABLE);
}

static void
where_ipv6_is_off_its_addresses_are_unreachable(void **state)
{
    enter_own_network();
    write_sysctl("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    write_sysctl("/proc/sys/net/ipv6/conf/lo/disable_ipv6", "1");
    assert_int_equal(probe_ip("::1"), REASON_CONNECT_UNREACHABLE);
    assert_int_equal(probe_ip("2001:db8::1"), REASON_CONNECT_UNREACHABLE);
}

static void
no_free_port_of_ours_is_our_own_fault(void **state)
{
    struct sockaddr_storage storage;
    struct address address;
    socklen_t bytes;
    int listener, held[2];

    enter_own_network();
    listener = rig_listen(&address);
    bytes = address_to_sockaddr(&address, &storage);
    write_sysctl("/proc/sys/net/ipv4/ip_local_port_range", "20000 20001");
    for (size_t i = 0; i < ARRAY_SIZE(held); i++) {
        held[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(held[i], (struct sockaddr *)&storage, bytes), 0);
    }
    assert_int_equal(probe_once(&address), REASON_CONNECT_LOCAL);
    for (size_t i = 0; i < ARRAY_SIZE(held); i++)
        close(held[i]);
    close(listener);
}

static void
one_that_connected_while_the_loop_was_busy_passes(void **state)
{
    struct address address;
    int fd = rig_listen(&address);

    assert_int_equal(probe_in_a_late_loop(&address, 1), REASON_OK);
    assert_int_equal(probe_in_a_late_loop(&address, 2), REASON_CONNECT_TIMEOUT);
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_listener_passes_and_a_closed_port_refuses),
        cmocka_unit_test(one_that_connected_while_the_loop_was_busy_passes),
        cmocka_unit_test(a_link_local_address_without_interface_is_unreachable),
        cmocka_unit_test(where_ipv6_is_off_its_addresses_are_unreachable),
        cmocka_unit_test(no_free_port_of_ours_is_our_own_fault),
    };

    return cmocka_run_group_tests_name("probe_tcp", tests, NULL, NULL);
}
