/*
 * The kind "dns": the target is a DNS server, and is asked itself. It has to have a record of the
 * type at the name, CNAMEs on the way there are fine.
 *
 *   UDP: asked -> [ nothing by a third of the time: asked again ] -> judged -> probe_done()
 *   TCP: when the answer did not fit: connect() -> asked -> heard whole -> judged -> probe_done()
 *
 * A packet that answers something else may come from anybody who guessed the port; the true answer
 * is awaited still, up to WRONG_MAX such.
 */
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/outgoing.h"
#include "config/app_probe.h"
#include "probes/dns_question.h"
#include "probes/probe.h"

enum {
    LENGTH_BYTES = 2,               /* before each message over TCP */
    PACKET_BYTES = 4096,            /* over UDP: more than a server may send who was not asked to */
    WRONG_MAX = 16,
    AGAIN_AFTER = 3,                /* a third of the time */
};

struct dns_state {
    struct event event;
    int fd;                         /* -1: none */
    uint16_t id;
    bool stream;                    /* it is TCP's turn */
    bool again;                     /* asked a second time */
    uint32_t wrong;                 /* packets that were no answer */
    const char *wrong_what;
    size_t sent, held;              /* of TCP */
    unsigned char *bytes;           /* owned: what is heard, room for LENGTH_BYTES and 65,535 */
};

static const struct dns_question *
question_of(const struct probe *probe)
{
    return probe->shared;
}

static void
dns_close(struct dns_state *dns)
{
    event_del(&dns->event);
    if (dns->fd >= 0)
        close(dns->fd);
    dns->fd = -1;
    free(dns->bytes);
    dns->bytes = NULL;
}

/* ---- how it ends ---- */

static const char *
type_word(const struct probe *probe)
{
    const char *type = app_probe_text(probe->config, PROBE_TYPE);

    return type != NULL ? type : "A";
}

static void
end_by_error(struct probe *probe, int error)
{
    struct dns_state *dns = probe->state;
    const char *over = dns->stream ? "TCP" : "UDP";
    enum reason reason = reason_from_errno(error);

    dns_close(dns);
    if (reason == REASON_CONNECT_TIMEOUT)
        reason = REASON_DNS_TIMEOUT;
    probe_done(probe, reason, "over %s: %s", over, strerror(error));
}

static void
end_late(struct probe *probe)
{
    struct dns_state *dns = probe->state;
    double after_s = probe->config->timeout_ms / 1000.0;
    const char *wrong = dns->wrong_what;
    const char *over = dns->stream ? "TCP (the answer over UDP was truncated)" : "UDP";

    dns_close(dns);
    if (wrong != NULL)
        probe_done(probe, REASON_MISMATCH, "%s, and nothing better came within %g s", wrong,
                   after_s);
    else
        probe_done(probe, REASON_DNS_TIMEOUT, "no answer within %g s over %s", after_s, over);
}

static void
end_judged(struct probe *probe, const struct dns_verdict *verdict)
{
    uint64_t took_us = clock_monotonic_us() - probe->started_us;
    const char *name = app_probe_text(probe->config, PROBE_HOST);

    dns_close(probe->state);
    if (verdict->reason == REASON_OK)
        probe_done(probe, REASON_OK, "%u %s record%s of %.100s in %.1f ms", verdict->records,
                   type_word(probe), verdict->records == 1 ? "" : "s", name,
                   (double)took_us / 1000.0);
    else
        probe_done(probe, verdict->reason, "%s %.100s: %s", type_word(probe), name, verdict->what);
}

/* ---- waiting ---- */

static void on_ready(evutil_socket_t fd, short what, void *context);

/* Until the probe's time, or until it is asked again, is over. */
static uint64_t
until_us(const struct probe *probe)
{
    const struct dns_state *dns = probe->state;
    uint64_t timeout_us = (uint64_t)probe->config->timeout_ms * 1000;

    return probe->started_us + (dns->stream || dns->again ? timeout_us : timeout_us / AGAIN_AFTER);
}

static bool
is_late(const struct probe *probe)
{
    return clock_monotonic_us() >= until_us(probe);
}

