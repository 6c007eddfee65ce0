#include "proxy/commands/plan_database.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUSY_TIMEOUT_MS = 2000 };

static int
read_row(sqlite3_stmt *statement, struct plan_rows *rows)
{
    struct plan_row *grown = reallocarray(rows->rows, rows->count + 1, sizeof *grown), *row;

    if (grown == NULL)
        return SQLITE_NOMEM;
    rows->rows = grown;
    row = &grown[rows->count++];
    snprintf(row->name, sizeof row->name, "%s", sqlite3_column_text(statement, 0));
    row->text = strdup((const char *)sqlite3_column_text(statement, 1));
    row->source = strdup((const char *)sqlite3_column_text(statement, 2));
    return row->text == NULL || row->source == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

static int
read_rows(sqlite3 *handle, const char *sql, struct plan_rows *rows)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(handle, sql, -1, &statement, NULL);

    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW)
        code = read_row(statement, rows);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

static int
read_all(sqlite3 *handle, struct plan_database *database)
{
    int code = read_rows(handle, "SELECT app, config, source FROM last_good_config ORDER BY app",
                         &database->apps);

    if (code == SQLITE_OK)
        code = read_rows(handle, "SELECT name, config, source FROM config_groups ORDER BY name",
                         &database->groups);
    if (code == SQLITE_OK)
        code = read_rows(handle,
                         "SELECT app, note, '' FROM overrides"
                         " WHERE target = '' AND action = 'rollback' ORDER BY app",
                         &database->gone_back);
    return code;
}

/* "file:PATH?immutable=1", with what a URI gives another meaning escaped. */
static void
immutable_uri(const char *path, char *uri, size_t bytes)
{
    size_t used = (size_t)snprintf(uri, bytes, "file:");

    for (; *path != '\0' && used + sizeof "%00?immutable=1" < bytes; path++)
        used += (size_t)snprintf(uri + used, bytes - used, strchr("?#%", *path) ? "%%%02x" : "%c",
                                 (unsigned char)*path);
    snprintf(uri + used, bytes - used, "?immutable=1");
}

static int
open_and_read(const char *name, int flags, struct plan_database *database, char *why)
{
    sqlite3 *handle = NULL;
    int code = sqlite3_open_v2(name, &handle, SQLITE_OPEN_READONLY | flags, NULL);

    if (code == SQLITE_OK) {
        sqlite3_busy_timeout(handle, BUSY_TIMEOUT_MS);
        code = read_all(handle, database);
    }
    if (code != SQLITE_OK) {
        snprintf(why, DETAIL_BYTES, "%s", sqlite3_errmsg(handle));
        plan_database_free(database);
    }
    sqlite3_close(handle);
    return code;
}

/* SQLite leaves a log and its index beside a database that it has read. Without a log nobody
 * writes, and the file alone is all there is: then nothing else is touched. */
int
plan_database_read(const char *path, struct plan_database *database, char *why)
{
    char wal[PATH_BYTES + 32], uri[PATH_BYTES + 64];
    int code = SQLITE_CANTOPEN;

    *database = (struct plan_database){ 0 };
    if (access(path, F_OK) < 0 && errno == ENOENT)
        return -ENOENT;
    snprintf(wal, sizeof wal, "%s-wal", path);
    immutable_uri(path, uri, sizeof uri);
    if (access(wal, F_OK) == 0)
        code = open_and_read(path, 0, database, why);
    if (code == SQLITE_CANTOPEN || code == SQLITE_READONLY)
        code = open_and_read(uri, SQLITE_OPEN_URI, database, why);
    return code == SQLITE_OK ? 0 : -EIO;
}

static void
rows_free(struct plan_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        free(rows->rows[i].text);
        free(rows->rows[i].source);
    }
    free(rows->rows);
    *rows = (struct plan_rows){ 0 };
}

void
plan_database_free(struct plan_database *database)
{
    rows_free(&database->apps);
    rows_free(&database->groups);
    rows_free(&database->gone_back);
}

static int
name_order(const void *name, const void *row)
{
    return strcmp(name, ((const struct plan_row *)row)->name);
}

const struct plan_row *
plan_rows_find(const struct plan_rows *rows, const char *name)
{
    if (rows->count == 0)
        return NULL;
    return bsearch(name, rows->rows, rows->count, sizeof *rows->rows, name_order);
}
