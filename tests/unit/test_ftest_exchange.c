#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "ftest/exchange.h"

/* The test plays the peer by hand, in the same thread. */
struct peer {
    int listener, fd;
    struct sockaddr_in address;
    struct exchange exchange;
};

static const struct request ask = {
    .data = "ping", .data_bytes = 4, .reply = "pong", .reply_bytes = 4,
};

static int
open_peer(void **state)
{
    static struct peer peer;
    socklen_t bytes = sizeof peer.address;

    peer = (struct peer){ .fd = -1, .exchange = { .fd = -1 } };
    peer.address.sin_family = AF_INET;
    peer.address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    peer.listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(peer.listener, (struct sockaddr *)&peer.address, bytes) < 0 ||
        listen(peer.listener, 8) < 0 ||
        getsockname(peer.listener, (struct sockaddr *)&peer.address, &bytes) < 0)
        return -1;
    *state = &peer;
    return 0;
}

static int
close_peer(void **state)
{
    struct peer *peer = *state;

    exchange_close(&peer->exchange, false);
    if (peer->fd >= 0)
        close(peer->fd);
    close(peer->listener);
    return 0;
}

/* Waits until the socket has `events`, for at most five seconds, and steps. */
static void
step_when(struct exchange *exchange, short events)
{
    struct pollfd poll_fd = { .fd = exchange->fd, .events = events };

    assert_int_equal(poll(&poll_fd, 1, 5000), 1);
    exchange_step(exchange);
}

/* Opens the exchange and accepts it; the request has arrived afterwards. */
static void
meet(struct peer *peer, const struct request *request)
{
    char got[64];

    exchange_open(&peer->exchange, request, (struct sockaddr *)&peer->address,
                  sizeof peer->address);
    peer->fd = accept(peer->listener, NULL, NULL);
    assert_true(peer->fd >= 0);
    if (peer->exchange.state == EXCHANGE_CONNECTING)
        step_when(&peer->exchange, POLLOUT);
    else
        exchange_step(&peer->exchange);
    assert_int_equal(peer->exchange.state, EXCHANGE_TALKING);
    assert_int_equal(recv(peer->fd, got, sizeof got, 0), (int)request->data_bytes);
    assert_memory_equal(got, request->data, request->data_bytes);
}

static void
reply_with(struct peer *peer, const char *text)
{
    assert_int_equal(send(peer->fd, text, strlen(text), 0), (int)strlen(text));
    step_when(&peer->exchange, POLLIN);
}

static void
assert_ended(const struct exchange *exchange, enum outcome outcome)
{
    assert_int_equal(exchange->state, EXCHANGE_DONE);
    assert_string_equal(outcome_name(exchange->outcome), outcome_name(outcome));
}

static void
a_reply_in_pieces_is_read_until_complete(void **state)
{
    struct peer *peer = *state;

    meet(peer, &ask);
    reply_with(peer, "po");
    assert_int_equal(peer->exchange.state, EXCHANGE_TALKING);
    reply_with(peer, "ng");

    assert_ended(&peer->exchange, OUTCOME_OK);
    assert_true(peer->exchange.dialled_ns <= peer->exchange.connected_ns);
    assert_true(peer->exchange.connected_ns <= peer->exchange.written_ns);
    assert_true(peer->exchange.written_ns <= peer->exchange.done_ns);
}

static void
the_same_connection_takes_a_second_request(void **state)
{
    struct peer *peer = *state;
    char got[8];

    meet(peer, &ask);
    reply_with(peer, "pong");
    exchange_again(&peer->exchange, &ask);
    exchange_step(&peer->exchange);
    assert_int_equal(recv(peer->fd, got, sizeof got, 0), 4);
    reply_with(peer, "pong");

    assert_ended(&peer->exchange, OUTCOME_OK);
}

static void
a_reply_that_differs_ends_at_once(void **state)
{
    struct peer *peer = *state;

    meet(peer, &ask);
    reply_with(peer, "pa");

    assert_ended(&peer->exchange, OUTCOME_MISMATCH);
}

static void
a_reply_that_is_too_long_is_a_mismatch(void **state)
{
    struct peer *peer = *state;

    meet(peer, &ask);
    reply_with(peer, "pong!");

    assert_ended(&peer->exchange, OUTCOME_MISMATCH);
}

