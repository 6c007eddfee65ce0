/* Asking for one family of a name: when, whom, and what the answer changes. */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "probes/resolver_priv.h"
#include "probes/schedule.h"

static void on_due(evutil_socket_t fd, short what, void *context);

static uint8_t
ip_family(enum dns_family family)
{
    return family == DNS_A ? 4 : 6;
}

void
lookup_init(struct lookup *lookup, struct name *name, enum dns_family family)
{
    lookup->name = name;
    lookup->family = family;
    event_assign(&lookup->due, name->resolver->base, -1, 0, on_due, lookup);
}

void
lookup_fini(struct lookup *lookup)
{
    lookup_stop(lookup);
    dns_services_fini(&lookup->services);
    free(lookup->addresses);
}

static int
compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct address));
}

/* Sorted and each once, in place; returns how many are left. */
static uint32_t
normalize(struct address *addresses, uint32_t count)
{
    uint32_t kept = 0;

    qsort(addresses, count, sizeof *addresses, compare);
    for (uint32_t i = 0; i < count; i++) {
        if (kept == 0 || !address_equal(&addresses[kept - 1], &addresses[i]))
            addresses[kept++] = addresses[i];
    }
    return kept;
}

/* True when that made a difference; without memory the old addresses stay. */
static bool
set_addresses(struct lookup *lookup, struct address *addresses, uint32_t count)
{
    struct address *copy;

    count = normalize(addresses, count);
    if (count == lookup->count &&
        (count == 0 || memcmp(addresses, lookup->addresses, count * sizeof *addresses) == 0))
        return false;
    copy = malloc((count + 1) * sizeof *copy);
    if (copy == NULL)
        return false;
    memcpy(copy, addresses, count * sizeof *copy);
    free(lookup->addresses);
    lookup->addresses = copy;
    lookup->count = count;
    return true;
}

static bool
same_services(const struct dns_services *a, const struct dns_services *b)
{
    for (uint32_t i = 0; i < a->count && i < b->count; i++) {
        const struct dns_service *left = &a->list[i], *right = &b->list[i];

        if (left->priority != right->priority || left->weight != right->weight ||
            left->port != right->port || strcmp(left->host, right->host) != 0)
            return false;
    }
    return a->count == b->count;
}

/* Takes them over; true when that made a difference. */
static bool
take_services(struct lookup *lookup, struct dns_services *services)
{
    bool changed = !same_services(&lookup->services, services);

    if (changed && services->left_out > 0)
        log_warn(NULL, "%s: %" PRIu32 " of %" PRIu32 " SRV records are left out: no usable host "
                       "or port, or more than %d", lookup->name->host, services->left_out,
                 services->records, DNS_SERVICES_MAX);
    dns_services_fini(&lookup->services);
    lookup->services = *services;
    *services = (struct dns_services){ 0 };
    return changed;
}

void
lookup_add(struct lookup *lookup, const struct address *address)
{
    struct address addresses[DNS_ADDRESSES_MAX];

    if (lookup->count >= DNS_ADDRESSES_MAX)
        return;
    if (lookup->count > 0)
        memcpy(addresses, lookup->addresses, lookup->count * sizeof *addresses);
    addresses[lookup->count] = *address;
    addresses[lookup->count].port = 0;
    set_addresses(lookup, addresses, lookup->count + 1);
}

void
lookup_add_service(struct lookup *lookup, const struct dns_service *service)
{
    dns_services_add(&lookup->services, service);
}

static void
tell(struct lookup *lookup)
{
    struct resolver_watch *watch;
    struct resolver_answer answer;

    LIST_FOREACH (watch, &lookup->name->watches, link) {
        resolver_peek(watch, lookup->family, &answer);
        watch->changed(watch->context, lookup->family, &answer);
    }
}

static void
arm(struct lookup *lookup, uint32_t wait_ms)
{
    struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };

    lookup->next_at_ms = lookup->last_at_ms + wait_ms;
    lookup->due_ms = clock_monotonic_ms() + wait_ms;
    event_add(&lookup->due, &wait);
}

