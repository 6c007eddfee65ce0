/*
 * The kinds "tcp" and "exchange": the target accepts a connection, and says what it should where
 * something is said (dialog.h). It ends as `close` says:
 *
 *   fin      the polite end, unless much is left unread: a reset would fill many servers' logs
 *   rst      a reset. Where nothing is said at all, before the target's program can learn of the
 *            connection: the kernel keeps back the last packet of the handshake, and the reset
 *            comes in its place
 *   banner   FIN, but only when the target has said something: for those that greet, and log who
 *            leaves before that
 *
 *   connect() -> connected() -> [ talk(), await_banner() until they wait -> on_ready() ] ->
 *   probe_done()
 */
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/outgoing.h"
#include "config/app_probe.h"
#include "probes/connect_failed.h"
#include "probes/dialog.h"
#include "probes/probe.h"
#include "probes/proxy_header.h"

enum {
    LACKS_BYTES = 128,          /* a detail has room for it, and for how it ended */
    LEAVE_BYTES = 4096,
    LEAVE_READS = 4,
    BANNER_BYTES = 512,
};

struct tcp_state {
    struct event event;
    int fd;
    int error;              /* of connect() itself; 0: it goes on */
    bool resets;            /* it is closed with a reset */
    bool heard;             /* the target has said something */
    uint64_t connected_us;  /* CLOCK_MONOTONIC, if it was at once; else 0 */
    struct dialog_run run;  /* zero until it is connected */
};

