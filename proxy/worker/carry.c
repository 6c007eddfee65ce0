/* carry - see carry.h. */
#include "proxy/worker/carry.h"

#include <assert.h>

#include "base/util.h"
#include "proxy/worker/drain.h"
#include "proxy/worker/handover.h"
#include "proxy/worker/thread.h"

#define LOAD(cell) atomic_load_explicit(&(cell), memory_order_relaxed)
#define STORE(cell, value) atomic_store_explicit(&(cell), (value), memory_order_relaxed)

/* ---- counters ---- */

static void
move_count(_Atomic uint64_t *from, _Atomic uint64_t *to)
{
    uint64_t value = LOAD(*from);

    if (value == 0)
        return;
    STORE(*from, 0);    /* first: the two may be one, when a page serves both generations */
    count_add(to, value);
}

/* All but `active`, which goes with the connections. */
static void
move_counters(struct traffic_counters *from, struct traffic_counters *to)
{
    move_count(&from->accepted, &to->accepted);
    move_count(&from->connected, &to->connected);
    move_count(&from->attempts, &to->attempts);
    move_count(&from->retries, &to->retries);
    move_count(&from->bytes_to_target, &to->bytes_to_target);
    move_count(&from->bytes_to_client, &to->bytes_to_client);
    move_count(&from->accept_pauses, &to->accept_pauses);
    for (int i = 0; i < CLOSE_REASONS; i++)
        move_count(&from->closed[i], &to->closed[i]);
}

/* The cell that counts the endpoint in the new page; NULL when another one has its slot. */
static struct traffic_tries *
tries_in(const struct thread_app *app, const struct handover_endpoint *endpoint)
{
    struct traffic_tries *tries;

    if (endpoint->id == 0 || endpoint->slot >= traffic_slots(app->traffic))
        return NULL;
    tries = traffic_tries(app->traffic, app->thread->index, endpoint->slot);
    if (LOAD(tries->id) == 0)
        STORE(tries->id, endpoint->id);
    return LOAD(tries->id) == endpoint->id ? tries : NULL;
}

static void
move_tries(const struct thread_app *from, const struct thread_app *to)
{
    const struct handover *handover = from->app->handover;
    uint32_t slots = MIN(handover->slot_count, traffic_slots(from->traffic));

    for (uint32_t slot = 0; slot < slots; slot++) {
        const struct handover_endpoint *endpoint = &handover->endpoints[slot];
        struct traffic_tries *old = traffic_tries(from->traffic, from->thread->index, slot);
        struct traffic_tries *new;

        if (endpoint->old_id == 0 || LOAD(old->id) != endpoint->old_id)
            continue;
        new = tries_in(to, endpoint);
        if (new == NULL)
            continue;
        move_count(&old->connected, &new->connected);
        move_count(&old->failed, &new->failed);
    }
}

/* ---- connections ---- */

static const struct handover_endpoint *
endpoint_of(const struct conn *conn, const struct handover *handover)
{
    const struct handover_endpoint *endpoint;

    if (conn->endpoint_id == 0 || conn->endpoint_slot >= handover->slot_count)
        return NULL;
    endpoint = &handover->endpoints[conn->endpoint_slot];
    return endpoint->old_id == conn->endpoint_id ? endpoint : NULL;
}

/* Where the new board has no such endpoint the connection is counted for the app only. */
static void
change_endpoint(struct conn *conn, const struct thread_app *to)
{
    const struct handover_endpoint *endpoint = endpoint_of(conn, conn->app->app->handover);
    struct traffic_tries *tries = endpoint != NULL ? tries_in(to, endpoint) : NULL;

    conn_leave_endpoint(conn);
    if (tries == NULL)
        return;
    STORE(tries->active, LOAD(tries->active) + 1);
    conn->endpoint_id = endpoint->id;
    conn->endpoint_slot = endpoint->slot;
}

static bool
same_limits(const struct app_config *a, const struct app_config *b)
{
    return a->idle_timeout_ms == b->idle_timeout_ms &&
           a->half_close_timeout_ms == b->half_close_timeout_ms;
}

/* False: its port or target is gone; it stays. */
static bool
carry(struct conn *conn, struct thread_app *to)
{
    struct thread_app *from = conn->app;
    const struct handover *handover = from->app->handover;
    uint16_t port = handover_port(handover, conn->port);
    uint16_t target = handover_target(handover, conn->target);

    if (port == HANDOVER_NONE || target == HANDOVER_NONE)
        return false;
    change_endpoint(conn, to);
    conn->port = port;
    conn->target = target;
    LIST_REMOVE(conn, link);
    LIST_INSERT_HEAD(&to->conns, conn, link);
    from->conn_count--;
    to->conn_count++;
    conn->app = to;
    count_add(&from->counters->active, UINT64_MAX);     /* minus one */
    count_add(&to->counters->active, 1);
    return true;
}

void
carry_over(struct thread_app *from, struct thread_app *to)
{
    bool rearm = !same_limits(&from->app->config, &to->app->config);
    struct conn *conn = LIST_FIRST(&from->conns);

    move_counters(from->counters, to->counters);
    move_tries(from, to);
    if (from->left)                 /* it had retired, and its last connection has ended */
        return;
    while (conn != NULL) {
        struct conn *next = LIST_NEXT(conn, link);

        if (conn->race != NULL)
            from->late++;
        else if (carry(conn, to) && rearm)
            relay_arm_idle(conn);
        conn = next;
    }
    from->heir = to;
    LIST_INSERT_HEAD(&to->wards, from, ward_link);
    from->announced = from->late + from->expected > 0;
    to->expected += from->announced;
}

bool
carry_late(struct conn *conn)
{
    struct thread_app *from = conn->app;
    bool carried, closed;

    assert(from->late > 0 && from->announced);
    from->late--;
    carried = carry(conn, from->heir);
    /* The heir may have been superseded meanwhile: then it has stayed for this one. */
    while (carried && conn->app->heir != NULL && carry(conn, conn->app->heir))
        continue;
    closed = drain_is_over(conn->app);
    if (closed)
        conn_close(conn, CLOSE_DRAIN_TIMEOUT, true);
    drain_check(from);
    return !closed;
}

/* ---- the end ---- */

void
carry_rest(struct thread_app *from)
{
    struct thread_app *heir = from->heir, *ward;

    if (heir != NULL) {
        move_counters(from->counters, heir->counters);
        if (from->app->handover->to_generation == heir->app->generation)
            move_tries(from, heir);
        LIST_REMOVE(from, ward_link);
    }
    while ((ward = LIST_FIRST(&from->wards)) != NULL) {
        LIST_REMOVE(ward, ward_link);
        ward->heir = heir;
        if (heir != NULL)
            LIST_INSERT_HEAD(&heir->wards, ward, ward_link);
    }
}
