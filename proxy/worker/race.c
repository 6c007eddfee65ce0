/* race - see race.h. */
#include "proxy/worker/race.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/outgoing.h"
#include "base/util.h"
#include "proxy/worker/conn.h"
#include "proxy/worker/connect_look.h"
#include "proxy/worker/knowledge.h"
#include "proxy/worker/listen.h"
#include "proxy/worker/relay.h"
#include "proxy/worker/slab.h"
#include "proxy/worker/thread.h"
#include "strategy/endpoint_state.h"

enum { RACES_A_SLAB = 16 };

static void race_advance(struct conn *conn, bool another);

/* ---- memory ---- */

static struct race *
take_free(struct thread *thread)
{
    struct race *race = SLIST_FIRST(&thread->free_races);

    if (UNLIKELY(race == NULL)) {
        race = slab_grow(&thread->slabs, RACES_A_SLAB, sizeof *race);
        if (race == NULL)
            return NULL;
        for (int i = RACES_A_SLAB - 1; i >= 0; i--)
            SLIST_INSERT_HEAD(&thread->free_races, &race[i], link);
    }
    SLIST_REMOVE_HEAD(&thread->free_races, link);
    memset(race, 0, sizeof *race);
    return race;
}

static struct loop_io *
lane_io(struct lane *lane)
{
    return lane == &lane->conn->race->lanes[0] ? &lane->conn->io[TARGET] : &lane->io;
}

static void
lane_close(struct lane *lane)
{
    struct loop_io *io = lane_io(lane);

    io->ready = NULL;
    close(io->fd);
    io->fd = -1;
    lane->endpoint_id = 0;
    lane->conn->race->pending--;
}

void
race_end(struct conn *conn)
{
    struct race *race = conn->race;

    for (int i = 0; i < RACE_LANES && race->pending > 0; i++) {
        if (race->lanes[i].endpoint_id != 0)
            lane_close(&race->lanes[i]);
    }
    conn->race = NULL;
    SLIST_INSERT_HEAD(&conn->thread->ended_races, race, link);
}

/* ---- picking ---- */

static bool
is_only_one(const struct available_snapshot *snapshot)
{
    return snapshot->count + snapshot->reserve == 1;
}

static bool
was_tried(const struct race *race, uint32_t id)
{
    for (unsigned i = 0; i < race->tried_count; i++) {
        if (race->tried[i] == id)
            return true;
    }
    return false;
}

static struct traffic_knowledge *
knowledge_of(const struct thread_app *app, uint16_t slot)
{
    return traffic_knowledge(app->traffic, slot);
}

static bool
skip_tried(const struct strategy_filter *filter, const struct available_endpoint *endpoint)
{
    const struct conn *conn = filter->context;

    return was_tried(conn->race, endpoint->id);
}

static bool
skip_tried_or_shunned(const struct strategy_filter *filter,
                      const struct available_endpoint *endpoint)
{
    const struct conn *conn = filter->context;
    const struct thread_app *app = conn->app;

    return was_tried(conn->race, endpoint->id) ||
           knowledge_shunned(knowledge_of(app, endpoint->slot),
                             board_pulse(app->board, endpoint->slot), endpoint->id,
                             conn->thread->loop.now_ms);
}

static bool
skip_all_but_the_other_family(const struct strategy_filter *filter,
                              const struct available_endpoint *endpoint)
{
    const struct conn *conn = filter->context;

    return endpoint->address.family == conn->race->family ||
           skip_tried_or_shunned(filter, endpoint);
}

/* Beside a try that is pending. -1: there is none of the other family. */
static int
pick_other_family(struct conn *conn, struct strategy_filter *filter)
{
    struct thread_app *app = conn->app;

    if (conn->race->pending == 0 || !(app->snapshot->flags & AVAILABLE_BOTH_FAMILIES))
        return -1;
    filter->skip = skip_all_but_the_other_family;
    return app->app->strategy->pick(app->app->strategy_state, app->snapshot, filter);
}

/* Shunned because it failed, not because it was late. */
static bool
skip_tried_or_dead(const struct strategy_filter *filter,
                   const struct available_endpoint *endpoint)
{
    const struct conn *conn = filter->context;
    const struct traffic_knowledge *cell = knowledge_of(conn->app, endpoint->slot);

    return skip_tried_or_shunned(filter, endpoint) &&
           (skip_tried(filter, endpoint) || knowledge_failed_in_row(cell, endpoint->id) > 0);
}

