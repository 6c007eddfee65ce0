/* Names, who watches them, and the files that say whom to ask. lookup.c does the asking. */
#include "probes/resolver.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/log.h"
#include "base/util.h"
#include "probes/resolver_priv.h"

static const char *
hosts_path(const struct resolver *resolver)
{
    return resolver->options.hosts != NULL ? resolver->options.hosts : "/etc/hosts";
}

static const char *
resolv_conf_path(const struct resolver *resolver)
{
    const char *path = resolver->options.resolv_conf;

    return path != NULL ? path : "/etc/resolv.conf";
}

/* True when the file at `path` is not what `*known` says; `*known` is what it is now. */
static bool
file_moved(const char *path, struct stat *known)
{
    struct stat now;
    bool same;

    if (stat(path, &now) < 0)
        memset(&now, 0, sizeof now);
    same = now.st_dev == known->st_dev && now.st_ino == known->st_ino &&
           now.st_size == known->st_size && now.st_mtim.tv_sec == known->st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == known->st_mtim.tv_nsec &&
           now.st_ctim.tv_sec == known->st_ctim.tv_sec &&
           now.st_ctim.tv_nsec == known->st_ctim.tv_nsec;
    *known = now;
    return !same;
}

static struct dns_client_options
client_options(const struct resolver *resolver)
{
    return (struct dns_client_options){
        .servers = resolver->settings.dns_servers,
        .server_count = resolver->settings.dns_server_count,
        .resolv_conf = resolver->options.resolv_conf,
        .timeout_ms = resolver->settings.dns_timeout_ms,
        .tries = resolver->settings.dns_tries,
    };
}

static void
refresh_all(struct resolver *resolver)
{
    struct name *name, *next;

    HASH_ITER (hh, resolver->names, name, next) {
        for (uint32_t i = 0; !LIST_EMPTY(&name->watches) && i < name->lookup_count; i++)
            lookup_refresh(&name->lookups[i]);
    }
}

static void
reset_client(struct resolver *resolver)
{
    struct dns_client_options options = client_options(resolver);

    if (dns_client_reset(resolver->client, &options) < 0)
        log_error(NULL, "the DNS servers that are configured now cannot be used: the old ones "
                        "stay");
}

static void
reload_hosts(struct resolver *resolver)
{
    struct hosts *hosts = hosts_read(hosts_path(resolver));

    if (hosts == NULL)
        return;     /* no memory: the old ones stay */
    hosts_destroy(resolver->hosts);
    resolver->hosts = hosts;
}

static void
on_look(evutil_socket_t fd, short what, void *context)
{
    struct resolver *resolver = context;
    bool hosts_moved = file_moved(hosts_path(resolver), &resolver->hosts_stat);
    bool servers_moved = file_moved(resolv_conf_path(resolver), &resolver->resolv_conf_stat);

    if (hosts_moved)
        reload_hosts(resolver);
    if (servers_moved)
        reset_client(resolver);
    if (!hosts_moved && !servers_moved)
        return;
    log_info(NULL, "%s changed: every name is looked up again",
             hosts_moved ? hosts_path(resolver) : resolv_conf_path(resolver));
    refresh_all(resolver);
}

struct resolver *
resolver_create(struct event_base *base, const struct settings *settings,
                const struct resolver_options *options)
{
    struct timeval look = { .tv_sec = RESOLVER_LOOK_MS / 1000 };
    struct resolver *resolver = calloc(1, sizeof *resolver);
    struct dns_client_options dns_options;

    if (resolver == NULL)
        return NULL;
    resolver->base = base;
    resolver->settings = *settings;
    resolver->options = *options;
    TAILQ_INIT(&resolver->idle);
    TAILQ_INIT(&resolver->waiting);
    if (getrandom(&resolver->random, sizeof resolver->random, GRND_NONBLOCK) < 0)
        resolver->random = (uintptr_t)resolver;
    resolver->random |= 1;
    file_moved(hosts_path(resolver), &resolver->hosts_stat);
    file_moved(resolv_conf_path(resolver), &resolver->resolv_conf_stat);
    resolver->hosts = hosts_read(hosts_path(resolver));
    if (resolver->hosts == NULL)
        goto fail_hosts;
    dns_options = client_options(resolver);
    resolver->client = dns_client_create(base, &dns_options);
    if (resolver->client == NULL)
        goto fail_client;
    event_assign(&resolver->look, base, -1, EV_PERSIST, on_look, resolver);
    event_add(&resolver->look, &look);
    return resolver;

fail_client:
    hosts_destroy(resolver->hosts);
fail_hosts:
    free(resolver);
    log_error(NULL, "the resolver cannot start: no memory, or c-ares refuses its settings");
    return NULL;
}

static void
name_destroy(struct name *name)
{
    struct resolver *resolver = name->resolver;

    assert(LIST_EMPTY(&name->watches));
    TAILQ_REMOVE(&resolver->idle, name, idle);
    resolver->idle_count--;
    HASH_DEL(resolver->names, name);
    for (uint32_t i = 0; i < name->lookup_count; i++)
        lookup_fini(&name->lookups[i]);
    free(name);
}

static void
name_set_idle(struct name *name)
{
    struct resolver *resolver = name->resolver;

    TAILQ_INSERT_TAIL(&resolver->idle, name, idle);
    resolver->idle_count++;
    while (resolver->idle_count > RESOLVER_IDLE_MAX)
        name_destroy(TAILQ_FIRST(&resolver->idle));
}

