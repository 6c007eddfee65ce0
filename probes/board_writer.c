/*
 * What others see of an app: slots, details and pulses of its board, the published set, and
 * the figures that the supervisor is told. Published is on change only, never for a probe
 * that found what was known; several changes of one turn of the loop are one publication.
 */
#include "probes/board_writer.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "probes/ladder.h"
#include "probes/prober_peer.h"
#include "probes/prober_priv.h"
#include "probes/prober_target.h"
#include "probes/standing.h"

enum { REPORT_INTERVAL_MS = 50 };

struct tally {
    uint32_t total, available, homeless;
    struct ladder_count ladder;
    bool settled;
};

static void on_flush(evutil_socket_t fd, short what, void *context);

/* ---- the board ---- */

/* For all boards: publishing must not fail later for want of it. 0 or -ENOMEM. */
static int
ensure_scratch(struct prober *prober, uint32_t slot_count)
{
    struct available_endpoint *scratch;

    if (slot_count <= prober->scratch_room)
        return 0;
    scratch = realloc(prober->scratch, slot_count * sizeof *scratch);
    if (scratch == NULL)
        return -ENOMEM;
    prober->scratch = scratch;
    prober->scratch_room = slot_count;
    return 0;
}

/* In one piece: the slots, then what is published. NULL without memory. */
static struct endpoint **
room_create(struct prober *prober, uint32_t slot_count)
{
    if (ensure_scratch(prober, slot_count) < 0)
        return NULL;
    return calloc(slot_count, sizeof(struct endpoint *) + sizeof(struct available_endpoint));
}

static void
adopt(struct board_writer *writer, struct board *board, struct endpoint **room)
{
    writer->board = board;
    writer->slots = room;
    writer->published = (struct available_endpoint *)(room + board_slots(board));
    writer->slot_count = board_slots(board);
    writer->slot_next = 0;
    writer->published_any = false;
    writer->grow_asked = 0;
    board_beat(board, clock_monotonic_ms());
}

int
board_writer_init(struct prober_app *app, struct board *board)
{
    struct board_writer *writer = &app->writer;
    struct endpoint **room = room_create(app->prober, board_slots(board));
    struct board_summary summary;

    if (room == NULL)
        return -ENOMEM;
    if (board_summary(board, &summary)) {
        app->writer.summary.panics = summary.panics;
        app->first_round_done = board_generation(board) == app->generation &&
                                summary.first_round_done;
    }
    adopt(writer, board, room);
    board_set_generation(board, app->generation);
    event_assign(&writer->flush, app->prober->base, -1, 0, on_flush, app);
    return 0;
}

static void
release(struct board_writer *writer)
{
    board_close(writer->board);
    free(writer->slots);
}

void
board_writer_fini(struct prober_app *app)
{
    event_del(&app->writer.flush);
    release(&app->writer);
}

int
board_writer_move(struct prober_app *app, struct board *board)
{
    struct board_writer *writer = &app->writer;
    struct board_writer old = *writer;
    struct endpoint *endpoint, **room;

    if (board_slots(board) < writer->slot_count)
        return -EINVAL;
    room = room_create(app->prober, board_slots(board));
    if (room == NULL)
        return -ENOMEM;
    memcpy(room, writer->slots, writer->slot_count * sizeof *room);
    adopt(writer, board, room);
    board_set_generation(board, app->generation);
    board_set_next_id(board, app->family->next_id);
    for (uint32_t i = 0; i < app->config.target_count; i++) {
        TAILQ_FOREACH (endpoint, &app->targets[i].endpoints, link) {
            if (endpoint->slot == SLOT_NONE)
                board_writer_take_slot(endpoint);
            board_writer_show(endpoint);
        }
    }
    board_writer_publish(app);
    release(&old);
    board_writer_changed(app);
    return 0;
}

/* ---- publishing ---- */

static struct tally
take_tally(struct prober_app *app)
{
    struct tally tally = { .settled = true };
    uint64_t now_ms = clock_monotonic_ms();
    struct endpoint *endpoint;

    for (uint32_t i = 0; i < app->config.target_count; i++) {
        TAILQ_FOREACH (endpoint, &app->targets[i].endpoints, link) {
            tally.total++;
            tally.available += endpoint_state_works(endpoint_state(endpoint));
            tally.ladder.eligible += endpoint_state_eligible(endpoint_state(endpoint));
            tally.ladder.present += endpoint_may_be_tried(endpoint);
            tally.ladder.recent += endpoint_may_be_tried(endpoint) &&
                                   ladder_recent(endpoint->worked_ms, now_ms,
                                                 app->config.panic_hold_ms);
            tally.homeless += endpoint->slot == SLOT_NONE;
        }
        tally.settled = tally.settled && target_settled(&app->targets[i]);
    }
    return tally;
}

