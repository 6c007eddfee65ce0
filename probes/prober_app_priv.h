/*
 * prober_app_priv - one loaded generation of an app: what the files of the prober share that work
 * on all its targets. prober_priv.h draws who owns what.
 */
#ifndef FPROXY_PROBES_PROBER_APP_PRIV_H
#define FPROXY_PROBES_PROBER_APP_PRIV_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "config/app.h"
#include "probes/endpoint_priv.h"
#include "probes/history.h"
#include "strategy/board.h"
#include "strategy/traffic.h"

struct prober;
struct prober_family;

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

#endif
