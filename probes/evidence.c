#include "probes/evidence.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "probes/ejection.h"
#include "probes/endpoint.h"
#include "probes/prober_priv.h"

enum {
    MARKS_MIN = 16,
    MARKS_AHEAD = 24,                   /* whose pages are on their way */
    THREADS_AHEAD = 4,                  /* of them */
};

static uint32_t
failures_in(const struct traffic *traffic, uint32_t slot)
{
    return atomic_load_explicit(&traffic_knowledge(traffic, slot)->failures,
                                memory_order_relaxed);
}

static uint16_t
row_in(const struct traffic *traffic, uint32_t slot)
{
    return atomic_load_explicit(&traffic_knowledge(traffic, slot)->failed_in_row,
                                memory_order_relaxed);
}

static bool
is_about(const struct traffic *traffic, const struct endpoint *endpoint)
{
    const struct traffic_knowledge *cell = traffic_knowledge(traffic, endpoint->slot);

    return atomic_load_explicit(&cell->id, memory_order_relaxed) == endpoint->id;
}

void
evidence_seen(struct endpoint *endpoint)
{
    struct evidence *evidence = &endpoint->target->app->evidence;
    const struct traffic *traffic = evidence->traffic;

    /* While an app moves to a larger board the page is still the smaller one's. */
    if (traffic == NULL || endpoint->slot == SLOT_NONE ||
        endpoint->slot >= traffic_slots(traffic))
        return;
    /* The cell of an endpoint that the worker never tried is still another one's. */
    evidence->seen[endpoint->slot] =
        is_about(traffic, endpoint) ? failures_in(traffic, endpoint->slot) : 0;
}

void
evidence_begin(struct endpoint *endpoint)
{
    struct prober_app *app = endpoint->target->app;
    struct evidence *evidence = &app->evidence;

    if (evidence->traffic != NULL) {
        app->prober->marks.list[evidence->mark].again = true;
        if (endpoint->slot < traffic_slots(evidence->traffic))
            evidence->row[endpoint->slot] = 0;
    }
    evidence_seen(endpoint);
}

/* The worker shunned it after its last probe had started, and no prober was there to see it. */
static bool
is_unanswered(const struct traffic *traffic, const struct endpoint *endpoint)
{
    const struct traffic_knowledge *cell = traffic_knowledge(traffic, endpoint->slot);
    uint64_t since_ms = atomic_load_explicit(&cell->shunned_since_ms, memory_order_relaxed);

    return is_about(traffic, endpoint) && since_ms > endpoint->passed_start_ms &&
           since_ms > endpoint->failed_start_ms;
}

static void
look_at_row(const struct evidence *evidence, struct endpoint *endpoint, uint64_t now_ms)
{
    bool about = is_about(evidence->traffic, endpoint);
    uint16_t row = about ? row_in(evidence->traffic, endpoint->slot) : 0;

    if (LIKELY(row == evidence->row[endpoint->slot]))
        return;
    evidence->row[endpoint->slot] = row;
    if (about)
        ejection_look(endpoint, row, now_ms);
}

/* False: it needs no other look before its cell changes. */
static bool
look_at_slot(const struct prober_app *app, uint32_t slot, uint64_t now_ms)
{
    const struct evidence *evidence = &app->evidence;
    struct endpoint *endpoint = app->writer.slots[slot];
    uint32_t failures;

    if (endpoint == NULL)
        return false;
    look_at_row(evidence, endpoint, now_ms);
    failures = failures_in(evidence->traffic, slot);
    if (LIKELY(failures == evidence->seen[slot]) || failures == 0)
        return false;
    if (!is_about(evidence->traffic, endpoint))
        return false;
    endpoint_hurry(endpoint, now_ms);
    return endpoint->check_count > 0;       /* until its probe starts, which may have to wait */
}

/* Has the cell changed since this was last asked? */
static bool
has_moved(const struct traffic_knowledge *cell, struct evidence_cell *last)
{
    const struct evidence_cell now = {
        .id = atomic_load_explicit(&cell->id, memory_order_relaxed),
        .failures = atomic_load_explicit(&cell->failures, memory_order_relaxed),
        .row = atomic_load_explicit(&cell->failed_in_row, memory_order_relaxed),
    };

    if (LIKELY(now.id == last->id && now.failures == last->failures && now.row == last->row))
        return false;
    *last = now;
    return true;
}

/* Its endpoint is asked for only where the page says something new: nobody else keeps the memory
 * of a quiet app warm. */
