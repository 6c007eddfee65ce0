/* The pool of pipes: bounded, reused, and never handing out somebody's bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "proxy/worker/pipes.h"

static void
an_empty_pipe_is_used_again(void **state)
{
    struct pipes pipes;
    struct pipe_pair *pipe;
    int fd;

    (void)state;
    pipes_init(&pipes, 4);
    pipe = pipes_get(&pipes);
    assert_non_null(pipe);
    fd = pipe->read_fd;
    pipes_put(&pipes, pipe, 1);
    pipe = pipes_get(&pipes);
    assert_int_equal(pipe->read_fd, fd);
    assert_int_equal(pipes.count, 1);
    pipes_put(&pipes, pipe, 1);
    pipes_fini(&pipes);
    assert_int_equal(pipes.count, 0);
}

static void
a_pipe_with_bytes_in_it_is_not_used_again(void **state)
{
    struct pipes pipes;
    struct pipe_pair *pipe;
    char byte;

    (void)state;
    pipes_init(&pipes, 4);
    pipe = pipes_get(&pipes);
    assert_int_equal(write(pipe->write_fd, "x", 1), 1);
    pipes_put(&pipes, pipe, 0);
    assert_int_equal(pipes.count, 0);
    pipe = pipes_get(&pipes);
    assert_int_equal(read(pipe->read_fd, &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
    pipes_put(&pipes, pipe, 1);
    pipes_fini(&pipes);
}

static void
there_are_never_more_than_the_limit(void **state)
{
    struct pipes pipes;
    struct pipe_pair *some[3];

    (void)state;
    pipes_init(&pipes, 2);
    some[0] = pipes_get(&pipes);
    some[1] = pipes_get(&pipes);
    some[2] = pipes_get(&pipes);
    assert_non_null(some[1]);
    assert_null(some[2]);
    pipes_put(&pipes, some[0], 1);
    some[2] = pipes_get(&pipes);
    assert_non_null(some[2]);
    pipes_put(&pipes, some[1], 1);
    pipes_put(&pipes, some[2], 1);
    pipes_fini(&pipes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_pipe_is_used_again),
        cmocka_unit_test(a_pipe_with_bytes_in_it_is_not_used_again),
        cmocka_unit_test(there_are_never_more_than_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
