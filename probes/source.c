/* Watching the hosts of a target; prober_target.c knows what their answers mean for it. */
#include "probes/prober_priv.h"
#include "probes/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "probes/board_writer.h"
#include "probes/prober_target.h"

static void
on_lookup(void *context, enum dns_family family, const struct resolver_answer *answer)
{
    struct source *source = context;
    struct target *target = source->target;
    bool first = source->looked_up[family] == REASON_NONE;

    source->looked_up[family] = answer->last;
    target_follow(target, source, family, answer);
    if (first)
        board_writer_changed(target->app);
}

/* What another app, the database or an earlier prober has found out of it is used at once. */
static void
peek(struct source *source)
{
    struct resolver_answer answer;

    for (int family = 0; family < DNS_FAMILIES; family++) {
        resolver_peek(source->watch, (enum dns_family)family, &answer);
        source->looked_up[family] = answer.last;
        target_take(source->target, source, (enum dns_family)family, &answer);
    }
}

/* At the end of the target's list. NULL without memory. */
static struct source *
create(struct target *target, const char *host, uint16_t port, uint16_t weight, uint16_t tier)
{
    struct source *source = calloc(1, sizeof *source);

    if (source == NULL)
        return NULL;
    *source = (struct source){ .target = target, .port = port, .weight = weight, .tier = tier };
    source->watch = resolver_watch(target->app->prober->resolver, host, on_lookup, source);
    if (source->watch == NULL) {
        free(source);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&target->sources, source, link);
    peek(source);
    return source;
}

static void
destroy(struct sources *list, struct source *source)
{
    TAILQ_REMOVE(list, source, link);
    resolver_unwatch(source->watch);
    free(source);
}

/* ---- services ---- */

static void
on_services(void *context, enum dns_family family, const struct resolver_answer *answer)
{
    struct target *target = context;

    target->services_moved = true;
    target_look_soon(target);
}

static struct source *
find(const struct sources *list, const struct dns_service *service)
{
    struct source *source;

    TAILQ_FOREACH (source, list, link) {
        if (source->port == service->port &&
            strcmp(resolver_watch_name(source->watch), service->host) == 0)
            return source;
    }
    return NULL;
}

/* Weights of records go up to 65,535, ours to APP_WEIGHT_MAX: larger ones become smaller together.
 * A weight of 0 is "hardly ever", not never. */
static uint16_t
scale_weight(uint32_t weight, uint32_t largest)
{
    if (largest > APP_WEIGHT_MAX)
        weight = weight * APP_WEIGHT_MAX / largest;
    return (uint16_t)MAX(weight, 1);
}

/* The one of `old` that goes on, or a new one. */
static void
keep_or_create(struct target *target, struct sources *old, const struct dns_service *service,
               uint16_t weight, uint16_t tier)
{
    struct source *source = find(old, service);

    if (source == NULL) {
        create(target, service->host, service->port, weight, tier);
        return;
    }
    TAILQ_REMOVE(old, source, link);
    TAILQ_INSERT_TAIL(&target->sources, source, link);
    source->tier = tier;
    source->weight = weight;
}

void
sources_follow_services(struct target *target)
{
    struct sources old = TAILQ_HEAD_INITIALIZER(old);
    struct resolver_answer answer;
    struct source *source;
    uint16_t tier = target->config->tier;
    uint32_t largest = 0;

    resolver_peek(target->service, DNS_SRV, &answer);
    /* What is remembered is better than nothing until there is an answer. */
    if (answer.last != REASON_OK &&
        (answer.service_count == 0 || !TAILQ_EMPTY(&target->sources)))
        return;
    TAILQ_CONCAT(&old, &target->sources, link);
    for (uint32_t i = 0; i < answer.service_count; i++)
        largest = MAX(largest, answer.services[i].weight);
    for (uint32_t i = 0; i < answer.service_count; i++) {
        if (i > 0 && answer.services[i].priority != answer.services[i - 1].priority)
            tier++;
        keep_or_create(target, &old, &answer.services[i],
                       scale_weight(answer.services[i].weight, largest), tier);
    }
    while ((source = TAILQ_FIRST(&old)) != NULL)
        destroy(&old, source);
}

/* ---- of the target ---- */

int
sources_start(struct target *target)
{
    struct resolver *resolver = target->app->prober->resolver;
    char host[HOST_NAME_BYTES];

    app_target_host(target->config, host);
    if (target->config->service) {
        target->service = resolver_watch_service(resolver, host, on_services, target);
        if (target->service == NULL)
            return -ENOMEM;
        sources_follow_services(target);
        return 0;
    }
    return create(target, host, target->config->port, target->config->weight,
                  target->config->tier) == NULL ? -ENOMEM : 0;
}

void
sources_fini(struct target *target)
{
    struct source *source;

    while ((source = TAILQ_FIRST(&target->sources)) != NULL)
        destroy(&target->sources, source);
    if (target->service != NULL)
        resolver_unwatch(target->service);
    target->service = NULL;
}

static bool
is_looked_up(const struct source *source)
{
    return source->looked_up[DNS_A] != REASON_NONE && source->looked_up[DNS_AAAA] != REASON_NONE;
}

bool
sources_looked_up(const struct target *target)
{
    const struct source *source;
    struct resolver_answer answer;

    if (target->service != NULL) {
        resolver_peek(target->service, DNS_SRV, &answer);
        if (answer.last == REASON_NONE || target->services_moved)
            return false;
    }
    TAILQ_FOREACH (source, &target->sources, link) {
        if (!is_looked_up(source))
            return false;
    }
    return true;
}

/* One family without an address says nothing before the other one is known. */
bool
sources_explain(const struct target *target, enum reason *reason,
                struct resolver_answer *answer)
{
    const struct source *source = TAILQ_FIRST(&target->sources);

    if (!sources_looked_up(target))
        return false;
    if (source == NULL) {
        resolver_peek(target->service, DNS_SRV, answer);
        *reason = answer->last == REASON_OK ? REASON_DNS_EMPTY : answer->last;
        return true;
    }
    resolver_peek(source->watch, DNS_AAAA, answer);
    *reason = dns_policy_reason(source->looked_up[DNS_A], source->looked_up[DNS_AAAA]);
    return true;
}

void
sources_hurry(struct target *target)
{
    struct source *source;

    if (target->service != NULL)
        resolver_hurry(target->service);
    TAILQ_FOREACH (source, &target->sources, link)
        resolver_hurry(source->watch);
}
