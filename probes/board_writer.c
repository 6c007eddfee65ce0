/*
 * What others see of an app: slots, details and pulses of its board, the published set, and
 * the figures that the supervisor is told. Published is on change only, never for a probe
 * that found what was known; several changes of one turn of the loop are one publication.
 */
#include "base/control.h"
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
#include "probes/beat.h"
#include "probes/choose.h"
#include "probes/endpoint.h"
#include "probes/endpoint_policy.h"
#include "probes/ladder.h"
#include "probes/prober_peer.h"
#include "probes/prober_priv.h"
#include "probes/prober_target.h"
#include "probes/standing.h"

enum { REPORT_INTERVAL_MS = 50 };

struct tally {
    uint32_t total, available, eligible, reserve, reserve_available, homeless;
    uint32_t housed_reserve;        /* with a slot */
    bool last_resort;               /* who leaves or is unproven is better than none */
    struct ladder_count ladder;
    uint64_t now_ms;
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
    if (beat_join(app) < 0) {
        free(room);
        return -ENOMEM;
    }
    board_set_lag(board, &app->prober->lag_shown);
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
    beat_leave(app);
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
    beat_move(app);
    board_set_lag(board, &app->prober->lag_shown);
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

static void
count_endpoint(struct tally *tally, const struct endpoint *endpoint, uint64_t now_ms)
{
    uint32_t hold_ms = endpoint->target->app->config.panic_hold_ms;
    bool tried = endpoint_may_be_tried(endpoint);

    tally->total++;
    tally->available += endpoint_state_works(endpoint->state);
    tally->ladder.present += tried;
    tally->ladder.recent += tried && ladder_recent(endpoint->worked_ms, now_ms, hold_ms);
    tally->eligible += endpoint_eligible(endpoint);
    tally->reserve += endpoint_in_reserve(endpoint);
    if (endpoint->slot != SLOT_NONE) {
        tally->ladder.eligible += endpoint_eligible(endpoint);
        tally->housed_reserve += endpoint_in_reserve(endpoint);
    }
    tally->reserve_available +=
        endpoint_in_reserve(endpoint) && endpoint_state_works(endpoint->probed);
    tally->homeless += endpoint->slot == SLOT_NONE;
}

static struct tally
take_tally(struct prober_app *app)
{
    struct tally tally = { .settled = true, .now_ms = clock_monotonic_ms() };
    struct endpoint *endpoint;

    for (uint32_t i = 0; i < app->config.target_count; i++) {
        TAILQ_FOREACH (endpoint, &app->targets[i].endpoints, link)
            count_endpoint(&tally, endpoint, tally.now_ms);
        tally.settled = tally.settled && target_settled(&app->targets[i]);
    }
    if (tally.eligible == 0 && tally.reserve > 0) {
        tally.last_resort = true;
        tally.eligible = tally.reserve;
        tally.available = tally.reserve_available;
        tally.ladder.eligible = tally.housed_reserve;
    }
    return tally;
}

/* The state that counts: one that has yet to prove itself gets no clients, and one that leaves none
 * either, unless there is nothing better. */
static enum endpoint_state
counted_state(const struct endpoint *endpoint, bool last_resort)
{
    if (last_resort && endpoint_in_reserve(endpoint))
        return endpoint->probed;
    if (endpoint_state_eligible(endpoint->state) && !endpoint_eligible(endpoint))
        return ENDPOINT_STARTING;
    /* One that leaves and is down is there for a panic as others are. */
    if (endpoint->state == ENDPOINT_DRAINING && endpoint_may_be_tried(endpoint) &&
        !endpoint_state_eligible(endpoint->probed))
        return endpoint->probed;
    return endpoint->state;
}

static struct candidate
candidate_of(const struct endpoint *endpoint, const struct tally *tally)
{
    return (struct candidate){
        .state = counted_state(endpoint, tally->last_resort),
        .weight = endpoint->weight,
        .tier = endpoint->tier,
        .percent = endpoint->percent,
        .has_address = endpoint->address.family != 0 && endpoint->slot != SLOT_NONE,
    };
}

/* Those that have no slot yet are not there. */
static struct choice
choose_for(const struct prober_app *app, const struct tally *tally)
{
    struct choice choice = CHOICE_NONE;
    const struct endpoint *endpoint;

    for (uint32_t i = 0; i < app->config.target_count; i++) {
        TAILQ_FOREACH (endpoint, &app->targets[i].endpoints, link) {
            struct candidate candidate = candidate_of(endpoint, tally);

            choose_add(&choice, &candidate);
        }
    }
    choose_end(&choice, app->config.panic == APP_PANIC_ALL);
    return choice;
}

/* In panic, those that worked last come first. */
static uint16_t
tier_of(const struct endpoint *endpoint, const struct tally *tally, const struct choice *choice)
{
    uint32_t hold_ms = endpoint->target->app->config.panic_hold_ms;

    if (!choice->panic)
        return endpoint->tier;
    return tally->ladder.recent > 0 && !ladder_recent(endpoint->worked_ms, tally->now_ms, hold_ms);
}

static void
offer(const struct prober_app *app, const struct endpoint *endpoint, uint16_t weight,
      uint16_t tier, struct available_endpoint *entry)
{
    const struct target *target = endpoint->target;

    assert(endpoint->address.family != 0);
    *entry = (struct available_endpoint){
        .address = endpoint->address,
        .id = endpoint->id,
        .slot = (uint16_t)endpoint->slot,
        .weight = weight,
        .tier = tier,
        .target = (uint32_t)(target - app->targets),
    };
}

/* Into `list`: those that are chosen, or the reserve; returns how many. */
static uint32_t
collect(const struct prober_app *app, const struct tally *tally, const struct choice *choice,
        bool reserve, struct available_endpoint *list)
{
    const struct endpoint *endpoint;
    uint32_t count = 0;

    for (uint32_t i = 0; i < app->config.target_count; i++) {
        TAILQ_FOREACH (endpoint, &app->targets[i].endpoints, link) {
            struct candidate candidate = candidate_of(endpoint, tally);
            uint16_t weight = choose_weight(choice, &candidate);
            uint16_t tier = tier_of(endpoint, tally, choice);

            if (reserve && choose_reserve(choice, &candidate))
                offer(app, endpoint, candidate.weight, tier, &list[count++]);
            else if (!reserve && weight > 0)
                offer(app, endpoint, weight, tier, &list[count++]);
        }
    }
    if (reserve)
        choose_sort_reserve(list, count);
    else
        choose_sort(list, count);
    return count;
}

static void
tell_tier_lines(struct prober_app *app, int64_t wall_ms)
{
    uint32_t untold = probe_lines_untold(&app->writer.tier_lines, wall_ms);

    if (untold > 0)
        log_warn(app->config.name, "another tier got the connections %" PRIu32 " times more "
                                   "within that minute", untold);
}

void
board_writer_minute(struct prober_app *app, int64_t wall_ms)
{
    uint32_t untold = probe_lines_untold(&app->writer.panic_lines, wall_ms);

    if (untold > 0)
        log_warn(app->config.name, "panic began or ended %" PRIu32 " times more within that "
                                   "minute", untold);
    tell_tier_lines(app, wall_ms);
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

/* Clients go elsewhere because a whole tier fails: that is worth a line, as panic is. */
static void
tell_tier(struct prober_app *app, const struct choice *choice)
{
    struct board_writer *writer = &app->writer;
    bool moved = writer->tier_known && choice->tier != writer->tier;
    int64_t wall_ms = clock_wall_ms();

    if (choice->tier == CHOOSE_TIER_NONE)
        return;
    if (moved)
        tell_tier_lines(app, wall_ms);
    if (moved && probe_lines_allow(&writer->tier_lines, wall_ms))
        log_warn(app->config.name, "tier %u gets the connections now, tier %u no more",
                 choice->tier, writer->tier);
    writer->tier = choice->tier;
    writer->tier_known = true;
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
    if ((flags ^ writer->published_flags) & AVAILABLE_PANIC)
        tell_panic(app, flags & AVAILABLE_PANIC, count);
    memcpy(writer->published, list, count * sizeof *list);
    writer->published_count = count;
    writer->published_flags = flags;
    writer->published_any = true;
}

static bool
has_both_families(const struct available_endpoint *list, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        if (list[i].address.family != list[0].address.family)
            return true;
    }
    return false;
}

static void
publish(struct prober_app *app, const struct tally *tally)
{
    struct board_writer *writer = &app->writer;
    enum ladder_rung rung = ladder_rung(&tally->ladder, app->config.panic == APP_PANIC_FAIL);
    struct choice choice = choose_for(app, tally);
    uint32_t count = collect(app, tally, &choice, false, app->prober->scratch);
    uint32_t reserve = collect(app, tally, &choice, true, app->prober->scratch + count);
    uint32_t flags = choice.panic && count > 0 ? AVAILABLE_PANIC : 0;

    flags |= has_both_families(app->prober->scratch, count) ? AVAILABLE_BOTH_FAMILIES : 0;
    assert(count + reserve <= writer->slot_count);
    tell_tier(app, &choice);
    publish_list(app, count + reserve, flags | reserve << AVAILABLE_RESERVE_SHIFT);
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
    beat_review(app, rung == LADDER_LAST_GOOD);     /* that may be long ago by the next beat */
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
    writer->published_count = snapshot->count + snapshot->reserve;
    writer->published_flags = snapshot->flags | snapshot->reserve << AVAILABLE_RESERVE_SHIFT;
    memcpy(writer->published, snapshot->endpoints,
           writer->published_count * sizeof *writer->published);
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

/* When a share grows or a penalty has faded; earlier when there is a report to make before. */
static void
review_later(struct prober_app *app, uint32_t wait_ms)
{
    struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };

    if (wait_ms > 0 && !event_pending(&app->writer.flush, EV_TIMEOUT, NULL))
        event_add(&app->writer.flush, &wait);
}

static void
on_flush(evutil_socket_t fd, short what, void *context)
{
    struct prober_app *app = context;
    uint32_t wait_ms = endpoint_policy_review(app, clock_monotonic_ms());
    struct tally tally = take_tally(app);

    if (tally.homeless > 0) {
        board_writer_house(app);
        tally = take_tally(app);
    }
    publish(app, &tally);
    report(app);
    if (tally.homeless > 0)
        ask_to_grow(app);
    review_later(app, wait_ms);
}

void
board_writer_changed(struct prober_app *app)
{
    event_active(&app->writer.flush, EV_TIMEOUT, 1);
}
