/*
 * queue - the writes that wait, in the order they came, bounded in number and bytes.
 *
 * One list for each worth: a full queue gives up probe history first, then facts, and
 * refuses what is precious last. Whoever calls holds the lock of the store.
 */
#ifndef FPROXY_STORE_QUEUE_H
#define FPROXY_STORE_QUEUE_H

#include "store/entry.h"

enum { QUEUE_BYTES_MAX = 64 << 20 };

struct queue {
    struct entry_list lists[WORTHS];
    uint32_t count;
    uint32_t at_once;       /* how many of them must not wait for a batch */
    size_t bytes;
    uint64_t dropped;       /* since the start */
};

void queue_init(struct queue *queue);
void queue_fini(struct queue *queue);

/* Takes the entry over. 0, or -ENOBUFS: freed, and counted as dropped. */
int queue_put(struct queue *queue, struct entry *entry, uint32_t count_max);

/* Moves at most `count_max` entries to `batch`, the most precious first; returns how many. */
uint32_t queue_take(struct queue *queue, struct entry_list *batch, uint32_t count_max);

#endif
