#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/control.h"
#include "base/control_peer.h"

/* A peer on a loop, and the bare socket of the other side. */
struct fixture {
    struct event_base *base;
    struct control_peer *peer;
    int other;
    uint32_t received;          /* messages */
    uint32_t last_type;
    size_t last_fd_count;
    int closed;                 /* times on_closed was called */
    int drained;                /* times on_drained was called */
    bool destroy_on_message, destroy_on_closed, destroy_on_drained;
};

static void
on_message(void *context, const struct control_message *message, const int *fds,
           size_t fd_count)
{
    struct fixture *f = context;

    f->received++;
    f->last_type = message->type;
    f->last_fd_count = fd_count;
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
    if (f->destroy_on_message) {
        control_peer_destroy(f->peer);
        f->peer = NULL;
    }
}

static void
on_closed(void *context)
{
    struct fixture *f = context;

    f->closed++;
    if (f->destroy_on_closed) {
        control_peer_destroy(f->peer);
        f->peer = NULL;
    }
}

static void
on_drained(void *context)
{
    struct fixture *f = context;

    f->drained++;
    if (f->destroy_on_drained) {
        control_peer_destroy(f->peer);
        f->peer = NULL;
    }
}

static int
set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    int sockets[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return -1;
    f->base = event_base_new();
    f->peer = control_peer_create(f->base, sockets[0], on_message, on_closed, f);
    f->other = sockets[1];
    *state = f;
    return f->peer == NULL;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;

    control_peer_destroy(f->peer);
    close(f->other);
    event_base_free(f->base);
    free(f);
    return 0;
}

