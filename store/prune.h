/*
 * prune - history stays bounded by age and rows. The store's thread only.
 */
#ifndef FPROXY_STORE_PRUNE_H
#define FPROXY_STORE_PRUNE_H

#include <stdbool.h>
#include <stdint.h>

#include "store/database.h"

enum {
    PRUNE_EVERY_MS = 60 * 1000,
    PRUNE_AGAIN_MS = 100,           /* when there was more than one step's worth */
    PRUNE_ROWS = 4096,              /* of a table in one step: a few ms */

    KEEP_PROBE_DAYS = 7,            /* probe_results, probe_summary */
    KEEP_DAYS = 90,                 /* transitions, events, crashes, rollouts, gone apps */
    KEEP_DNS_DAYS = 30,
    KEEP_PROBE_ROWS = 1000 * 1000,
    KEEP_TRANSITION_ROWS = 1000 * 1000,
    KEEP_EVENT_ROWS = 100 * 1000,
    KEEP_CRASH_ROWS = 10 * 1000,
    KEEP_ROLLOUT_ROWS = 10 * 1000,  /* the last one of every app stays in any case */
    KEEP_DNS_NAMES = 10 * 1000,
};

/* One step: at most PRUNE_ROWS of each table. *more: call again soon. An SQLite code. */
int prune_step(struct database *database, int64_t now_wall_ms, bool *more);

#endif
