#include "proxy/commands/plan_database.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sqlite_file.h"

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
read_all(sqlite3 *handle, void *context)
{
    struct plan_database *database = context;
    int code;

    plan_database_free(database);           /* of an earlier try */
    code = read_rows(handle, "SELECT app, config, source FROM last_good_config ORDER BY app",
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

int
plan_database_read(const char *path, struct plan_database *database, char *why)
{
    int rc;

    *database = (struct plan_database){ 0 };
    rc = sqlite_file_read(path, read_all, database, why);
    if (rc < 0)
        plan_database_free(database);
    return rc;
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
