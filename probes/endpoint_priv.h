/*
 * endpoint_priv - a target, its endpoints and where their addresses come from: what the files of
 * the prober share that work on one of them. prober_priv.h draws who owns what.
 */
#ifndef FPROXY_PROBES_ENDPOINT_PRIV_H
#define FPROXY_PROBES_ENDPOINT_PRIV_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/override.h"
#include "config/app.h"
#include "probes/check.h"
#include "probes/eject.h"
#include "probes/flap.h"
#include "probes/history.h"
#include "probes/resolver.h"
#include "strategy/board.h"

struct prober_app;

enum { SLOT_NONE = UINT32_MAX };

/* What an operator said of an endpoint; see admin.h. */
struct endpoint_admin {
    enum override_action action;    /* NONE, DRAIN or MAINTAIN */
    char *note;                     /* owned; NULL: "" */
};

struct endpoint {
    TAILQ_ENTRY(endpoint) link;
    struct target *target;
    struct address address;         /* family 0: stands for an unresolved target */
    uint32_t id;
    uint32_t slot;                  /* SLOT_NONE: the board is too small for it */
    enum endpoint_state state;      /* all things considered (verdict.h) */
    enum reason reason;             /* the outcome, or history, that led here */
    enum endpoint_state probed;     /* by its probes alone */
    enum reason probed_reason;
    struct flap flap;
    int64_t warm_since_ms;          /* monotonic: its share grows since; 0: it does not */
    uint8_t percent;                /* of its weight, as published */
    struct endpoint_admin admin;
    struct eject eject;             /* by traffic; see ejection.h */
    struct event *eject_timer;      /* owned; NULL: it never was */
    uint64_t worked_ms;             /* when it was last known to work; 0: never */
    int64_t since_ms;               /* wall: in this state since */
    bool first_done;                /* its first probes ended, or it needs none */
    bool was_down;                  /* when its startup probes began */
    uint32_t because;               /* index of the check that tells why it is so */
    uint32_t connect_us;            /* usual connect time; 0: unknown */
    uint64_t passed_start_ms;       /* start of the last probe that passed; 0: none */
    uint64_t failed_start_ms;       /* ... that failed */
    uint64_t hurried_ms;            /* when evidence last made a probe start; 0: never */
    bool leaving;                   /* DNS names others: no new clients; see prober_hold.h */
    bool must_prove;                /* it came while others worked: no clients before it passed */
    uint64_t leave_ms;              /* leaving since */
    uint64_t missing_ms;            /* no answer names it since; 0: one does, or none says */
    uint16_t weight;                /* at least 1 */
    uint16_t tier;                  /* the smallest first */
    struct last_probe lookup;       /* the last lookup, while it has no address */
    struct probe_lines lines;       /* about its state */
    int64_t recorded_ms;            /* wall: when the database last got its row */
    uint32_t check_count;           /* as the app's; 0 without an address */
    struct check checks[];
};

TAILQ_HEAD(endpoints, endpoint);

/* A host whose addresses are a target's. */
struct source {
    TAILQ_ENTRY(source) link;
    struct target *target;
    struct resolver_watch *watch;
    enum reason looked_up[DNS_FAMILIES];    /* how it ended; REASON_NONE: not yet */
    uint16_t port, weight, tier;
};

TAILQ_HEAD(sources, source);

struct target {
    struct prober_app *app;
    const struct app_target *config;        /* in the app's */
    struct endpoints endpoints;
    struct sources sources;                 /* of a service by tier; none: an IP literal */
    struct resolver_watch *service;         /* NULL: it is none */
    bool services_moved;                    /* there is an answer to be followed */
    bool held;                              /* told that DNS fails while it has addresses */
    uint64_t rotated_ms;                    /* when an address last came back; 0: none has */
    struct event look;                      /* hold rules, services: soon, or when due */
};

#endif
