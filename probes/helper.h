/*
 * helper - a program that runs on and answers one line for each check: of one configured probe,
 * for all its endpoints.
 *
 *   [not yet] --first check--> [running] --it ended, or was ended--> [waiting] --timer--> [running]
 *                                                 0 s, then 1 s, doubling to 30 s (base/restart.h)
 *
 * It is ended (SIGTERM, SIGKILL 1 s later) when it says what is no JSON or a line over 4 KB, too
 * much that nobody asked for, uses more CPU time than its checks may, or lets three in a row
 * wait for nothing. Checks under way then fail, and those that come while it waits fail at once.
 * What it writes to standard error goes to our log, 20 lines a minute.
 *
 * The loop's thread only.
 */
#ifndef FPROXY_PROBES_HELPER_H
#define FPROXY_PROBES_HELPER_H

#include <stdint.h>
#include <sys/queue.h>

#include "probes/helper_line.h"
#include "strategy/endpoint_state.h"

struct app_probe;
struct event_base;
struct helper;
struct helper_check;
struct probe;

/* `answer`, or NULL: it failed with `reason` and why. The check is no longer the helper's. */
typedef void helper_answered_fn(struct helper_check *check, const struct helper_answer *answer,
                                enum reason reason, const char *why);

/* One under way. Lies in its owner. */
struct helper_check {
    TAILQ_ENTRY(helper_check) link;
    uint64_t id;                        /* 0: none is under way */
    uint32_t run;                       /* of which run of the helper */
    helper_answered_fn *answered;       /* never from inside helper_ask() */
};

/* Nothing is started yet. NULL without memory. `config` outlives it. */
struct helper *helper_create(const struct app_probe *config, struct event_base *base);
/* No check may be under way. The program ends by itself (child_end_all()). */
void helper_destroy(struct helper *helper);

/* REASON_NONE: `answered` follows. Else it does not, and why (DETAIL_BYTES) tells the reason. */
enum reason helper_ask(struct helper *helper, struct helper_check *check,
                       const struct probe *probe, char *why);

/* Its answer is no longer wanted: `late`, since its time is over. */
void helper_forget(struct helper *helper, struct helper_check *check, bool late);

#endif
