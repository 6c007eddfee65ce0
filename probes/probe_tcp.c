/*
 * The kind "tcp": the target accepts a connection. Closed with FIN, the polite end: a reset
 * would fill the logs of many servers.
 */
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "probes/probe.h"

struct tcp_state {
    struct event event;
    int fd;
    int error;              /* of connect() itself; 0: it goes on */
    uint64_t connected_us;  /* CLOCK_MONOTONIC, if it was at once; else 0 */
};

static void
tcp_close(struct tcp_state *tcp)
{
    event_del(&tcp->event);     /* before the descriptor's number can be another's */
    close(tcp->fd);
    tcp->fd = -1;
}

static const char *
describe(enum reason reason)
{
    switch (reason) {
    case REASON_CONNECT_UNREACHABLE:
        return "unreachable";
    case REASON_CONNECT_RESET:
        return "connection reset";
    case REASON_CONNECT_TIMEOUT:
        return "no answer";
    default:
        return "cannot connect";
    }
}

/* Have we an address from which `to` could be reached? UDP has ports of its own, so it is not
 * hindered when those of TCP are all taken, and connecting it sends nothing. */
static bool
can_reach(const struct address *to)
{
    struct sockaddr_storage storage;
    socklen_t bytes = address_to_sockaddr(to, &storage);
    int fd = socket(storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool reaches;

    if (fd < 0)
        return true;            /* we are short of something: nothing is said about `to` */
    reaches = connect(fd, (struct sockaddr *)&storage, bytes) == 0;
    close(fd);
    return reaches;
}

static void
fail(struct probe *probe, int error)
{
    enum reason reason = reason_from_errno(error);

    /* Either no port is left, which is our fault, or we have no address that fits, as where
     * IPv6 is switched off: then it will not work next time either. */
    if (error == EADDRNOTAVAIL && !can_reach(&probe->address))
        reason = REASON_CONNECT_UNREACHABLE;
    if (reason == REASON_CONNECT_REFUSED)
        probe_done(probe, reason, "connection refused");
    else
        probe_done(probe, reason, "%s (%s)", describe(reason), strerror(error));
}

static void
on_event(evutil_socket_t fd, short what, void *context)
{
    struct probe *probe = context;
    struct tcp_state *tcp = probe->state;
    uint64_t ended_us = tcp->connected_us != 0 ? tcp->connected_us : clock_monotonic_us();
    uint32_t connect_us = (uint32_t)(ended_us - probe->started_us);
    int error = tcp->error;
    socklen_t bytes = sizeof error;

    /* A late loop may see both: what the kernel already knows counts more than our timer. */
    if (error == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0)
        error = errno;
    tcp_close(tcp);
    if (error != 0) {
        fail(probe, error);
    } else if (!(what & EV_WRITE)) {
        probe_done(probe, REASON_CONNECT_TIMEOUT, "no answer within %g s",
                   probe->timeout_ms / 1000.0);
    } else {
        probe->connect_us = connect_us > 0 ? connect_us : 1;
        probe_done(probe, REASON_OK, "connected in %.1f ms", connect_us / 1000.0);
    }
}

/* On the loopback the handshake is over when connect() returns, although that says EINPROGRESS:
 * then the loop has nothing to wait for, which saves a third of what a probe costs us. */
static bool
is_connected(int fd)
{
    struct sockaddr_storage peer;
    socklen_t bytes = sizeof peer;

    return getpeername(fd, (struct sockaddr *)&peer, &bytes) == 0;
}

static int
tcp_start(struct probe *probe)
{
    struct tcp_state *tcp = probe->state;
    struct timeval timeout = { .tv_sec = probe->timeout_ms / 1000,
                               .tv_usec = probe->timeout_ms % 1000 * 1000 };
    struct sockaddr_storage storage;
    socklen_t bytes = address_to_sockaddr(&probe->address, &storage);
    bool connected;
    int rc;

    tcp->fd = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (tcp->fd < 0)
        return -errno;
    if (connect(tcp->fd, (struct sockaddr *)&storage, bytes) < 0 && errno != EINPROGRESS)
        tcp->error = errno;
    connected = tcp->error == 0 && is_connected(tcp->fd);
    tcp->connected_us = connected ? clock_monotonic_us() : 0;
    rc = event_assign(&tcp->event, probe->base, tcp->fd, EV_WRITE, on_event, probe);
    if (rc == 0 && tcp->error == 0 && !connected)
        rc = event_add(&tcp->event, &timeout);
    if (rc < 0) {
        close(tcp->fd);
        return -ENOMEM;
    }
    /* What is known at once is told from the loop like anything else. */
    if (tcp->error != 0 || connected)
        event_active(&tcp->event, connected ? EV_WRITE : EV_TIMEOUT, 1);
    return 0;
}

static void
tcp_cancel(struct probe *probe)
{
    tcp_close(probe->state);
}

const struct probe_ops probe_tcp = {
    .name = "tcp",
    .state_bytes = sizeof(struct tcp_state),
    .start = tcp_start,
    .cancel = tcp_cancel,
};
