#include "base/control_peer.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/control.h"
#include "base/log.h"
#include "base/util.h"

enum {
    READ_BATCH = 64,            /* messages a turn of the loop: others want their turn too */
    RETRY_MS = 10,              /* when the kernel is short of something we cannot wait for */
    QUEUE_RESERVE = 1024,       /* places of the queue that records do not take */
};

struct queued {
    STAILQ_ENTRY(queued) link;
    size_t fd_count;
    int *fds;                   /* owned; behind the message */
    _Alignas(struct control_message) char message[];    /* as much of one as its type has */
};

static const struct control_message *
message_of(const struct queued *queued)
{
    return (const struct control_message *)queued->message;
}

struct control_peer {
    int socket;                         /* owned */
    struct event *readable;             /* owned, as the next two */
    struct event *writable;
    struct event *retry;
    STAILQ_HEAD(, queued) queue;
    size_t queue_length;
    uint64_t dropped;
    control_message_fn *on_message;
    control_closed_fn *on_closed;
    control_drained_fn *on_drained;     /* may be NULL */
    void *context;
    bool gone;                  /* the other side takes nothing more */
    bool complained;            /* about messages that are not ours */
    bool in_callback;           /* free when it returns */
    bool destroyed;
};

static void
close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static void
drop_first(struct control_peer *peer)
{
    struct queued *first = STAILQ_FIRST(&peer->queue);

    STAILQ_REMOVE_HEAD(&peer->queue, link);
    peer->queue_length--;
    close_all(first->fds, first->fd_count);
    free(first);
}

static void
drop_queue(struct control_peer *peer)
{
    while (!STAILQ_EMPTY(&peer->queue))
        drop_first(peer);
}

static void
free_peer(struct control_peer *peer)
{
    drop_queue(peer);
    if (peer->readable != NULL)
        event_free(peer->readable);
    if (peer->writable != NULL)
        event_free(peer->writable);
    if (peer->retry != NULL)
        event_free(peer->retry);
    free(peer);
}

static bool
is_shortage(int rc)
{
    return rc == -ETOOMANYREFS || rc == -ENOBUFS || rc == -ENOMEM;
}

/* Comes back when the socket may take more, or soon when nothing tells us. */
static void
wait_to_send(struct control_peer *peer, int rc)
{
    static const struct timeval soon = { 0, RETRY_MS * 1000 };

    if (is_shortage(rc))
        event_add(peer->retry, &soon);
    else
        event_add(peer->writable, NULL);
}

/* False when the peer was destroyed meanwhile (and is freed now). */
static bool
leave_callback(struct control_peer *peer)
{
    peer->in_callback = false;
    if (!peer->destroyed)
        return true;
    free_peer(peer);
    return false;
}

static void
flush(evutil_socket_t socket, short what, void *context)
{
    struct control_peer *peer = context;

    while (!STAILQ_EMPTY(&peer->queue)) {
        const struct queued *first = STAILQ_FIRST(&peer->queue);
        int rc = control_send(peer->socket, message_of(first), first->fds, first->fd_count);

        if (rc == -EAGAIN || is_shortage(rc)) {
            wait_to_send(peer, rc);
            return;
        }
        if (rc < 0) {
            peer->gone = true;          /* on_closed follows when everything is read */
            drop_queue(peer);
            return;
        }
        drop_first(peer);
    }
    if (peer->on_drained == NULL)
        return;
    peer->in_callback = true;
    peer->on_drained(peer->context);
    leave_callback(peer);
}

static void
report_closed(struct control_peer *peer)
{
    event_del(peer->readable);
    event_del(peer->writable);
    event_del(peer->retry);
    drop_queue(peer);
    peer->gone = true;
    peer->in_callback = true;
    peer->on_closed(peer->context);
    leave_callback(peer);
}

static void
complain(struct control_peer *peer)
{
    if (!peer->complained)
        log_warn(NULL, "a control message of another version or size was ignored; are all "
                       "fproxy processes of one installation?");
    peer->complained = true;
}

