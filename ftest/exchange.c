#include "ftest/exchange.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"
#include "ftest/now.h"

/* Where everything is read to; see the header. */
static char buffer[64 << 10];

static const char *const outcome_names[] = {
    [OUTCOME_OK] = "ok",
    [OUTCOME_CONNECT_REFUSED] = "connect_refused",
    [OUTCOME_CONNECT_TIMEOUT] = "connect_timeout",
    [OUTCOME_CONNECT_UNREACHABLE] = "connect_unreachable",
    [OUTCOME_CONNECT_RESET] = "connect_reset",
    [OUTCOME_CONNECT_LOCAL] = "connect_local",
    [OUTCOME_SEND_FAILED] = "send_failed",
    [OUTCOME_READ_TIMEOUT] = "read_timeout",
    [OUTCOME_UNEXPECTED_EOF] = "unexpected_eof",
    [OUTCOME_MISMATCH] = "mismatch",
    [OUTCOME_NOT_STARTED] = "not_started",
};
_Static_assert(ARRAY_SIZE(outcome_names) == OUTCOMES, "name every outcome");

const char *
outcome_name(enum outcome outcome)
{
    assert((unsigned)outcome < OUTCOMES);
    return outcome_names[outcome];
}

static enum outcome
outcome_of_connect(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return OUTCOME_CONNECT_REFUSED;
    case ETIMEDOUT:
        return OUTCOME_CONNECT_TIMEOUT;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return OUTCOME_CONNECT_RESET;
    case EADDRNOTAVAIL:
    case EADDRINUSE:
    case EAGAIN:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return OUTCOME_CONNECT_LOCAL;
    default:
        return OUTCOME_CONNECT_UNREACHABLE;
    }
}

static void
finish(struct exchange *exchange, enum outcome outcome)
{
    assert(exchange->state != EXCHANGE_DONE);
    exchange->state = EXCHANGE_DONE;
    exchange->outcome = outcome;
    exchange->done_ns = now_ns();
}

static void
begin_talking(struct exchange *exchange)
{
    exchange->state = EXCHANGE_TALKING;
    exchange->connected_ns = now_ns();
}

void
exchange_open(struct exchange *exchange, const struct request *request,
              const struct sockaddr *address, socklen_t address_bytes)
{
    const int on = 1;

    *exchange = (struct exchange){
        .request = request, .dialled_ns = now_ns(), .shown = exchange->shown,
        .state = EXCHANGE_CONNECTING,
    };
    exchange->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (exchange->fd < 0) {
        finish(exchange, outcome_of_connect(errno));
        return;
    }
    setsockopt(exchange->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(exchange->fd, address, address_bytes) == 0)
        begin_talking(exchange);
    else if (errno != EINPROGRESS)
        finish(exchange, outcome_of_connect(errno));
}

void
exchange_again(struct exchange *exchange, const struct request *request)
{
    assert(exchange->state == EXCHANGE_DONE);
    assert(exchange->outcome == OUTCOME_OK);
    exchange->request = request;
    exchange->state = EXCHANGE_TALKING;
    exchange->mismatched = false;
    exchange->sent = 0;
    exchange->received = 0;
    exchange->written_ns = 0;
    exchange->done_ns = 0;
}

/* An event came while connecting: connected, or failed and DONE. */
static void
end_connecting(struct exchange *exchange)
{
    socklen_t error_bytes = sizeof(int);
    int error = 0;

    if (getsockopt(exchange->fd, SOL_SOCKET, SO_ERROR, &error, &error_bytes) < 0)
        error = errno;
    if (error != 0)
        finish(exchange, outcome_of_connect(error));
    else
        begin_talking(exchange);
}

static void
step_send(struct exchange *exchange)
{
    const struct request *request = exchange->request;

    while (exchange->sent < request->data_bytes) {
        ssize_t n = send(exchange->fd, request->data + exchange->sent,
                         request->data_bytes - exchange->sent, MSG_NOSIGNAL);

        if (n < 0) {
            if (errno == EAGAIN || errno == EINTR)
                return;
            finish(exchange, errno == ECONNRESET || errno == EPIPE ? OUTCOME_CONNECT_RESET
                                                                   : OUTCOME_SEND_FAILED);
            return;
        }
        exchange->sent += (size_t)n;
    }
    if (exchange->written_ns == 0) {
        exchange->written_ns = now_ns();
        if (request->reply_end == REPLY_EOF)
            shutdown(exchange->fd, SHUT_WR);
    }
}