static void
look(struct evidence_mark *mark, uint64_t now_ms)
{
    struct evidence_cell *last = mark->slots == 1 ? &mark->last.one : mark->last.many;
    bool all = mark->again;

    mark->again = false;
    for (uint32_t slot = 0; slot < mark->slots; slot++) {
        if (LIKELY(!has_moved(&mark->knowledge[slot], &last[slot]) && !all))
            continue;
        if (look_at_slot(mark->app, slot, now_ms))
            mark->again = true;
    }
}

static uint64_t
attempts_in(const struct evidence_mark *mark)
{
    uint64_t attempts = 0;

    for (uint32_t thread = 0; thread < mark->threads; thread++)
        attempts += atomic_load_explicit(&mark->counters[thread].attempts,
                                         memory_order_relaxed);
    return attempts;
}

static void
note_attempts(struct evidence_mark *mark)
{
    uint64_t attempts = attempts_in(mark);

    if (attempts != mark->attempts) {
        mark->busy_looks = LOOKS_BUSY;
        mark->attempts = attempts;
    } else if (mark->busy_looks > 0) {
        mark->busy_looks--;
    }
}

/* Of one that is not in the busy ones' list, or not any more: it goes to its end if it is busy
 * now. Returns how many slots it has. */
static uint32_t
look_at(struct prober *prober, struct evidence_mark *mark, uint64_t now_ms)
{
    look(mark, now_ms);
    note_attempts(mark);
    if (mark->busy_looks > 0)
        TAILQ_INSERT_TAIL(&prober->busy, &mark->app->evidence, link);
    return mark->slots;
}

/* All of them, or in turn when they have more than LOOK_SLOTS slots. */
static void
look_at_busy(struct prober *prober, uint64_t now_ms)
{
    const struct evidence *last = TAILQ_LAST(&prober->busy, evidence_list);
    struct evidence *evidence = NULL;
    uint32_t slots = 0;

    while (last != NULL && evidence != last && slots < LOOK_SLOTS) {
        evidence = TAILQ_FIRST(&prober->busy);
        TAILQ_REMOVE(&prober->busy, evidence, link);
        slots += look_at(prober, &prober->marks.list[evidence->mark], now_ms);
    }
}

/* What a look reads comes while those before it are looked at: each page is another miss. */
static void
fetch_ahead(const struct evidence_mark *mark)
{
    PREFETCH(&mark->knowledge[0]);
    for (uint32_t thread = 0; thread < MIN(mark->threads, (uint32_t)THREADS_AHEAD); thread++)
        PREFETCH(&mark->counters[thread].attempts);
}

static struct evidence_mark *
next_mark(struct evidence_marks *marks)
{
    if (marks->next >= marks->count)
        marks->next = 0;
    if (marks->next + MARKS_AHEAD < marks->count)
        fetch_ahead(&marks->list[marks->next + MARKS_AHEAD]);
    return &marks->list[marks->next++];
}

static void
look_at_quiet(struct prober *prober, uint64_t now_ms)
{
    struct evidence_marks *marks = &prober->marks;
    uint32_t slots = 0;

    for (uint32_t i = 0; i < marks->count && slots < LOOK_QUIET_SLOTS; i++) {
        struct evidence_mark *mark = next_mark(marks);

        if (LIKELY(mark->app != NULL && mark->busy_looks == 0))
            slots += look_at(prober, mark, now_ms);
    }
}

static void
on_look(evutil_socket_t fd, short what, void *context)
{
    struct prober *prober = context;
    uint64_t now_ms = clock_monotonic_ms();

    if (prober->marks.apps == 0)
        event_del(&prober->look);
    look_at_busy(prober, now_ms);
    look_at_quiet(prober, now_ms);
}

void
evidence_init(struct prober *prober)
{
    TAILQ_INIT(&prober->busy);
    event_assign(&prober->look, prober->base, -1, EV_PERSIST, on_look, prober);
}

/* ---- pages ---- */

/* Room for one more. 0 or -ENOMEM. */
static int
marks_grow(struct evidence_marks *marks)
{
    uint32_t room = MAX(marks->room * 2, (uint32_t)MARKS_MIN);
    struct evidence_mark *list;

    if (marks->hole != 0 || marks->count < marks->room)
        return 0;
    list = realloc(marks->list, room * sizeof *list);
    if (list == NULL)
        return -ENOMEM;
    marks->list = list;
    marks->room = room;
    return 0;
}

static uint32_t
take_place(struct evidence_marks *marks)
{
    uint32_t place = marks->hole - 1;

    marks->apps++;
    if (marks->hole == 0)
        return marks->count++;
    marks->hole = marks->list[place].slots;
    return place;
}

