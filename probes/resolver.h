/*
 * resolver - the addresses of names, kept up to date for as long as somebody watches.
 *
 *   hosts file (first), c-ares --> one entry a name, A and AAAA apart --> its watchers
 *   c-ares -----------------------> one entry a service, SRV ------------> its watchers
 *
 * Equal names of several apps are asked for once. What was known stays known when a lookup
 * fails: an answer replaces an answer, nothing else does. At most RESOLVER_QUERIES_MAX
 * questions are out at once. Names that nobody watches any more are kept, unasked, up to
 * RESOLVER_IDLE_MAX. The loop's thread only; no call blocks longer than reading the hosts
 * file and resolv.conf, which are looked at every 2 s and read again when they changed.
 */
#ifndef FPROXY_PROBES_RESOLVER_H
#define FPROXY_PROBES_RESOLVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/record.h"
#include "config/settings.h"
#include "probes/dns_reply.h"

struct event_base;
struct resolver;
struct resolver_watch;

enum {
    RESOLVER_QUERIES_MAX = 256,
    RESOLVER_IDLE_MAX = 10000,
    RESOLVER_LOOK_MS = 2000,
};

/* What is known of one family of a name, or of a service. What is borrowed is so until the loop
 * goes on. */
struct resolver_answer {
    const struct address *addresses;    /* borrowed; port 0, sorted */
    uint32_t count;
    const struct dns_service *services; /* borrowed; by priority, host, port */
    uint32_t service_count;             /* 0 and REASON_OK: decidedly no such service */
    enum reason last;           /* how the last lookup ended; REASON_NONE: none has yet */
    int64_t last_at_ms;         /* wall; 0: none has yet */
    int64_t next_at_ms;         /* wall, when the next is due; 0: when a file changes */
    uint32_t duration_us;       /* of the last lookup */
    uint64_t failing_ms;        /* no lookup has told anything since; 0: the last one did */
    uint32_t nxdomains;         /* that there is no such name, in a row */
    uint64_t nxdomain_ms;       /* the first of these; both instants CLOCK_MONOTONIC */
};

struct resolver_options {
    const char *hosts;          /* path; NULL: /etc/hosts */
    const char *resolv_conf;    /* path; NULL: /etc/resolv.conf */
    void (*on_record)(void *context, const struct record *record);  /* for the dns_cache */
    void *context;
};

/* A lookup ended; `family` is DNS_SRV for a service. Never called from inside resolver_watch();
 * must not watch or unwatch. */
typedef void resolver_changed_fn(void *context, enum dns_family family,
                                 const struct resolver_answer *answer);

/* NULL when it cannot start (said in the log). `settings` and `options` are copied. */
struct resolver *resolver_create(struct event_base *base, const struct settings *settings,
                                 const struct resolver_options *options);
/* Nobody may be watching. */
void resolver_destroy(struct resolver *resolver);

/* Other servers or limits; everything watched is asked for again. */
void resolver_set_settings(struct resolver *resolver, const struct settings *settings);

/* What the database remembers of a name, to be used, however old, until an answer comes. */
void resolver_seed(struct resolver *resolver, const struct record *record);

/* Begins to look `host` up and to keep it fresh. NULL without memory. */
struct resolver_watch *resolver_watch(struct resolver *resolver, const char *host,
                                      resolver_changed_fn *changed, void *context);
/* The same for a service, whose name is as in SRV records: "_http._tcp.example.com". */
struct resolver_watch *resolver_watch_service(struct resolver *resolver, const char *name,
                                              resolver_changed_fn *changed, void *context);
void resolver_unwatch(struct resolver_watch *watch);

/* What it resolves to is in doubt: asks again now, yet no sooner than ttl_min after the last
 * time, so that many doubts are one question. What a file tells is not asked for. */
void resolver_hurry(struct resolver_watch *watch);

/* The name that is watched. */
const char *resolver_watch_name(const struct resolver_watch *watch);

/* What is known right now. DNS_SRV is for services, the others are for names. */
void resolver_peek(const struct resolver_watch *watch, enum dns_family family,
                   struct resolver_answer *answer);

/* Names known; questions out; questions waiting for their turn. */
uint32_t resolver_names(const struct resolver *resolver);
uint32_t resolver_asking(const struct resolver *resolver);
uint32_t resolver_waiting(const struct resolver *resolver);

#endif
