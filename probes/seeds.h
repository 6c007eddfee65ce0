/*
 * seeds - what the database last knew of endpoints, until each is met again.
 *
 * Filled from the supervisor's SEED; each seed is used once. The loop's thread only.
 */
#ifndef FPROXY_PROBES_SEEDS_H
#define FPROXY_PROBES_SEEDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/record.h"
#include "strategy/endpoint_state.h"

enum {
    SEEDS_MAX = 65536,
    SEED_AGE_MAX_MS = 24 * 3600 * 1000,     /* older than a day says nothing */
};

struct seed {
    enum endpoint_state state;      /* where the endpoint starts */
    int64_t since_ms;               /* wall: in that state since */
    uint32_t penalty;               /* for flapping; see flap.h */
    int64_t penalty_at_ms;          /* wall */
};

struct seeds;

/* NULL without memory. */
struct seeds *seeds_create(void);
void seeds_destroy(struct seeds *seeds);

/* Remembers a RECORD_ENDPOINT; what does not make sense is passed over. */
void seeds_add(struct seeds *seeds, const struct record *record);

/* The seed of an endpoint, which is used up; false when there is none, it is too old at
 * `wall_ms`, or says nothing. */
bool seeds_take(struct seeds *seeds, const char *app, const char *target,
                const struct address *address, int64_t wall_ms, struct seed *seed);

#endif
