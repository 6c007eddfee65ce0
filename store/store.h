/*
 * store - the database fproxy.db: what survives everything.
 *
 * The supervisor alone uses it. Reads happen at the start, synchronously, before any
 * child runs; afterwards every write goes through a bounded queue to one thread, so
 * that an fsync never stalls the supervisor's loop. Ordinary rows are batched (at most
 * 1 s or STORE_BATCH_ROWS); configurations, rollouts and overrides are committed at once
 * with synchronous=FULL. A database that is missing, read-only, full, locked or
 * corrupt never stops the proxy: writes are kept (bounded), retried, counted; a corrupt
 * one is set aside as fproxy.db.bad-TIME (with -wal and -shm) and begun anew, and so is one
 * that was removed: what is good now, overrides and endpoints are in memory, too (facts.h).
 *
 * Reads at the start use a connection of their own on the caller's thread; what is asked
 * while the loop runs is looked up on the store's. History is pruned there as well, in small
 * steps (prune.h has the bounds).
 *
 * All texts are copied. Times are wall ms.
 */
#ifndef FPROXY_STORE_STORE_H
#define FPROXY_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/names.h"
#include "base/record.h"

enum {
    STORE_QUEUE_MAX = 65536,        /* writes waiting; beyond: dropped and counted */
    STORE_BATCH_ROWS = 512,
    STORE_BATCH_MS = 1000,
    STORE_LOOKUPS_MAX = 1024,       /* questions not yet delivered; beyond: -ENOBUFS */
};

struct store;

/* Opens (creates, migrates) DIR/fproxy.db and starts the thread. 0 or -errno; on trouble
 * with the database itself it still returns 0: the store then holds writes in memory and
 * retries, and store_state() tells. */
int store_open(const char *state_dir, struct store **store);

/* Makes sure that the directory is there and nobody else's. 0 or -errno: then it is tried again
 * later; -EWOULDBLOCK: another process uses it. */
typedef int store_directory_fn(void *context);

/* Calls `hold` on the store's thread each time before the database is opened anew. Once, before
 * anything is written; `context` has to live until store_close() returned. */
void store_set_directory(struct store *store, store_directory_fn *hold, void *context);

/* Writes what is queued (for at most `timeout_ms`), ends the thread, closes. Takes 2 to 3 s
 * longer at most, when the disk does not answer at all. Delivers nothing any more. */
void store_close(struct store *store, uint32_t timeout_ms);

/* "ok", or what is wrong, in English, into `text`; any thread. True when ok. */
bool store_state(struct store *store, char *text, size_t bytes);

/* ---- at the start: what was known ---- */

struct store_config {
    char app[APP_NAME_BYTES];
    uint32_t generation;
    char hash[65];                  /* SHA-256, hex */
    char *source;                   /* owned */
    char *config;                   /* owned: canonical text */
};

/* The last good configuration of every app, and the highest generation number ever used for
 * each (`generation` of a row whose `config` is NULL). The caller frees with
 * store_configs_free(). -errno when the database cannot be read: treat as none. */
int store_read_configs(struct store *store, struct store_config **configs, size_t *count);
void store_configs_free(struct store_config *configs, size_t count);

/* The last good groups `daemon` and `defaults`, which hold for all apps: `app` is the group's
 * name, `generation` 0. Else as above. */
int store_read_groups(struct store *store, struct store_config **groups, size_t *count);

/* Endpoints (RECORD_ENDPOINT) not older than `newer_than_ms` and DNS answers (RECORD_DNS):
 * the seed of the prober. An array on the heap. 0 or -errno. */
int store_read_seed(struct store *store, int64_t newer_than_ms, struct record **records,
                    size_t *count);

/* The last rollout of every app, for `fproxy status` after a restart; also one that was open
 * when the supervisor was killed (outcome ""). */
struct store_rollout {
    char app[APP_NAME_BYTES];
    uint32_t from_generation, to_generation;
    char outcome[16];               /* "done", "failed", "rolled_back"; "": still open */
    char reason[256];               /* may be cut anywhere: half a character is left out */
    int64_t started_at_ms, finished_at_ms;
};
int store_read_rollouts(struct store *store, struct store_rollout **rollouts, size_t *count);

/* What operators took out or held back, and have not undone. An array on the heap. */
struct store_override {
    char app[APP_NAME_BYTES];
    char target[TARGET_NAME_BYTES];     /* "": the whole app */
    char action[16];                    /* "rollback", "drain" ... */
    char note[256];
    int64_t since_ms;
};
int store_read_overrides(struct store *store, struct store_override **overrides,
                         size_t *count);

/* ---- while the loop runs: asked now, answered later ---- */

