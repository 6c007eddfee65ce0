/*
 * check - one configured probe of one endpoint: when it runs, and what its results make of it.
 *
 *   endpoint --owns--> check: timer -> gate -> probe -> health -> on_result() of its owner
 *                        `-- share: equal checks of other apps, which take the result as theirs
 *
 * The prober's files only, on its loop.
 */
#ifndef FPROXY_PROBES_CHECK_H
#define FPROXY_PROBES_CHECK_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/app_probe.h"
#include "probes/gate.h"
#include "probes/health.h"
#include "probes/probe.h"
#include "probes/probe_log.h"
#include "probes/share.h"

struct prober;
struct check;

/* One configured probe, as all checks of an app have it. */
struct app_check {
    const struct app_probe *config;     /* in the app's */
    const struct probe_ops *ops;
    void *shared;                       /* owned: what ops->prepare() made */
    struct health_policy policy;
    uint64_t digest;                    /* of what is asked, and how often; see share.h */
};

/* The last thing that was tried, as the board shows it. */
struct last_probe {
    uint8_t outcome;                /* enum reason; REASON_NONE: nothing yet */
    uint16_t lag_ms;                /* it began so late, at most 65,535 */
    uint32_t duration_us;
    int64_t at_ms, next_ms;         /* wall; 0: none */
    char *detail;                   /* owned; NULL: "" */
};

/* A probe ended, or that of an equal check. Health and `last` are those after it. The check may be
 * held or armed anew from here, but not be finished. */
typedef void check_result_fn(struct check *check, const struct probe_result *result,
                             uint64_t started_ms);
/* A probe is about to start. */
typedef void check_start_fn(struct check *check);

struct check {
    struct prober *prober;          /* borrowed */
    const struct app_check *of;
    void *owner;
    check_start_fn *on_start;
    check_result_fn *on_result;
    struct probe probe;
    struct event timer;             /* the next probe */
    uint64_t due_ms;                /* when it was meant to start */
    uint32_t second_ms;             /* interval until its second probe; 0: as any other */
    struct gate_ticket ticket;
    struct health health;
    bool first_done;                /* its first probe ended */
    bool held;                      /* no probes, until it is armed */
    struct last_probe last;
    uint64_t warned_ms;             /* CLOCK_MONOTONIC: a warning of it was told; 0: none */
    struct probe_log log;
    struct share_member member;
};

/* Zeroed by its owner, who then sets on_start, on_result and owner. `where` is the address of the
 * endpoint; names are borrowed. It is held until it is armed. */
void check_init(struct check *check, struct prober *prober, const struct app_check *of,
                const struct address *where, const char *app, const char *target);
void check_fini(struct check *check);

/* Its first probe, `wait_ms` from now. */
void check_arm(struct check *check, uint32_t wait_ms);
/* Likewise, of number `index` of `count` of its app, in a process with `total` endpoints. */
void check_arm_spread(struct check *check, uint32_t index, uint32_t count, uint32_t total);
/* Its probes go on as if nothing had happened: the next is due at check->due_ms. */
void check_resume(struct check *check);
/* No more probes until it is armed; one that runs is cancelled. */
void check_hold(struct check *check);

/* The next probe starts now, unless one runs or waits already. */
void check_hurry(struct check *check, uint64_t now_ms);

/* What its last probe says, for people. Into `last`; without memory nothing. */
void last_probe_set_detail(struct last_probe *last, const char *detail);

/* Does what it finds hold for the connections of clients as well? One of another port or address
 * says nothing of what they meet. */
bool check_tells_of_traffic(const struct check *check);

/* Of a check that is no more: as app_check. */
int app_check_init(struct app_check *check, const struct app_probe *config,
                   struct event_base *base, char *why);
void app_check_fini(struct app_check *check);

/* For the gate: the probe of this ticket may start. */
gate_open_fn check_gate_open;

/* For share.c: another check's result, which is this one's as well. */
void check_take_result(struct check *check, const struct probe_result *result,
                       uint64_t started_ms);

#endif
