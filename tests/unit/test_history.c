#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

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
    struct history *history = history_create();
    struct event_base *base = event_base_new();
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
    event_base_free(base);
    history_destroy(history);
}

static void
the_last_ones_are_kept_and_the_loss_is_counted(void **state)
{
    struct history *history = history_create();

    send_numbered(history, 0, HISTORY_BACKLOG_MAX + 100);
    assert_int_equal(history_kept(history), HISTORY_BACKLOG_MAX);
    assert_int_equal(history_dropped(history), 100);
    history_destroy(history);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_happened_without_a_supervisor_is_told_to_the_next),
        cmocka_unit_test(the_last_ones_are_kept_and_the_loss_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