static bool
skip_shunned_or_old(const struct strategy_filter *filter,
                    const struct available_endpoint *endpoint)
{
    return endpoint->tier > 0 || skip_tried_or_shunned(filter, endpoint);
}

static bool
skip_old(const struct strategy_filter *filter, const struct available_endpoint *endpoint)
{
    return endpoint->tier > 0 || skip_tried(filter, endpoint);
}

/* In panic all are thought to be dead: those that worked last are asked first, be they shunned. */
static int
pick_last_good(struct conn *conn, struct strategy_filter *filter)
{
    struct thread_app *app = conn->app;
    const struct strategy_ops *strategy = app->app->strategy;
    int index;

    filter->skip = skip_shunned_or_old;
    index = strategy->pick(app->app->strategy_state, app->snapshot, filter);
    if (index >= 0)
        return index;
    filter->skip = skip_old;
    return strategy->pick(app->app->strategy_state, app->snapshot, filter);
}

/* Of the reserve, which is sorted by tier: one of the best tier that has any left, at random
 * enough. -1: none is left. */
static int
pick_reserve(const struct available_snapshot *snapshot, const struct strategy_filter *filter,
             uint64_t lot)
{
    const struct available_endpoint *reserve = snapshot->endpoints + snapshot->count;
    uint32_t left = 0, first = 0, last = 0;

    for (uint32_t i = 0; i < snapshot->reserve; i++) {
        if (filter->skip(filter, &reserve[i]))
            continue;
        if (left > 0 && reserve[i].tier != reserve[first].tier)
            break;
        first = left++ == 0 ? i : first;
        last = i;
    }
    if (left == 0)
        return -1;
    for (uint32_t i = first, at = 0; i < last; i++) {
        if (!filter->skip(filter, &reserve[i]) && at++ == lot % left)
            return (int)(snapshot->count + i);
    }
    return (int)(snapshot->count + last);
}

/* The endpoint to try next: shunned ones last, tried ones never, and those of other tiers when
 * there is no other way. NULL: none is left. */
static const struct available_endpoint *
pick(struct conn *conn)
{
    struct thread_app *app = conn->app;
    const struct strategy_ops *strategy = app->app->strategy;
    struct strategy_filter filter = { .context = conn };
    int index = -1;

    if (available_set_moved(board_available(app->board), app->snapshot))
        available_set_copy(board_available(app->board), app->snapshot);
    if (UNLIKELY(app->snapshot->flags & AVAILABLE_PANIC))
        index = pick_last_good(conn, &filter);
    else if (UNLIKELY(app->snapshot->flags & AVAILABLE_BOTH_FAMILIES))
        index = pick_other_family(conn, &filter);
    if (LIKELY(index < 0)) {
        filter.skip = skip_tried_or_shunned;
        index = strategy->pick(app->app->strategy_state, app->snapshot, &filter);
    }
    if (index < 0 && app->snapshot->reserve > 0) {
        filter.skip = skip_tried_or_dead;   /* a tier that is late is not one that is gone */
        index = strategy->pick(app->app->strategy_state, app->snapshot, &filter);
        filter.skip = skip_tried_or_shunned;
    }
    if (index < 0)
        index = pick_reserve(app->snapshot, &filter, conn->thread->loop.now_ms);
    if (index < 0) {
        filter.skip = skip_tried;
        index = strategy->pick(app->app->strategy_state, app->snapshot, &filter);
    }
    if (index < 0)
        index = pick_reserve(app->snapshot, &filter, conn->thread->loop.now_ms);
    return index < 0 ? NULL : &app->snapshot->endpoints[index];
}

/* ---- one try ---- */

static struct traffic_tries *
tries_of(struct conn *conn, const struct lane *lane)
{
    struct traffic_tries *tries =
        traffic_tries(conn->app->traffic, conn->thread->index, lane->endpoint_slot);

    if (atomic_load_explicit(&tries->id, memory_order_relaxed) != lane->endpoint_id) {
        atomic_store_explicit(&tries->id, lane->endpoint_id, memory_order_relaxed);
        atomic_store_explicit(&tries->active, 0, memory_order_relaxed);
        atomic_store_explicit(&tries->connected, 0, memory_order_relaxed);
        atomic_store_explicit(&tries->failed, 0, memory_order_relaxed);
    }
    return tries;
}

