/* listen - see listen.h. */
#include "proxy/worker/listen.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "proxy/worker/conn.h"
#include "proxy/worker/thread.h"

enum { FINISH_ACCEPTS_MAX = 65536 };    /* a full queue, and no endless stream of clients */

/* accept(2) hands over errors of the new connection too: those concern that client only. */
static bool
client_gone(int error)
{
    switch (error) {
    case ECONNABORTED:
    case EINTR:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
    case EPERM:         /* a firewall rule (accept(2)) */
        return true;
    default:
        return false;
    }
}

/* Takes clients until the queue is empty, we are full, or `most` were looked at. */
static void
accept_batch(struct listener *listener, int most)
{
    struct thread_app *app = listener->app;
    struct thread *thread = app->thread;

    for (int i = 0; i < most && !thread->accept_paused; i++) {
        int fd;

        if (thread->conn_count >= thread->conn_max) {
            listen_pause(thread, app, "all connections this worker may hold are in use");
            break;
        }
        fd = accept4(listener->io.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && client_gone(errno))
            continue;
        if (fd < 0 && errno == EAGAIN)
            break;
        if (fd < 0) {
            listen_pause(thread, app, strerror(errno));
            break;
        }
        if (conn_open(app, fd, listener->port) == NULL) {
            close(fd);
            listen_pause(thread, app, "no memory");
        }
    }
}

static void
mute(struct thread *thread, struct listener *listener)
{
    if (listener->muted || loop_change(&thread->loop, &listener->io, 0) < 0)
        return;
    listener->muted = true;
    LIST_INSERT_HEAD(&thread->muted, listener, muted_link);
}

static void
unmute(struct listener *listener)
{
    if (!listener->muted)
        return;
    listener->muted = false;
    LIST_REMOVE(listener, muted_link);
}

static void
listener_ready(struct loop_io *io, uint32_t events)
{
    struct listener *listener = CONTAINER_OF(io, struct listener, io);

    (void)events;
    if (UNLIKELY(listener->app->thread->accept_paused))
        mute(listener->app->thread, listener);
    else
        accept_batch(listener, LISTEN_BATCH);
}

int
listen_take(struct listener *listener, struct thread_app *app, uint16_t port)
{
    int rc;

    listener->app = app;
    listener->port = port;
    if (listener->watched)
        return 0;
    listener->io.ready = listener_ready;
    rc = loop_add(&app->thread->loop, &listener->io, EPOLLIN);
    listener->watched = rc == 0;
    return rc;
}

void
listen_park(struct thread *thread, struct listener *listener)
{
    unmute(listener);
    if (listener->watched)
        loop_remove(&thread->loop, &listener->io);
    listener->watched = false;
    listener->io.ready = NULL;
    listener->app = NULL;
}

static void
pause_over(struct wheel_timer *timer)
{
    struct thread *thread = CONTAINER_OF(timer, struct thread, accept_timer);
    struct listener *listener;

    thread->accept_paused = false;
    while ((listener = LIST_FIRST(&thread->muted)) != NULL) {
        unmute(listener);
        loop_change(&thread->loop, &listener->io, EPOLLIN);
    }
}

void
listen_close(struct thread *thread, struct listener *listener, bool finish)
{
    if (finish && listener->app != NULL) {
        if (thread->accept_paused) {    /* the last chance of those who wait: look once more */
            wheel_cancel(&thread->loop.wheel, &thread->accept_timer);
            pause_over(&thread->accept_timer);
        }
        accept_batch(listener, FINISH_ACCEPTS_MAX);
    }
    /* The supervisor has the same socket open: closing would leave it in the epoll set. */
    listen_park(thread, listener);
    close(listener->io.fd);
    listener->io.fd = -1;
}

void
listen_pause(struct thread *thread, struct thread_app *app, const char *why)
{
    uint64_t now_ms = thread->loop.now_ms;

    count_add(&app->counters->accept_pauses, 1);
    if (thread->accept_paused)
        return;
    thread->accept_paused = true;
    thread->paused_at_ms = now_ms;
    thread->accept_timer.fire = pause_over;
    wheel_arm(&thread->loop.wheel, &thread->accept_timer, now_ms + LISTEN_PAUSE_MS);
    if (now_ms < thread->pause_logged_ms + 10000)
        return;
    thread->pause_logged_ms = now_ms;
    log_warn(app->app->name, "accepting pauses: %s (%u connections here); clients wait in "
             "the queue. Raise the descriptor limit (LimitNOFILE) if this lasts",
             why, thread->conn_count);
}

void
listen_room(struct thread *thread)
{
    if (thread->loop.now_ms < thread->paused_at_ms + LISTEN_PAUSE_MIN_MS)
        return;
    wheel_cancel(&thread->loop.wheel, &thread->accept_timer);
    pause_over(&thread->accept_timer);
}
