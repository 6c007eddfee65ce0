/*
 * strategy - which available endpoint the next connection goes to.
 *
 * A strategy is one file with a struct strategy_ops and a row in strategy_table (strategy.c).
 * It only ever sees the available set. Its state belongs to one app in one worker, is
 * shared by the worker's threads and therefore holds only atomics; pick() takes no lock,
 * allocates nothing and returns after a bounded number of steps.
 */
#ifndef FPROXY_STRATEGY_STRATEGY_H
#define FPROXY_STRATEGY_STRATEGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "strategy/available_set.h"

/* What pick() must pass over. */
struct strategy_filter {
    bool (*skip)(const struct strategy_filter *filter,
                 const struct available_endpoint *endpoint);
    const void *context;        /* the caller's */
};

typedef void strategy_init_fn(void *state);
typedef int strategy_pick_fn(void *state, const struct available_snapshot *snapshot,
                             const struct strategy_filter *filter);

struct strategy_ops {
    const char *name;           /* as in the configuration: "round_robin" */
    size_t state_bytes;
    strategy_init_fn *init;     /* `state` is zeroed memory, 64-byte aligned */
    strategy_pick_fn *pick;     /* an index into snapshot->endpoints; -1: nothing is left.
                                 * `filter` may be NULL: nothing is passed over */
};

/* NULL when there is none of this name. */
const struct strategy_ops *strategy_find(const char *name);

/* The table, ended by NULL: for messages that list what is allowed. */
extern const struct strategy_ops *const strategy_table[];

extern const struct strategy_ops strategy_round_robin;

#endif
