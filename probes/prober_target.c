/* What the configuration names: its endpoints follow what its name resolves to. */
#include "probes/prober_target.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "probes/board_writer.h"
#include "probes/endpoint.h"
#include "probes/prober_hold.h"
#include "probes/prober_priv.h"
#include "probes/recall.h"
#include "probes/source.h"

static void on_look(evutil_socket_t fd, short what, void *context);

void
target_init(struct target *target, struct prober_app *app, uint32_t index)
{
    target->app = app;
    target->config = &app->config.targets[index];
    TAILQ_INIT(&target->endpoints);
    TAILQ_INIT(&target->sources);
    event_assign(&target->look, app->prober->base, -1, 0, on_look, target);
}

static bool
has_name(const struct target *target)
{
    return target->config->address.family == 0;
}

static struct endpoint *
find(const struct target *target, const struct address *address)
{
    struct endpoint *endpoint;

    TAILQ_FOREACH (endpoint, &target->endpoints, link) {
        if (address_equal(&endpoint->address, address))
            return endpoint;
    }
    return NULL;
}

/* The endpoint that stands for a target without addresses; NULL when it has some. */
static struct endpoint *
placeholder(const struct target *target)
{
    struct endpoint *first = TAILQ_FIRST(&target->endpoints);

    return first != NULL && first->address.family == 0 ? first : NULL;
}

static bool
is_full(const struct target *target)
{
    const struct prober_app *app = target->app;

    return app->endpoint_count - (placeholder(target) != NULL) >= app->config.endpoints_max;
}

/* At most endpoints_max: what is beyond is told, not lost silently. */
static void
tell_overflow(struct target *target)
{
    struct prober_app *app = target->app;
    char message[256];

    if (app->overflow_told)
        return;
    snprintf(message, sizeof message,
             "more than endpoints_max = %" PRIu32 " addresses: those of %.100s and later ones "
             "are left out; raise endpoints_max to use them",
             app->config.endpoints_max, target->config->name);
    log_warn(app->config.name, "%s", message);
    prober_event(app->prober, app->config.name, "endpoints_max", LOG_WARN, message);
    app->overflow_told = true;
}

/* One that is not there yet, unless there is no room for it. */
static void
add(struct target *target, const struct address *address, uint16_t weight, uint16_t tier)
{
    struct endpoint *stand_in = placeholder(target);

    if (is_full(target) && !target_hold_make_room(target)) {
        tell_overflow(target);
        return;
    }
    /* First out, then in: the new one may need the slot. */
    if (stand_in != NULL)
        endpoint_destroy(stand_in, "");
    if (endpoint_create(target, address, weight, tier) == NULL)
        log_error(target->app->config.name, "%s: no memory for an address of it",
                  target->config->name);
}

void
target_take(struct target *target, const struct source *source, enum dns_family family,
            const struct resolver_answer *answer)
{
    for (uint32_t i = 0; i < answer->count; i++) {
        struct address address = answer->addresses[i];

        address.port = source->port;
        if (find(target, &address) == NULL)     /* else the hold rules see to the rest */
            add(target, &address, source->weight, source->tier);
    }
}

/* A target always has an endpoint, so that it can be shown. */
static int
ensure_shown(struct target *target)
{
    static const struct address none;

    if (!TAILQ_EMPTY(&target->endpoints))
        return 0;
    return endpoint_create(target, &none, 1, 0) == NULL ? -ENOMEM : 0;
}

static void
explain(struct target *target)
{
    struct resolver_answer answer;
    enum reason reason;

    if (placeholder(target) != NULL && sources_explain(target, &reason, &answer))
        endpoint_set_unresolved(placeholder(target), reason, &answer);
}

static void
arm_look(struct target *target, uint64_t look_ms, uint64_t now_ms)
{
    uint64_t wait_ms = look_ms > now_ms ? look_ms - now_ms : 0;
    struct timeval wait = { .tv_sec = (time_t)(wait_ms / 1000),
                            .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000) };

    if (target->services_moved)         /* it is to look now: event_add() would take that back */
        event_active(&target->look, EV_TIMEOUT, 1);
    else if (look_ms == 0)
        event_del(&target->look);
    else
        event_add(&target->look, &wait);
}