static bool
is_offered(const struct endpoint *endpoint, enum ladder_rung rung)
{
    if (rung == LADDER_NORMAL)
        return endpoint_state_eligible(endpoint_state(endpoint));
    return rung != LADDER_FAIL && endpoint_may_be_tried(endpoint);
}

/* In panic, those that worked last come first. */
static uint32_t
tier_of(const struct endpoint *endpoint, enum ladder_rung rung, uint64_t now_ms)
{
    uint32_t hold_ms = endpoint->target->app->config.panic_hold_ms;

    return rung == LADDER_LAST_GOOD && !ladder_recent(endpoint->worked_ms, now_ms, hold_ms);
}

/* What is offered now, in the order of the configuration, into `list`; returns how many. */
static uint32_t
collect(const struct prober_app *app, enum ladder_rung rung, struct available_endpoint *list)
{
    uint64_t now_ms = clock_monotonic_ms();
    const struct endpoint *endpoint;
    uint32_t count = 0;

    for (uint32_t i = 0; i < app->config.target_count; i++) {
        TAILQ_FOREACH (endpoint, &app->targets[i].endpoints, link) {
            if (!is_offered(endpoint, rung) || endpoint->slot == SLOT_NONE)
                continue;
            assert(endpoint->address.family != 0);
            assert(count < app->writer.slot_count);
            list[count++] = (struct available_endpoint){
                .address = endpoint->address,
                .id = endpoint->id,
                .slot = (uint16_t)endpoint->slot,
                .weight = 1,
                .tier = tier_of(endpoint, rung, now_ms),
                .target = i,
            };
        }
    }
    return count;
}

void
board_writer_beat(struct prober_app *app, uint64_t now_ms)
{
    board_beat(app->writer.board, now_ms);
    if (app->writer.summary.rung == LADDER_LAST_GOOD)
        board_writer_changed(app);      /* what worked last may be long ago by now */
}

void
board_writer_minute(struct prober_app *app, int64_t wall_ms)
{
    uint32_t untold = probe_lines_untold(&app->writer.panic_lines, wall_ms);

    if (untold > 0)
        log_warn(app->config.name, "panic began or ended %" PRIu32 " times more within that "
                                   "minute", untold);
}

static void
tell_panic(struct prober_app *app, bool begins, uint32_t count)
{
    int64_t wall_ms = clock_wall_ms();

    board_writer_minute(app, wall_ms);
    if (!probe_lines_allow(&app->writer.panic_lines, wall_ms))
        return;
    if (begins)
        log_warn(app->config.name, "no target is available: all are tried (panic)");
    else if (count > 0)
        log_warn(app->config.name, "a target is available again: panic is over");
    else
        log_warn(app->config.name, "no target is left that may be tried: clients are refused");
}

static void
publish_list(struct prober_app *app, uint32_t count, uint32_t flags)
{
    struct board_writer *writer = &app->writer;
    const struct available_endpoint *list = app->prober->scratch;
    bool same = writer->published_any && count == writer->published_count &&
                flags == writer->published_flags &&
                memcmp(list, writer->published, count * sizeof *list) == 0;
    int rc;

    if (same)
        return;
    rc = available_set_publish(board_available_writable(writer->board), list, count, flags,
                               clock_monotonic_ms());
    assert(rc == 0);    /* no more endpoints than slots */
    (void)rc;
    if (flags & ~writer->published_flags & AVAILABLE_PANIC)
        writer->summary.panics++;
    if (flags != writer->published_flags)
        tell_panic(app, flags & AVAILABLE_PANIC, count);
    memcpy(writer->published, list, count * sizeof *list);
    writer->published_count = count;
    writer->published_flags = flags;
    writer->published_any = true;
}

