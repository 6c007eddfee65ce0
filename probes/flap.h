/*
 * flap - an endpoint that changes sides too often is held back for a while.
 *
 *   penalty
 *   3000  - - - - - /|- - - - - - -  suppress: held from here on
 *              /|  / |\
 *          /| / |\/  | \
 *   1500 -/-|/- - - -|- \ - - - - -  reuse: free again
 *        /  |        |   `-.__
 *
 * Each change from up to down or back adds 1,000, and what is there halves each half-life
 * (RFC 2439). The penalty never grows beyond what decays to `reuse` within FLAP_HOLD_MAX_MS, so
 * an endpoint that has become steady is held no longer than that. Times are CLOCK_MONOTONIC, so
 * that nobody is held longer, or free, because the wall clock was set; those of a penalty that is
 * older than the machine's start lie below 0. Pure functions; the prober's thread only.
 */
#ifndef FPROXY_PROBES_FLAP_H
#define FPROXY_PROBES_FLAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FLAP_PENALTY = 1000,                /* of one change */
    FLAP_HOLD_MAX_MS = 5 * 60 * 1000,   /* after the last change */
    FLAP_MAX = 1000000,                 /* whatever the numbers are */
};

struct flap_policy {
    uint32_t half_life_ms;              /* 0: nothing is ever held */
    uint32_t suppress, reuse;           /* 0 < reuse < suppress */
};

struct flap {
    uint32_t penalty;                   /* as it was at `at_ms` */
    uint32_t changes;                   /* since `first_ms` */
    int64_t at_ms, first_ms;            /* where there are changes */
    bool held;
};

/* What is left of the penalty. */
uint32_t flap_penalty(const struct flap *flap, const struct flap_policy *policy, int64_t now_ms);

/* It went from up to down or back. */
void flap_change(struct flap *flap, const struct flap_policy *policy, int64_t now_ms);

/* Time passed: true when `held` changed. Forgets what has faded away. */
bool flap_age(struct flap *flap, const struct flap_policy *policy, int64_t now_ms);

/* Until it is free; 0: it is not held. */
uint32_t flap_wait_ms(const struct flap *flap, const struct flap_policy *policy, int64_t now_ms);

/* What another process told: whether it is held follows from the penalty, but for `held` itself
 * when the penalty lies between the two thresholds. */
struct flap flap_resume(uint32_t penalty, int64_t at_ms, bool held);

/* "flapping: 5 changes in 2 min; held until its penalty, 3400, is below 1500: 71 s". */
void flap_describe(const struct flap *flap, const struct flap_policy *policy, int64_t now_ms,
                   char *text, size_t bytes);

/* Of an app's `total` endpoints `free` are eligible without those that are held: too few to do
 * without them? */
bool flap_releases(uint32_t total, uint32_t free);

#endif
