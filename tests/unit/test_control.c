#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/control.h"
#include "base/util.h"

static int sockets[2];

static int
connect_pair(void **state)
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets);
}

static int
close_pair(void **state)
{
    close(sockets[0]);
    close(sockets[1]);
    return 0;
}

/* Number of open descriptors of this process. */
static int
open_fds(void)
{
    int count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void
every_type_has_a_size_and_nothing_else_has(void **state)
{
    assert_int_equal(control_bytes(0), 0);
    for (uint32_t type = 1; type < CONTROL_TYPES; type++) {
        assert_true(control_bytes(type) >= 8);
        assert_true(control_bytes(type) <= sizeof(struct control_message));
    }
    assert_int_equal(control_bytes(CONTROL_TYPES), 0);
    assert_int_equal(control_bytes(UINT32_MAX), 0);
}

static void
every_type_arrives_as_it_was_sent(void **state)
{
    int fds[CONTROL_FDS_MAX];
    size_t fd_count = 9;

    for (uint32_t type = 1; type < CONTROL_TYPES; type++) {
        struct control_message sent = { .magic = CONTROL_MAGIC, .type = type };
        struct control_message got;

        memset(&got, 0xff, sizeof got);
        if (type == CONTROL_RECORD)
            sent.body.record.kind = RECORD_EVENT;
        assert_int_equal(control_send(sockets[0], &sent, NULL, 0), 0);
        assert_int_equal(control_receive(sockets[1], &got, fds, &fd_count), 1);
        assert_memory_equal(&sent, &got, sizeof sent);
        assert_int_equal(fd_count, 0);
    }
}

static void
an_app_message_names_the_app_and_generation(void **state)
{
    struct control_message message;

    memset(&message, 0xff, sizeof message);
    control_app_message(&message, CONTROL_APP_COMMIT, "five-thousand", 3);
    assert_int_equal(message.magic, CONTROL_MAGIC);
    assert_int_equal(message.type, CONTROL_APP_COMMIT);
    assert_string_equal(message.body.app.app, "five-thousand");
    assert_int_equal(message.body.app.generation, 3);
    assert_int_equal(message.body.app.count, 0);
    assert_int_equal(control_decode(&message, control_bytes(message.type), &message), 0);
}

static void
descriptors_arrive_open_and_close_on_exec(void **state)
{
    struct control_message message;
    int sent[CONTROL_FDS_MAX], got[CONTROL_FDS_MAX];
    size_t count = 0;
    int pipe_fds[2];
    char byte = 0;

    assert_int_equal(pipe(pipe_fds), 0);
    for (size_t i = 0; i < CONTROL_FDS_MAX; i++)
        sent[i] = pipe_fds[1];
    control_app_message(&message, CONTROL_APP_SOCKETS, "a", 1);
    assert_int_equal(control_send(sockets[0], &message, sent, CONTROL_FDS_MAX), 0);
    assert_int_equal(control_receive(sockets[1], &message, got, &count), 1);
    assert_int_equal(count, CONTROL_FDS_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_true(fcntl(got[i], F_GETFD) & FD_CLOEXEC);
        assert_int_equal(write(got[i], "x", 1), 1);
        assert_int_equal(read(pipe_fds[0], &byte, 1), 1);
        close(got[i]);
    }
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void
what_is_not_ours_is_dropped_and_the_next_message_is_read(void **state)
{
    struct control_message message = { .magic = CONTROL_MAGIC, .type = CONTROL_PING };
    struct control_message wrong_magic = { .magic = 1, .type = CONTROL_PING };
    struct control_message record = { .magic = CONTROL_MAGIC, .type = CONTROL_RECORD };
    char long_packet[sizeof record + 100] = { 0 };      /* right as far as there is room */
    int fds[CONTROL_FDS_MAX];
    size_t fd_count;

    assert_int_equal(control_bytes(CONTROL_RECORD), sizeof record);
    record.body.record.kind = RECORD_EVENT;
    assert_int_equal(send(sockets[0], "GET /", 5, 0), 5);
    assert_int_equal(send(sockets[0], &wrong_magic, 8, 0), 8);
    assert_int_equal(send(sockets[0], &message, 9, 0), 9);
    memcpy(long_packet, &record, sizeof record);
    assert_int_equal(send(sockets[0], long_packet, sizeof long_packet, 0), sizeof long_packet);
    assert_int_equal(control_send(sockets[0], &message, NULL, 0), 0);

    for (int i = 0; i < 4; i++)
        assert_int_equal(control_receive(sockets[1], &message, fds, &fd_count), -EPROTO);
    assert_int_equal(control_receive(sockets[1], &message, fds, &fd_count), 1);
    assert_int_equal(message.type, CONTROL_PING);
    assert_int_equal(control_receive(sockets[1], &message, fds, &fd_count), -EAGAIN);
}

/* Sends `bytes` of `data` with `count` copies of `fd`, whatever they are. */
static void
send_raw(const void *data, size_t bytes, int fd, size_t count)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(253 * sizeof(int))];
    } room = { 0 };
    struct iovec part = { (void *)data, bytes };
    struct msghdr packet = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &room,
                             .msg_controllen = CMSG_SPACE(count * sizeof(int)) };

    room.header.cmsg_level = SOL_SOCKET;
    room.header.cmsg_type = SCM_RIGHTS;
    room.header.cmsg_len = CMSG_LEN(count * sizeof(int));
    for (size_t i = 0; i < count; i++)
        memcpy(CMSG_DATA(&room.header) + i * sizeof fd, &fd, sizeof fd);
    assert_int_equal(sendmsg(sockets[0], &packet, 0), bytes);
}