static void
publish(struct prober_app *app, const struct tally *tally)
{
    struct board_writer *writer = &app->writer;
    enum ladder_rung rung = ladder_rung(&tally->ladder, app->config.panic == APP_PANIC_FAIL);
    bool panic = rung == LADDER_LAST_GOOD || rung == LADDER_ALL;
    uint32_t count = collect(app, rung, app->prober->scratch);

    publish_list(app, count, panic && count > 0 ? AVAILABLE_PANIC : 0);
    app->first_round_done = app->first_round_done || tally->settled;
    writer->summary = (struct board_summary){
        .total = tally->total,
        .available = tally->available,
        .eligible = tally->ladder.eligible,
        .ready = tally->available >= app->config.ready_min_available,
        .panic = writer->published_flags & AVAILABLE_PANIC ? (uint8_t)rung : 0,
        .rung = (uint8_t)rung,
        .panics = writer->summary.panics,
        .first_round_done = app->first_round_done,
    };
    board_set_summary(writer->board, &writer->summary);
}

/* A prober that replaces another publishes nothing while nothing changed: readers would copy
 * what they have. Without memory they do. */
void
board_writer_recall(struct prober_app *app)
{
    struct board_writer *writer = &app->writer;
    const struct available_set *set = board_available(writer->board);
    struct available_snapshot *snapshot;

    if (available_set_generation(set) == 0)
        return;
    snapshot = malloc(available_snapshot_bytes(writer->slot_count));
    if (snapshot == NULL)
        return;
    available_set_copy(set, snapshot);
    writer->published_count = snapshot->count;
    writer->published_flags = snapshot->flags;
    memcpy(writer->published, snapshot->endpoints,
           snapshot->count * sizeof *writer->published);
    writer->published_any = true;
    free(snapshot);
}

void
board_writer_publish(struct prober_app *app)
{
    struct tally tally = take_tally(app);

    publish(app, &tally);
}

/* ---- what the supervisor is told ---- */

static void
ask_to_grow(struct prober_app *app)
{
    struct board_writer *writer = &app->writer;
    struct control_message message;
    uint32_t need = app->endpoint_count;

    if (need <= writer->grow_asked)
        return;
    control_app_message(&message, CONTROL_APP_GROW, app->config.name, app->generation);
    message.body.app.board_number = board_number(writer->board);
    message.body.app.count = need;
    writer->grow_asked = need;
    log_info(app->config.name, "%" PRIu32 " endpoints need a larger board than %" PRIu32, need,
             writer->slot_count);
    prober_tell(app->prober, &message);
}

static struct control_health
make_health(const struct prober_app *app)
{
    const struct board_summary *summary = &app->writer.summary;
    struct control_health health = {
        .generation = app->generation,
        .total = summary->total,
        .available = summary->available,
        .eligible = summary->eligible,
        .first_round_done = summary->first_round_done,
        .panic = summary->panic,
        .panics = summary->panics,
    };

    snprintf(health.app, sizeof health.app, "%s", app->config.name);
    return health;
}

/* Changes that a client may be waiting for. */
static bool
is_urgent(const struct board_writer *writer)
{
    const struct board_summary *now = &writer->summary, *before = &writer->reported;

    return !writer->reported_any || now->first_round_done != before->first_round_done ||
           (now->available == 0) != (before->available == 0);
}

static void
report(struct prober_app *app)
{
    struct board_writer *writer = &app->writer;
    struct control_message message = { .magic = CONTROL_MAGIC, .type = CONTROL_APP_HEALTH };
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t age_ms = now_ms - writer->reported_ms;

    if (writer->reported_any &&
        memcmp(&writer->summary, &writer->reported, sizeof writer->summary) == 0)
        return;
    if (!is_urgent(writer) && age_ms < REPORT_INTERVAL_MS) {
        struct timeval wait = { .tv_usec = (suseconds_t)(REPORT_INTERVAL_MS - age_ms) * 1000 };

        event_add(&writer->flush, &wait);
        return;
    }
    message.body.health = make_health(app);
    writer->reported = writer->summary;
    writer->reported_any = true;
    writer->reported_ms = now_ms;
    prober_tell(app->prober, &message);
}

void
board_writer_tell_again(struct prober_app *app)
{
    struct tally tally = take_tally(app);

    app->writer.reported_any = false;
    app->writer.grow_asked = 0;
    report(app);
    if (tally.homeless > 0)
        ask_to_grow(app);
}

static void
on_flush(evutil_socket_t fd, short what, void *context)
{
    struct prober_app *app = context;
    struct tally tally = take_tally(app);

    if (tally.homeless > 0) {
        board_writer_house(app);
        tally = take_tally(app);
    }
    publish(app, &tally);
    report(app);
    if (tally.homeless > 0)
        ask_to_grow(app);
}

void
board_writer_changed(struct prober_app *app)
{
    event_active(&app->writer.flush, EV_TIMEOUT, 1);
}
