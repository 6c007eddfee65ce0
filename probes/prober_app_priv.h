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
    uint32_t beat;                          /* its place in prober.beats; see beat.h */
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

/* The board of an app; see beat.h. */
struct beat {
    struct board *board;
    struct prober_app *app;
    bool review;                            /* what it published may be wrong by now */
};

struct beats {
    struct beat *list;                      /* owned; one an app, in no order */
    uint32_t count, room;
};

/* What the app's worker finds out about endpoints; see evidence.h. */
struct evidence {
    TAILQ_ENTRY(evidence) link;             /* while it is busy: in prober.busy */
    struct traffic *traffic;                /* owned, read only; NULL: not looked at */
    struct evidence_cell *cells;            /* owned; of boards with several slots */
    uint32_t *seen;                         /* owned; failures by slot when last probed */
    uint16_t *row;                          /* behind these: in a row, at the last look */
    uint32_t mark;                          /* when there is a page: its place in prober.marks */
};

TAILQ_HEAD(evidence_list, evidence);

/* What a look compares a slot's cell of the page with: as it was at the look before. */
struct evidence_cell {
    uint32_t id, failures;
    uint16_t row;
};

/* All that a look needs of an app where nothing happened: one cache line, next to those that are
 * looked at before and after it. */
struct evidence_mark {
    struct prober_app *app;
    const struct traffic_knowledge *knowledge;      /* these two lie in the page: by slot, */
    const struct traffic_counters *counters;        /* by thread */
    uint64_t attempts;                      /* of the worker, at the last look */
    uint32_t slots;                         /* of the page, as of the board */
    uint16_t threads;
    uint8_t busy_looks;                     /* that it stays in busy without more; 0: it is not */
    bool again;                             /* all slots need a look, whatever their cells say */
    union {
        struct evidence_cell one;           /* of a board with one slot */
        struct evidence_cell *many;         /* evidence.cells */
    } last;
};
_Static_assert(sizeof(struct evidence_mark) <= 64, "one cache line");

/* None moves: each is looked at a round after its last look, whoever comes or goes. */
struct evidence_marks {
    struct evidence_mark *list;             /* owned; an app with a page each, or (NULL) a hole */
    uint32_t count, room;                   /* with the holes */
    uint32_t hole;                          /* the first one's index + 1; its `slots`: the next */
    uint32_t apps;
    uint32_t next;                          /* to be looked at when it is quiet */
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

#endif