/* Since when, and how surely, DNS has not told anything. */
static void
count_failure(struct lookup *lookup, enum reason reason)
{
    uint64_t now_ms = clock_monotonic_ms();

    lookup->failures++;
    if (lookup->failing_ms == 0)
        lookup->failing_ms = now_ms;
    if (reason == REASON_DNS_EMPTY)
        lookup->nxdomains = 0;      /* there is such a name */
    if (reason == REASON_DNS_NXDOMAIN && lookup->nxdomains++ == 0)
        lookup->nxdomain_ms = now_ms;
}

static void
count_success(struct lookup *lookup)
{
    lookup->failures = 0;
    lookup->failing_ms = 0;
    lookup->nxdomains = 0;
}

/* True when what is known is something else now. */
static bool
take_reply(struct lookup *lookup, struct dns_reply *reply, bool fixed)
{
    if (reply->reason != REASON_OK && !fixed)
        return false;
    return lookup->family == DNS_SRV ? take_services(lookup, &reply->services)
                                     : set_addresses(lookup, reply->addresses, reply->count);
}

/* With a search list the families of a name can be found in different domains, where they are
 * different hosts. The one that is tried first counts; the other has no such address. */
static void
prefer_one_domain(struct lookup *lookup, struct dns_reply *reply)
{
    struct lookup *other;

    if (lookup->family == DNS_SRV || reply->reason != REASON_OK)
        return;
    other = &lookup->name->lookups[lookup->family == DNS_A ? DNS_AAAA : DNS_A];
    lookup->search_rank = reply->search_rank;
    if (other->last != REASON_OK || other->search_rank == reply->search_rank)
        return;
    if (other->search_rank > reply->search_rank) {
        lookup_refresh(other);      /* it finds out in its turn */
        return;
    }
    reply->reason = REASON_DNS_EMPTY;
    reply->count = 0;
}

/* A lookup ended with `reply`, which may be reordered and robbed. `fixed`: it came from a file
 * and holds until that changes. */
static void
finish(struct lookup *lookup, struct dns_reply *reply, bool fixed)
{
    struct resolver *resolver = lookup->name->resolver;
    const struct settings *settings = &resolver->settings;
    struct dns_policy policy = { settings->dns_ttl_min_ms, settings->dns_ttl_max_ms,
                                 settings->dns_negative_min_ms, settings->dns_negative_max_ms };
    uint32_t random = schedule_random(&resolver->random);
    uint32_t count_before = lookup->count + lookup->services.count;
    enum reason before = lookup->last;
    uint32_t keep_ms, wait_ms;
    bool changed;

    lookup->last = reply->reason;
    lookup->last_at_ms = clock_wall_ms();
    lookup->next_at_ms = 0;
    changed = take_reply(lookup, reply, fixed);
    if (reply->reason == REASON_OK) {
        count_success(lookup);
        keep_ms = dns_policy_ttl_ms(&policy, reply->ttl_s);
        wait_ms = dns_policy_refresh_ms(keep_ms, random);
    } else {
        count_failure(lookup, reply->reason);
        keep_ms = wait_ms = dns_policy_retry_ms(&policy, reply->reason, reply->soa_s,
                                                lookup->failures, random);
    }
    lookup_log(lookup, before, count_before);
    if (!fixed) {
        lookup_record(lookup, reply->ttl_s, keep_ms, changed || before != lookup->last);
        arm(lookup, lookup->again ? 0 : wait_ms);
    }
    lookup->again = false;
    tell(lookup);
}

static bool
from_files(struct lookup *lookup)
{
    const struct resolver *resolver = lookup->name->resolver;
    const char *host = lookup->name->host;
    struct dns_reply reply = { .reason = REASON_DNS_EMPTY, .soa_s = DNS_NO_SOA };

    if (lookup->family == DNS_SRV)
        return false;
    if (hosts_has(resolver->hosts, host)) {
        reply.count = hosts_find(resolver->hosts, host, ip_family(lookup->family),
                                 reply.addresses, DNS_ADDRESSES_MAX);
    } else if (hosts_is_localhost(host)) {
        reply.count = 1;
        address_parse_ip(lookup->family == DNS_A ? "127.0.0.1" : "::1", 0, reply.addresses);
    } else {
        return false;
    }
    if (reply.count > 0)
        reply.reason = REASON_OK;
    lookup->duration_us = 0;
    finish(lookup, &reply, true);
    return true;
}

