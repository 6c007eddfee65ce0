#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/control.h"
#include "base/control_peer.h"
#include "probes/history.h"

static void
send_numbered(struct history *history, int64_t from, int64_t to)
{
    for (int64_t number = from; number < to; number++) {
        struct record record = { .kind = RECORD_TRANSITION, .at_ms = number };

        history_send(history, &record);
    }
}

static void
ignore_message(void *context, const struct control_message *message, const int *fds,
               size_t fd_count)
{
}

static void
ignore_closed(void *context)
{
}

static int64_t
receive_number(int socket)
{
    struct control_message message;
    int fds[CONTROL_FDS_MAX];
    size_t fd_count;

    assert_int_equal(control_receive(socket, &message, fds, &fd_count), 1);
    assert_int_equal(message.type, CONTROL_RECORD);
    return message.body.record.at_ms;
}

static void
what_happened_without_a_supervisor_is_told_to_the_next(void **state)
{
    struct event_base *base = event_base_new();
    struct history *history = history_create(base);
    struct control_peer *peer;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    send_numbered(history, 0, 20);
    peer = control_peer_create(base, pair[0], ignore_message, ignore_closed, NULL);
    history_attach(history, peer);
    send_numbered(history, 20, 22);
    for (int64_t number = 0; number < 22; number++)
        assert_int_equal(receive_number(pair[1]), number);
    assert_int_equal(history_kept(history), 0);

    history_detach(history);
    send_numbered(history, 22, 23);
    assert_int_equal(history_kept(history), 1);
    control_peer_destroy(peer);
    close(pair[1]);
    history_destroy(history);
    event_base_free(base);
}

static void
the_last_ones_are_kept_and_the_loss_is_counted(void **state)
{
    struct event_base *base = event_base_new();
    struct history *history = history_create(base);

    send_numbered(history, 0, HISTORY_BACKLOG_MAX + 100);
    assert_int_equal(history_kept(history), HISTORY_BACKLOG_MAX);
    assert_int_equal(history_dropped(history), 100);
    history_destroy(history);
    event_base_free(base);
}

/* Reads what there is, in order from `*next`; false when an event was told instead. */
static bool
read_numbered(int socket, int64_t *next, struct record *event)
{
    struct control_message message;
    int fds[CONTROL_FDS_MAX];
    size_t fd_count;

    while (control_receive(socket, &message, fds, &fd_count) == 1) {
        if (message.body.record.kind == RECORD_EVENT) {
            *event = message.body.record;
            return false;
        }
        assert_int_equal(message.body.record.at_ms, *next);
        (*next)++;
    }
    return true;
}

static void
a_long_absence_is_told_in_order_at_the_readers_pace_with_what_is_lost(void **state)
{
    struct event_base *base = event_base_new();
    struct history *history = history_create(base);
    struct control_peer *peer;
    struct record event = { 0 };
    int64_t next = 100, last = HISTORY_BACKLOG_MAX + 100;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    send_numbered(history, 0, last);
    peer = control_peer_create(base, pair[0], ignore_message, ignore_closed, NULL);
    history_attach(history, peer);
    /* What the socket did not take is kept here, but for one record, and none is overtaken. */
    assert_true(history_kept(history) > HISTORY_BACKLOG_MAX / 2);
    assert_true(control_peer_queued(peer) <= 1);
    for (int turn = 0; turn < 100000 && read_numbered(pair[1], &next, &event); turn++) {
        if (next > 1000 && last == HISTORY_BACKLOG_MAX + 100) {
            send_numbered(history, last, last + 50);
            last += 50;
        }
        event_base_loop(base, EVLOOP_ONCE);
        assert_true(control_peer_queued(peer) <= 1);
    }
    assert_int_equal(next, last);
    assert_string_equal(event.of.event.kind, "history_lost");
    assert_int_equal(strncmp(event.of.event.message, "100 records ", 12), 0);
    assert_int_equal(history_kept(history), 0);
    control_peer_destroy(peer);
    close(pair[1]);
    history_destroy(history);
    event_base_free(base);
}

static void
a_supervisor_that_dies_takes_one_socket_full_with_it(void **state)
{
    struct event_base *base = event_base_new();
    struct history *history = history_create(base);
    struct control_peer *peer;
    struct record event = { 0 };
    int64_t next;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    peer = control_peer_create(base, pair[0], ignore_message, ignore_closed, NULL);
    history_attach(history, peer);
    send_numbered(history, 0, 5000);            /* it does not read */
    next = 5000 - history_kept(history);
    assert_true(next < 1000);
    history_detach(history);
    control_peer_destroy(peer);
    close(pair[1]);

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    peer = control_peer_create(base, pair[0], ignore_message, ignore_closed, NULL);
    history_attach(history, peer);
    for (int turn = 0; turn < 10000 && next < 5000; turn++) {
        assert_true(read_numbered(pair[1], &next, &event));
        event_base_loop(base, EVLOOP_ONCE);
        assert_true(read_numbered(pair[1], &next, &event));
    }
    assert_int_equal(next, 5000);
    control_peer_destroy(peer);
    close(pair[1]);
    history_destroy(history);
    event_base_free(base);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_happened_without_a_supervisor_is_told_to_the_next),
        cmocka_unit_test(the_last_ones_are_kept_and_the_loss_is_counted),
        cmocka_unit_test(a_long_absence_is_told_in_order_at_the_readers_pace_with_what_is_lost),
        cmocka_unit_test(a_supervisor_that_dies_takes_one_socket_full_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