/* Compares and shows `bytes` in the buffer, which follow what was received before. */
static void
take(struct exchange *exchange, size_t bytes)
{
    const struct request *request = exchange->request;
    size_t at = exchange->received;

    if (exchange->shown != NULL && at < REPLY_SHOWN_BYTES)
        memcpy(exchange->shown + at, buffer, MIN(bytes, REPLY_SHOWN_BYTES - at));
    if (request->reply != NULL) {
        size_t expected = at < request->reply_bytes ? request->reply_bytes - at : 0;

        if (bytes > expected || memcmp(buffer, request->reply + at, bytes) != 0)
            exchange->mismatched = true;
    }
    exchange->received += bytes;
}

/* The peer will send nothing more. */
static void
take_eof(struct exchange *exchange)
{
    const struct request *request = exchange->request;
    bool enough = exchange->received > 0;

    if (request->reply != NULL || request->reply_end == REPLY_BYTES)
        enough = exchange->received >= request->reply_bytes;
    finish(exchange, enough ? OUTCOME_OK : OUTCOME_UNEXPECTED_EOF);
}

static bool
is_complete(const struct exchange *exchange)
{
    const struct request *request = exchange->request;

    if (exchange->sent < request->data_bytes)
        return false;
    switch (request->reply_end) {
    case REPLY_BYTES:
        return exchange->received >= request->reply_bytes;
    case REPLY_ANY:
        return exchange->received > 0;
    default:
        return false;
    }
}

/* A reply that differs ends the exchange at once: nothing that follows could mend it. */
static void
step_read(struct exchange *exchange)
{
    while (!is_complete(exchange)) {
        ssize_t n = recv(exchange->fd, buffer, sizeof buffer, 0);

        if (n < 0) {
            if (errno == EAGAIN || errno == EINTR)
                return;
            finish(exchange, OUTCOME_CONNECT_RESET);
            return;
        }
        if (n == 0) {
            take_eof(exchange);
            return;
        }
        take(exchange, (size_t)n);
        if (exchange->mismatched) {
            finish(exchange, OUTCOME_MISMATCH);
            return;
        }
    }
    finish(exchange, OUTCOME_OK);
}

void
exchange_step(struct exchange *exchange)
{
    if (exchange->state == EXCHANGE_CONNECTING)
        end_connecting(exchange);
    if (exchange->state == EXCHANGE_TALKING)
        step_send(exchange);
    if (exchange->state == EXCHANGE_TALKING)
        step_read(exchange);
}

void
exchange_give_up(struct exchange *exchange)
{
    finish(exchange, exchange->state == EXCHANGE_CONNECTING ? OUTCOME_CONNECT_TIMEOUT
                                                            : OUTCOME_READ_TIMEOUT);
}

void
exchange_close(struct exchange *exchange, bool reset)
{
    const struct linger linger = { .l_onoff = 1, .l_linger = 0 };

    if (exchange->fd >= 0 && exchange->state != EXCHANGE_IDLE) {
        if (reset)
            setsockopt(exchange->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        close(exchange->fd);
    }
    exchange->fd = -1;
    exchange->state = EXCHANGE_IDLE;
}

/* Steps until DONE or `deadline_ns`. */
static void
run_until(struct exchange *exchange, uint64_t deadline_ns)
{
    if (exchange->state == EXCHANGE_TALKING)
        exchange_step(exchange);
    while (exchange->state != EXCHANGE_DONE) {
        bool sending = exchange->sent < exchange->request->data_bytes;
        struct pollfd poll_fd = { .fd = exchange->fd, .events = POLLIN };
        uint64_t now = now_ns();

        if (now >= deadline_ns) {
            exchange_give_up(exchange);
            return;
        }
        if (sending || exchange->state == EXCHANGE_CONNECTING)
            poll_fd.events |= POLLOUT;
        if (poll(&poll_fd, 1, (int)((deadline_ns - now) / NS_PER_MS) + 1) > 0)
            exchange_step(exchange);
    }
}

void
exchange_run(struct exchange *exchange, const struct request *request,
             const struct destination *destination, uint64_t timeout_ns)
{
    uint64_t deadline_ns = now_ns() + timeout_ns;

    assert(destination->count > 0);
    for (size_t i = 0; i < destination->count; i++) {
        exchange_open(exchange, request, (const struct sockaddr *)&destination->addresses[i],
                      destination->lengths[i]);
        if (exchange->state != EXCHANGE_DONE)
            run_until(exchange, deadline_ns);
        if (exchange->connected_ns != 0 || i + 1 == destination->count)
            return;
        exchange_close(exchange, false);
    }
}
