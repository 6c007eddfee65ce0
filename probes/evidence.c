#include "probes/evidence.h"

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
    struct evidence *evidence = &endpoint->target->app->evidence;

    if (evidence->traffic != NULL && endpoint->slot < traffic_slots(evidence->traffic))
        evidence->row[endpoint->slot] = 0;
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

static void
look(struct prober_app *app, uint64_t now_ms)
{
    const struct evidence *evidence = &app->evidence;

    for (uint32_t slot = 0; slot < app->writer.slot_count; slot++) {
        struct endpoint *endpoint = app->writer.slots[slot];
        uint32_t failures;

        if (endpoint == NULL)
            continue;
        look_at_row(evidence, endpoint, now_ms);
        failures = failures_in(evidence->traffic, slot);
        if (LIKELY(failures == evidence->seen[slot]) || failures == 0)
            continue;
        if (is_about(evidence->traffic, endpoint))
            endpoint_hurry(endpoint, now_ms);
    }
}

static uint64_t
attempts_in(const struct traffic *traffic)
{
    uint64_t attempts = 0;

    for (uint32_t thread = 0; thread < traffic_threads(traffic); thread++)
        attempts += atomic_load_explicit(&traffic_counters(traffic, thread)->attempts,
                                         memory_order_relaxed);
    return attempts;
}

static void
note_attempts(struct evidence *evidence)
{
    uint64_t attempts = attempts_in(evidence->traffic);

    if (attempts != evidence->attempts)
        evidence->busy_looks = LOOKS_BUSY;
    else if (evidence->busy_looks > 0)
        evidence->busy_looks--;
    evidence->attempts = attempts;
}

/* Looks at the first ones of a list, at most `slots_max` slots or one app; these go to the end
 * of the list where they belong now. */
static void
look_at(struct prober *prober, struct evidence_list *list, uint32_t slots_max, uint64_t now_ms)
{
    const struct evidence *last = TAILQ_LAST(list, evidence_list);
    struct evidence *evidence = NULL;
    uint32_t slots = 0;

    while (last != NULL && evidence != last && slots < slots_max) {
        struct prober_app *app;

        evidence = TAILQ_FIRST(list);
        app = CONTAINER_OF(evidence, struct prober_app, evidence);
        look(app, now_ms);
        note_attempts(evidence);
        slots += app->writer.slot_count;
        TAILQ_REMOVE(list, evidence, link);
        TAILQ_INSERT_TAIL(evidence->busy_looks > 0 ? &prober->busy : &prober->quiet, evidence,
                          link);
    }
}

static void
on_look(evutil_socket_t fd, short what, void *context)
{
    struct prober *prober = context;
    uint64_t now_ms = clock_monotonic_ms();

    if (TAILQ_EMPTY(&prober->busy) && TAILQ_EMPTY(&prober->quiet))
        event_del(&prober->look);
    look_at(prober, &prober->busy, LOOK_SLOTS, now_ms);
    look_at(prober, &prober->quiet, LOOK_QUIET_SLOTS, now_ms);
}

void
evidence_init(struct prober *prober)
{
    TAILQ_INIT(&prober->busy);
    TAILQ_INIT(&prober->quiet);
    event_assign(&prober->look, prober->base, -1, EV_PERSIST, on_look, prober);
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

static int
adopt(struct prober_app *app, int fd)
{
    struct evidence *evidence = &app->evidence;
    struct traffic *page;
    uint32_t *seen;
    int rc = open_page(app, fd, &page);

    if (rc < 0)
        return rc;
    seen = calloc(traffic_slots(page), sizeof *seen + sizeof *evidence->row);
    if (seen == NULL) {
        traffic_close(page);
        return -ENOMEM;
    }
    evidence->traffic = page;
    evidence->seen = seen;
    evidence->row = (uint16_t *)(seen + traffic_slots(page));
    for (uint32_t slot = 0; slot < app->writer.slot_count; slot++) {
        struct endpoint *endpoint = app->writer.slots[slot];

        if (endpoint == NULL)
            continue;
        evidence_seen(endpoint);
        if (is_about(page, endpoint))       /* it takes one more to eject */
            evidence->row[slot] = row_in(page, slot);
        if (is_unanswered(page, endpoint) && seen[slot] > 0)
            seen[slot]--;
    }
    evidence->attempts = attempts_in(page);
    TAILQ_INSERT_TAIL(&app->prober->quiet, evidence, link);
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
    TAILQ_REMOVE(evidence->busy_looks > 0 ? &prober->busy : &prober->quiet, evidence, link);
    traffic_close(evidence->traffic);
    free(evidence->seen);
    *evidence = (struct evidence){ 0 };
}