static void
descriptors_of_a_wrong_message_are_closed(void **state)
{
    struct control_message message = { .magic = CONTROL_MAGIC, .type = CONTROL_PING };
    char long_packet[sizeof message + 100] = { 0 };
    int fds[CONTROL_FDS_MAX];
    size_t fd_count = 9;
    int before = open_fds();

    memcpy(long_packet, &message, 8);
    send_raw("x", 1, STDOUT_FILENO, 3);
    send_raw(long_packet, sizeof long_packet, STDOUT_FILENO, 3);
    send_raw(&message, 8, STDOUT_FILENO, 253);          /* more than there is room for */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(control_receive(sockets[1], &message, fds, &fd_count), -EPROTO);
        assert_int_equal(fd_count, 0);
        assert_int_equal(open_fds(), before);
    }
}

static void
a_text_without_an_end_is_refused(void **state)
{
    struct control_message message;

    control_app_message(&message, CONTROL_APP_LOAD, "a", 1);
    memset(message.body.app.app, 'a', APP_NAME_BYTES);
    assert_int_equal(control_decode(&message, control_bytes(message.type), &message), -EPROTO);
    control_app_message(&message, CONTROL_APP_LOADED, "a", 1);
    memset(message.body.app.detail, 'a', DETAIL_BYTES);
    assert_int_equal(control_decode(&message, control_bytes(message.type), &message), -EPROTO);

    message = (struct control_message){ .magic = CONTROL_MAGIC, .type = CONTROL_HELLO };
    memset(message.body.hello.version, 'v', sizeof message.body.hello.version);
    assert_int_equal(control_decode(&message, control_bytes(message.type), &message), -EPROTO);
    message = (struct control_message){ .magic = CONTROL_MAGIC, .type = CONTROL_APP_HEALTH };
    memset(message.body.health.app, 'a', APP_NAME_BYTES);
    assert_int_equal(control_decode(&message, control_bytes(message.type), &message), -EPROTO);
    message = (struct control_message){ .magic = CONTROL_MAGIC, .type = CONTROL_RECORD };
    assert_int_equal(control_decode(&message, control_bytes(message.type), &message), -EPROTO);
}

static void
a_full_queue_is_told_and_never_waits(void **state)
{
    struct control_message message;
    int sent = 0, received = 0;
    int fds[CONTROL_FDS_MAX];
    size_t fd_count;
    int rc;

    control_app_message(&message, CONTROL_APP_LOADED, "a", 1);
    while ((rc = control_send(sockets[0], &message, NULL, 0)) == 0 && sent < 1000000)
        sent++;
    assert_int_equal(rc, -EAGAIN);
    assert_true(sent > 0);
    while (control_receive(sockets[1], &message, fds, &fd_count) == 1)
        received++;
    assert_int_equal(received, sent);
    assert_int_equal(control_send(sockets[0], &message, NULL, 0), 0);
}

static void
the_last_words_of_a_peer_are_heard_before_it_is_gone(void **state)
{
    struct control_message message = { .magic = CONTROL_MAGIC, .type = CONTROL_PING };
    int fds[CONTROL_FDS_MAX];
    size_t fd_count;

    /* The peer leaves one message unread, which the kernel reports as a reset. */
    assert_int_equal(control_send(sockets[1], &message, NULL, 0), 0);
    control_app_message(&message, CONTROL_APP_GONE, "a", 1);
    assert_int_equal(control_send(sockets[0], &message, NULL, 0), 0);
    close(sockets[0]);

    assert_int_equal(control_receive(sockets[1], &message, fds, &fd_count), 1);
    assert_int_equal(message.type, CONTROL_APP_GONE);
    assert_int_equal(control_receive(sockets[1], &message, fds, &fd_count), 0);
    assert_int_equal(control_send(sockets[1], &message, NULL, 0), -EPIPE);
    sockets[0] = dup(sockets[1]);
}

static void
a_message_may_lie_at_any_address(void **state)
{
    char data[sizeof(struct control_message) + 1];
    struct control_message message, decoded;

    control_app_message(&message, CONTROL_APP_GROW, "a", 1);
    message.body.app.count = 17;
    memcpy(data + 1, &message, sizeof message);
    assert_int_equal(control_decode(data + 1, control_bytes(CONTROL_APP_GROW), &decoded), 0);
    assert_int_equal(decoded.body.app.count, 17);
    for (size_t bytes = 0; bytes < control_bytes(CONTROL_APP_GROW); bytes++)
        assert_int_equal(control_decode(data + 1, bytes, &decoded), -EPROTO);
}

#define ON_A_PAIR(test) cmocka_unit_test_setup_teardown(test, connect_pair, close_pair)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_has_a_size_and_nothing_else_has),
        ON_A_PAIR(every_type_arrives_as_it_was_sent),
        cmocka_unit_test(an_app_message_names_the_app_and_generation),
        ON_A_PAIR(descriptors_arrive_open_and_close_on_exec),
        ON_A_PAIR(what_is_not_ours_is_dropped_and_the_next_message_is_read),
        ON_A_PAIR(descriptors_of_a_wrong_message_are_closed),
        cmocka_unit_test(a_text_without_an_end_is_refused),
        ON_A_PAIR(a_full_queue_is_told_and_never_waits),
        ON_A_PAIR(the_last_words_of_a_peer_are_heard_before_it_is_gone),
        cmocka_unit_test(a_message_may_lie_at_any_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