static void
apply_hold(struct target *target)
{
    uint64_t now_ms = clock_monotonic_ms();

    arm_look(target, target_hold(target, now_ms), now_ms);
}

static void
show_what_is_left(struct target *target)
{
    if (ensure_shown(target) == 0)      /* no memory: the next lookup tries again */
        explain(target);
}

static void
on_look(evutil_socket_t fd, short what, void *context)
{
    struct target *target = context;

    if (target->services_moved)
        sources_follow_services(target);
    target->services_moved = false;
    apply_hold(target);
    show_what_is_left(target);
    if (target->service != NULL)
        board_writer_changed(target->app);
}

void
target_look_soon(struct target *target)
{
    if (has_name(target))
        event_active(&target->look, EV_TIMEOUT, 1);
}

void
target_doubt(struct target *target)
{
    sources_hurry(target);
}

/* What leaves makes room for what comes. Only an answer brings addresses: what the resolver
 * still knows while lookups fail may be what was taken away. */
void
target_follow(struct target *target, const struct source *source, enum dns_family family,
              const struct resolver_answer *answer)
{
    apply_hold(target);
    if (answer->last == REASON_OK)
        target_take(target, source, family, answer);
    show_what_is_left(target);
}

/* The endpoints of a service that an earlier prober left, until its records are known. */
static void
recall_endpoints(struct target *target)
{
    const struct board_detail *detail;
    uint32_t at = 0;

    while ((detail = recall_next(target, &at)) != NULL)
        add(target, &detail->address, (uint16_t)MAX(MIN(detail->weight, UINT16_MAX), 1),
            detail->tier);
}

static void
add_those_of(struct target *target, const struct target *twin)
{
    const struct endpoint *endpoint;

    if (!twin->config->service || strcmp(twin->config->name, target->config->name) != 0)
        return;
    TAILQ_FOREACH (endpoint, &twin->endpoints, link) {
        if (endpoint->address.family != 0 && !endpoint->leaving &&
            find(target, &endpoint->address) == NULL)
            add(target, &endpoint->address, endpoint->weight, endpoint->tier);
    }
}

/* The endpoints of a service in another generation: an edit while DNS is dead finds them. */
static void
inherit_endpoints(struct target *target)
{
    const struct prober_app *other;

    TAILQ_FOREACH (other, &target->app->family->generations, sibling) {
        for (uint32_t i = 0; other->targets != NULL && i < other->config.target_count; i++) {
            if (other != target->app)
                add_those_of(target, &other->targets[i]);
        }
    }
}

int
target_start(struct target *target)
{
    int rc;

    if (!has_name(target)) {
        add(target, &target->config->address, target->config->weight,
            target->config->tier);
        return ensure_shown(target);
    }
    if (target->config->service) {
        recall_endpoints(target);
        inherit_endpoints(target);
    }
    rc = sources_start(target);
    if (rc == 0)
        rc = ensure_shown(target);
    if (rc == 0)
        explain(target);
    return rc;
}

void
target_fini(struct target *target)
{
    sources_fini(target);
    event_del(&target->look);
    while (!TAILQ_EMPTY(&target->endpoints))
        endpoint_destroy(TAILQ_FIRST(&target->endpoints), NULL);
}

bool
target_settled(const struct target *target)
{
    const struct endpoint *endpoint;
    bool works = false;

    TAILQ_FOREACH (endpoint, &target->endpoints, link) {
        if (endpoint->address.family != 0 && !endpoint->first_done &&
            endpoint->admin.action != OVERRIDE_MAINTAIN)
            return false;
        works = works || endpoint_state_works(endpoint->state);
    }
    /* While nothing of it works, the other family's answer is worth waiting for. */
    return works || !has_name(target) || sources_looked_up(target);
}