static void
read_messages(evutil_socket_t socket, short what, void *context)
{
    struct control_peer *peer = context;
    struct control_message message;
    int fds[CONTROL_FDS_MAX];

    for (int i = 0; i < READ_BATCH; i++) {
        size_t fd_count;
        int rc = control_receive(peer->socket, &message, fds, &fd_count);

        if (rc == -EAGAIN || is_shortage(rc))
            return;
        if (rc == -EPROTO) {
            complain(peer);
            continue;
        }
        if (rc <= 0) {
            report_closed(peer);
            return;
        }
        peer->in_callback = true;
        peer->on_message(peer->context, &message, fds, fd_count);
        if (!leave_callback(peer))
            return;
    }
}

struct control_peer *
control_peer_create(struct event_base *base, int socket, control_message_fn *on_message,
                    control_closed_fn *on_closed, void *context)
{
    struct control_peer *peer = calloc(1, sizeof *peer);

    if (peer == NULL)
        return NULL;
    peer->socket = socket;
    peer->on_message = on_message;
    peer->on_closed = on_closed;
    peer->context = context;
    STAILQ_INIT(&peer->queue);
    peer->readable = event_new(base, socket, EV_READ | EV_PERSIST, read_messages, peer);
    peer->writable = event_new(base, socket, EV_WRITE, flush, peer);
    peer->retry = evtimer_new(base, flush, peer);
    if (peer->readable == NULL || peer->writable == NULL || peer->retry == NULL
        || evutil_make_socket_nonblocking(socket) < 0 || event_add(peer->readable, NULL) < 0) {
        free_peer(peer);
        return NULL;
    }
    return peer;
}

void
control_peer_destroy(struct control_peer *peer)
{
    if (peer == NULL)
        return;
    assert(!peer->destroyed);
    event_del(peer->readable);
    event_del(peer->writable);
    event_del(peer->retry);
    close(peer->socket);
    peer->socket = -1;
    peer->destroyed = true;
    peer->gone = true;
    if (!peer->in_callback)
        free_peer(peer);
}

void
control_peer_on_drained(struct control_peer *peer, control_drained_fn *on_drained)
{
    peer->on_drained = on_drained;
}

/* Duplicates all or none. */
static int
duplicate(const int *fds, size_t count, int *copies)
{
    for (size_t i = 0; i < count; i++) {
        copies[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 0);
        if (copies[i] < 0) {
            int rc = errno == EMFILE || errno == ENFILE ? -EMFILE : -errno;

            close_all(copies, i);
            return rc;
        }
    }
    return 0;
}

static int
enqueue(struct control_peer *peer, const struct control_message *message, const int *fds,
        size_t fd_count)
{
    size_t bytes = (control_bytes(message->type) + sizeof(int) - 1) / sizeof(int) * sizeof(int);
    struct queued *queued = malloc(sizeof *queued + bytes + fd_count * sizeof(int));
    int rc;

    if (queued == NULL)
        return -ENOBUFS;
    queued->fd_count = fd_count;
    queued->fds = (int *)(queued->message + bytes);
    memcpy(queued->message, message, control_bytes(message->type));
    rc = duplicate(fds, fd_count, queued->fds);
    if (rc < 0) {
        free(queued);
        return rc;
    }
    STAILQ_INSERT_TAIL(&peer->queue, queued, link);
    peer->queue_length++;
    return 0;
}

int
control_peer_send(struct control_peer *peer, const struct control_message *message,
                  const int *fds, size_t fd_count)
{
    bool is_record = message->type == CONTROL_RECORD;
    size_t room = is_record ? CONTROL_QUEUE_MAX - QUEUE_RESERVE : CONTROL_QUEUE_MAX;
    bool first = STAILQ_EMPTY(&peer->queue);
    int rc = -EAGAIN;

    if (peer->gone)
        return -EPIPE;
    if (first)
        rc = control_send(peer->socket, message, fds, fd_count);
    if (rc == 0)
        return 0;
    if (rc != -EAGAIN && !is_shortage(rc)) {
        peer->gone = true;
        return -EPIPE;
    }
    if (first)
        wait_to_send(peer, rc);
    rc = peer->queue_length < room ? enqueue(peer, message, fds, fd_count) : -ENOBUFS;
    if (rc == -ENOBUFS && is_record) {
        peer->dropped++;
        return 0;
    }
    return rc;
}

size_t
control_peer_queued(const struct control_peer *peer)
{
    return peer->queue_length;
}

uint64_t
control_peer_dropped(const struct control_peer *peer)
{
    return peer->dropped;
}
