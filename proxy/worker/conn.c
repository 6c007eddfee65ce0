/* conn - see conn.h. */
#include "proxy/worker/conn.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "proxy/worker/carry.h"
#include "proxy/worker/drain.h"
#include "proxy/worker/listen.h"
#include "proxy/worker/race.h"
#include "proxy/worker/relay.h"
#include "proxy/worker/slab.h"
#include "proxy/worker/thread.h"

enum { CONNS_A_SLAB = 64 };

static const char *const conn_state_names[] = {
    [CONN_PICKING] = "picking",
    [CONN_CONNECTING] = "connecting",
    [CONN_RELAYING] = "relaying",
    [CONN_DRAINING] = "draining",
    [CONN_CLOSED] = "closed",
};
_Static_assert(ARRAY_SIZE(conn_state_names) == CONN_STATES, "name every state");

#define TO(state) (1u << (state))
static const unsigned conn_next[CONN_STATES] __attribute__((unused)) = {  /* with NDEBUG */
    [CONN_PICKING] = TO(CONN_CONNECTING) | TO(CONN_CLOSED),
    [CONN_CONNECTING] = TO(CONN_RELAYING) | TO(CONN_PICKING) | TO(CONN_CLOSED),
    [CONN_RELAYING] = TO(CONN_DRAINING) | TO(CONN_CLOSED),
    [CONN_DRAINING] = TO(CONN_CLOSED),
};

void
conn_enter(struct conn *conn, enum conn_state next)
{
    assert(conn_next[conn->state] & TO(next));
    assert(next != CONN_RELAYING || conn->endpoint_id != 0);

    log_debug(conn->app->app->name, "connection on descriptor %d: %s -> %s",
              conn->io[CLIENT].fd, conn_state_names[conn->state], conn_state_names[next]);
    conn->state = next;
}

static struct conn *
take_free(struct thread *thread)
{
    struct conn *conn = LIST_FIRST(&thread->free_conns);

    if (UNLIKELY(conn == NULL)) {
        conn = slab_grow(&thread->slabs, CONNS_A_SLAB, sizeof *conn);
        if (conn == NULL)
            return NULL;
        for (int i = CONNS_A_SLAB - 1; i >= 0; i--)
            LIST_INSERT_HEAD(&thread->free_conns, &conn[i], link);
    }
    LIST_REMOVE(conn, link);
    memset(conn, 0, sizeof *conn);
    return conn;
}

struct conn *
conn_open(struct thread_app *app, int client_fd, uint16_t port)
{
    struct thread *thread = app->thread;
    struct conn *conn = take_free(thread);

    assert(client_fd >= 0);
    if (conn == NULL)
        return NULL;
    conn->thread = thread;
    conn->app = app;
    conn->io[CLIENT].fd = client_fd;
    conn->io[CLIENT].ready = relay_client_ready;
    conn->io[TARGET].fd = -1;
    conn->state = CONN_PICKING;
    conn->port = port;
    conn->active_ms = thread->loop.now_ms;
    LIST_INSERT_HEAD(&app->conns, conn, link);
    app->conn_count++;
    thread->conn_count++;
    count_add(&app->counters->accepted, 1);
    count_add(&app->counters->active, 1);
    race_start(conn);
    return conn;
}

void
conn_connected(struct conn *conn)
{
    count_add(&conn->app->counters->connected, 1);
    conn_enter(conn, CONN_RELAYING);
    if (UNLIKELY(conn->app->late > 0) && !carry_late(conn))
        return;
    relay_start(conn);
}

void
conn_yield(struct conn *conn)
{
    if (conn->queued)
        return;
    conn->queued = true;
    conn->thread->turn_count++;
    TAILQ_INSERT_TAIL(&conn->thread->turn, conn, turn);
}

void
conn_unqueue(struct conn *conn)
{
    if (!conn->queued)
        return;
    conn->queued = false;
    conn->thread->turn_count--;
    TAILQ_REMOVE(&conn->thread->turn, conn, turn);
}

static void
close_side(struct conn *conn, enum side side, bool reset)
{
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    struct loop_io *io = &conn->io[side];

    io->ready = NULL;
    if (io->fd < 0)
        return;
    if (reset)      /* close(2) then sends RST and forgets what was not delivered */
        setsockopt(io->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(io->fd);
    io->fd = -1;
}

static void
drop_flow(struct conn *conn, struct flow *flow)
{
    free(flow->spill);
    flow->spill = NULL;
    if (flow->pipe != NULL)
        pipes_put(&conn->thread->pipes, flow->pipe, flow->pipe_bytes == 0);
    flow->pipe = NULL;
}

/* The gauge is left alone when its cell counts another endpoint by now. */
void
conn_leave_endpoint(struct conn *conn)
{
    uint32_t id = conn->endpoint_id;
    struct traffic_tries *tries;
    uint32_t active;

    conn->endpoint_id = 0;
    if (id == 0 || conn->endpoint_slot >= traffic_slots(conn->app->traffic))
        return;
    tries = traffic_tries(conn->app->traffic, conn->thread->index, conn->endpoint_slot);
    active = atomic_load_explicit(&tries->active, memory_order_relaxed);
    if (atomic_load_explicit(&tries->id, memory_order_relaxed) == id && active)
        atomic_store_explicit(&tries->active, active - 1, memory_order_relaxed);
}

void
conn_close(struct conn *conn, enum close_reason reason, bool reset)
{
    struct thread *thread = conn->thread;
    struct thread_app *app = conn->app;

    conn_enter(conn, CONN_CLOSED);
    /* Counted first: whoever sees the connection end finds it counted. */
    count_add(&app->counters->closed[reason], 1);
    count_add(&app->counters->active, UINT64_MAX);      /* minus one */
    conn_leave_endpoint(conn);
    if (conn->race != NULL) {
        race_end(conn);
        if (UNLIKELY(app->late > 0))
            app->late--;
    }
    close_side(conn, TARGET, reset);
    close_side(conn, CLIENT, reset);
    drop_flow(conn, &conn->flow[CLIENT]);
    drop_flow(conn, &conn->flow[TARGET]);
    wheel_cancel(&thread->loop.wheel, &conn->timer);
    conn_unqueue(conn);
    LIST_REMOVE(conn, link);
    LIST_INSERT_HEAD(&thread->closed_conns, conn, link);
    app->conn_count--;
    thread->conn_count--;
    if (UNLIKELY(app->leaving))
        drain_check(app);
    if (UNLIKELY(thread->accept_paused))
        listen_room(thread);
}

void
conn_free_closed(struct thread *thread)
{
    struct conn *conn;

    while ((conn = LIST_FIRST(&thread->closed_conns)) != NULL) {
        LIST_REMOVE(conn, link);
        LIST_INSERT_HEAD(&thread->free_conns, conn, link);
    }
}
