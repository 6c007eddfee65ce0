/*
 * read - what was known, read at the start (store.h).
 *
 * On the caller's thread, through a connection of its own that lives as long as the call:
 * SQLite keeps readers and the writing thread apart, no lock of ours is needed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "store/store_priv.h"

enum { READ_BUSY_MS = 1000 };

/* Rows of any size on their way to the caller. */
struct rows {
    char *items;
    size_t item_bytes, count, room;
};

typedef void read_row_fn(sqlite3_stmt *row, void *item);

struct query {
    const char *sql;
    read_row_fn *read_row;
    const char *text;           /* ?1, if there is one */
    int64_t number;             /* ?2 */
};

static void *
rows_add(struct rows *rows)
{
    if (rows->count == rows->room) {
        size_t room = rows->room == 0 ? 64 : rows->room * 2;
        char *items = reallocarray(rows->items, room, rows->item_bytes);

        if (items == NULL)
            return NULL;
        rows->items = items;
        rows->room = room;
    }
    return memset(rows->items + rows->count++ * rows->item_bytes, 0, rows->item_bytes);
}

/* A file: URI with all that is special in one escaped. */
static void
immutable_uri(const char *path, char *uri, size_t bytes)
{
    size_t at = (size_t)snprintf(uri, bytes, "file:");

    for (; *path != '\0' && at + 32 < bytes; path++)
        at += (size_t)snprintf(uri + at, bytes - at, strchr("%?#", *path) ? "%%%02X" : "%c",
                               (unsigned char)*path);
    snprintf(uri + at, bytes - at, "?immutable=1");
}

/* On a read-only disk SQLite cannot make the -shm that a WAL database wants. When no log is
 * left to be read, the file alone is all there is. */
static bool
may_read_immutable(const char *path, int rc)
{
    char wal[PATH_BYTES + 8];
    struct stat st;
    int primary = rc & 0xff;

    if (primary != SQLITE_CANTOPEN && primary != SQLITE_READONLY && primary != SQLITE_IOERR)
        return false;
    snprintf(wal, sizeof wal, "%s-wal", path);
    return stat(path, &st) == 0 && (stat(wal, &st) != 0 || st.st_size == 0);
}

static int
open_reader(const char *name, int flags, sqlite3 **handle)
{
    int rc = sqlite3_open_v2(name, handle,
                             SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX |
                                 SQLITE_OPEN_EXRESCODE | flags,
                             NULL);

    if (rc == SQLITE_OK)
        sqlite3_busy_timeout(*handle, READ_BUSY_MS);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(*handle, "SELECT count(*) FROM sqlite_schema", NULL, NULL, NULL);
    return rc;
}

static int
reader_open(const char *path, sqlite3 **handle)
{
    char uri[3 * PATH_BYTES];
    int rc = open_reader(path, 0, handle);

    if (!may_read_immutable(path, rc))
        return rc;
    sqlite3_close(*handle);
    immutable_uri(path, uri, sizeof uri);
    return open_reader(uri, SQLITE_OPEN_URI, handle);
}

static int
read_all(sqlite3 *handle, const struct query *query, struct rows *rows)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(handle, query->sql, -1, &statement, NULL);
    int parameters = sqlite3_bind_parameter_count(statement);

    if (rc == SQLITE_OK && parameters >= 1)
        rc = sqlite3_bind_text(statement, 1, query->text, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK && parameters >= 2)
        rc = sqlite3_bind_int64(statement, 2, query->number);
    while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        void *item = rows_add(rows);

        rc = item == NULL ? SQLITE_NOMEM : SQLITE_OK;
        if (item != NULL)
            query->read_row(statement, item);
    }
    sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int
failed(struct store *store, sqlite3 *handle, int rc)
{
    int primary = rc & 0xff;

    log_error(NULL, "store: %s cannot be read: %s", store->path,
              handle ? sqlite3_errmsg(handle) : sqlite3_errstr(rc));
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB) {
        pthread_mutex_lock(&store->lock);
        store->recheck = true;
        pthread_cond_signal(&store->wake);
        pthread_mutex_unlock(&store->lock);
        return -EUCLEAN;
    }
    if (primary == SQLITE_BUSY)
        return -EBUSY;
    return primary == SQLITE_NOMEM ? -ENOMEM : -EIO;
}

