/* store - see store.h. Opening, closing, and packing what is to be written; the rest is in
 * writer.c (the thread), database.c (the file) and read.c. */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sha2.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/condition.h"
#include "base/log.h"
#include "store/prune.h"
#include "store/store_priv.h"

void
store_hash(const char *text, char hash[65])
{
    SHA256Data((const uint8_t *)text, strlen(text), hash);
}

static int
init_lock(struct store *store)
{
    int rc = -pthread_mutex_init(&store->lock, NULL);

    if (rc < 0)
        return rc;
    rc = condition_init(&store->wake);
    if (rc == 0) {
        rc = condition_init(&store->end);
        if (rc == 0)
            return 0;
        pthread_cond_destroy(&store->wake);
    }
    pthread_mutex_destroy(&store->lock);
    return rc;
}

/* The thread gets no signals: they are the loop's. */
static int
start_thread(struct store *store)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&store->thread, NULL, writer_main, store);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -rc;
}

void
store_free(struct store *store)
{
    facts_fini(&store->facts);
    lookups_fini(&store->lookups);
    queue_fini(&store->queue);
    entry_list_free(&store->batch);
    database_close(&store->database);
    pthread_cond_destroy(&store->wake);
    pthread_cond_destroy(&store->end);
    pthread_mutex_destroy(&store->lock);
    free(store);
}

int
store_open(const char *state_dir, struct store **store_out)
{
    struct store *store = calloc(1, sizeof *store);
    int rc;

    if (store == NULL)
        return -ENOMEM;
    if (snprintf(store->path, sizeof store->path, "%s/fproxy.db", state_dir) >=
        PATH_BYTES - 64) {          /* room for .bad-TIME-journal */
        free(store);
        return -ENAMETOOLONG;
    }
    rc = init_lock(store);
    if (rc != 0) {
        free(store);
        return rc;
    }
    queue_init(&store->queue);
    lookups_init(&store->lookups);
    STAILQ_INIT(&store->batch);
    store->prune_at_ms = clock_monotonic_ms() + PRUNE_EVERY_MS;
    /* Here and not in the thread: what is read next comes from a recovered database. */
    writer_note(store, writer_connect(store));
    rc = start_thread(store);
    if (rc != 0) {
        store_free(store);
        return rc;
    }
    *store_out = store;
    return 0;
}

void
store_set_directory(struct store *store, store_directory_fn *hold, void *context)
{
    pthread_mutex_lock(&store->lock);
    store->hold_directory = hold;
    store->directory_context = context;
    pthread_mutex_unlock(&store->lock);
}

/* True when the thread has ended; else it is left behind, and the store with it. */
static bool
join_thread(struct store *store, uint32_t timeout_ms)
{
    uint64_t until_ms = clock_monotonic_ms() + timeout_ms + CLOSE_GRACE_MS;
    pthread_t thread = store->thread;
    bool ended, in_time = true;

    pthread_mutex_lock(&store->lock);
    while (!store->ended && in_time)
        in_time = condition_wait_until(&store->end, &store->lock, until_ms);
    ended = store->ended;
    store->abandoned = !ended;
    store->hold_directory = NULL;
    if (!ended)
        log_error(NULL, "store: %s: the disk does not answer; what was not written is lost",
                  store->path);
    pthread_mutex_unlock(&store->lock);
    if (ended)
        pthread_join(thread, NULL);
    else
        pthread_detach(thread); /* `store` may be gone by now */
    return ended;
}

void
store_close(struct store *store, uint32_t timeout_ms)
{
    uint64_t lost;

    pthread_mutex_lock(&store->lock);
    store->closing = true;
    store->close_by_ms = clock_monotonic_ms() + timeout_ms;
    store->retry_at_ms = 0;             /* at once, once more */
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->lock);

    if (!join_thread(store, timeout_ms))
        return;
    lost = store->queue.count + store->in_hand + store->queue.dropped - store->told_dropped;
    if (lost > 0)
        log_error(NULL, "store: %s: %" PRIu64 " writes were lost", store->path, lost);
    store_free(store);
}

bool
store_state(struct store *store, char *text, size_t bytes)
{
    bool ok;

    pthread_mutex_lock(&store->lock);
    ok = store->trouble[0] == '\0';
    if (ok)
        snprintf(text, bytes, "ok");
    else
        snprintf(text, bytes,
                 "%s: %s; %" PRIu32 " writes wait in memory, %" PRIu64 " were lost",
                 store->path, store->trouble, store->queue.count + store->in_hand,
                 store->queue.dropped);
    pthread_mutex_unlock(&store->lock);
    return ok;
}