static void
tcp_close(struct tcp_state *tcp)
{
    const struct linger at_once = { .l_onoff = 1 };

    if (tcp->resets)
        setsockopt(tcp->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    event_del(&tcp->event);     /* before the descriptor's number can be another's */
    close(tcp->fd);
    tcp->fd = -1;
    dialog_end(&tcp->run);
}

/* What lies there unread would make close() a reset. As much of it as comes at once. */
static void
leave(const struct tcp_state *tcp)
{
    char rest[LEAVE_BYTES];

    for (int i = 0; i < LEAVE_READS; i++) {
        if (recv(tcp->fd, rest, sizeof rest, MSG_DONTWAIT) <= 0)
            break;
    }
}

/* ---- what is said ---- */

static void
end_dialog(struct probe *probe, enum reason reason, const char *how)
{
    struct tcp_state *tcp = probe->state;
    char lacks[LACKS_BYTES];

    dialog_lacks(&tcp->run, lacks, sizeof lacks);
    tcp_close(tcp);
    probe_done(probe, reason, "%s: %s", how, lacks);
}

/* It was silent, or it said something else. */
static enum reason
unless_heard(const struct probe *probe, enum reason reason)
{
    const struct tcp_state *tcp = probe->state;

    return tcp->run.held > 0 ? REASON_MISMATCH : reason;
}

static void
end_by_error(struct probe *probe, int error, bool sending)
{
    struct tcp_state *tcp = probe->state;
    bool reset = error == ECONNRESET || error == EPIPE;
    bool ours = reason_from_errno(error) == REASON_CONNECT_LOCAL;

    tcp_close(tcp);
    if (sending)
        probe_done(probe, ours ? REASON_CONNECT_LOCAL : REASON_SEND_FAILED,
                   "cannot send: %s", strerror(error));
    else
        probe_done(probe, reset ? REASON_UNEXPECTED_EOF : reason_from_errno(error),
                   "while listening: %s", strerror(error));
}

static void
end_well(struct probe *probe)
{
    uint64_t took_us = clock_monotonic_us() - probe->started_us;
    const struct tcp_state *tcp = probe->state;
    bool heard = tcp->heard;

    if ((heard || tcp->run.dialog != NULL) && !tcp->resets)
        leave(tcp);
    tcp_close(probe->state);
    if (heard)
        probe_done(probe, REASON_OK, "answered in %.1f ms", (double)took_us / 1000.0);
    else
        probe_done(probe, REASON_OK, "connected in %.1f ms", probe->connect_us / 1000.0);
}

/* Both: false, and errno tells why, when it has to wait or failed; the end is an answer. */
static bool
say(const struct probe *probe)
{
    struct tcp_state *tcp = probe->state;
    size_t bytes;
    const char *from = dialog_to_send(&tcp->run, &bytes);
    ssize_t sent = send(tcp->fd, from, bytes, MSG_NOSIGNAL);

    if (sent > 0) {
        probe_tell(probe, "sent", from, (size_t)sent);
        dialog_sent(&tcp->run, (size_t)sent);
    }
    return sent > 0;
}

static bool
hear(const struct probe *probe, bool *ended)
{
    struct tcp_state *tcp = probe->state;
    size_t bytes;
    char *to = dialog_room(&tcp->run, &bytes);
    ssize_t heard = recv(tcp->fd, to, bytes, 0);

    *ended = heard == 0;
    if (heard > 0) {
        probe_tell(probe, "heard", to, (size_t)heard);
        dialog_heard(&tcp->run, (size_t)heard);
        tcp->heard = true;
    }
    return heard >= 0;
}

/* DONE also where there is nothing to say. */
static enum dialog_want
wants(const struct tcp_state *tcp)
{
    return tcp->run.dialog == NULL ? DIALOG_DONE : dialog_want(&tcp->run);
}

static void
end_late(struct probe *probe)
{
    const struct tcp_state *tcp = probe->state;
    enum dialog_want want = wants(tcp);
    char how[64];

    snprintf(how, sizeof how, "after %g s", probe->config->timeout_ms / 1000.0);
    if (want == DIALOG_SEND) {
        tcp_close(probe->state);
        probe_done(probe, REASON_SEND_FAILED, "%s it still takes nothing", how);
    } else if (want == DIALOG_DONE) {
        tcp_close(probe->state);
        probe_done(probe, REASON_READ_TIMEOUT, "%s it has not greeted", how);
    } else {
        end_dialog(probe, unless_heard(probe, REASON_READ_TIMEOUT), how);
    }
}

static void on_ready(evutil_socket_t fd, short what, void *context);

static void
wait_for(struct probe *probe, short what)
{
    struct tcp_state *tcp = probe->state;
    uint64_t until_us = probe->started_us + (uint64_t)probe->config->timeout_ms * 1000;
    uint64_t now_us = clock_monotonic_us();
    uint64_t left_us = until_us - MIN(now_us, until_us);
    const struct timeval left = { .tv_sec = (time_t)(left_us / 1000000),
                            .tv_usec = (suseconds_t)(left_us % 1000000) };

    event_del(&tcp->event);
    if (left_us == 0) {
        end_late(probe);
        return;
    }
    if (event_assign(&tcp->event, probe->base, tcp->fd, what, on_ready, probe) < 0 ||
        event_add(&tcp->event, &left) < 0)
        end_by_error(probe, ENOMEM, what == EV_WRITE);
}

/* All is said that was to be; some say more, unasked. */
static void
await_banner(struct probe *probe)
{
    struct tcp_state *tcp = probe->state;
    char bytes[BANNER_BYTES];
    ssize_t heard;

    do
        heard = recv(tcp->fd, bytes, sizeof bytes, 0);
    while (heard < 0 && errno == EINTR);
    if (heard > 0) {
        probe_tell(probe, "heard", bytes, (size_t)heard);
        tcp->heard = true;
        end_well(probe);
    } else if (heard == 0) {
        tcp_close(tcp);
        probe_done(probe, REASON_UNEXPECTED_EOF, "it has closed and did not greet");
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        wait_for(probe, EV_READ);
    } else {
        end_by_error(probe, errno, false);
    }
}

static void
finish(struct probe *probe)
{
    const struct tcp_state *tcp = probe->state;

    if (app_probe_more(probe->config)->close == PROBE_CLOSE_BANNER && !tcp->heard)
        await_banner(probe);
    else
        end_well(probe);
}

/* Goes on until it has to wait or is over. What is held is bounded, and so are the steps, so
 * that no target keeps the loop here. */
static void
talk(struct probe *probe)
{
    struct tcp_state *tcp = probe->state;
    bool sending, ended = false;

    for (;;) {
        enum dialog_want want = wants(tcp);

        if (want == DIALOG_DONE) {
            finish(probe);
            return;
        }
        if (want == DIALOG_MISMATCH) {
            end_dialog(probe, REASON_MISMATCH, "it talks and talks");
            return;
        }
        if (ended) {
            end_dialog(probe, unless_heard(probe, REASON_UNEXPECTED_EOF), "it has closed");
            return;
        }
        sending = want == DIALOG_SEND;
        if (sending ? say(probe) : hear(probe, &ended))
            continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            wait_for(probe, sending ? EV_WRITE : EV_READ);
        else if (errno != EINTR)
            end_by_error(probe, errno, sending);
        else
            continue;
        return;
    }
}

static void
on_ready(evutil_socket_t fd, short what, void *context)
{
    /* A late loop may tell of the time alone: what has come by then counts as well. */
    talk(context);
}

/* ---- the connection ---- */

/* False, and it is over, when it could not. A new connection takes so few bytes at once. */
static bool
say_who(struct probe *probe)
{
    const struct tcp_state *tcp = probe->state;
    size_t bytes;
    const char *header = proxy_header(probe->config, &bytes);
    ssize_t sent = header == NULL ? 0 : send(tcp->fd, header, bytes, MSG_NOSIGNAL);

    if (sent == (ssize_t)bytes) {
        if (header != NULL)
            probe_tell(probe, "sent", header, bytes);
        return true;
    }
    end_by_error(probe, sent < 0 ? errno : EAGAIN, true);
    return false;
}

static void
connected(struct probe *probe)
{
    struct tcp_state *tcp = probe->state;

    probe_tell(probe, "connected", NULL, 0);
    if (!say_who(probe))
        return;
    if (probe->shared != NULL && dialog_begin(&tcp->run, probe->shared) < 0) {
        tcp_close(tcp);
        probe_done(probe, REASON_CONNECT_LOCAL, "no memory");
    } else {
        talk(probe);
    }
}

static bool
is_connected(int fd)
{
    struct sockaddr_storage peer;
    socklen_t bytes = sizeof peer;

    return getpeername(fd, (struct sockaddr *)&peer, &bytes) == 0;
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

    /* A late loop may see both, or the time alone when many others are ready: what the kernel
     * already knows counts more than our timer. */
    if (error == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0)
        error = errno;
    if (error == 0 && ((what & EV_WRITE) || is_connected(fd))) {
        probe->connect_us = connect_us > 0 ? connect_us : 1;
        connected(probe);
        return;
    }
    tcp_close(tcp);
    if (error != 0)
        probe_connect_failed(probe, error);
    else
        probe_done(probe, REASON_CONNECT_TIMEOUT, "no answer within %g s",
                   probe->config->timeout_ms / 1000.0);
}

/* How it is to end has to be known before it begins: see above. */
static void
set_close(const struct probe *probe)
{
    const struct app_probe_more *more = app_probe_more(probe->config);
    struct tcp_state *tcp = probe->state;
    const int off = 0;

    tcp->resets = more->close == PROBE_CLOSE_RST;
    if (tcp->resets && probe->shared == NULL && more->proxy_protocol == PROBE_PROXY_OFF)
        setsockopt(tcp->fd, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off);
}

static int
tcp_start(struct probe *probe)
{
    struct tcp_state *tcp = probe->state;
    struct timeval timeout = { .tv_sec = probe->config->timeout_ms / 1000,
                               .tv_usec = probe->config->timeout_ms % 1000 * 1000 };
    struct sockaddr_storage storage;
    socklen_t bytes = address_to_sockaddr(&probe->address, &storage);
    bool at_once;
    int rc;

    rc = outgoing_socket(storage.ss_family);
    tcp->fd = rc < 0 ? -1 : rc;
    if (rc < 0)
        return rc;
    set_close(probe);
    if (connect(tcp->fd, (struct sockaddr *)&storage, bytes) < 0 && errno != EINPROGRESS)
        tcp->error = errno;
    /* On the loopback the handshake is over when connect() returns, although that says EINPROGRESS:
     * then the loop has nothing to wait for, which saves a third of what a probe costs us. */
    at_once = tcp->error == 0 && is_connected(tcp->fd);
    tcp->connected_us = at_once ? clock_monotonic_us() : 0;
    rc = event_assign(&tcp->event, probe->base, tcp->fd, EV_WRITE, on_event, probe);
    if (rc == 0 && tcp->error == 0 && !at_once)
        rc = event_add(&tcp->event, &timeout);
    if (rc < 0) {
        close(tcp->fd);
        return -ENOMEM;
    }
    /* What is known at once is told from the loop like anything else. */
    if (tcp->error != 0 || at_once)
        event_active(&tcp->event, at_once ? EV_WRITE : EV_TIMEOUT, 1);
    return 0;
}

static void
tcp_cancel(struct probe *probe)
{
    tcp_close(probe->state);
}

/* Shared: the dialog, NULL where nothing is said. */
static int
tcp_prepare(const struct app_probe *config, struct event_base *base, void **shared, char *why)
{
    struct dialog *dialog;
    int rc = dialog_create(&config->steps, &dialog);

    if (rc == -EINVAL)
        snprintf(why, DETAIL_BYTES, "what the probe expects is no regular expression");
    else if (rc < 0)
        snprintf(why, DETAIL_BYTES, "no memory");
    *shared = dialog;
    return rc;
}

static void
tcp_release(void *shared)
{
    dialog_destroy(shared);
}

const struct probe_ops probe_tcp = {
    .name = "tcp",
    .flags = PROBE_CONNECTS | PROBE_AS_CLIENTS,
    .state_bytes = sizeof(struct tcp_state),
    .start = tcp_start,
    .cancel = tcp_cancel,
    .prepare = tcp_prepare,
    .release = tcp_release,
};

const struct probe_ops probe_exchange = {
    .name = "exchange",
    .flags = PROBE_CONNECTS | PROBE_AS_CLIENTS,
    .state_bytes = sizeof(struct tcp_state),
    .start = tcp_start,
    .cancel = tcp_cancel,
    .prepare = tcp_prepare,
    .release = tcp_release,
};
