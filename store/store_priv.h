/*
 * store_priv - what the files of the store share.
 *
 *    callers --queue_put--> [ queue ] --batch--> writer thread --> fproxy.db
 *      (under the lock, never waiting)            (without the lock)
 *
 * Whatever the lock does not guard belongs to the thread, once it runs.
 */
#ifndef FPROXY_STORE_STORE_PRIV_H
#define FPROXY_STORE_STORE_PRIV_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/names.h"
#include "store/database.h"
#include "store/facts.h"
#include "store/lookup.h"
#include "store/queue.h"
#include "store/store.h"

enum {
    RETRY_FIRST_MS = 1000,
    RETRY_MAX_MS = 30000,
    RETRY_CLOSING_MS = 50,
    TELL_MS = 10000,
    CLOSE_GRACE_MS = 2000,      /* for what is under way when the time to close is over */
};

struct store {
    char path[PATH_BYTES];      /* of fproxy.db; constant */
    pthread_t thread;

    pthread_mutex_t lock;       /* guards from here ... */
    pthread_cond_t wake;        /* there is work for the thread */
    pthread_cond_t end;         /* it is about to return */
    struct queue queue;
    uint64_t first_at_ms;       /* when the oldest of the queue came, about */
    bool closing;
    bool recheck;               /* a reader met damage: open again, with the checks */
    uint64_t close_by_ms;
    char trouble[DATABASE_WHY_BYTES];   /* "": none */
    uint64_t retry_at_ms;       /* while there is trouble */
    uint32_t in_hand;           /* entries of `batch` */
    uint64_t told_dropped;      /* of queue.dropped: those that the log told */
    uint64_t tell_at_ms;
    bool ended;                 /* the thread is about to return */
    struct lookups lookups;
    store_directory_fn *hold_directory;     /* or NULL; its context */
    void *directory_context;
    bool abandoned;             /* nobody joins it: it frees the store (... to here) */

    struct database database;
    struct entry_list batch;    /* taken from the queue, not yet committed */
    struct facts facts;
    bool broken;                /* set it aside before opening it again */
    bool restore;               /* the database is new: write the facts */
    uint32_t backoff_ms;
    uint64_t prune_at_ms;
};

/* Opens, recovers, restores. The thread, or store_open() before it exists. */
enum database_outcome writer_connect(struct store *store);

/* Takes over what writer_connect() said, under the lock. */
void writer_note(struct store *store, enum database_outcome outcome);

/* Of those of `app` with a lower generation the last one to become good, as far as it is
 * written: 0, -ENOENT or another -errno. The caller frees both texts. */
int read_previous(struct store *store, const char *app, uint32_t before_generation,
                  struct store_config *config);

void *writer_main(void *store);

void store_free(struct store *store);

#endif
