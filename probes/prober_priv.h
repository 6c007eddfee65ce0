/*
 * prober_priv - the prober as a whole, for the files of its process that work on it. Who works on
 * one app includes prober_app_priv.h, on one target or endpoint endpoint_priv.h. None of the three
 * is for others; what these files offer is in their own headers.
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
#include "base/log.h"
#include "base/override.h"
#include "config/settings.h"
#include "probes/history.h"
#include "probes/lag.h"
#include "probes/prober_app_priv.h"
#include "probes/resolver.h"
#include "probes/seeds.h"
#include "probes/share.h"

/* An app, as long as a generation of it is loaded. */
struct prober_family {
    UT_hash_handle hh;
    TAILQ_HEAD(, prober_app) generations;   /* newest first */
    uint32_t next_id;               /* an id means one endpoint, in every generation */
    char name[APP_NAME_BYTES];
};

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
    struct beats beats;
    struct evidence_marks marks;        /* apps with a page */
    struct evidence_list busy;          /* those with traffic, the next to be looked at first */
    uint32_t endpoint_count;
    struct available_endpoint *scratch; /* owned; for board_writers: room for any board's slots */
    uint32_t scratch_room;
    struct lag lag;
    struct board_lag lag_shown;     /* on the boards, as of the last beat */
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
