/* relay - see relay.h. */
#include "proxy/worker/relay.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "proxy/worker/conn.h"
#include "proxy/worker/thread.h"

/* How far a step of a flow got. */
enum step {
    STEP_ON,        /* there may be more to do */
    STEP_WAIT,      /* nothing to do until an event */
    STEP_CLOSED,    /* the connection is gone */
};

static bool
pending(const struct flow *flow)
{
    return flow->spill_bytes > 0 || flow->pipe_bytes > 0;
}

static void
moved(struct conn *conn, enum side from, size_t bytes)
{
    struct traffic_counters *counters = conn->app->counters;

    conn->flow[from].bytes += bytes;
    conn->active_ms = conn->thread->loop.now_ms;
    count_add(from == CLIENT ? &counters->bytes_to_target : &counters->bytes_to_client, bytes);
}

static void
give_pipe_back(struct conn *conn, struct flow *flow)
{
    if (flow->pipe == NULL)
        return;
    pipes_put(&conn->thread->pipes, flow->pipe, flow->pipe_bytes == 0);
    flow->pipe = NULL;
    flow->pipe_bytes = 0;
}

/* ---- how it ends ---- */

/* One side's connection is dead: what the other can still be told is RST. */
static enum step
abort_conn(struct conn *conn, enum side side, int error)
{
    enum close_reason reason = side == CLIENT ? CLOSE_CLIENT_RST : CLOSE_TARGET_RST;

    if (side == TARGET && error == ETIMEDOUT)
        reason = CLOSE_TARGET_DOWN;
    conn_close(conn, reason, true);
    return STEP_CLOSED;
}

/* The sink refuses bytes. Its peer may have answered before it reset the connection, and that
 * answer may lie in our receive queue: the other direction is read to its end first. */
static enum step
sink_broken(struct conn *conn, enum side from)
{
    struct flow *flow = &conn->flow[from];
    struct flow *back = &conn->flow[!from];

    flow->broken = true;
    flow->blocked = false;
    free(flow->spill);
    flow->spill = NULL;
    flow->spill_bytes = 0;
    if (flow->pipe != NULL)
        pipes_put(&conn->thread->pipes, flow->pipe, 0);
    flow->pipe = NULL;
    flow->pipe_bytes = 0;
    if (back->eof || back->blocked)     /* blocked: see check_dead() */
        return abort_conn(conn, !from, ECONNRESET);
    back->readable = back->hung_up = true;
    conn_yield(conn);
    return STEP_WAIT;
}

/* Everything from this side, its FIN included, was read and written. */
static enum step
pass_fin(struct conn *conn, enum side from)
{
    struct flow *flow = &conn->flow[from];
    const struct flow *back = &conn->flow[!from];

    if (back->broken)
        return abort_conn(conn, from, ECONNRESET);
    if (back->shut) {       /* close(2) itself sends this FIN */
        conn_close(conn, conn->client_first ? CLOSE_CLIENT_FIN : CLOSE_TARGET_FIN, false);
        return STEP_CLOSED;
    }
    give_pipe_back(conn, flow);
    flow->shut = true;
    conn->client_first = from == CLIENT;
    if (!flow->broken && shutdown(conn->io[!from].fd, SHUT_WR) < 0)
        return sink_broken(conn, from);
    conn_enter(conn, CONN_DRAINING);
    conn->active_ms = conn->thread->loop.now_ms;    /* half_close_timeout counts from here */
    relay_arm_idle(conn);
    return STEP_WAIT;
}

/* ---- copying ---- */

/* Nagle's algorithm holds back only a second small segment while the first is on its way: the
 * option is set when there is a second write, which one-shot connections never do. */
