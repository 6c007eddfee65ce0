/*
 * writer - the store's thread: waits, takes a batch, writes it, tries again later.
 *
 * A batch that could not be committed stays in hand until it can be; meanwhile the queue
 * fills, and then drops (queue.h).
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/condition.h"
#include "base/log.h"
#include "base/util.h"
#include "store/prune.h"
#include "store/recover.h"
#include "store/store_priv.h"

static enum database_outcome
begin_anew(struct store *store, const char *why)
{
    char bad_path[PATH_BYTES];
    enum database_outcome outcome;
    int rc = recover_set_aside(store->path, clock_wall_ms(), bad_path);

    if (rc != 0 && rc != -ENOENT) {
        snprintf(store->database.why, sizeof store->database.why,
                 "%.120s, and cannot be set aside: %s", why, strerror(-rc));
        return DATABASE_TROUBLE;
    }
    store->broken = false;
    if (rc == 0)
        log_error(NULL,
                  "store: %s is broken (%s): it was set aside as %s, a new one is begun; the "
                  "history is in the old one ('sqlite3 OLD .recover' may read it)",
                  store->path, why, bad_path);
    outcome = database_open(&store->database, store->path);
    if (outcome == DATABASE_OK && rc == 0)
        recover_salvage(&store->database, bad_path);
    return outcome;
}

static enum database_outcome
open_or_begin_anew(struct store *store)
{
    char why[DATABASE_WHY_BYTES];
    enum database_outcome outcome = DATABASE_BROKEN;

    if (!store->broken)
        outcome = database_open(&store->database, store->path);
    if (outcome != DATABASE_BROKEN)
        return outcome;
    store->broken = true;
    snprintf(why, sizeof why, "%s", store->database.why);
    return begin_anew(store, why);
}

/* The thread, or nobody has set it yet. */
static bool
hold_directory(struct store *store)
{
    store_directory_fn *hold;
    int rc;

    pthread_mutex_lock(&store->lock);
    hold = store->hold_directory;
    pthread_mutex_unlock(&store->lock);
    rc = hold != NULL ? hold(store->directory_context) : 0;
    if (rc < 0)
        snprintf(store->database.why, sizeof store->database.why,
                 "its directory cannot be used: %s",
                 rc == -EWOULDBLOCK ? "another fproxy has it" : strerror(-rc));
    return rc == 0;
}

enum database_outcome
writer_connect(struct store *store)
{
    enum database_outcome outcome;

    if (store->database.handle != NULL)
        return DATABASE_OK;
    if (!hold_directory(store))
        return DATABASE_TROUBLE;
    outcome = open_or_begin_anew(store);
    if (outcome != DATABASE_OK)
        return outcome;
    if (store->database.created)
        store->restore = true;
    outcome = database_judge(&store->database, facts_load(&store->facts, &store->database));
    if (outcome == DATABASE_OK && store->restore)
        outcome = facts_write(&store->facts, &store->database);
    if (outcome == DATABASE_OK)
        store->restore = false;
    else
        database_close(&store->database);
    return outcome;
}

/* Drops are told when writing works again, and every TELL_MS while the disk is too slow. */
static void
tell_drops(struct store *store)
{
    uint64_t now_ms = clock_monotonic_ms();

    if (store->queue.dropped == store->told_dropped || now_ms < store->tell_at_ms)
        return;
    log_warn(NULL,
             "store: %s: %" PRIu64 " writes were lost (the queue was full, or the database "
             "refused them)",
             store->path, store->queue.dropped - store->told_dropped);
    store->told_dropped = store->queue.dropped;
    store->tell_at_ms = now_ms + TELL_MS;
}

static void
note_trouble(struct store *store)
{
    if (strcmp(store->trouble, store->database.why) != 0)
        log_error(NULL,
                  "store: %s: %s; what is to be written waits in memory and is tried again "
                  "every %d s at most",
                  store->path, store->database.why, RETRY_MAX_MS / 1000);
    snprintf(store->trouble, sizeof store->trouble, "%s", store->database.why);
    store->backoff_ms = store->backoff_ms == 0 ? RETRY_FIRST_MS
                                               : MIN(store->backoff_ms * 2, RETRY_MAX_MS);
    store->retry_at_ms = clock_monotonic_ms() +
                         (store->closing ? RETRY_CLOSING_MS : store->backoff_ms);
}

void
writer_note(struct store *store, enum database_outcome outcome)
{
    if (outcome != DATABASE_OK) {
        note_trouble(store);
        return;
    }
    if (store->trouble[0] != '\0')
        log_warn(NULL, "store: %s is written again", store->path);
    store->trouble[0] = '\0';
    store->backoff_ms = 0;
    tell_drops(store);
}

static void
learn_batch(struct store *store)
{
    struct entry *entry;

    while ((entry = STAILQ_FIRST(&store->batch)) != NULL) {
        STAILQ_REMOVE_HEAD(&store->batch, link);
        facts_learn(&store->facts, entry);
    }
}