static struct name *
name_create(struct resolver *resolver, const char *key, bool service)
{
    struct name *name = calloc(1, sizeof *name);

    if (name == NULL)
        return NULL;
    name->resolver = resolver;
    snprintf(name->key, sizeof name->key, "%s", key);
    name->host = name->key + (service ? SERVICE_PREFIX_BYTES : 0);
    name->lookup_count = service ? 1 : DNS_FAMILIES;
    for (uint32_t i = 0; i < name->lookup_count; i++)
        lookup_init(&name->lookups[i], name, service ? DNS_SRV : (enum dns_family)i);
    HASH_ADD_STR(resolver->names, key, name);
    name_set_idle(name);
    return name;
}

/* The entry of `host`, made (idle) when there is none; NULL without memory. */
static struct name *
name_get(struct resolver *resolver, const char *host, bool service)
{
    char key[SERVICE_PREFIX_BYTES + HOST_NAME_BYTES];
    struct name *name;

    snprintf(key, sizeof key, "%s%s", service ? SERVICE_PREFIX : "", host);
    for (char *c = key; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    HASH_FIND_STR(resolver->names, key, name);
    return name != NULL ? name : name_create(resolver, key, service);
}

void
resolver_destroy(struct resolver *resolver)
{
    struct name *name;

    while ((name = TAILQ_FIRST(&resolver->idle)) != NULL)
        name_destroy(name);
    assert(resolver->names == NULL);
    event_del(&resolver->look);
    dns_client_destroy(resolver->client);
    hosts_destroy(resolver->hosts);
    free(resolver);
}

void
resolver_set_settings(struct resolver *resolver, const struct settings *settings)
{
    resolver->settings = *settings;
    reset_client(resolver);
    refresh_all(resolver);
}

static void
seed_service(struct resolver *resolver, const struct record *record)
{
    struct dns_service service;
    struct name *name;

    if (!dns_service_read(record->target, &service))
        return;
    name = name_get(resolver, record->of.dns.name, true);
    if (name != NULL && name->lookups[0].last == REASON_NONE)
        lookup_add_service(&name->lookups[0], &service);
}

void
resolver_seed(struct resolver *resolver, const struct record *record)
{
    const struct record_dns *dns = &record->of.dns;
    struct address address;
    struct lookup *lookup;
    struct name *name;

    if (strcmp(dns->status, "ok") == 0 && strcmp(dns->type, "SRV") == 0)
        seed_service(resolver, record);
    if (strcmp(dns->status, "ok") != 0 || address_parse_ip(record->address, 0, &address) < 0)
        return;
    name = name_get(resolver, dns->name, false);
    if (name == NULL)
        return;
    lookup = &name->lookups[address.family == 4 ? DNS_A : DNS_AAAA];
    if (lookup->last == REASON_NONE)
        lookup_add(lookup, &address);
}

static struct resolver_watch *
watch_name(struct resolver *resolver, const char *host, bool service,
           resolver_changed_fn *changed, void *context)
{
    struct resolver_watch *watch = calloc(1, sizeof *watch);
    struct name *name = name_get(resolver, host, service);

    if (watch == NULL || name == NULL) {
        free(watch);
        return NULL;
    }
    if (LIST_EMPTY(&name->watches)) {
        TAILQ_REMOVE(&resolver->idle, name, idle);
        resolver->idle_count--;
        for (uint32_t i = 0; i < name->lookup_count; i++)
            lookup_refresh(&name->lookups[i]);
    }
    watch->name = name;
    watch->changed = changed;
    watch->context = context;
    LIST_INSERT_HEAD(&name->watches, watch, link);
    return watch;
}

struct resolver_watch *
resolver_watch(struct resolver *resolver, const char *host, resolver_changed_fn *changed,
               void *context)
{
    return watch_name(resolver, host, false, changed, context);
}

struct resolver_watch *
resolver_watch_service(struct resolver *resolver, const char *name,
                       resolver_changed_fn *changed, void *context)
{
    return watch_name(resolver, name, true, changed, context);
}

void
resolver_hurry(struct resolver_watch *watch)
{
    struct name *name = watch->name;

    for (uint32_t i = 0; i < name->lookup_count; i++)
        lookup_hurry(&name->lookups[i]);
}

const char *
resolver_watch_name(const struct resolver_watch *watch)
{
    return watch->name->host;
}

void
resolver_unwatch(struct resolver_watch *watch)
{
    struct name *name = watch->name;

    LIST_REMOVE(watch, link);
    free(watch);
    if (!LIST_EMPTY(&name->watches))
        return;
    for (uint32_t i = 0; i < name->lookup_count; i++)
        lookup_stop(&name->lookups[i]);
    name_set_idle(name);
}

void
resolver_peek(const struct resolver_watch *watch, enum dns_family family,
              struct resolver_answer *answer)
{
    const struct name *name = watch->name;
    const struct lookup *lookup = &name->lookups[family == DNS_SRV ? 0 : family];

    assert(lookup->family == family);
    *answer = (struct resolver_answer){
        .addresses = lookup->addresses,
        .count = lookup->count,
        .services = lookup->services.list,
        .service_count = lookup->services.count,
        .last = lookup->last,
        .last_at_ms = lookup->last_at_ms,
        .next_at_ms = lookup->next_at_ms,
        .duration_us = lookup->duration_us,
        .failing_ms = lookup->failing_ms,
        .nxdomains = lookup->nxdomains,
        .nxdomain_ms = lookup->nxdomain_ms,
    };
}

uint32_t
resolver_names(const struct resolver *resolver)
{
    return HASH_COUNT(resolver->names);
}

uint32_t
resolver_asking(const struct resolver *resolver)
{
    return resolver->asking;
}

uint32_t
resolver_waiting(const struct resolver *resolver)
{
    return resolver->waiting_count;
}
