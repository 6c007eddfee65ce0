#include "probes/evidence.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "probes/endpoint.h"

enum { LOOK_INTERVAL_MS = 50 };

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

static void
look(struct prober_app *app, uint64_t now_ms)
{
    const struct evidence *evidence = &app->evidence;

    for (uint32_t slot = 0; slot < app->writer.slot_count; slot++) {
        uint32_t failures = failures_in(evidence->traffic, slot);
        struct endpoint *endpoint;

        if (LIKELY(failures == evidence->seen[slot]) || failures == 0)
            continue;
        endpoint = app->writer.slots[slot];
        if (endpoint != NULL && is_about(evidence->traffic, endpoint))
            endpoint_hurry(endpoint, now_ms);
    }
}

static void
on_look(evutil_socket_t fd, short what, void *context)
{
    struct prober *prober = context;
    uint64_t now_ms = clock_monotonic_ms();
    struct prober_app *app;
    bool any = false;

    TAILQ_FOREACH (app, &prober->apps, link) {
        if (app->evidence.traffic == NULL)
            continue;
        any = true;
        look(app, now_ms);
    }
    if (!any)
        event_del(&prober->look);
}

void
evidence_init(struct prober *prober)
{
    event_assign(&prober->look, prober->base, -1, EV_PERSIST, on_look, prober);
}

/* The page must be that of the app's board: slots mean the same in both then. */
static int
open_page(const struct prober_app *app, int fd, struct traffic **page)
{
    const struct board *board = app->writer.board;
    int rc = traffic_open(fd, false, page);

    if (rc < 0)
        return rc;
    if (strcmp(traffic_app(*page), app->config.name) == 0 &&
        traffic_number(*page) == board_number(board) &&
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
        if (app->writer.slots[slot] != NULL)
            evidence_seen(app->writer.slots[slot]);
    }
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
    traffic_close(app->evidence.traffic);
    free(app->evidence.seen);
    app->evidence = (struct evidence){ 0 };
}
