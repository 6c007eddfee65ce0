/*
 * available_set - the endpoints that may take a new connection right now.
 *
 * One prober writes and every worker thread reads; nothing else is shared.
 * The writer fills the hidden bucket, then publishes it; a reader overtaken
 * meanwhile sees the generation change and copies again:
 *
 *    prober --fill--> [ hidden bucket ]
 *                          |  publish: generation + 1
 *    worker <--copy-- [ readable bucket ]
 *
 * Wait-free for the writer, lock-free for readers, who map it read-only. Every word of a
 * bucket is atomic, stored with release and loaded with acquire: a reader that sees a word
 * of the bucket after next also sees that the generation moved (tests/model checks it).
 *
 * Ownership: lies in memory that the caller mapped; holds no pointer, so that
 * every process may map it at its own address. Times are CLOCK_MONOTONIC.
 */
#ifndef FPROXY_STRATEGY_AVAILABLE_SET_H
#define FPROXY_STRATEGY_AVAILABLE_SET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

/* One endpoint as a balancer needs it: five words, no lookup. */
struct available_endpoint {
    struct address address;     /* already resolved */
    uint32_t id;                /* never used again for another endpoint of this app's board */
    uint16_t slot;              /* its place in the board's and traffic page's tables;
                                 * below the set's endpoints_max */
    uint16_t weight;            /* its share beside the others */
    uint32_t tier;              /* smallest first */
    uint32_t target;            /* whose address it is: index in the app's targets */
};
_Static_assert(sizeof(struct available_endpoint) == 40, "copied as five words");

enum available_flag {
    AVAILABLE_PANIC = 1,        /* nothing is eligible: these are all there are */
    AVAILABLE_BOTH_FAMILIES = 2,    /* IPv4 and IPv6 are among `count` */
    AVAILABLE_FLAGS = 0xffff,   /* above them, for available_set_publish(): how many of the
                                 * last endpoints are the reserve */
    AVAILABLE_RESERVE_SHIFT = 16,
};

struct available_set;

/* A reader's own copy. `endpoints` has room for the set's endpoints_max. */
struct available_snapshot {
    uint64_t generation;        /* 0: nothing copied yet */
    uint64_t published_at_ms;
    uint32_t count;             /* that strategies pick from */
    uint32_t flags;             /* enum available_flag */
    uint32_t reserve;           /* so many behind those: other tiers, the best first, for who has
                                 * tried all of `count` in vain */
    uint32_t run_count;         /* of neighbours with one weight; see weights.h. 0, 1: all equal */
    uint32_t weight_total;
    struct available_endpoint endpoints[];      /* behind all, where the runs end */
};

/* Bytes of memory for a set of at most `endpoints_max`. */
size_t available_set_bytes(uint32_t endpoints_max);
size_t available_snapshot_bytes(uint32_t endpoints_max);

/* Creator only. `set` is zeroed memory of available_set_bytes(); nothing is published. */
void available_set_init(struct available_set *set, uint32_t endpoints_max);

uint32_t available_set_endpoints_max(const struct available_set *set);
uint64_t available_set_generation(const struct available_set *set);

/* Prober only. Replaces the list; -E2BIG leaves the old one in place. */
int available_set_publish(struct available_set *set, const struct available_endpoint *endpoints,
                          uint32_t count, uint32_t flags, uint64_t now_ms);

/* Any thread. True when `snapshot` is older than what is published: one load. A snapshot of
 * another set tells nothing: zero its generation when a new board replaces the old. */
bool available_set_moved(const struct available_set *set,
                         const struct available_snapshot *snapshot);

/* Any thread. Copies what is published into `snapshot`; never blocks. */
void available_set_copy(const struct available_set *set, struct available_snapshot *snapshot);

#endif
