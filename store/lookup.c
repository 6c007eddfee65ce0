/*
 * lookup - see lookup.h.
 *
 * A lookup does not wait for what is queued: that may take as long as the trouble does, and
 * an operator who wants the generation before back may want it because of the trouble. What
 * the queue holds counts as if it were written.
 */
#include "store/lookup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/store_priv.h"

struct lookup {
    STAILQ_ENTRY(lookup) link;
    char app[APP_NAME_BYTES];
    uint32_t before_generation;
    store_config_fn *done;          /* one of these three, or none: given up while in hand */
    store_overrides_fn *told;
    store_written_fn *written;      /* it waits for the disk */
    void *context;                  /* the asker's */
    int rc;
    struct store_config config;     /* owned */
    struct store_override *overrides;   /* owned */
    size_t override_count;
};

void
lookups_init(struct lookups *lookups)
{
    *lookups = (struct lookups){ .notify_fd = -1 };
    STAILQ_INIT(&lookups->asked);
    STAILQ_INIT(&lookups->answered);
    STAILQ_INIT(&lookups->waiting);
}

static void
config_fini(struct store_config *config)
{
    free(config->source);
    free(config->config);
    *config = (struct store_config){ 0 };
}

static void
lookup_free(struct lookup *lookup)
{
    config_fini(&lookup->config);
    free(lookup->overrides);
    free(lookup);
}

/* Those of `context`, or all of them when it is NULL. */
static uint32_t
list_free(struct lookup_list *list, const void *context)
{
    struct lookup *lookup = STAILQ_FIRST(list), *next;
    uint32_t freed = 0;

    for (; lookup != NULL; lookup = next) {
        next = STAILQ_NEXT(lookup, link);
        if (context != NULL && lookup->context != context)
            continue;
        STAILQ_REMOVE(list, lookup, lookup, link);
        lookup_free(lookup);
        freed++;
    }
    return freed;
}

void
lookups_fini(struct lookups *lookups)
{
    assert(lookups->in_hand == NULL);
    list_free(&lookups->asked, NULL);
    list_free(&lookups->answered, NULL);
    list_free(&lookups->waiting, NULL);
}

/* ---- the loop ---- */

int
store_set_notify(struct store *store, int eventfd)
{
    int flags = eventfd < 0 ? O_NONBLOCK : fcntl(eventfd, F_GETFL);

    if (flags < 0)
        return -errno;
    if ((flags & O_NONBLOCK) == 0)
        return -EINVAL;
    pthread_mutex_lock(&store->lock);
    store->lookups.notify_fd = eventfd < 0 ? -1 : eventfd;
    pthread_mutex_unlock(&store->lock);
    return 0;
}

/* Takes the lookup over. */
static int
ask(struct store *store, struct lookup *lookup, struct lookup_list *list)
{
    int rc = 0;

    pthread_mutex_lock(&store->lock);
    if (store->lookups.count < STORE_LOOKUPS_MAX) {
        store->lookups.count++;
        STAILQ_INSERT_TAIL(list, lookup, link);
        pthread_cond_signal(&store->wake);
    } else {
        rc = -ENOBUFS;
    }
    pthread_mutex_unlock(&store->lock);
    if (rc != 0)
        lookup_free(lookup);
    return rc;
}

int
store_find_previous(struct store *store, const char *app, uint32_t before_generation,
                    store_config_fn *done, void *context)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);

    assert(done != NULL);
    assert(strlen(app) < APP_NAME_BYTES);
    if (lookup == NULL)
        return -ENOMEM;
    snprintf(lookup->app, sizeof lookup->app, "%s", app);
    lookup->before_generation = before_generation;
    lookup->done = done;
    lookup->context = context;
    return ask(store, lookup, &store->lookups.asked);
}

int
store_find_overrides(struct store *store, store_overrides_fn *done, void *context)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);

    assert(done != NULL);
    if (lookup == NULL)
        return -ENOMEM;
    lookup->told = done;
    lookup->context = context;
    return ask(store, lookup, &store->lookups.asked);
}

int
store_when_written(struct store *store, store_written_fn *done, void *context)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);

    assert(done != NULL);
    if (lookup == NULL)
        return -ENOMEM;
    lookup->written = done;
    lookup->context = context;
    return ask(store, lookup, &store->lookups.waiting);
}

static struct lookup *
take_answered(struct store *store)
{
    struct lookup *lookup;

    pthread_mutex_lock(&store->lock);
    lookup = STAILQ_FIRST(&store->lookups.answered);
    if (lookup != NULL) {
        STAILQ_REMOVE_HEAD(&store->lookups.answered, link);
        store->lookups.count--;
    }
    pthread_mutex_unlock(&store->lock);
    return lookup;
}

/* One by one, since a callback may cancel others; no more than there can be, since it may ask
 * again. */
