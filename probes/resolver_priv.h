/*
 * What resolver.c (names and who watches them), lookup.c (asking for one family of a name) and
 * lookup_told.c (what is told of that) share. For these only.
 */
#ifndef FPROXY_PROBES_RESOLVER_PRIV_H
#define FPROXY_PROBES_RESOLVER_PRIV_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <uthash.h>

#include "probes/dns_client.h"
#include "probes/hosts.h"
#include "probes/resolver.h"

#define SERVICE_PREFIX "srv:"
enum { SERVICE_PREFIX_BYTES = sizeof SERVICE_PREFIX - 1 };

/* One family of a name, or what a service is. */
struct lookup {
    struct name *name;
    enum dns_family family;
    struct event due;               /* armed while watched and nothing is asked */
    struct dns_query *query;        /* out now, or NULL */
    TAILQ_ENTRY(lookup) link;       /* waiting for its turn */
    bool waiting;
    bool again;                     /* the servers changed while it was out */
    uint64_t asked_us;              /* 0: not yet */
    uint64_t due_ms;                /* when `due` fires; 0: not armed */
    uint32_t failures;              /* in a row */
    uint64_t failing_ms;            /* the first of these; 0: none */
    uint32_t nxdomains;             /* as told in struct resolver_answer */
    uint64_t nxdomain_ms;
    int64_t recorded_at_ms;         /* wall; when the database last heard of it */
    struct address *addresses;      /* owned; sorted, each once */
    uint32_t count;
    struct dns_services services;   /* of a service */
    uint32_t search_rank;           /* of the last answer with addresses */
    enum reason last;
    int64_t last_at_ms, next_at_ms;
    uint32_t duration_us;
};

struct name {
    char key[SERVICE_PREFIX_BYTES + HOST_NAME_BYTES];   /* lower case; a service's has a prefix */
    const char *host;               /* in it */
    uint32_t lookup_count;
    UT_hash_handle hh;
    struct resolver *resolver;
    LIST_HEAD(, resolver_watch) watches;
    TAILQ_ENTRY(name) idle;         /* while nobody watches */
    struct lookup lookups[DNS_FAMILIES];    /* by family; a service has one, of DNS_SRV */
};

struct resolver_watch {
    LIST_ENTRY(resolver_watch) link;
    struct name *name;
    resolver_changed_fn *changed;
    void *context;
};

TAILQ_HEAD(lookup_queue, lookup);
TAILQ_HEAD(name_queue, name);

struct resolver {
    struct event_base *base;
    struct settings settings;
    struct resolver_options options;
    struct dns_client *client;
    struct hosts *hosts;
    struct name *names;             /* owned, by host */
    struct name_queue idle;         /* the oldest first */
    uint32_t idle_count;
    struct lookup_queue waiting;
    uint32_t waiting_count, asking;
    struct event look;
    struct stat hosts_stat, resolv_conf_stat;
    uint64_t random;
};

void lookup_init(struct lookup *lookup, struct name *name, enum dns_family family);
/* Stops asking and forgets what is known. */
void lookup_fini(struct lookup *lookup);

/* As soon as the loop goes on. Asks once more when it is just being asked. */
void lookup_refresh(struct lookup *lookup);
/* Soon, unless it was asked within the last ttl_min: then when that is over. */
void lookup_hurry(struct lookup *lookup);
/* Nobody wants to know any more; what is known stays. */
void lookup_stop(struct lookup *lookup);

/* A lookup ended: the database learns the answer, which counts `ttl_ms`; `changed` when it is
 * another one. The log learns what differs from `before` and `count_before`. */
void lookup_record(struct lookup *lookup, uint32_t ttl_s, uint32_t ttl_ms, bool changed);
void lookup_log(const struct lookup *lookup, enum reason before, uint32_t count_before);

/* Remembers one more address, from the database. */
void lookup_add(struct lookup *lookup, const struct address *address);
/* The same for a record of a service. */
void lookup_add_service(struct lookup *lookup, const struct dns_service *service);

#endif