static void
turn(struct fixture *f)
{
    event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static void
send_type(struct fixture *f, enum control_type type)
{
    struct control_message message = { .magic = CONTROL_MAGIC, .type = type };

    assert_int_equal(control_send(f->other, &message, NULL, 0), 0);
}

/* The record number `n`. */
static void
set_record(struct control_message *message, int64_t n)
{
    memset(message, 0, sizeof *message);
    message->magic = CONTROL_MAGIC;
    message->type = CONTROL_RECORD;
    message->body.record.kind = RECORD_EVENT;
    message->body.record.at_ms = n;
}

static void
messages_with_descriptors_reach_the_callback(void **state)
{
    struct fixture *f = *state;
    struct control_message message;
    const int fds[] = { f->other, f->other };

    control_app_message(&message, CONTROL_APP_LOAD, "a", 1);
    assert_int_equal(control_send(f->other, &message, fds, 2), 0);
    turn(f);
    assert_int_equal(f->received, 1);
    assert_int_equal(f->last_type, CONTROL_APP_LOAD);
    assert_int_equal(f->last_fd_count, 2);
}

static void
what_the_socket_takes_is_sent_at_once(void **state)
{
    struct fixture *f = *state;
    struct control_message message = { .magic = CONTROL_MAGIC, .type = CONTROL_PING };
    int fds[CONTROL_FDS_MAX];
    size_t fd_count;

    assert_int_equal(control_peer_send(f->peer, &message, NULL, 0), 0);
    assert_int_equal(control_peer_queued(f->peer), 0);
    assert_int_equal(control_receive(f->other, &message, fds, &fd_count), 1);
    assert_int_equal(message.type, CONTROL_PING);
}

static void
a_queue_keeps_order_and_descriptors(void **state)
{
    struct fixture *f = *state;
    struct control_message message;
    int fds[CONTROL_FDS_MAX];
    const int sent = 5000;
    int pipe_fds[2];
    size_t fd_count;

    assert_int_equal(pipe(pipe_fds), 0);
    for (int i = 0; i < sent; i++) {
        set_record(&message, i);
        assert_int_equal(control_peer_send(f->peer, &message, &pipe_fds[1], i % 100 == 0), 0);
    }
    close(pipe_fds[1]);         /* the queue has its own */
    assert_true(control_peer_queued(f->peer) > 0);

    for (int i = 0; i < sent;) {
        int rc = control_receive(f->other, &message, fds, &fd_count);

        if (rc == -EAGAIN) {
            turn(f);
            continue;
        }
        assert_int_equal(rc, 1);
        assert_int_equal(message.body.record.at_ms, i);
        assert_int_equal(fd_count, i % 100 == 0);
        if (fd_count == 1) {
            assert_int_equal(write(fds[0], "x", 1), 1);
            close(fds[0]);
        }
        i++;
    }
    assert_int_equal(control_peer_queued(f->peer), 0);
    close(pipe_fds[0]);
}

static void
a_full_queue_drops_records_and_still_takes_other_messages(void **state)
{
    struct fixture *f = *state;
    struct control_message message;
    int rc = 0;

    for (int i = 0; i < 2 * CONTROL_QUEUE_MAX; i++) {
        set_record(&message, i);
        assert_int_equal(control_peer_send(f->peer, &message, NULL, 0), 0);
    }
    assert_true(control_peer_dropped(f->peer) > CONTROL_QUEUE_MAX / 2);
    assert_true(control_peer_queued(f->peer) < CONTROL_QUEUE_MAX);

    control_app_message(&message, CONTROL_APP_LOADED, "a", 1);
    assert_int_equal(control_peer_send(f->peer, &message, NULL, 0), 0);
    for (int i = 0; i < CONTROL_QUEUE_MAX && rc == 0; i++)
        rc = control_peer_send(f->peer, &message, NULL, 0);
    assert_int_equal(rc, -ENOBUFS);
    assert_int_equal(control_peer_queued(f->peer), CONTROL_QUEUE_MAX);
}

static void
descriptors_that_cannot_be_kept_are_an_error(void **state)
{
    struct fixture *f = *state;
    struct control_message message;
    const int bad_fd = 1 << 20;
    size_t queued;

    control_app_message(&message, CONTROL_APP_LOADED, "a", 1);
    while (control_peer_queued(f->peer) == 0)
        assert_int_equal(control_peer_send(f->peer, &message, NULL, 0), 0);
    queued = control_peer_queued(f->peer);
    assert_true(control_peer_send(f->peer, &message, &bad_fd, 1) < 0);
    assert_int_equal(control_peer_queued(f->peer), queued);
    assert_int_equal(control_peer_send(f->peer, &message, NULL, 0), 0);
}

static void
the_end_of_the_other_side_is_told_once_after_its_last_words(void **state)
{
    struct fixture *f = *state;
    struct control_message message = { .magic = CONTROL_MAGIC, .type = CONTROL_PING };

    send_type(f, CONTROL_PONG);
    close(f->other);
    f->other = -1;
    assert_int_equal(control_peer_send(f->peer, &message, NULL, 0), -EPIPE);
    assert_int_equal(f->closed, 0);
    turn(f);
    turn(f);
    assert_int_equal(f->received, 1);
    assert_int_equal(f->closed, 1);
    assert_int_equal(control_peer_send(f->peer, &message, NULL, 0), -EPIPE);
}

static void
an_end_with_a_queue_is_told_too(void **state)
{
    struct fixture *f = *state;
    struct control_message message;

    for (int i = 0; i < 5000; i++) {
        set_record(&message, i);
        assert_int_equal(control_peer_send(f->peer, &message, NULL, 0), 0);
    }
    close(f->other);
    f->other = -1;
    for (int i = 0; i < 3; i++)
        turn(f);
    assert_int_equal(f->closed, 1);
    assert_int_equal(control_peer_queued(f->peer), 0);
}

static void
a_peer_may_be_destroyed_in_its_message_callback(void **state)
{
    struct fixture *f = *state;

    f->destroy_on_message = true;
    send_type(f, CONTROL_PING);
    send_type(f, CONTROL_PING);
    turn(f);
    assert_null(f->peer);
    assert_int_equal(f->received, 1);
    turn(f);
    assert_int_equal(f->received, 1);
}

static void
a_peer_may_be_destroyed_in_its_closed_callback(void **state)
{
    struct fixture *f = *state;

    f->destroy_on_closed = true;
    close(f->other);
    f->other = -1;
    turn(f);
    assert_null(f->peer);
    assert_int_equal(f->closed, 1);
}

static void
a_foreign_message_is_skipped(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(send(f->other, "hello?", 6, 0), 6);
    send_type(f, CONTROL_PONG);
    turn(f);
    assert_int_equal(f->received, 1);
    assert_int_equal(f->last_type, CONTROL_PONG);
    assert_int_equal(f->closed, 0);
}

static void
the_peer_closes_its_socket_when_destroyed(void **state)
{
    struct fixture *f = *state;
    struct control_message message;
    int fds[CONTROL_FDS_MAX];
    size_t fd_count;

    control_peer_destroy(f->peer);
    f->peer = NULL;
    assert_int_equal(control_receive(f->other, &message, fds, &fd_count), 0);
}

static void
fill_queue(struct fixture *f)
{
    struct control_message message = { .magic = CONTROL_MAGIC, .type = CONTROL_PING };

    for (int i = 0; i < 100000 && control_peer_queued(f->peer) == 0; i++)
        assert_int_equal(control_peer_send(f->peer, &message, NULL, 0), 0);
    assert_int_equal(control_peer_queued(f->peer), 1);
    turn(f);
    assert_int_equal(f->drained, 0);
}

static void
read_everything(struct fixture *f)
{
    struct control_message message;
    int fds[CONTROL_FDS_MAX];
    size_t fd_count;

    while (control_receive(f->other, &message, fds, &fd_count) == 1)
        continue;
}

static void
an_empty_queue_is_told_once(void **state)
{
    struct fixture *f = *state;

    control_peer_on_drained(f->peer, on_drained);
    fill_queue(f);
    read_everything(f);
    turn(f);
    turn(f);
    assert_int_equal(control_peer_queued(f->peer), 0);
    assert_int_equal(f->drained, 1);
}

static void
a_peer_may_be_destroyed_in_its_drained_callback(void **state)
{
    struct fixture *f = *state;

    f->destroy_on_drained = true;
    control_peer_on_drained(f->peer, on_drained);
    fill_queue(f);
    read_everything(f);
    turn(f);
    assert_int_equal(f->drained, 1);
    assert_null(f->peer);
}

#define WITH_PEER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_PEER(messages_with_descriptors_reach_the_callback),
        WITH_PEER(what_the_socket_takes_is_sent_at_once),
        WITH_PEER(a_queue_keeps_order_and_descriptors),
        WITH_PEER(a_full_queue_drops_records_and_still_takes_other_messages),
        WITH_PEER(descriptors_that_cannot_be_kept_are_an_error),
        WITH_PEER(the_end_of_the_other_side_is_told_once_after_its_last_words),
        WITH_PEER(an_end_with_a_queue_is_told_too),
        WITH_PEER(a_peer_may_be_destroyed_in_its_message_callback),
        WITH_PEER(a_peer_may_be_destroyed_in_its_closed_callback),
        WITH_PEER(a_foreign_message_is_skipped),
        WITH_PEER(the_peer_closes_its_socket_when_destroyed),
        WITH_PEER(an_empty_queue_is_told_once),
        WITH_PEER(a_peer_may_be_destroyed_in_its_drained_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