void
store_deliver(struct store *store)
{
    uint64_t times;

    if (store->lookups.notify_fd >= 0 &&
        read(store->lookups.notify_fd, &times, sizeof times) < 0)
        assert(errno == EAGAIN || errno == EINTR);
    for (int i = 0; i < STORE_LOOKUPS_MAX; i++) {
        struct lookup *lookup = take_answered(store);

        if (lookup == NULL)
            return;
        if (lookup->written != NULL)
            lookup->written(lookup->context, lookup->rc);
        else if (lookup->told != NULL)
            lookup->told(lookup->context, lookup->rc, lookup->overrides, lookup->override_count);
        else
            lookup->done(lookup->context, lookup->rc,
                         lookup->rc == 0 ? &lookup->config : NULL);
        lookup_free(lookup);
    }
}

void
store_cancel(struct store *store, const void *context)
{
    struct lookups *lookups = &store->lookups;

    assert(context != NULL);
    pthread_mutex_lock(&store->lock);
    lookups->count -= list_free(&lookups->asked, context);
    lookups->count -= list_free(&lookups->answered, context);
    lookups->count -= list_free(&lookups->waiting, context);
    if (lookups->in_hand != NULL && lookups->in_hand->context == context) {
        lookups->in_hand->done = NULL;
        lookups->in_hand->told = NULL;
    }
    pthread_mutex_unlock(&store->lock);
}

/* ---- the thread ---- */

/* The last one to become good among those that are not written yet; under the lock. */
static const struct entry *
find_waiting(const struct store *store, const struct lookup *lookup)
{
    const struct entry_list *lists[] = { &store->batch,
                                         &store->queue.lists[WORTH_PRECIOUS] };
    const struct entry *entry, *last = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        STAILQ_FOREACH (entry, lists[i], link)
            if (entry->write == WRITE_CONFIG_GOOD &&
                strcmp(entry_key(entry), lookup->app) == 0 &&
                entry_integer(entry, CONFIG_GENERATION) < lookup->before_generation)
                last = entry;
    return last;
}

static int
copy_waiting(const struct entry *entry, struct store_config *config)
{
    snprintf(config->app, sizeof config->app, "%s", entry_key(entry));
    config->generation = (uint32_t)entry_integer(entry, CONFIG_GENERATION);
    snprintf(config->hash, sizeof config->hash, "%s", entry_text(entry, CONFIG_HASH));
    config->source = strdup(entry_text(entry, CONFIG_SOURCE));
    config->config = strdup(entry_text(entry, CONFIG_TEXT));
    return config->source != NULL && config->config != NULL ? 0 : -ENOMEM;
}

static void
find_overrides(struct store *store, struct lookup *lookup)
{
    pthread_mutex_unlock(&store->lock);
    lookup->rc = store_read_overrides(store, &lookup->overrides, &lookup->override_count);
    pthread_mutex_lock(&store->lock);
}

/* What waits became good after all that is written. Under the lock, which is let go while the
 * database is read. */
static void
find_previous(struct store *store, struct lookup *lookup)
{
    const struct entry *entry = find_waiting(store, lookup);

    if (entry != NULL) {
        lookup->rc = copy_waiting(entry, &lookup->config);
        return;
    }
    pthread_mutex_unlock(&store->lock);
    lookup->rc = read_previous(store, lookup->app, lookup->before_generation,
                               &lookup->config);
    pthread_mutex_lock(&store->lock);
}

/* While closing nobody waits any more, and the descriptor may be another's. */
static void
notify(const struct store *store)
{
    const uint64_t once = 1;

    if (store->closing || store->lookups.notify_fd < 0)
        return;
    if (write(store->lookups.notify_fd, &once, sizeof once) < 0)
        assert(errno == EAGAIN);        /* full: it is readable */
}

/* Whoever asks meanwhile is answered after the next batch: what it has queued may be in that. */
void
lookups_written(struct store *store)
{
    struct lookups *lookups = &store->lookups;
    bool trouble = store->trouble[0] != '\0';
    struct lookup *lookup;

    if (STAILQ_EMPTY(&lookups->waiting) ||
        (!trouble && (store->queue.at_once > 0 || store->in_hand > 0)))
        return;
    while ((lookup = STAILQ_FIRST(&lookups->waiting)) != NULL) {
        STAILQ_REMOVE_HEAD(&lookups->waiting, link);
        lookup->rc = trouble ? -EIO : 0;
        STAILQ_INSERT_TAIL(&lookups->answered, lookup, link);
    }
    notify(store);
}

void
lookup_next(struct store *store)
{
    struct lookups *lookups = &store->lookups;
    struct lookup *lookup = STAILQ_FIRST(&lookups->asked);

    assert(lookup != NULL);
    STAILQ_REMOVE_HEAD(&lookups->asked, link);
    lookups->in_hand = lookup;
    if (lookup->told != NULL)
        find_overrides(store, lookup);
    else
        find_previous(store, lookup);
    lookups->in_hand = NULL;
    if (lookup->done == NULL && lookup->told == NULL) {
        lookups->count--;
        lookup_free(lookup);
        return;
    }
    STAILQ_INSERT_TAIL(&lookups->answered, lookup, link);
    notify(store);
}