/* Takes the entry over. Wakes the thread only when that changes what it waits for. */
static int
enqueue(struct store *store, struct entry *entry)
{
    bool at_once;
    int rc;

    if (entry == NULL)
        return -ENOBUFS;
    at_once = writes[entry->write].at_once;
    pthread_mutex_lock(&store->lock);
    rc = queue_put(&store->queue, entry, STORE_QUEUE_MAX);
    if (rc == 0 && store->queue.count == 1)
        store->first_at_ms = clock_monotonic_ms();
    if (at_once || store->queue.count == 1 || store->queue.count == STORE_BATCH_ROWS)
        pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->lock);
    return rc;
}

static struct value
text(const char *text)
{
    return value_text(text, SIZE_MAX);
}

static struct value
milliseconds(uint32_t us)
{
    return value_real(us / 1000.0);
}

static struct value
integer_or_null(int integer)
{
    return integer < 0 ? value_null() : value_integer(integer);
}

static struct entry *
pack_endpoint(const struct record *record)
{
    const struct record_endpoint *endpoint = &record->of.endpoint;

    return ENTRY(WRITE_ENDPOINT, VALUE_FIELD(record->app), VALUE_FIELD(record->target),
                 VALUE_FIELD(record->address), VALUE_FIELD(endpoint->state),
                 value_time(endpoint->since_ms), VALUE_FIELD(endpoint->reason),
                 value_integer(endpoint->weight), value_time(record->at_ms),
                 value_real(endpoint->penalty),
                 endpoint->penalty > 0 ? value_time(endpoint->penalty_at_ms) : value_text("", 1));
}

static struct entry *
pack_transition(const struct record *record)
{
    const struct record_transition *transition = &record->of.transition;

    return ENTRY(WRITE_TRANSITION, value_time(record->at_ms), VALUE_FIELD(record->app),
                 VALUE_FIELD(record->target), VALUE_FIELD(record->address),
                 VALUE_FIELD(transition->from_state), VALUE_FIELD(transition->to_state),
                 VALUE_FIELD(transition->reason), VALUE_FIELD(transition->detail));
}

static struct entry *
pack_result(const struct record *record)
{
    const struct record_probe_result *result = &record->of.result;

    return ENTRY(WRITE_PROBE_RESULT, value_time(record->at_ms), VALUE_FIELD(record->app),
                 VALUE_FIELD(record->target), VALUE_FIELD(record->address),
                 VALUE_FIELD(result->probe), VALUE_FIELD(result->outcome),
                 milliseconds(result->duration_us), VALUE_FIELD(result->detail));
}

static struct entry *
pack_summary(const struct record *record)
{
    const struct record_probe_summary *summary = &record->of.summary;

    return ENTRY(WRITE_PROBE_SUMMARY, VALUE_FIELD(record->app), VALUE_FIELD(record->target),
                 VALUE_FIELD(record->address), VALUE_FIELD(summary->probe),
                 value_time(summary->minute_ms), value_integer(summary->runs),
                 value_integer(summary->failures), milliseconds(summary->p50_us),
                 milliseconds(summary->max_us), value_time(record->at_ms));
}

static struct entry *
pack_dns(const struct record *record)
{
    const struct record_dns *dns = &record->of.dns;
    bool service = strcmp(dns->type, "SRV") == 0;

    return ENTRY(WRITE_DNS, VALUE_FIELD(dns->name), VALUE_FIELD(dns->type),
                 service ? VALUE_FIELD(record->target) : VALUE_FIELD(record->address),
                 value_integer(dns->ttl_s),
                 value_time(dns->resolved_at_ms), value_time(dns->expires_at_ms),
                 VALUE_FIELD(dns->status));
}

static struct entry *
pack_event(const struct record *record)
{
    const struct record_event *event = &record->of.event;

    return ENTRY(WRITE_EVENT, value_time(record->at_ms),
                 value_text_or_null(record->app, sizeof record->app), VALUE_FIELD(event->kind),
                 VALUE_FIELD(event->level), VALUE_FIELD(event->message),
                 value_text_or_null(event->fields, sizeof event->fields));
}

static struct entry *
pack_endpoint_gone(const struct record *record)
{
    return ENTRY(WRITE_ENDPOINT_GONE, VALUE_FIELD(record->app), VALUE_FIELD(record->target),
                 VALUE_FIELD(record->address));
}