static void ask(struct lookup *lookup);

/* A question ended: those in line may ask, or find their name in the hosts file by now. */
static void
ask_next(struct resolver *resolver)
{
    struct lookup *lookup;

    while (resolver->asking < RESOLVER_QUERIES_MAX &&
           (lookup = TAILQ_FIRST(&resolver->waiting)) != NULL) {
        TAILQ_REMOVE(&resolver->waiting, lookup, link);
        resolver->waiting_count--;
        lookup->waiting = false;
        if (!from_files(lookup))
            ask(lookup);
    }
}

static void
on_reply(void *context, struct dns_reply *reply)
{
    struct lookup *lookup = context;
    struct resolver *resolver = lookup->name->resolver;

    assert(resolver->asking > 0);
    lookup->query = NULL;
    resolver->asking--;
    lookup->duration_us = (uint32_t)(clock_monotonic_us() - lookup->asked_us);
    prefer_one_domain(lookup, reply);
    finish(lookup, reply, false);
    ask_next(resolver);
}

static void
ask(struct lookup *lookup)
{
    struct resolver *resolver = lookup->name->resolver;

    assert(lookup->query == NULL);
    assert(!LIST_EMPTY(&lookup->name->watches));
    lookup->asked_us = clock_monotonic_us();
    lookup->query = dns_client_ask(resolver->client, lookup->name->host, lookup->family,
                                   on_reply, lookup);
    if (lookup->query != NULL)
        resolver->asking++;
    else
        arm(lookup, DNS_RETRY_MIN_MS);
}

static void
on_due(evutil_socket_t fd, short what, void *context)
{
    struct lookup *lookup = context;
    struct resolver *resolver = lookup->name->resolver;

    lookup->due_ms = 0;
    assert(lookup->query == NULL);
    assert(!lookup->waiting);
    if (from_files(lookup))
        return;
    if (resolver->asking < RESOLVER_QUERIES_MAX) {
        ask(lookup);
        return;
    }
    TAILQ_INSERT_TAIL(&resolver->waiting, lookup, link);
    resolver->waiting_count++;
    lookup->waiting = true;
}

void
lookup_refresh(struct lookup *lookup)
{
    struct timeval now = { 0 };

    if (lookup->query != NULL)
        lookup->again = true;
    else if (!lookup->waiting)
        event_add(&lookup->due, &now);
}

void
lookup_hurry(struct lookup *lookup)
{
    const struct resolver *resolver = lookup->name->resolver;
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t earliest_ms = lookup->asked_us / 1000 + resolver->settings.dns_ttl_min_ms;
    uint64_t wait_ms = earliest_ms > now_ms ? earliest_ms - now_ms : 0;
    struct timeval wait = { .tv_sec = (time_t)(wait_ms / 1000),
                            .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000) };

    /* Nothing is due while it is asked, waits for its turn, or is known from a file. */
    if (lookup->due_ms <= now_ms + wait_ms)
        return;
    lookup->due_ms = now_ms + wait_ms;
    lookup->next_at_ms = clock_wall_ms() + (int64_t)wait_ms;
    event_add(&lookup->due, &wait);
}

void
lookup_stop(struct lookup *lookup)
{
    struct resolver *resolver = lookup->name->resolver;

    event_del(&lookup->due);
    lookup->due_ms = 0;
    lookup->again = false;
    if (lookup->waiting) {
        TAILQ_REMOVE(&resolver->waiting, lookup, link);
        resolver->waiting_count--;
        lookup->waiting = false;
    }
    if (lookup->query != NULL) {
        dns_query_cancel(lookup->query);
        lookup->query = NULL;
        resolver->asking--;
        ask_next(resolver);
    }
}