/* There is room. */
static void
marks_add(struct evidence_marks *marks, struct prober_app *app)
{
    struct evidence *evidence = &app->evidence;
    const struct traffic *page = evidence->traffic;
    struct evidence_mark *mark;

    assert(marks->hole != 0 || marks->count < marks->room);

    evidence->mark = take_place(marks);
    mark = &marks->list[evidence->mark];
    *mark = (struct evidence_mark){
        .app = app,
        .knowledge = traffic_knowledge(page, 0),
        .counters = traffic_counters(page, 0),
        .slots = traffic_slots(page),
        .threads = (uint16_t)traffic_threads(page),
        .again = true,
    };
    if (mark->slots > 1)
        mark->last.many = evidence->cells;
    mark->attempts = attempts_in(mark);
}

static void
marks_remove(struct evidence_marks *marks, uint32_t place)
{
    assert(marks->list[place].app != NULL);

    marks->list[place] = (struct evidence_mark){ .slots = marks->hole };
    marks->hole = place + 1;
    marks->apps--;
}

/* The page must be one that was made for the app's board: slots mean the same in both then. */
static int
open_page(const struct prober_app *app, int fd, struct traffic **page)
{
    const struct board *board = app->writer.board;
    int rc = traffic_open(fd, false, page);

    if (rc < 0)
        return rc;
    if (strcmp(traffic_app(*page), app->config.name) == 0 &&
        traffic_slots(*page) == board_slots(board))
        return 0;
    traffic_close(*page);
    return -EINVAL;
}

/* What is remembered by slot, in two pieces. 0 or -ENOMEM. */
static int
remember(struct evidence *evidence, uint32_t slots)
{
    evidence->seen = calloc(slots, sizeof *evidence->seen + sizeof *evidence->row);
    if (evidence->seen == NULL)
        return -ENOMEM;
    evidence->row = (uint16_t *)(evidence->seen + slots);
    if (slots > 1) {
        evidence->cells = calloc(slots, sizeof *evidence->cells);
        if (evidence->cells == NULL)
            return -ENOMEM;
    }
    return 0;
}

static void
forget(struct evidence *evidence)
{
    traffic_close(evidence->traffic);
    free(evidence->cells);
    free(evidence->seen);
    *evidence = (struct evidence){ 0 };
}

/* Up to here all is known, but what the probe of an endpoint did not answer. */
static void
begin_at(const struct prober_app *app)
{
    const struct evidence *evidence = &app->evidence;

    for (uint32_t slot = 0; slot < app->writer.slot_count; slot++) {
        struct endpoint *endpoint = app->writer.slots[slot];

        if (endpoint == NULL)
            continue;
        evidence_seen(endpoint);
        if (is_about(evidence->traffic, endpoint))      /* it takes one more to eject */
            evidence->row[slot] = row_in(evidence->traffic, slot);
        if (is_unanswered(evidence->traffic, endpoint) && evidence->seen[slot] > 0)
            evidence->seen[slot]--;
    }
}

static int
adopt(struct prober_app *app, int fd)
{
    struct evidence *evidence = &app->evidence;
    struct evidence_marks *marks = &app->prober->marks;
    struct traffic *page;
    int rc = open_page(app, fd, &page);

    if (rc < 0)
        return rc;
    evidence->traffic = page;
    rc = remember(evidence, traffic_slots(page));
    if (rc == 0)
        rc = marks_grow(marks);
    if (rc < 0) {
        forget(evidence);
        return rc;
    }
    begin_at(app);
    marks_add(marks, app);
    return 0;
}

void
evidence_use(struct prober_app *app, int fd)
{
    static const struct timeval interval = { .tv_usec = LOOK_INTERVAL_MS * 1000 };
    struct prober *prober = app->prober;
    int rc;

    evidence_fini(app);
    if (fd < 0 || (app->check_count == 0 && ejection_policy(app).failures == 0))
        return;
    rc = adopt(app, fd);
    if (rc < 0)
        log_warn(app->config.name, "what its worker finds out cannot be used: %s",
                 strerror(-rc));
    else if (!event_pending(&prober->look, EV_TIMEOUT, NULL))
        event_add(&prober->look, &interval);
}

void
evidence_fini(struct prober_app *app)
{
    struct evidence *evidence = &app->evidence;
    struct prober *prober = app->prober;

    if (evidence->traffic == NULL)
        return;
    if (prober->marks.list[evidence->mark].busy_looks > 0)
        TAILQ_REMOVE(&prober->busy, evidence, link);
    marks_remove(&prober->marks, evidence->mark);
    forget(evidence);
}
