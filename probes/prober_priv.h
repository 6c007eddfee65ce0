/*
 * What the files of the prober process share. For prober*.c, endpoint.c and board_writer.c.
 *
 *   prober --- apps: prober_app (one a loaded generation)
 *                      |-- targets: struct target --- watch of its name (resolver)
 *                      |               `-- endpoints: one an address, sorted; or one without
 *                      |                   an address, which stands for an unresolved target
 *                      `-- board_writer: the slots, what is published, what was reported
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

#include "base/control_peer.h"
#include "config/app.h"
#include "config/settings.h"
#include "probes/gate.h"
#include "probes/health.h"
#include "probes/history.h"
#include "probes/probe.h"
#include "probes/probe_log.h"
#include "probes/resolver.h"
#include "probes/seeds.h"
#include "strategy/board.h"

enum { SLOT_NONE = UINT32_MAX };

/* The last thing that was tried with an endpoint, as the board shows it. */
struct last_probe {
    enum reason outcome;            /* REASON_NONE: nothing yet */
    uint32_t duration_us;
    int64_t at_ms, next_ms;         /* wall; 0: none */
    char kind[16];
    char detail[DETAIL_BYTES];
};

struct endpoint {
    TAILQ_ENTRY(endpoint) link;
    struct target *target;
    struct address address;         /* family 0: stands for an unresolved target */
    uint32_t id;
    uint32_t slot;                  /* SLOT_NONE: the board is too small for it */
    struct health health;
    int64_t since_ms;               /* wall: in this state since */
    struct probe probe;             /* when the app has probes and this an address */
    struct event timer;             /* the next probe */
    uint64_t due_ms;                /* when it was meant to start */
    struct gate_ticket ticket;
    bool first_done;                /* its first probe ended, or it needs none */
    uint32_t connect_us;            /* usual connect time; 0: unknown */
    uint64_t passed_start_ms;       /* start of the last probe that passed */
    struct last_probe last;
    struct probe_log log;
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
    struct available_endpoint *published;   /* owned; as the two below */
    struct available_endpoint *scratch;
    uint32_t published_count, published_flags;
    bool published_any;
    uint32_t grow_asked;
    struct board_summary summary;
    struct control_health reported;
    bool reported_any;
    uint64_t reported_ms;
    struct event flush;                     /* something changed */
};

struct prober_app {
    TAILQ_ENTRY(prober_app) link;
    struct prober *prober;
    struct app_config config;
    uint32_t generation;
    bool shadowed;                  /* a newer generation tells the history */
    const struct probe_ops *ops;    /* NULL: no active probing */
    struct health_policy policy;
    struct target *targets;         /* config.target_count */
    uint32_t endpoint_count;        /* with those that stand for unresolved targets */
    uint32_t started;               /* endpoints whose first probe was scheduled */
    uint32_t next_id;
    bool first_round_done;
    bool overflow_told;
    struct board_writer writer;
};

TAILQ_HEAD(prober_apps, prober_app);

struct prober {
    struct event_base *base;
    struct control_peer *peer;      /* NULL: the supervisor is gone */
    struct settings settings;
    struct history *history;
    struct seeds *seeds;
    struct resolver *resolver;      /* NULL until the settings came */
    struct gate *gate;
    struct prober_apps apps;        /* a newer generation before an older one */
    uint32_t endpoint_count;
    uint32_t lag_max_ms, lagging;   /* probes that started late, since it was last told */
    uint64_t random;
    struct event beat, minute, terminate;
};

/* ---- prober.c ---- */

/* To the supervisor, when there is one. */
void prober_tell(struct prober *prober, const struct control_message *message);
/* A row of `events`. `app` may be NULL. */
void prober_event(struct prober *prober, const char *app, const char *kind,
                  enum log_level level, const char *message);

/* ---- prober_app.c ---- */

/* Loads a generation; `board` becomes the app's, and is closed when that fails. 0, or -errno
 * with the reason in `why` (DETAIL_BYTES). */
int prober_app_load(struct prober *prober, const char *text, uint32_t generation,
                    struct board *board, char *why);
/* Generation 0: all of them. */
void prober_app_unload(struct prober *prober, const char *name, uint32_t generation);
/* NULL when it is not loaded. */
struct prober_app *prober_app_find(struct prober *prober, const char *name,
                                   uint32_t generation);
/* At the end of the process: nothing is recorded. */
void prober_app_destroy(struct prober_app *app);

/* The endpoint of another generation with this target and address; NULL: none. */
const struct endpoint *prober_app_twin(const struct prober_app *app,
                                       const struct target *target,
                                       const struct address *address);

/* ---- prober_target.c ---- */

void target_init(struct target *target, struct prober_app *app, uint32_t index);
/* Gives it its first endpoints and begins to watch its name. 0 or -ENOMEM. */
int target_start(struct target *target);
void target_fini(struct target *target);
/* Its name was looked up, whatever that brought, and all its endpoints were probed once. */
bool target_settled(const struct target *target);

/* ---- endpoint.c ---- */

/* In its target's list, with a slot when one is free. NULL without memory. */
struct endpoint *endpoint_create(struct target *target, const struct address *address);
/* `recorded`: the database forgets it too. */
void endpoint_destroy(struct endpoint *endpoint, bool recorded);
/* Why there is no address. */
void endpoint_set_unresolved(struct endpoint *endpoint, enum reason reason,
                             const struct resolver_answer *answer);
/* Writes its row, and the summary of a minute that is over. Every now and then. */
void endpoint_minute(struct endpoint *endpoint, int64_t wall_ms);
void endpoint_record(struct endpoint *endpoint);
void endpoint_record_gone(const struct endpoint *endpoint);
gate_open_fn endpoint_gate_open;

/* ---- board_writer.c ---- */

/* Takes the board over, for the app's endpoints to come. 0 or -ENOMEM (the caller's then). */
int board_writer_init(struct prober_app *app, struct board *board);
void board_writer_fini(struct prober_app *app);
/* Moves everything to a larger board; as board_writer_init() where it fails. */
int board_writer_move(struct prober_app *app, struct board *board);

void board_writer_take_slot(struct endpoint *endpoint);
void board_writer_free_slot(struct endpoint *endpoint);
/* Writes the endpoint's detail and pulse. */
void board_writer_show(const struct endpoint *endpoint);
/* States or endpoints changed: publishes and reports before the loop waits again. */
void board_writer_changed(struct prober_app *app);
/* The same at once, for the board alone. */
void board_writer_publish(struct prober_app *app);

#endif