/* `config` is there when rc is 0, else NULL. It is the store's; the callee may keep its texts
 * by setting `source` and `config` to NULL. */
typedef void store_config_fn(void *context, int rc, struct store_config *config);

/* Writes 1 to `eventfd` (EFD_NONBLOCK, the caller's, open until store_close() returned or
 * another one, -1 for none, is set) when something is to be delivered. 0 or -errno. */
int store_set_notify(struct store *store, int eventfd);

/* Looks for the configuration of `app` that was good before `before_generation`: of those with
 * a lower number the last one to become good, be it on disk or still queued. So a rollback
 * from 5 leads to 4 and the next one to 3; and from a 6 made after that, to 3. 0: `done` follows
 * from store_deliver(), exactly once unless the store is closed or store_cancel() called
 * before; its rc is 0, -ENOENT (there is none) or another -errno (the database cannot be
 * read: store_state() tells more). -errno: it never follows. */
int store_find_previous(struct store *store, const char *app, uint32_t before_generation,
                        store_config_fn *done, void *context);

/* `rc` is 0, or -EIO: the database cannot be written now, what is queued waits in memory. */
typedef void store_written_fn(void *context, int rc);

/* Asks when all that is to be committed at once (rollouts, configurations, overrides), and was
 * queued by now, is on the disk. As above: 0, then `done` once; or -errno. */
int store_when_written(struct store *store, store_written_fn *done, void *context);

/* `rc` as in store_read_overrides(); the rows are the store's. */
typedef void store_overrides_fn(void *context, int rc, const struct store_override *overrides,
                                size_t count);

/* Looks for all overrides that are on the disk, which store_read_overrides() could not tell. As
 * above: 0, then `done` once; or -errno. */
int store_find_overrides(struct store *store, store_overrides_fn *done, void *context);

/* Calls the `done` of what was answered, on this thread: whoever waits for the eventfd calls
 * it when that is readable. A callback may ask again and cancel, but not close. */
void store_deliver(struct store *store);

/* Nothing that was asked with this `context` is delivered any more. Same thread. */
void store_cancel(struct store *store, const void *context);

/* ---- afterwards: queued writes; 0, or -ENOBUFS when the queue is full ---- */

/* Any record a child sent or the supervisor made. */
int store_write_record(struct store *store, const struct record *record);

/* A configuration with status "good" or "failed"; a good one makes the app's older good ones
 * "superseded". `reason` may be "". A number may become good again (a rollback): the one with
 * a higher number is "superseded" then. What failed never takes the place of what is or was
 * good under the same number; `config` and `hash` of it may be "" (it could not be read).
 * The last 20 that failed and the last 20 superseded are kept (KEEP_CONFIGS), and the good. */
int store_write_config(struct store *store, const char *app, uint32_t generation,
                       const char *status, const char *source, const char *config,
                       const char *hash, const char *reason, int64_t at_ms);

/* A good one, unless the database, once it can be written, says that an operator went back from
 * that text (an override "rollback" of the app with its hash): for when that cannot be read. It is
 * not among what is kept in memory (facts.h): what is certain is to be written later. */
int store_write_config_unpinned(struct store *store, const char *app, uint32_t generation,
                                const char *source, const char *config, const char *hash,
                                int64_t at_ms);

/* The app is gone from the configuration: its good rows become "superseded", its endpoint
 * rows are deleted. */
int store_forget_app(struct store *store, const char *app, int64_t at_ms);

/* A group that is good, in the place of the one before; and one that is gone. */
int store_write_group(struct store *store, const char *name, const char *source,
                      const char *config, const char *hash, int64_t at_ms);
int store_forget_group(struct store *store, const char *name);

/* One override of an app and target, in the place of the one before; and one that is undone
 * (or never was: not an error). They outlive the app: whoever removes it decides. */
int store_write_override(struct store *store, const char *app, const char *target,
                         const char *action, const char *note, int64_t at_ms);
int store_forget_override(struct store *store, const char *app, const char *target);

/* Inserts a rollout when it starts (outcome "" is stored as NULL), updates the same row (app,
 * started_at) when it ends. */
int store_write_rollout(struct store *store, const struct store_rollout *rollout);

/* At a start, before the first rollout of this run: those that are still open will never be
 * ended by anybody. They become "failed", for `reason`. */
int store_close_open_rollouts(struct store *store, int64_t at_ms, const char *reason);

/* signal and exit_code: negative is stored as NULL. */
int store_write_crash(struct store *store, int64_t at_ms, const char *process, const char *app,
                      int pid, int signal, int exit_code, uint32_t restart_delay_ms);

/* SHA-256 of a canonical text as 64 hex digits and NUL. */
void store_hash(const char *text, char hash[65]);

#endif
