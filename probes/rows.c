#include "probes/rows.h"

#include <stdio.h>

#include "base/clock.h"

int
rows_each(sqlite3 *database, const char *sql, const char *const *values, size_t count,
          row_fn *take, void *context)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(database, sql, -1, &statement, NULL);

    for (size_t i = 0; code == SQLITE_OK && i < count; i++)
        code = sqlite3_bind_text(statement, (int)i + 1, values[i], -1, SQLITE_STATIC);
    while (code == SQLITE_OK) {
        code = sqlite3_step(statement);
        if (code == SQLITE_ROW)
            code = take(statement, context);
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

void
row_text(sqlite3_stmt *row, int column, char *text, size_t bytes)
{
    const char *value = (const char *)sqlite3_column_text(row, column);

    snprintf(text, bytes, "%s", value != NULL ? value : "");
}

int64_t
row_time(sqlite3_stmt *row, int column)
{
    const char *value = (const char *)sqlite3_column_text(row, column);
    int64_t wall_ms = 0;

    if (value == NULL || clock_parse_utc(value, &wall_ms) < 0)
        return 0;
    return wall_ms;
}