/* 0 or -ENOMEM. */
static int
arm(struct probe *probe, short what)
{
    struct dns_state *dns = probe->state;
    uint64_t now_us = clock_monotonic_us(), end_us = until_us(probe);
    uint64_t left_us = MAX(end_us - MIN(now_us, end_us), 1);
    const struct timeval left = { .tv_sec = (time_t)(left_us / 1000000),
                                  .tv_usec = (suseconds_t)(left_us % 1000000) };

    event_del(&dns->event);
    if (event_assign(&dns->event, probe->base, dns->fd, what, on_ready, probe) < 0 ||
        event_add(&dns->event, &left) < 0)
        return -ENOMEM;
    return 0;
}

static void
wait_for(struct probe *probe, short what)
{
    if (arm(probe, what) < 0)
        end_by_error(probe, ENOMEM);
}

/* ---- UDP ---- */

static void
put_id(const struct probe *probe, unsigned char *packet)
{
    const struct dns_state *dns = probe->state;

    memcpy(packet, question_of(probe)->packet, question_of(probe)->bytes);
    packet[0] = (unsigned char)(dns->id >> 8);
    packet[1] = (unsigned char)dns->id;
}

/* 0 or an errno. */
static int
ask(const struct probe *probe)
{
    const struct dns_state *dns = probe->state;
    unsigned char packet[DNS_QUESTION_BYTES];

    put_id(probe, packet);
    if (send(dns->fd, packet, question_of(probe)->bytes, MSG_NOSIGNAL) < 0)
        return errno;
    probe_tell(probe, "sent", packet, question_of(probe)->bytes);
    return 0;
}

static int
open_socket(struct probe *probe, int type)
{
    struct dns_state *dns = probe->state;
    struct sockaddr_storage storage;
    socklen_t bytes = address_to_sockaddr(&probe->address, &storage);
    int fd = type == SOCK_STREAM
                 ? outgoing_socket(storage.ss_family)
                 : socket(storage.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    dns->fd = fd < 0 ? -1 : fd;
    if (fd < 0)
        return type == SOCK_STREAM ? -fd : errno;
    if (connect(dns->fd, (struct sockaddr *)&storage, bytes) < 0 && errno != EINPROGRESS)
        return errno;
    return 0;
}

/* The answer did not fit: the same again over TCP. */
static void
turn_to_tcp(struct probe *probe)
{
    struct dns_state *dns = probe->state;
    int error;

    dns_close(dns);
    dns->stream = true;
    dns->wrong_what = NULL;
    dns->bytes = malloc(LENGTH_BYTES + UINT16_MAX);
    error = dns->bytes == NULL ? ENOMEM : open_socket(probe, SOCK_STREAM);
    if (error != 0)
        end_by_error(probe, error);
    else
        wait_for(probe, EV_WRITE);
}

/* False: it is over, or TCP's turn. */
static bool
take_packet(struct probe *probe, const unsigned char *packet, size_t bytes)
{
    struct dns_state *dns = probe->state;
    struct dns_verdict verdict;

    probe_tell(probe, "heard", packet, bytes);
    dns_question_judge(question_of(probe), dns->id, packet, bytes, &verdict);
    if (verdict.truncated && !dns->stream) {
        turn_to_tcp(probe);
        return false;
    }
    if (!verdict.ours && !dns->stream && ++dns->wrong < WRONG_MAX) {
        dns->wrong_what = verdict.what;
        return true;
    }
    if (verdict.truncated)
        verdict = (struct dns_verdict){ .reason = REASON_MISMATCH, .what = "truncated over TCP" };
    end_judged(probe, &verdict);
    return false;
}

static void
hear_packets(struct probe *probe)
{
    struct dns_state *dns = probe->state;
    unsigned char packet[PACKET_BYTES];
    ssize_t heard;

    for (;;) {
        heard = recv(dns->fd, packet, sizeof packet, 0);
        if (heard >= 0 ? !take_packet(probe, packet, (size_t)heard) : errno != EINTR)
            break;
    }
    if (heard >= 0)
        return;
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
        end_by_error(probe, errno);
    } else if (is_late(probe) && dns->again) {
        end_late(probe);
    } else {
        int error = 0;

        if (is_late(probe)) {
            error = ask(probe);
            dns->again = true;
        }
        if (error != 0)
            end_by_error(probe, error);
        else
            wait_for(probe, EV_READ);
    }
}

/* ---- TCP ---- */

