/*
 * health - what the outcomes of probes make of an endpoint: a pure function of history.
 *
 *               pass                     fail (fewer than `fall`)
 *   unknown ----------> available <--------------------> failing
 *      |                    ^  ^          pass              |
 *      | fail      `rise`   |  |  pass, first of this       | fail, `fall` in a row
 *      v         in a row   |  |  process                   v
 *   unavailable <-------> recovering                   unavailable
 *
 * With a window (`threshold` of the last `window` results must have passed) the same states mean:
 * available, failing: up; recovering, unavailable: down. What leads from one side to the other is
 * the number of passes among the last `window` results instead of how many came in a row:
 *
 *   up     passes >= threshold       available after a pass, failing after a failure
 *   down   passes <  threshold       recovering after a pass, unavailable after a failure
 *
 * While fewer than `window` results are known, those that are missing count as passed when the
 * first one passed or it was remembered as up, else as failed: a target that begins well is not
 * held back until the window is full, and one that begins badly has to show `threshold` passes.
 *
 * A probe's outcome (what happened) is one thing, this policy (what we make of it) another:
 * nothing here knows sockets or clocks, so it is tested without sleeping and can be replayed.
 * `now_ms` is CLOCK_MONOTONIC. The loop's thread only.
 */
#ifndef FPROXY_PROBES_HEALTH_H
#define FPROXY_PROBES_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "strategy/endpoint_state.h"

struct health_policy {
    uint32_t rise, fall;            /* in a row, at least 1 */
    uint32_t window, threshold;     /* window 0: rise and fall count; else 1 to HEALTH_WINDOW_MAX,
                                     * and the threshold 1 to window */
    uint32_t interval_ms;
};

struct health {
    enum endpoint_state state;
    enum reason reason;             /* the outcome, or history, that led here */
    uint32_t successes, failures;   /* in a row */
    bool probed;                    /* a probe of this process has counted */
    bool degraded;                  /* the last one passed, but others are to be preferred */
    uint64_t results;               /* the last ones, the newest lowest; 1: it passed */
    uint8_t result_count;           /* how many of them were probed; those above are assumed */
    uint64_t down_since_ms;         /* of the present time without a sign of life */
    uint32_t down_interval_ms;      /* grows while it is down */
};

enum {
    HEALTH_CHANGING_INTERVAL_MS = 1000,     /* while failing or recovering */
    HEALTH_DOWN_PATIENCE_MS = 60000,        /* down longer than this: probed less and less */
    HEALTH_DOWN_INTERVAL_MAX_MS = 30000,
    HEALTH_WINDOW_MAX = 64,                 /* as PROBE_WINDOW_MAX of config/app_probe.h */
};

/* An endpoint that no probe of this process has seen. */
void health_init(struct health *health, enum endpoint_state state, enum reason reason,
                 uint64_t now_ms);

/* The state that a state read from the database starts in: what was on its way goes back to
 * the side it came from; whatever says nothing about probes is unknown. */
enum endpoint_state health_seed_state(enum endpoint_state last);

/* Counts one outcome (REASON_OK or why it failed); true when the state changed.
 * What is our fault (reason_is_ours()), not the endpoint's, changes nothing. */
bool health_apply(struct health *health, const struct health_policy *policy,
                  enum reason outcome, uint64_t now_ms);

/* Of the last `window` results, so many passed. */
uint32_t health_passes(const struct health *health, uint32_t window);

/* From the start of one probe to the start of the next, without jitter. */
uint32_t health_interval_ms(const struct health *health, const struct health_policy *policy);

/* Known to be down: its probes may use half of what may run at once. */
bool health_down(const struct health *health);

#endif