static void
a_fin_before_the_end_of_the_reply_is_unexpected(void **state)
{
    struct peer *peer = *state;

    meet(peer, &ask);
    reply_with(peer, "po");
    shutdown(peer->fd, SHUT_WR);
    step_when(&peer->exchange, POLLIN);

    assert_ended(&peer->exchange, OUTCOME_UNEXPECTED_EOF);
}

static void
a_reset_is_told_from_a_fin(void **state)
{
    const struct linger now = { .l_onoff = 1, .l_linger = 0 };
    struct peer *peer = *state;

    meet(peer, &ask);
    setsockopt(peer->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(peer->fd);
    peer->fd = -1;
    step_when(&peer->exchange, POLLIN);

    assert_ended(&peer->exchange, OUTCOME_CONNECT_RESET);
}

static void
with_eof_the_request_is_half_closed_and_the_reply_ends_with_fin(void **state)
{
    static const struct request until_eof = {
        .data = "ping", .data_bytes = 4, .reply = "pong", .reply_bytes = 4,
        .reply_end = REPLY_EOF,
    };
    struct peer *peer = *state;
    char got[8];

    meet(peer, &until_eof);
    assert_int_equal(recv(peer->fd, got, sizeof got, 0), 0);
    reply_with(peer, "pong");
    assert_int_equal(peer->exchange.state, EXCHANGE_TALKING);
    shutdown(peer->fd, SHUT_WR);
    step_when(&peer->exchange, POLLIN);

    assert_ended(&peer->exchange, OUTCOME_OK);
}

static void
any_reply_will_do_when_told_so(void **state)
{
    static const struct request any = {
        .data = "ping", .data_bytes = 4, .reply_end = REPLY_ANY,
    };
    struct peer *peer = *state;
    char shown[REPLY_SHOWN_BYTES];

    peer->exchange.shown = shown;
    meet(peer, &any);
    reply_with(peer, "target-1");

    assert_ended(&peer->exchange, OUTCOME_OK);
    assert_int_equal(peer->exchange.received, 8);
    assert_memory_equal(shown, "target-1", 8);
}

static void
a_request_given_up_while_waiting_is_a_read_timeout(void **state)
{
    struct peer *peer = *state;

    meet(peer, &ask);
    exchange_give_up(&peer->exchange);

    assert_ended(&peer->exchange, OUTCOME_READ_TIMEOUT);
}

static void
a_closed_port_refuses(void **state)
{
    struct peer *peer = *state;
    struct destination destination = { .count = 1, .lengths = { sizeof peer->address } };
    struct sockaddr_in *to = (struct sockaddr_in *)&destination.addresses[0];
    int bound = socket(AF_INET, SOCK_STREAM, 0);
    socklen_t bytes = sizeof *to;

    *to = peer->address;        /* a port that is bound but not listening */
    to->sin_port = 0;
    assert_int_equal(bind(bound, (struct sockaddr *)to, bytes), 0);
    assert_int_equal(getsockname(bound, (struct sockaddr *)to, &bytes), 0);

    exchange_run(&peer->exchange, &ask, &destination, 5000000000ULL);

    assert_ended(&peer->exchange, OUTCOME_CONNECT_REFUSED);
    close(bound);
}

#define PEER_TEST(name) cmocka_unit_test_setup_teardown(name, open_peer, close_peer)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PEER_TEST(a_reply_in_pieces_is_read_until_complete),
        PEER_TEST(the_same_connection_takes_a_second_request),
        PEER_TEST(a_reply_that_differs_ends_at_once),
        PEER_TEST(a_reply_that_is_too_long_is_a_mismatch),
        PEER_TEST(a_fin_before_the_end_of_the_reply_is_unexpected),
        PEER_TEST(a_reset_is_told_from_a_fin),
        PEER_TEST(with_eof_the_request_is_half_closed_and_the_reply_ends_with_fin),
        PEER_TEST(any_reply_will_do_when_told_so),
        PEER_TEST(a_request_given_up_while_waiting_is_a_read_timeout),
        PEER_TEST(a_closed_port_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