static enum database_outcome
write_batch(struct store *store, uint32_t *refused)
{
    enum database_outcome outcome;

    if (STAILQ_EMPTY(&store->batch))
        return DATABASE_OK;
    outcome = database_write(&store->database, &store->batch, refused);
    if (outcome == DATABASE_OK)
        learn_batch(store);
    return outcome;
}

static enum database_outcome
prune_if_due(struct store *store, bool closing)
{
    bool more = false;
    int rc;

    if (closing || clock_monotonic_ms() < store->prune_at_ms)
        return DATABASE_OK;
    rc = prune_step(&store->database, clock_wall_ms(), &more);
    store->prune_at_ms = clock_monotonic_ms() + (more ? PRUNE_AGAIN_MS : PRUNE_EVERY_MS);
    return database_judge(&store->database, rc);
}

static enum database_outcome
connect_and_write(struct store *store, bool closing, uint32_t *refused)
{
    enum database_outcome outcome = writer_connect(store);

    if (outcome == DATABASE_OK)
        outcome = write_batch(store, refused);
    if (outcome == DATABASE_OK)
        outcome = prune_if_due(store, closing);
    if (outcome == DATABASE_BROKEN)
        store->broken = true;
    if (outcome != DATABASE_OK)
        database_close(&store->database);
    return outcome;
}

/* One turn without the lock. */
static enum database_outcome
work(struct store *store, bool closing, bool recheck, uint32_t *refused)
{
    enum database_outcome outcome;

    bool moved = store->database.handle != NULL &&
                 database_moved(&store->database, store->path);

    /* Somebody removed or replaced the file: what we write would go nowhere. */
    if (moved)
        log_warn(NULL,
                 "store: %s was removed or replaced while it was in use: it is opened anew, and "
                 "begun with what runs if there is none; its history is lost",
                 store->path);
    if (store->database.handle != NULL && (recheck || moved))
        database_close(&store->database);
    outcome = connect_and_write(store, closing, refused);
    if (outcome == DATABASE_BROKEN)     /* damage was met: set aside, and once more */
        outcome = connect_and_write(store, closing, refused);
    return outcome;
}

/* When the thread has something to do next; under the lock. */
static uint64_t
next_turn_ms(const struct store *store, uint64_t now_ms)
{
    uint64_t batch_at_ms = store->first_at_ms + STORE_BATCH_MS;

    if (lookups_asked(&store->lookups) && !store->closing)
        return now_ms;
    if (!STAILQ_EMPTY(&store->lookups.waiting))
        return now_ms;              /* in trouble, too: it is tried once more, and answered */
    if (store->trouble[0] != '\0')
        return store->retry_at_ms;
    if (store->closing || store->recheck || store->queue.at_once > 0 ||
        store->queue.count >= STORE_BATCH_ROWS)
        return now_ms;
    return store->queue.count == 0 ? store->prune_at_ms : MIN(batch_at_ms, store->prune_at_ms);
}

static void
wait_for_turn(struct store *store)
{
    for (;;) {
        uint64_t now_ms = clock_monotonic_ms();
        uint64_t turn_ms = next_turn_ms(store, now_ms);

        if (turn_ms <= now_ms)
            return;
        condition_wait_until(&store->wake, &store->lock, turn_ms);
    }
}

/* One turn of the thread; under the lock, which is let go meanwhile. */
static void
take_turn(struct store *store)
{
    bool closing = store->closing;
    bool recheck = store->recheck;
    uint32_t refused = 0;
    enum database_outcome outcome;

    if (store->in_hand == 0)
        store->in_hand = queue_take(&store->queue, &store->batch, STORE_BATCH_ROWS);
    store->first_at_ms = clock_monotonic_ms();
    store->recheck = false;
    pthread_mutex_unlock(&store->lock);
    outcome = work(store, closing, recheck, &refused);
    pthread_mutex_lock(&store->lock);
    store->queue.dropped += refused;
    if (STAILQ_EMPTY(&store->batch))
        store->in_hand = 0;
    writer_note(store, outcome);
    lookups_written(store);
}

static bool
is_done(const struct store *store)
{
    if (!store->closing)
        return false;
    return (store->queue.count == 0 && store->in_hand == 0) ||
           clock_monotonic_ms() >= store->close_by_ms;
}

void *
writer_main(void *argument)
{
    struct store *store = argument;
    bool abandoned;

    pthread_setname_np(pthread_self(), "fp-store");
    pthread_mutex_lock(&store->lock);
    while (!is_done(store)) {
        wait_for_turn(store);
        if (lookups_asked(&store->lookups) && !store->closing)
            lookup_next(store);
        else
            take_turn(store);
    }
    pthread_mutex_unlock(&store->lock);
    database_close(&store->database);

    pthread_mutex_lock(&store->lock);
    store->ended = true;
    pthread_cond_signal(&store->end);
    abandoned = store->abandoned;
    pthread_mutex_unlock(&store->lock);
    if (abandoned)
        store_free(store);
    return NULL;
}
