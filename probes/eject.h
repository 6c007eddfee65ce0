/*
 * eject - when connections of clients alone take an endpoint out, and for how long: a policy that
 * knows neither clocks nor pages, so it is tested without sleeping.
 *
 *   `failures` tries in a row failed --> [ejected] --`time` x n, at most `time_max`--> back
 *                                            `-- a probe that started since passes --> back, but
 *                                                not if nothing connected after it did so before
 *
 * n counts ejections; it begins anew when the endpoint was in for `time_max` on end. Whoever fails
 * again after its return, with no success between, goes at the first failure.
 * Times are CLOCK_MONOTONIC ms. The loop's thread only.
 */
#ifndef FPROXY_PROBES_EJECT_H
#define FPROXY_PROBES_EJECT_H

#include <stdbool.h>
#include <stdint.h>

struct eject_policy {
    uint32_t failures;          /* in a row; 0: never */
    uint32_t time_ms, time_max_ms;
    uint32_t share_percent;     /* of an app's endpoints; one may always be, if others are left */
};

enum eject_flag {
    EJECT_BACK_BY_PROBE = 1,    /* a probe brought it back, and nothing has connected since */
    EJECT_PROBES_LIE = 2,       /* ... but connections failed again: it stays for its time */
};

struct eject {
    uint64_t until_ms;          /* 0: it is not ejected */
    uint64_t changed_ms;        /* when it was, or came back; 0: it never was */
    uint32_t count;
    uint16_t failures;          /* in a row, when it was ejected; 0: something connected since */
    uint8_t flags;              /* enum eject_flag */
};

bool eject_due(const struct eject_policy *policy, const struct eject *eject,
               uint32_t failures_in_row);

/* Of `total` endpoints `ejected` are out; `others` of the rest, without this one, are eligible. */
bool eject_allowed(const struct eject_policy *policy, uint32_t total, uint32_t ejected,
                   uint32_t others);

/* Takes it out; returns for how long, with a jitter of 10 %. `random`: any number. */
uint32_t eject_begin(struct eject *eject, const struct eject_policy *policy,
                     uint32_t failures_in_row, uint64_t now_ms, uint32_t random);

/* May a probe that started then, and passed, bring it back? */
bool eject_probe_counts(const struct eject *eject, uint64_t started_ms);

void eject_end(struct eject *eject, bool by_probe, uint64_t now_ms);

/* So many tries in a row have failed by now: fewer than before means that one connected. */
void eject_note(struct eject *eject, uint32_t failures_in_row);

#endif
