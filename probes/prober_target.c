/* What the configuration names: its endpoints follow what its name resolves to. */
#include "probes/prober_target.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/util.h"
#include "probes/board_writer.h"
#include "probes/endpoint.h"
#include "probes/prober_priv.h"
#include "probes/standing.h"

void
target_init(struct target *target, struct prober_app *app, uint32_t index)
{
    target->app = app;
    target->config = &app->config.targets[index];
    TAILQ_INIT(&target->endpoints);
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

/* At most endpoints_max: what is beyond is told, not lost silently. */
static bool
has_room(struct target *target)
{
    struct prober_app *app = target->app;
    char message[256];

    if (app->endpoint_count - (placeholder(target) != NULL) < app->config.endpoints_max)
        return true;
    if (!app->overflow_told) {
        snprintf(message, sizeof message,
                 "more than endpoints_max = %" PRIu32 " addresses: those of %.100s and later "
                 "ones are left out; raise endpoints_max to use them",
                 app->config.endpoints_max, target->config->name);
        log_warn(app->config.name, "%s", message);
        prober_event(app->prober, app->config.name, "endpoints_max", LOG_WARN, message);
        app->overflow_told = true;
    }
    return false;
}

static void
add(struct target *target, const struct address *address)
{
    struct endpoint *stand_in = placeholder(target);

    if (find(target, address) != NULL || !has_room(target))
        return;
    /* First out, then in: the new one may need the slot. */
    if (stand_in != NULL)
        endpoint_destroy(stand_in, true);
    if (endpoint_create(target, address) == NULL)
        log_error(target->app->config.name, "%s: no memory for an address of it",
                  target->config->name);
}

static bool
contains(const struct resolver_answer *answer, const struct address *address)
{
    struct address plain = *address;

    plain.port = 0;
    for (uint32_t i = 0; i < answer->count; i++) {
        if (address_equal(&answer->addresses[i], &plain))
            return true;
    }
    return false;
}

/* The resolver keeps what was known when a lookup fails, so what it says now is the truth. */
static void
follow(struct target *target, enum dns_family family, const struct resolver_answer *answer)
{
    uint8_t ip_family = family == DNS_A ? 4 : 6;
    struct endpoint *endpoint, *next;

    for (endpoint = TAILQ_FIRST(&target->endpoints); endpoint != NULL; endpoint = next) {
        next = TAILQ_NEXT(endpoint, link);
        if (endpoint->address.family == ip_family && !contains(answer, &endpoint->address))
            endpoint_destroy(endpoint, true);
    }
    for (uint32_t i = 0; i < answer->count; i++) {
        struct address address = answer->addresses[i];

        address.port = target->config->port;
        add(target, &address);
    }
}

/* A target always has an endpoint, so that it can be shown. */
static int
ensure_shown(struct target *target)
{
    static const struct address none;

    if (!TAILQ_EMPTY(&target->endpoints))
        return 0;
    return endpoint_create(target, &none) == NULL ? -ENOMEM : 0;
}

static bool
looked_up(const struct target *target)
{
    return target->looked_up[DNS_A] != REASON_NONE &&
           target->looked_up[DNS_AAAA] != REASON_NONE;
}

/* One family without an address says nothing before the other one is known. */
static void
explain(struct target *target, const struct resolver_answer *answer)
{
    enum reason reason =
        dns_policy_reason(target->looked_up[DNS_A], target->looked_up[DNS_AAAA]);

    if (placeholder(target) != NULL && looked_up(target))
        endpoint_set_unresolved(placeholder(target), reason, answer);
}

static void
on_lookup(void *context, enum dns_family family, const struct resolver_answer *answer)
{
    struct target *target = context;
    bool first = target->looked_up[family] == REASON_NONE;

    target->looked_up[family] = answer->last;
    follow(target, family, answer);
    if (ensure_shown(target) < 0)
        return;     /* no memory: the next lookup tries again */
    explain(target, answer);
    if (first)
        board_writer_changed(target->app);
}

int
target_start(struct target *target)
{
    struct prober_app *app = target->app;
    struct resolver_answer answer;
    char host[HOST_NAME_BYTES];

    if (target->config->address.family != 0) {
        add(target, &target->config->address);
        return ensure_shown(target);
    }
    app_target_host(target->config, host);
    target->watch = resolver_watch(app->prober->resolver, host, on_lookup, target);
    if (target->watch == NULL)
        return -ENOMEM;
    for (int family = 0; family < DNS_FAMILIES; family++) {
        resolver_peek(target->watch, (enum dns_family)family, &answer);
        target->looked_up[family] = answer.last;
        follow(target, (enum dns_family)family, &answer);
    }
    if (ensure_shown(target) < 0)
        return -ENOMEM;
    explain(target, &answer);
    return 0;
}

void
target_fini(struct target *target)
{
    if (target->watch != NULL)
        resolver_unwatch(target->watch);
    target->watch = NULL;
    while (!TAILQ_EMPTY(&target->endpoints))
        endpoint_destroy(TAILQ_FIRST(&target->endpoints), false);
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
        works = works || endpoint_state_works(endpoint_state(endpoint));
    }
    /* While nothing of it works, the other family's answer is worth waiting for. */
    return works || target->watch == NULL || looked_up(target);
}