static void
before_write(struct conn *conn, enum side from)
{
    const int on = 1;

    if (from == TARGET || conn->nodelay || conn->flow[CLIENT].bytes == 0)
        return;
    conn->nodelay = true;
    setsockopt(conn->io[TARGET].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static bool
keep_rest(struct flow *flow, const char *data, size_t bytes)
{
    assert(flow->spill == NULL);
    assert(bytes <= RELAY_SPILL_BYTES);
    flow->spill = malloc(bytes);
    if (flow->spill == NULL)
        return false;
    memcpy(flow->spill, data, bytes);
    flow->spill_at = 0;
    flow->spill_bytes = (uint32_t)bytes;
    return true;
}

static enum step
copy_out(struct conn *conn, enum side from, const char *data, size_t bytes)
{
    struct flow *flow = &conn->flow[from];
    ssize_t sent;

    if (flow->broken)
        return STEP_ON;
    before_write(conn, from);
    sent = send(conn->io[!from].fd, data, bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        return sink_broken(conn, from);
    if (sent < 0)
        sent = 0;
    moved(conn, from, (size_t)sent);
    if ((size_t)sent == bytes)
        return STEP_ON;
    if (!keep_rest(flow, data + sent, bytes - (size_t)sent)) {
        conn_close(conn, CLOSE_LIMIT, true);
        return STEP_CLOSED;
    }
    flow->blocked = true;
    return STEP_WAIT;
}

/* Nothing was read: FIN, an error, or simply nothing there. */
static enum step
nothing_read(struct conn *conn, enum side from, ssize_t got, int error)
{
    struct flow *flow = &conn->flow[from];

    if (got == 0) {
        flow->eof = true;
        return STEP_ON;
    }
    if (error != EAGAIN)
        return abort_conn(conn, from, error);
    flow->readable = flow->hung_up = false;
    give_pipe_back(conn, flow);
    return STEP_WAIT;
}

static enum step
copy_step(struct conn *conn, enum side from, size_t *budget)
{
    struct flow *flow = &conn->flow[from];
    char *buffer = conn->thread->buffer;
    ssize_t got = recv(conn->io[from].fd, buffer, RELAY_BUFFER_BYTES, 0);

    if (got <= 0)
        return nothing_read(conn, from, got, errno);
    flow->bulk = got == RELAY_BUFFER_BYTES;
    /* A short read emptied the queue, and what comes later raises a new edge; a FIN that is
     * there already would not, so it is read until it shows (and reads stop at an urgent byte,
     * with more behind it). */
    if (!flow->bulk && !flow->hung_up)
        flow->readable = false;
    *budget -= MIN(*budget, (size_t)got);
    return copy_out(conn, from, buffer, (size_t)got);
}

static enum step
flush_spill(struct conn *conn, enum side from)
{
    struct flow *flow = &conn->flow[from];
    ssize_t sent = send(conn->io[!from].fd, flow->spill + flow->spill_at, flow->spill_bytes,
                        MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN)
        return sink_broken(conn, from);
    if (sent < 0)
        sent = 0;
    moved(conn, from, (size_t)sent);
    flow->spill_at += (uint32_t)sent;
    flow->spill_bytes -= (uint32_t)sent;
    if (flow->spill_bytes > 0) {
        flow->blocked = true;
        return STEP_WAIT;
    }
    free(flow->spill);
    flow->spill = NULL;
    return STEP_ON;
}

/* ---- bulk ---- */

static enum step
bulk_step(struct conn *conn, enum side from, size_t *budget)
{
    struct flow *flow = &conn->flow[from];
    ssize_t got;

    if (flow->pipe == NULL)
        flow->pipe = pipes_get(&conn->thread->pipes);
    if (flow->pipe == NULL || flow->broken) {
        flow->bulk = false;
        return STEP_ON;
    }
    got = splice(conn->io[from].fd, NULL, flow->pipe->write_fd, NULL, flow->pipe->bytes,
                 SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (got > 0) {
        flow->pipe_bytes = (uint32_t)got;
        flow->bulk = got >= RELAY_BUFFER_BYTES / 4;
        *budget -= MIN(*budget, (size_t)got);
        return STEP_ON;
    }
    /* EINVAL: cannot be spliced. Nothing read, or nothing there although the source has hung
     * up: splice(2) also stops so at an urgent byte, with more behind it; recv(2) tells which.
     * Not so an error: the first call that returns it is the only one. */
    if (got == 0 || errno == EINVAL || (errno == EAGAIN && flow->hung_up)) {
        flow->bulk = false;
        return STEP_ON;
    }
    return nothing_read(conn, from, got, errno);
}

static enum step
flush_pipe(struct conn *conn, enum side from)
{
    struct flow *flow = &conn->flow[from];
    ssize_t sent;

    before_write(conn, from);
    sent = splice(flow->pipe->read_fd, NULL, conn->io[!from].fd, NULL, flow->pipe_bytes,
                  SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (sent < 0 && errno != EAGAIN)
        return sink_broken(conn, from);
    if (sent < 0)
        sent = 0;
    moved(conn, from, (size_t)sent);
    flow->pipe_bytes -= (uint32_t)sent;
    if (flow->pipe_bytes > 0) {
        flow->blocked = true;
        return STEP_WAIT;
    }
    if (!flow->bulk)
        give_pipe_back(conn, flow);
    return STEP_ON;
}

/* ---- the two directions ---- */

static enum step
flow_step(struct conn *conn, enum side from, size_t *budget)
{
    struct flow *flow = &conn->flow[from];

    if (flow->shut)
        return STEP_WAIT;
    if (pending(flow)) {
        if (flow->blocked)
            return STEP_WAIT;
        return flow->spill_bytes > 0 ? flush_spill(conn, from) : flush_pipe(conn, from);
    }
    if (flow->eof)
        return pass_fin(conn, from);
    if (!flow->readable)
        return STEP_WAIT;
    if (*budget == 0) {
        conn_yield(conn);
        return STEP_WAIT;
    }
    return flow->bulk ? bulk_step(conn, from, budget) : copy_step(conn, from, budget);
}

/* Asks for EPOLLOUT on the client's socket once it is needed: sockets that never block are
 * spared the event that every freshly watched, writable socket would raise. */
static void
watch_out(struct conn *conn)
{
    if (conn->watched_out || !conn->watched || !conn->flow[TARGET].blocked)
        return;
    conn->watched_out = true;
    loop_change(&conn->thread->loop, &conn->io[CLIENT], RELAY_WATCHED | EPOLLOUT);
}

static enum step
flow_pump(struct conn *conn, enum side from)
{
    size_t budget = RELAY_TURN_BYTES;
    enum step step;

    do
        step = flow_step(conn, from, &budget);
    while (step == STEP_ON);
    return step;
}

/* RST has come from a side that is not read: because its bytes cannot be passed on (waiting for
 * the other side to take them would hold a dead connection open), or since its FIN. */
static enum step
check_dead(struct conn *conn, enum side side)
{
    const struct flow *flow = &conn->flow[side];
    int error = 0;
    socklen_t bytes = sizeof error;

    if (!flow->blocked && !flow->shut)
        return STEP_WAIT;
    getsockopt(conn->io[side].fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
    return error == 0 ? STEP_WAIT : abort_conn(conn, side, error);
}

void
relay_pump(struct conn *conn)
{
    if (flow_pump(conn, CLIENT) == STEP_CLOSED || flow_pump(conn, TARGET) == STEP_CLOSED)
        return;
    watch_out(conn);
}

static void
side_ready(struct conn *conn, enum side side, uint32_t events)
{
    struct flow *in = &conn->flow[side];

    if (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        in->readable = true;
    if (events & (EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        in->hung_up = true;
    if (events & EPOLLOUT)
        conn->flow[!side].blocked = false;
    if (conn->state != CONN_RELAYING && conn->state != CONN_DRAINING) {
        /* Still connecting: what the client sent waits in its socket; its RST does not. */
        if (events & (EPOLLERR | EPOLLHUP))
            conn_close(conn, CLOSE_CLIENT_RST, true);
        return;
    }
    relay_pump(conn);
    if (UNLIKELY(events & EPOLLERR) && conn->state != CONN_CLOSED)
        check_dead(conn, side);
}

void
relay_client_ready(struct loop_io *io, uint32_t events)
{
    side_ready(CONTAINER_OF(io, struct conn, io[CLIENT]), CLIENT, events);
}

void
relay_target_ready(struct loop_io *io, uint32_t events)
{
    side_ready(CONTAINER_OF(io, struct conn, io[TARGET]), TARGET, events);
}

/* ---- time ---- */

static uint32_t
idle_limit_ms(const struct conn *conn)
{
    const struct app_config *config = &conn->app->app->config;

    return conn->state == CONN_DRAINING ? config->half_close_timeout_ms
                                        : config->idle_timeout_ms;
}

/* The target's socket gets what clients' sockets inherit from their listener: four system
 * calls that only connections of some age are worth. */
static void
settle(struct conn *conn)
{
    const int on = 1, idle_s = 60, interval_s = 10, probes = 6;
    int fd = conn->io[TARGET].fd;

    conn->settled = true;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

void
relay_arm_idle(struct conn *conn)
{
    struct wheel *wheel = &conn->thread->loop.wheel;
    uint64_t limit_ms = idle_limit_ms(conn);
    uint64_t at_ms = conn->active_ms + limit_ms;

    if (!conn->settled)
        at_ms = conn->thread->loop.now_ms + (limit_ms ? MIN(limit_ms, RELAY_SETTLE_MS)
                                                      : RELAY_SETTLE_MS);
    else if (limit_ms == 0)
        return wheel_cancel(wheel, &conn->timer);
    wheel_arm(wheel, &conn->timer, at_ms);
}

/* Activity does not touch the timer: it fires now and then, looks, and is armed again. */
static void
idle_timer(struct wheel_timer *timer)
{
    struct conn *conn = CONTAINER_OF(timer, struct conn, timer);
    uint64_t limit_ms = idle_limit_ms(conn);

    if (limit_ms != 0 && conn->thread->loop.now_ms >= conn->active_ms + limit_ms) {
        /* With bytes on the way a FIN would pass a cut stream off as a whole one. */
        conn_close(conn, CLOSE_IDLE_TIMEOUT,
                   pending(&conn->flow[CLIENT]) || pending(&conn->flow[TARGET]));
        return;
    }
    if (!conn->settled)
        settle(conn);
    relay_arm_idle(conn);
}

/* ---- the begin ---- */

void
relay_watch_client(struct conn *conn)
{
    if (conn->watched)
        return;
    conn->watched = true;
    if (loop_add(&conn->thread->loop, &conn->io[CLIENT], RELAY_WATCHED) < 0)
        conn_close(conn, CLOSE_LIMIT, true);
}

void
relay_start(struct conn *conn)
{
    const struct app_config *config = &conn->app->app->config;

    if (config->user_timeout_ms != 0)
        setsockopt(conn->io[TARGET].fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
                   &config->user_timeout_ms, sizeof config->user_timeout_ms);
    conn->active_ms = conn->thread->loop.now_ms;
    conn->timer.fire = idle_timer;
    relay_arm_idle(conn);
    /* Most clients speak first, and have by now: look before asking to be told. */
    conn->flow[CLIENT].readable = true;
    if (flow_pump(conn, CLIENT) == STEP_CLOSED)
        return;
    relay_watch_client(conn);
    if (conn->state != CONN_CLOSED && conn->flow[TARGET].readable)
        relay_pump(conn);
}