/* Both: 1: goes on; 0: has to wait; -errno. */
static int
say(struct probe *probe)
{
    struct dns_state *dns = probe->state;
    unsigned char packet[LENGTH_BYTES + DNS_QUESTION_BYTES];
    size_t bytes = question_of(probe)->bytes;
    ssize_t sent;

    packet[0] = (unsigned char)(bytes >> 8);
    packet[1] = (unsigned char)bytes;
    put_id(probe, packet + LENGTH_BYTES);
    sent = send(dns->fd, packet + dns->sent, bytes + LENGTH_BYTES - dns->sent, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    probe_tell(probe, "sent", packet + dns->sent, (size_t)sent);
    dns->sent += (size_t)sent;
    return 1;
}

static size_t
message_bytes(const struct dns_state *dns)
{
    return dns->held < LENGTH_BYTES ? 0 : (size_t)(dns->bytes[0] << 8 | dns->bytes[1]);
}

static int
hear(struct probe *probe)
{
    struct dns_state *dns = probe->state;
    size_t wanted = LENGTH_BYTES + message_bytes(dns) - dns->held;
    ssize_t heard = recv(dns->fd, dns->bytes + dns->held, wanted, 0);

    if (heard == 0)
        return -EPIPE;
    if (heard < 0)
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    dns->held += (size_t)heard;
    return 1;
}

static bool
is_whole(const struct dns_state *dns)
{
    return dns->held >= LENGTH_BYTES && dns->held == LENGTH_BYTES + message_bytes(dns);
}

static void
end_stream(struct probe *probe, int error)
{
    if (error != EPIPE && error != ECONNRESET) {
        end_by_error(probe, error);
        return;
    }
    dns_close(probe->state);
    probe_done(probe, REASON_UNEXPECTED_EOF, "it closed over TCP before it had answered");
}

static void
talk(struct probe *probe)
{
    struct dns_state *dns = probe->state;
    size_t to_send = question_of(probe)->bytes + LENGTH_BYTES;
    int rc = 1;

    while (rc > 0 && !is_whole(dns))
        rc = dns->sent < to_send ? say(probe) : hear(probe);
    if (rc < 0)
        end_stream(probe, -rc);
    else if (is_whole(dns))
        take_packet(probe, dns->bytes + LENGTH_BYTES, dns->held - LENGTH_BYTES);
    else if (is_late(probe))
        end_late(probe);
    else
        wait_for(probe, dns->sent < to_send ? EV_WRITE : EV_READ);
}

static void
on_ready(evutil_socket_t fd, short what, void *context)
{
    struct probe *probe = context;
    const struct dns_state *dns = probe->state;
    int error = 0;
    socklen_t bytes = sizeof error;

    if (!dns->stream) {
        hear_packets(probe);
        return;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 && error != 0)
        end_by_error(probe, error);
    else if (dns->sent == 0 && (what & EV_WRITE) == 0)
        end_late(probe);            /* not even connected */
    else
        talk(probe);
}

/* ---- the kind ---- */

static int
dns_start(struct probe *probe)
{
    struct dns_state *dns = probe->state;
    int error;

    dns->fd = -1;
    evutil_secure_rng_get_bytes(&dns->id, sizeof dns->id);
    if (event_assign(&dns->event, probe->base, -1, 0, on_ready, probe) < 0)
        return -ENOMEM;
    error = open_socket(probe, SOCK_DGRAM);
    if (error == 0)
        error = ask(probe);
    if (error == 0)
        error = -arm(probe, EV_READ);
    if (error != 0)
        dns_close(dns);
    return -error;
}

static void
dns_cancel(struct probe *probe)
{
    dns_close(probe->state);
}

/* Shared: the question. */
static int
dns_prepare(const struct app_probe *config, struct event_base *base, void **shared, char *why)
{
    const char *name = app_probe_text(config, PROBE_HOST);
    const char *type = app_probe_text(config, PROBE_TYPE);
    struct dns_question *question = malloc(sizeof *question);
    int rc = question == NULL ? -ENOMEM
                              : dns_question_make(name == NULL ? "" : name,
                                                  type == NULL ? "A" : type, question);

    *shared = question;
    if (rc == 0)
        return 0;
    free(question);
    *shared = NULL;
    snprintf(why, DETAIL_BYTES, rc == -EINVAL ? "DNS cannot be asked for that name or type"
                                              : "no memory");
    return rc;
}

static void
dns_release(void *shared)
{
    free(shared);
}

const struct probe_ops probe_dns = {
    .name = "dns",
    .flags = PROBE_CONNECTS,
    .state_bytes = sizeof(struct dns_state),
    .start = dns_start,
    .cancel = dns_cancel,
    .prepare = dns_prepare,
    .release = dns_release,
};
