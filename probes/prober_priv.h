/*
 * What the files of the prober process share. For prober*.c, endpoint.c and board_writer.c,
 * each of which has its own header.
 *
 *   prober --- families: the loaded generations of one app
 *     |-- peer: the supervisor, and those that may succeed it (prober_peer)
 *     `-- apps: prober_app (one a loaded generation)
 *                      |-- targets: struct target --- watch of its name (resolver)
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
#include "probes/eject.h"
#include "probes/gate.h"
#include "probes/health.h"
#include "probes/history.h"
#include "probes/probe.h"
#include "probes/probe_log.h"
#include "probes/resolver.h"
#include "probes/seeds.h"
#include "strategy/board.h"
#include "strategy/traffic.h"

enum { SLOT_NONE = UINT32_MAX };

/* The last thing that was tried with an endpoint, as the board shows it. */
struct last_probe {
    enum reason outcome;            /* REASON_NONE: nothing yet */
    uint32_t duration_us;
    int64_t at_ms, next_ms;         /* wall; 0: none */
    char *detail;                   /* owned; NULL: "" */
};

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
    struct health health;           /* by probe; its state as others see it: standing.h */
    struct endpoint_admin admin;
    struct eject eject;             /* by traffic; see ejection.h */
    struct event *eject_timer;      /* owned; NULL: it never was */
    uint64_t worked_ms;             /* when it was last known to work; 0: never */
    int64_t since_ms;               /* wall: in this state since */
    struct probe probe;             /* when the app has probes and this an address */
    struct event timer;             /* the next probe */
    uint64_t due_ms;                /* when it was meant to start */
    struct gate_ticket ticket;
    bool first_done;                /* its first probe ended, or it needs none */
    uint32_t connect_us;            /* usual connect time; 0: unknown */
    uint64_t passed_start_ms;       /* start of the last probe that passed; 0: none */
    uint64_t failed_start_ms;       /* ... that failed */
    uint64_t hurried_ms;            /* when evidence last made a probe start; 0: never */
    struct last_probe last;
    struct probe_log log;
    struct probe_lines lines;       /* about its state */
    int64_t recorded_ms;            /* wall: when the database last got its row */
};

TAILQ_HEAD(endpoints, endpoint);

struct target {
    struct prober_app *app;
    const struct app_target *config;        /* in the app's */
    struct endpoints endpoints;
    struct resolver_watch *watch;           /* NULL: an IP literal */
    enum reason looked_up[DNS_FAMILIES];    /* how it ended; REASON_NONE: not yet */
};

/* The app's board and what readers of it and the supervisor were last told. */
struct board_writer {
    struct board *board;                    /* owned */
    struct endpoint **slots;                /* owned; who has which */
    uint32_t slot_count, slot_next;
    struct available_endpoint *published;   /* behind the slots; as the two below */
    uint32_t published_count, published_flags;
    bool published_any;                     /* these are what the board has */
    struct probe_lines panic_lines;
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
    const struct probe_ops *ops;    /* NULL: no active probing */
    void *shared;                   /* owned: by all runs of its probes; see probe.h */
    struct health_policy policy;
    struct target *targets;         /* config.target_count */
    uint32_t endpoint_count;        /* with those that stand for unresolved targets */
    uint32_t started;               /* endpoints whose first probe was scheduled */
    bool first_round_done;
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