static void
lane_shun(struct conn *conn, const struct lane *lane)
{
    knowledge_shun(knowledge_of(conn->app, lane->endpoint_slot),
                   board_pulse(conn->app->board, lane->endpoint_slot), lane->endpoint_id,
                   conn->thread->loop.now_ms);
}

static void
note_failure(struct conn *conn, const struct lane *lane)
{
    lane_shun(conn, lane);
    knowledge_failed(knowledge_of(conn->app, lane->endpoint_slot), lane->endpoint_id);
    count_add(&tries_of(conn, lane)->failed, 1);
}

/* The try is over without a connection. What is our own fault is not held against it. */
static void
lane_fail(struct lane *lane, int error)
{
    struct conn *conn = lane->conn;

    log_debug(conn->app->app->name, "endpoint in slot %u: %s", lane->endpoint_slot,
              strerror(error));
    if (reason_from_errno(error) != REASON_CONNECT_LOCAL) {
        note_failure(conn, lane);
    }
    if (error == ETIMEDOUT)
        conn->race->timed_out = true;
    lane_close(lane);
}

/* What `events` say beside the connection itself (the target may speak first, or have ended
 * already) is an edge that will not come again. */
static void
lane_win(struct lane *lane, uint32_t events)
{
    struct conn *conn = lane->conn;
    struct loop *loop = &conn->thread->loop;
    struct traffic_tries *tries = tries_of(conn, lane);
    uint64_t took_us = loop->now_us - lane->started_us;
    struct loop_io *io = lane_io(lane);
    int fd = io->fd;

    knowledge_connected(knowledge_of(conn->app, lane->endpoint_slot), lane->endpoint_id,
                        (uint32_t)MIN(took_us, (uint64_t)UINT32_MAX));
    count_add(&tries->connected, 1);
    atomic_store_explicit(&tries->active,
                          atomic_load_explicit(&tries->active, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    conn->endpoint_id = lane->endpoint_id;
    conn->endpoint_slot = lane->endpoint_slot;
    conn->target = lane->target;
    io->fd = -1;
    io->ready = NULL;
    lane->endpoint_id = 0;
    conn->race->pending--;
    race_end(conn);
    conn->io[TARGET].fd = fd;
    conn->io[TARGET].ready = relay_target_ready;
    conn->flow[TARGET].readable = (events & (EPOLLIN | EPOLLPRI | EPOLLRDHUP)) != 0;
    conn->flow[TARGET].hung_up = (events & (EPOLLPRI | EPOLLRDHUP)) != 0;
    if (io != &conn->io[TARGET])
        loop_change(loop, &conn->io[TARGET], RELAY_WATCHED | EPOLLOUT);
    conn_connected(conn);
}

static void
lane_refused(struct lane *lane)
{
    int error = 0;
    socklen_t bytes = sizeof error;

    getsockopt(lane_io(lane)->fd, SOL_SOCKET, SO_ERROR, &error, &bytes);
    lane_fail(lane, error != 0 ? error : ECONNRESET);
}

static void
lane_event(struct lane *lane, uint32_t events)
{
    struct conn *conn = lane->conn;

    if (events & (EPOLLERR | EPOLLHUP)) {
        lane_refused(lane);
        race_advance(conn, true);
    } else if (events & EPOLLOUT) {
        lane_win(lane, events);
    }
}

static void
first_lane_ready(struct loop_io *io, uint32_t events)
{
    struct conn *conn = CONTAINER_OF(io, struct conn, io[TARGET]);

    lane_event(&conn->race->lanes[0], events);
}

static void
other_lane_ready(struct loop_io *io, uint32_t events)
{
    lane_event(CONTAINER_OF(io, struct lane, io), events);
}

static struct lane *
free_lane(struct conn *conn)
{
    for (int i = 0; i < RACE_LANES; i++) {
        if (conn->race->lanes[i].endpoint_id == 0)
            return &conn->race->lanes[i];
    }
    return NULL;
}

/* socket(2), connect(2) and the watch; 0 or -errno with nothing left open. */
static int
lane_connect(struct lane *lane, const struct address *address)
{
    struct loop_io *io = lane_io(lane);
    struct sockaddr_storage storage;
    socklen_t bytes = address_to_sockaddr(address, &storage);
    int rc;

    rc = outgoing_socket(storage.ss_family);
    io->fd = rc < 0 ? -1 : rc;
    if (rc < 0)
        return rc;
    if (connect(io->fd, (struct sockaddr *)&storage, bytes) < 0 && errno != EINPROGRESS) {
        rc = -errno;
        goto fail;
    }
    rc = loop_add(&lane->conn->thread->loop, io, RELAY_WATCHED | EPOLLOUT);
    if (rc == 0)
        return 0;
fail:
    close(io->fd);
    io->fd = -1;
    io->ready = NULL;
    return rc;
}

/* Starts a try; 0 or -errno when it failed at once. */
static int
lane_start(struct conn *conn, struct lane *lane, const struct available_endpoint *endpoint)
{
    struct race *race = conn->race;
    const struct app_config *config = &conn->app->app->config;
    uint64_t now_ms = conn->thread->loop.now_ms;
    int rc;

    lane->conn = conn;
    lane_io(lane)->ready = lane == &race->lanes[0] ? first_lane_ready : other_lane_ready;
    rc = lane_connect(lane, &endpoint->address);
    if (rc == -EMFILE || rc == -ENFILE || rc == -ENOBUFS || rc == -ENOMEM ||
        rc == -ENOSPC)      /* of epoll_ctl(2): max_user_watches */
        return rc;      /* no try at all: it waits for a descriptor */
    lane->endpoint_id = endpoint->id;
    lane->endpoint_slot = endpoint->slot;
    lane->target = (uint16_t)endpoint->target;
    race->pending++;
    race->family = endpoint->address.family;
    race->tried[race->tried_count++] = endpoint->id;
    count_add(&conn->app->counters->attempts, 1);
    if (race->tries++ > 0)
        count_add(&conn->app->counters->retries, 1);
    lane->started_us = conn->thread->loop.now_us;
    lane->deadline_ms = now_ms + config->connect_per_try_ms;
    lane->suspect_at_ms =
        now_ms + knowledge_suspect_ms(knowledge_of(conn->app, lane->endpoint_slot),
                                      board_pulse(conn->app->board, lane->endpoint_slot),
                                      lane->endpoint_id, config->connect_stagger_ms);
    if (rc != 0) {
        race->pending--;
        if (reason_from_errno(-rc) != REASON_CONNECT_LOCAL) {
            note_failure(conn, lane);
        }
        lane->endpoint_id = 0;
    }
    return rc;
}

/* ---- the race ---- */

static bool
may_try(const struct conn *conn)
{
    return conn->race->tries <= conn->app->app->config.connect_retries &&
           conn->race->pending < RACE_LANES;
}

/* Starts the next try, passing over those that fail at once. */
static void
try_next(struct conn *conn)
{
    struct race *race = conn->race;
    uint64_t now_ms = conn->thread->loop.now_ms;

    while (may_try(conn)) {
        const struct available_endpoint *endpoint = pick(conn);
        int rc;

        if (endpoint == NULL)
            break;
        rc = lane_start(conn, free_lane(conn), endpoint);
        if (rc == 0)
            return;
        if (race->tries == 0 || !was_tried(race, endpoint->id)) {   /* starved */
            race->again_at_ms = now_ms + RACE_STARVED_MS;
            listen_pause(conn->thread, conn->app, strerror(-rc));
            return;
        }
    }
    if (race->pending == 0 && may_try(conn) && is_only_one(conn->app->snapshot))
        race->again_at_ms = now_ms + RACE_AGAIN_MS;
}

/* The next instant at which something has to be decided. */
static uint64_t
next_step_ms(const struct race *race)
{
    uint64_t next_ms = race->deadline_ms;

    for (int i = 0; i < RACE_LANES; i++) {
        const struct lane *lane = &race->lanes[i];

        if (lane->endpoint_id == 0)
            continue;
        next_ms = MIN(next_ms, lane->deadline_ms);
        if (lane->suspect_at_ms != 0)
            next_ms = MIN(next_ms, lane->suspect_at_ms);
    }
    if (race->again_at_ms != 0)
        next_ms = MIN(next_ms, race->again_at_ms);
    return next_ms;
}

static void
race_advance(struct conn *conn, bool another)
{
    struct race *race = conn->race;

    if (another)
        try_next(conn);
    if (race->pending == 0 && race->again_at_ms == 0) {
        conn_close(conn, race->timed_out ? CLOSE_CONNECT_TIMEOUT : CLOSE_NO_TARGET, true);
        return;
    }
    if (race->pending > 0 && conn->state == CONN_PICKING)
        conn_enter(conn, CONN_CONNECTING);
    else if (race->pending == 0 && conn->state == CONN_CONNECTING)
        conn_enter(conn, CONN_PICKING);
    wheel_arm(&conn->thread->loop.wheel, &conn->timer, next_step_ms(race));
}

enum judged { JUDGED_WAITS, JUDGED_ANOTHER, JUDGED_WON };

/* Its time is over, or it is late. It may have connected while the loop did not look. */
static enum judged
judge_late(struct conn *conn, struct lane *lane)
{
    uint32_t events = connect_look(lane_io(lane)->fd);

    if (events & (EPOLLERR | EPOLLHUP)) {
        lane_refused(lane);
    } else if (events & EPOLLOUT) {
        lane_win(lane, events);
        return JUDGED_WON;
    } else if (conn->thread->loop.now_ms >= lane->deadline_ms) {
        lane_fail(lane, ETIMEDOUT);
    } else {
        lane->suspect_at_ms = 0;
        lane_shun(conn, lane);
    }
    return JUDGED_ANOTHER;
}

/* Late tries are shunned and get company; tries past their time are given up. ANOTHER: one more may
 * start. WON: one had connected, the race is no more. */
static enum judged
judge_lanes(struct conn *conn)
{
    uint64_t now_ms = conn->thread->loop.now_ms;
    enum judged judged = JUDGED_WAITS;

    for (int i = 0; i < RACE_LANES && judged != JUDGED_WON; i++) {
        struct lane *lane = &conn->race->lanes[i];
        bool late = lane->suspect_at_ms != 0 && now_ms >= lane->suspect_at_ms;

        if (lane->endpoint_id != 0 && (late || now_ms >= lane->deadline_ms))
            judged = judge_late(conn, lane);
    }
    return judged;
}

/* The time of all tries is over: one that connected while the loop did not look wins all the same,
 * also one that has time left of its own. */
static bool
win_late(struct conn *conn)
{
    for (int i = 0; i < RACE_LANES; i++) {
        struct lane *lane = &conn->race->lanes[i];
        uint32_t events = lane->endpoint_id != 0 ? connect_look(lane_io(lane)->fd) : 0;

        if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == EPOLLOUT) {
            lane_win(lane, events);
            return true;
        }
    }
    return false;
}

static void
race_timer(struct wheel_timer *timer)
{
    struct conn *conn = CONTAINER_OF(timer, struct conn, timer);
    struct race *race = conn->race;
    uint64_t now_ms = conn->thread->loop.now_ms;
    enum judged judged;

    if (now_ms >= race->deadline_ms) {
        if (judge_lanes(conn) != JUDGED_WON && !win_late(conn))
            conn_close(conn, CLOSE_CONNECT_TIMEOUT, true);
        return;
    }
    relay_watch_client(conn);       /* it takes long enough that the client may go away */
    if (conn->state == CONN_CLOSED)
        return;
    judged = judge_lanes(conn);
    if (judged == JUDGED_WON)
        return;
    if (race->again_at_ms != 0 && now_ms >= race->again_at_ms) {
        race->again_at_ms = 0;
        if (race->pending == 0 && is_only_one(conn->app->snapshot))
            race->tried_count = 0;
        judged = JUDGED_ANOTHER;
    }
    race_advance(conn, judged == JUDGED_ANOTHER);
}

void
race_start(struct conn *conn)
{
    struct race *race = take_free(conn->thread);

    assert(conn->state == CONN_PICKING);
    if (race == NULL) {
        conn_close(conn, CLOSE_LIMIT, true);
        return;
    }
    conn->race = race;
    conn->timer.fire = race_timer;
    race->deadline_ms = conn->thread->loop.now_ms + conn->app->app->config.connect_timeout_ms;
    race_advance(conn, true);
}
