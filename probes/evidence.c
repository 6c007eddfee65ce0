#include "probes/evidence.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "probes/endpoint.h"

static uint32_t
failures_in(const struct traffic *traffic, uint32_t slot)
{
    return atomic_load_explicit(&traffic_knowledge(traffic, slot)->failures,
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
look(struct prober_app *app, uint64_t now_ms)
{
    const struct evidence *evidence = &app->evidence;

    for (uint32_t slot = 0; slot < app->writer.slot_count; slot++) {
        struct endpoint *endpoint = app->writer.slots[slot];
        uint32_t failures;

        if (endpoint == NULL)
            continue;
        failures = failures_in(evidence->traffic, slot);
        if (LIKELY(failures == evidence->seen[slot]) || failures == 0)
            continue;
        if (is_about(evidence->traffic, endpoint))
            endpoint_hurry(endpoint, now_ms);
    }
}

/* Those that were looked at go to the end. */
static void
on_look(evutil_socket_t fd, short what, void *context)
{
    struct prober *prober = context;
    struct evidence *last = TAILQ_LAST(&prober->evidence, evidence_list);
    uint64_t now_ms = clock_monotonic_ms();
    struct evidence *evidence;
    uint32_t slots = 0;

    if (last == NULL)
        event_del(&prober->look);
    while (last != NULL && slots < LOOK_SLOTS) {
        struct prober_app *app;

        evidence = TAILQ_FIRST(&prober->evidence);
        app = CONTAINER_OF(evidence, struct prober_app, evidence);
        look(app, now_ms);
        slots += app->writer.slot_count;
        TAILQ_REMOVE(&prober->evidence, evidence, link);
        TAILQ_INSERT_TAIL(&prober->evidence, evidence, link);
        if (evidence == last)
            break;
    }
}

void
evidence_init(struct prober *prober)
{
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
    seen = calloc(traffic_slots(page), sizeof *seen);
    if (seen == NULL) {
        traffic_close(page);
        return -ENOMEM;
    }
    evidence->traffic = page;
    evidence->seen = seen;
    for (uint32_t slot = 0; slot < app->writer.slot_count; slot++) {
        struct endpoint *endpoint = app->writer.slots[slot];

        if (endpoint == NULL)
            continue;
        evidence_seen(endpoint);
        if (is_unanswered(page, endpoint) && seen[slot] > 0)
            seen[slot]--;
    }
    TAILQ_INSERT_TAIL(&app->prober->evidence, evidence, link);
    return 0;
}

void
evidence_use(struct prober_app *app, int fd)
{
    static const struct timeval interval = { .tv_usec = LOOK_INTERVAL_MS * 1000 };
    struct prober *prober = app->prober;
    int rc;

    evidence_fini(app);
    if (fd < 0 || app->ops == NULL)
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

    if (evidence->traffic == NULL)
        return;
    TAILQ_REMOVE(&app->prober->evidence, evidence, link);
    traffic_close(evidence->traffic);
    free(evidence->seen);
    *evidence = (struct evidence){ 0 };
}