static int
run_queries(struct store *store, const struct query *queries, size_t count, struct rows *rows)
{
    sqlite3 *handle = NULL;
    int rc = reader_open(store->path, &handle);

    for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
        rc = read_all(handle, &queries[i], rows);
    rc = rc == SQLITE_OK ? 0 : failed(store, handle, rc);
    sqlite3_close(handle);
    return rc;
}

/* The same, for rows that own nothing: an array on the heap; NULL when there are none, or
 * none can be read. */
static void *
read_array(struct store *store, const struct query *queries, size_t query_count,
           size_t item_bytes, size_t *count, int *rc)
{
    struct rows rows = { .item_bytes = item_bytes };

    *rc = run_queries(store, queries, query_count, &rows);
    *count = *rc == 0 ? rows.count : 0;
    if (*rc == 0)
        return rows.items;
    free(rows.items);
    return NULL;
}

static void
copy_column(sqlite3_stmt *row, int column, char *to, size_t bytes)
{
    const char *text = (const char *)sqlite3_column_text(row, column);

    utf8_copy(to, bytes, text ? text : "");
}

#define COPY_COLUMN(row, column, array) copy_column(row, column, array, sizeof(array))

static int64_t
column_time(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);
    int64_t wall_ms;

    return text != NULL && clock_parse_utc(text, &wall_ms) == 0 ? wall_ms : 0;
}

static char *
column_copy(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);

    return text ? strdup(text) : NULL;
}

static void
read_config(sqlite3_stmt *row, void *item)
{
    struct store_config *config = item;

    COPY_COLUMN(row, 0, config->app);
    config->generation = (uint32_t)sqlite3_column_int64(row, 1);
    COPY_COLUMN(row, 2, config->hash);
    config->source = column_copy(row, 3);
    config->config = column_copy(row, 4);
}

static int
read_configs(struct store *store, const struct query *query, struct store_config **configs,
             size_t *count)
{
    struct rows rows = { .item_bytes = sizeof(struct store_config) };
    int rc = run_queries(store, query, 1, &rows);

    *configs = (struct store_config *)(void *)rows.items;
    *count = rows.count;
    if (rc == 0)
        return 0;
    store_configs_free(*configs, *count);
    *configs = NULL;
    *count = 0;
    return rc;
}

int
store_read_configs(struct store *store, struct store_config **configs, size_t *count)
{
    static const struct query query = {
        .sql = "SELECT app, generation, hash, source, config FROM last_good_config"
               " UNION ALL SELECT app, max(generation), '', NULL, NULL"
               " FROM config_generations GROUP BY app ORDER BY app",
        .read_row = read_config,
    };

    return read_configs(store, &query, configs, count);
}

int
store_read_groups(struct store *store, struct store_config **groups, size_t *count)
{
    static const struct query query = {
        .sql = "SELECT name, 0, hash, source, config FROM config_groups",
        .read_row = read_config,
    };

    return read_configs(store, &query, groups, count);
}

int
read_previous(struct store *store, const char *app, uint32_t before_generation,
              struct store_config *config)
{
    /* One that is "good" and lower is about to be superseded: that write waits. Each is written
     * when it becomes good, and rowids grow; created_at does not when the clock is set back. */
    const struct query query = {
        .sql = "SELECT app, generation, hash, source, config FROM config_generations"
               " WHERE app = ?1 AND generation < ?2 AND status <> 'failed'"
               " ORDER BY rowid DESC LIMIT 1",
        .read_row = read_config, .text = app, .number = before_generation,
    };
    struct store_config *configs;
    size_t count;
    int rc = read_configs(store, &query, &configs, &count);

    if (rc == 0 && count == 0)
        rc = -ENOENT;
    if (rc == 0)
        *config = configs[0];
    free(configs);
    return rc;
}

void
store_configs_free(struct store_config *configs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(configs[i].source);
        free(configs[i].config);
    }
    free(configs);
}

