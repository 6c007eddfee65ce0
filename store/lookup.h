/*
 * lookup - questions to the database while the supervisor's loop runs: asked and answered by
 * the loop, looked up by the store's thread.
 *
 *    store_find_previous() --> [ asked ] --> lookup_next() --> [ answered ] --> store_deliver()
 *          the loop                         the store's thread                     the loop
 *    store_find_overrides()
 *    store_when_written() --> [ waiting ] --> lookups_written() --> [ answered ]
 */
#ifndef FPROXY_STORE_LOOKUP_H
#define FPROXY_STORE_LOOKUP_H

#include <stdbool.h>
#include <sys/queue.h>

#include "store/store.h"

struct lookup;
STAILQ_HEAD(lookup_list, lookup);

/* In struct store, under its lock. */
struct lookups {
    struct lookup_list asked, answered, waiting;
    struct lookup *in_hand;     /* of the thread, without the lock */
    uint32_t count;             /* asked, in hand, answered: at most STORE_LOOKUPS_MAX */
    int notify_fd;              /* borrowed; -1: none */
};

void lookups_init(struct lookups *lookups);
void lookups_fini(struct lookups *lookups);

static inline bool
lookups_asked(const struct lookups *lookups)
{
    return !STAILQ_EMPTY(&lookups->asked);
}

/* The thread, under the lock, after it has written, or could not. */
void lookups_written(struct store *store);

/* The thread, under the lock, which is let go meanwhile. One must have been asked. */
void lookup_next(struct store *store);

#endif
