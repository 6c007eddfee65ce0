/* What the kernel knows of a connect(), asked without waiting. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proxy/worker/connect_look.h"

/* A listening socket with the shortest queue; `where` is its address. */
static int
listen_short(struct sockaddr_in *where)
{
    socklen_t bytes = sizeof *where;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    *where = (struct sockaddr_in){ .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_int_equal(bind(fd, (struct sockaddr *)where, bytes), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)where, &bytes), 0);
    return fd;
}

static int
begin(const struct sockaddr_in *where)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_true(connect(fd, (const struct sockaddr *)where, sizeof *where) == 0 ||
                errno == EINPROGRESS || errno == ECONNREFUSED);
    return fd;
}

static void
one_that_has_connected_is_seen(void **state)
{
    struct sockaddr_in where;
    int listener = listen_short(&where), fd = begin(&where);

    assert_int_equal(connect_look(fd), EPOLLOUT);
    close(fd);
    close(listener);
}

/* Its edges will not come again: they are told with it. */
static void
so_is_what_the_target_said_and_that_it_left(void **state)
{
    struct sockaddr_in where;
    int listener = listen_short(&where), fd = begin(&where), peer = accept(listener, NULL, NULL);

    assert_true(peer >= 0);
    assert_int_equal(send(peer, "x", 1, 0), 1);
    assert_int_equal(connect_look(fd), EPOLLOUT | EPOLLIN);
    close(peer);
    assert_int_equal(connect_look(fd), EPOLLOUT | EPOLLIN | EPOLLRDHUP);
    close(fd);
    close(listener);
}

static void
one_that_was_refused_is_an_error(void **state)
{
    struct sockaddr_in where;
    int listener = listen_short(&where), fd;

    close(listener);
    fd = begin(&where);
    assert_true(connect_look(fd) & (EPOLLERR | EPOLLHUP));
    close(fd);
}

/* With its queue full the target answers no more. */
static void
one_that_is_under_way_is_neither(void **state)
{
    struct sockaddr_in where;
    int listener = listen_short(&where), fds[8];
    uint32_t last = EPOLLOUT;

    for (size_t i = 0; i < 8; i++) {
        fds[i] = begin(&where);
        last = connect_look(fds[i]);
    }
    assert_int_equal(last, 0);
    for (size_t i = 0; i < 8; i++)
        close(fds[i]);
    close(listener);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_has_connected_is_seen),
        cmocka_unit_test(so_is_what_the_target_said_and_that_it_left),
        cmocka_unit_test(one_that_was_refused_is_an_error),
        cmocka_unit_test(one_that_is_under_way_is_neither),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