static void
read_endpoint(sqlite3_stmt *row, void *item)
{
    struct record *record = item;
    struct record_endpoint *endpoint = &record->of.endpoint;

    record->kind = RECORD_ENDPOINT;
    COPY_COLUMN(row, 0, record->app);
    COPY_COLUMN(row, 1, record->target);
    COPY_COLUMN(row, 2, record->address);
    COPY_COLUMN(row, 3, endpoint->state);
    endpoint->since_ms = column_time(row, 4);
    COPY_COLUMN(row, 5, endpoint->reason);
    endpoint->weight = (uint32_t)sqlite3_column_int64(row, 6);
    record->at_ms = column_time(row, 7);
    endpoint->penalty = (uint32_t)sqlite3_column_int64(row, 8);
    endpoint->penalty_at_ms = endpoint->penalty > 0 ? column_time(row, 9) : 0;
}

static void
read_dns(sqlite3_stmt *row, void *item)
{
    struct record *record = item;
    struct record_dns *dns = &record->of.dns;

    record->kind = RECORD_DNS;
    COPY_COLUMN(row, 0, dns->name);
    COPY_COLUMN(row, 1, dns->type);
    if (strcmp(dns->type, "SRV") == 0)
        COPY_COLUMN(row, 2, record->target);
    else
        COPY_COLUMN(row, 2, record->address);
    dns->ttl_s = (uint32_t)sqlite3_column_int64(row, 3);
    dns->resolved_at_ms = column_time(row, 4);
    dns->expires_at_ms = column_time(row, 5);
    COPY_COLUMN(row, 6, dns->status);
    record->at_ms = dns->resolved_at_ms;
}

int
store_read_seed(struct store *store, int64_t newer_than_ms, struct record **records,
                size_t *count)
{
    char newer_than[TIME_TEXT_BYTES];
    const struct query queries[] = {
        { .sql = "SELECT app, target, address, state, since, reason, weight, updated_at,"
                 " penalty, penalty_at FROM endpoints WHERE updated_at >= ?1",
          .read_row = read_endpoint, .text = clock_format_utc(newer_than_ms, newer_than) },
        { .sql = "SELECT name, type, address, ttl_s, resolved_at, expires_at, status"
                 " FROM dns_cache",
          .read_row = read_dns },
    };
    int rc;

    *records = read_array(store, queries, ARRAY_SIZE(queries), sizeof(struct record), count, &rc);
    return rc;
}

static void
read_rollout(sqlite3_stmt *row, void *item)
{
    struct store_rollout *rollout = item;

    COPY_COLUMN(row, 0, rollout->app);
    rollout->from_generation = (uint32_t)sqlite3_column_int64(row, 1);
    rollout->to_generation = (uint32_t)sqlite3_column_int64(row, 2);
    COPY_COLUMN(row, 3, rollout->outcome);
    COPY_COLUMN(row, 4, rollout->reason);
    rollout->started_at_ms = column_time(row, 5);
    rollout->finished_at_ms = column_time(row, 6);
}

int
store_read_rollouts(struct store *store, struct store_rollout **rollouts, size_t *count)
{
    static const struct query query = {
        .sql = "SELECT app, from_generation, to_generation, outcome, reason, started_at,"
               " finished_at FROM rollouts"
               " WHERE id IN (SELECT max(id) FROM rollouts GROUP BY app) ORDER BY app",
        .read_row = read_rollout,
    };
    int rc;

    *rollouts = read_array(store, &query, 1, sizeof(struct store_rollout), count, &rc);
    return rc;
}

static void
read_override(sqlite3_stmt *row, void *item)
{
    struct store_override *override = item;

    COPY_COLUMN(row, 0, override->app);
    COPY_COLUMN(row, 1, override->target);
    COPY_COLUMN(row, 2, override->action);
    override->since_ms = column_time(row, 3);
    COPY_COLUMN(row, 4, override->note);
}

int
store_read_overrides(struct store *store, struct store_override **overrides, size_t *count)
{
    static const struct query query = {
        .sql = "SELECT app, target, action, since, note FROM overrides ORDER BY app, target",
        .read_row = read_override,
    };
    int rc;

    *overrides = read_array(store, &query, 1, sizeof(struct store_override), count, &rc);
    return rc;
}
