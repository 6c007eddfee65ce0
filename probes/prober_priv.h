/*
 * What the files of the prober process share. For prober*.c, endpoint.c and board_writer.c,
 * each of which has its own header.
 *
 *   prober --- families: the loaded generations of one app
 *     |-- peer: the supervisor, and those that may succeed it (prober_peer)
 *     `-- apps: prober_app (one a loaded generation)
 *                      |-- targets: struct target
 *                      |               |-- sources: hosts that have its addresses (source.h):
 *                      |               |   the one of its name, or one an SRV record
 *                      |               `-- endpoints: one an address, sorted; or one without
 *                      |                   an address, which stands for an unresolved target
 *                      |-- board_writer: the slots, what is published, what was reported
 *                      `-- evidence: the traffic page of the app's worker
 *
 * Each owns what is drawn below it. Everything runs on one thread.
 */
#ifndef FPROXY_PROBES_PROBER_PRIV_H
#define FPROXY_PROBES_PROBER_PRIV_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uthash.h>

#include "base/control_peer.h"
#include "base/override.h"
#include "config/app.h"
#include "config/settings.h"
#include "probes/check.h"
#include "probes/flap.h"
#include "probes/eject.h"
#include "probes/history.h"
#include "probes/resolver.h"
#include "probes/seeds.h"
#include "probes/share.h"
#include "strategy/board.h"
#include "strategy/traffic.h"

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

/* The app's board and what readers of it and the supervisor were last told. */
struct board_writer {
    struct board *board;                    /* owned */
    struct endpoint **slots;                /* owned; who has which */
    uint32_t slot_count, slot_next;
    struct available_endpoint *published;   /* behind the slots; as the two below */
    uint32_t published_count, published_flags;
    bool published_any;                     /* these are what the board has */
    bool tier_known;
    uint16_t tier;                          /* that gets the connections; choose.h */
    struct probe_lines panic_lines, tier_lines;
    uint32_t grow_asked;
    struct board_summary summary;
    struct board_summary reported;
    bool reported_any;
    uint64_t reported_ms;
    struct event flush;                     /* something changed */
};

/* What the app's worker finds out about endpoints; see evidence.h. */
struct evidence {
    TAILQ_ENTRY(evidence) link;             /* when there is a page: in busy or quiet */
    struct traffic *traffic;                /* owned, read only; NULL: not looked at */
    uint32_t *seen;                         /* owned; failures by slot when last probed */
    uint16_t *row;                          /* behind these: in a row, at the last look */
    uint64_t attempts;                      /* of the worker, at the last look */
    uint32_t busy_looks;                    /* that it stays in busy without more; 0: in quiet */
};

TAILQ_HEAD(evidence_list, evidence);

/* An app, as long as a generation of it is loaded. */
struct prober_family {
    UT_hash_handle hh;
    TAILQ_HEAD(, prober_app) generations;   /* newest first */
    uint32_t next_id;               /* an id means one endpoint, in every generation */
    char name[APP_NAME_BYTES];
};

struct prober_app {
    TAILQ_ENTRY(prober_app) link;
    TAILQ_ENTRY(prober_app) sibling;
    struct prober *prober;
    struct prober_family *family;
    struct recall *recall;          /* owned; while it is loaded from an earlier board */
    struct app_config config;
    uint32_t generation;
    bool shadowed;                  /* a newer generation tells the history */
    struct app_check *checks;       /* owned; NULL: no active probing */
    uint32_t check_count;
    struct liveness *liveness;      /* owned; NULL: nobody asks our own port */
    struct target *targets;         /* config.target_count */
    uint32_t endpoint_count;        /* with those that stand for unresolved targets */
    uint32_t started;               /* endpoints whose first probe was scheduled */
    bool first_round_done;
    bool goes_on;                   /* some of its endpoints were known to run before */
    bool flapping_released;         /* too few others: even those that flap are used */
    bool overflow_told;
    struct board_writer writer;
    struct evidence evidence;
};

TAILQ_HEAD(prober_apps, prober_app);

/* The connection to the supervisor; see prober_peer.h. */
struct prober_peer {
    struct control_peer *control;   /* NULL: the supervisor is gone */
    int listener;                   /* -1: there is none */
    struct event accept;            /* its successor is there */
    struct event more;              /* the report goes on */
    enum { REPORTING_APPS, REPORTING_HEALTH, REPORTED } stage;
    struct prober_app *next;        /* in the report; NULL: all were */
    uint32_t wait_ms;               /* for the supervisor to read */
};

struct prober {
    struct event_base *base;
    struct prober_peer peer;
    struct settings settings;
    struct history *history;
    struct seeds *seeds;
    struct resolver *resolver;      /* NULL until the settings came */
    struct gate *gate;
    struct shares *shares;
    struct prober_apps apps;
    struct prober_family *families; /* by name */
    struct app_overrides *overrides;    /* owned, by app; see admin.h */
    struct evidence_list busy, quiet;   /* apps with a page, the next to be looked at first */
    uint32_t endpoint_count;
    struct available_endpoint *scratch; /* owned; for board_writers: room for any board's slots */
    uint32_t scratch_room;
    uint32_t lag_max_ms, lagging;   /* probes that started late, since it was last told */
    uint64_t random;
    uint32_t loads;                 /* of apps, since the start */
    uint32_t loads_beat, loads_trimmed;     /* of those: at the last beat, at the last trim */
    struct event beat, minute, look, terminate;
};

/* A row of `events`. `app` may be NULL. */
void prober_event(struct prober *prober, const char *app, const char *kind,
                  enum log_level level, const char *message);

#endif