static struct entry *
pack_dns_gone(const struct record *record)
{
    return ENTRY(WRITE_DNS_GONE, VALUE_FIELD(record->of.dns.name),
                 VALUE_FIELD(record->of.dns.type));
}

int
store_write_record(struct store *store, const struct record *record)
{
    static struct entry *(*const packs[RECORD_KINDS])(const struct record *) = {
        [RECORD_TRANSITION] = pack_transition,
        [RECORD_ENDPOINT] = pack_endpoint,
        [RECORD_ENDPOINT_GONE] = pack_endpoint_gone,
        [RECORD_PROBE_RESULT] = pack_result,
        [RECORD_PROBE_SUMMARY] = pack_summary,
        [RECORD_DNS] = pack_dns,
        [RECORD_DNS_GONE] = pack_dns_gone,
        [RECORD_EVENT] = pack_event,
    };

    if (record->kind >= RECORD_KINDS || packs[record->kind] == NULL)
        return -EINVAL;
    return enqueue(store, packs[record->kind](record));
}

int
store_write_config(struct store *store, const char *app, uint32_t generation,
                   const char *status, const char *source, const char *config,
                   const char *hash, const char *reason, int64_t at_ms)
{
    bool good = strcmp(status, "good") == 0;

    assert(good || strcmp(status, "failed") == 0);
    return enqueue(store, ENTRY(good ? WRITE_CONFIG_GOOD : WRITE_CONFIG_FAILED, text(app),
                                value_integer(generation), text(status), text(source),
                                text(config), text(hash), text(reason), value_time(at_ms)));
}

int
store_write_config_unpinned(struct store *store, const char *app, uint32_t generation,
                            const char *source, const char *config, const char *hash,
                            int64_t at_ms)
{
    return enqueue(store, ENTRY(WRITE_CONFIG_UNPINNED, text(app), value_integer(generation),
                                text("good"), text(source), text(config), text(hash), text(""),
                                value_time(at_ms)));
}

int
store_forget_app(struct store *store, const char *app, int64_t at_ms)
{
    int endpoints = enqueue(store, ENTRY(WRITE_ENDPOINTS_FORGET, text(app)));
    int configs = enqueue(store, ENTRY(WRITE_CONFIG_FORGET, text(app)));

    return configs != 0 ? configs : endpoints;
}

int
store_write_group(struct store *store, const char *name, const char *source,
                  const char *config, const char *hash, int64_t at_ms)
{
    return enqueue(store, ENTRY(WRITE_GROUP, text(name), text(source), text(config), text(hash),
                                value_time(at_ms)));
}

int
store_forget_group(struct store *store, const char *name)
{
    return enqueue(store, ENTRY(WRITE_GROUP_FORGET, text(name)));
}

int
store_write_override(struct store *store, const char *app, const char *target,
                     const char *action, const char *note, int64_t at_ms)
{
    return enqueue(store, ENTRY(WRITE_OVERRIDE, text(app), text(target), text(action),
                                value_time(at_ms), text(note)));
}

int
store_forget_override(struct store *store, const char *app, const char *target)
{
    return enqueue(store, ENTRY(WRITE_OVERRIDE_FORGET, text(app), text(target)));
}

int
store_write_rollout(struct store *store, const struct store_rollout *rollout)
{
    bool open = rollout->outcome[0] == '\0';

    return enqueue(store,
                   ENTRY(WRITE_ROLLOUT, VALUE_FIELD(rollout->app),
                         value_integer(rollout->from_generation),
                         value_integer(rollout->to_generation),
                         value_text_or_null(rollout->outcome, sizeof rollout->outcome),
                         VALUE_FIELD(rollout->reason), value_time(rollout->started_at_ms),
                         open ? value_null() : value_time(rollout->finished_at_ms)));
}

int
store_close_open_rollouts(struct store *store, int64_t at_ms, const char *reason)
{
    return enqueue(store, ENTRY(WRITE_ROLLOUTS_CLOSE, value_time(at_ms), text(reason)));
}

int
store_write_crash(struct store *store, int64_t at_ms, const char *process, const char *app,
                  int pid, int signal, int exit_code, uint32_t restart_delay_ms)
{
    return enqueue(store, ENTRY(WRITE_CRASH, value_time(at_ms), text(process),
                                app ? value_text_or_null(app, SIZE_MAX) : value_null(),
                                value_integer(pid), integer_or_null(signal),
                                integer_or_null(exit_code), value_integer(restart_delay_ms)));
}
