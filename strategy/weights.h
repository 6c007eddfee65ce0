/*
 * weights - whose turn a number is, when endpoints have different weights.
 *
 * A pure function of the number and the snapshot: threads that share one counter share one
 * order, and nothing is kept between two picks. Endpoints of one weight stand beside each
 * other (the prober publishes them so) and form a run. The runs divide the numbers:
 *
 *   weights 4 | 1 1     total 6: 4 are the first run's, evenly spread, 2 are left for the second
 *   number  0 1 2 3 4 5
 *   turn    A A B A A C     within a run everyone in turn
 *
 * Of `weight_total` numbers in a row each endpoint gets exactly as many as its weight, and the
 * turns of the first run are as even as whole numbers can be; those of the next are so among the
 * numbers that are left, and so on. A pick takes two divisions
 * a run at most: there are as many runs as different weights.
 */
#ifndef FPROXY_STRATEGY_WEIGHTS_H
#define FPROXY_STRATEGY_WEIGHTS_H

#include <stdint.h>

#include "strategy/available_set.h"

/* For available_set_copy(), and whoever fills a snapshot by hand: finds the runs. The snapshot
 * has available_snapshot_bytes() of at least its count. A weight of 0 counts as 1. */
void weights_prepare(struct available_snapshot *snapshot);

/* The index of the endpoint whose turn `number` is; there is at least one. */
uint32_t weights_index(const struct available_snapshot *snapshot, uint64_t number);

static inline uint32_t
weights_of(const struct available_endpoint *endpoint)
{
    return endpoint->weight != 0 ? endpoint->weight : 1;
}

#endif
