/*
 * rows - rows of the database, for the commands of fproxy-probe.
 *
 * What base/sqlite_file.h opened is asked here. Texts are cut to the room that there is; a NULL
 * is "". Times are wall ms; 0: none.
 */
#ifndef FPROXY_PROBES_ROWS_H
#define FPROXY_PROBES_ROWS_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

/* Called for each row. 0, or -ENOMEM, which ends it. */
typedef int row_fn(sqlite3_stmt *row, void *context);

/* Asks `sql` with the texts `values` for ?1 and so on. SQLITE_OK, an SQLite code, or -ENOMEM. */
int rows_each(sqlite3 *database, const char *sql, const char *const *values, size_t count,
              row_fn *take, void *context);

void row_text(sqlite3_stmt *row, int column, char *text, size_t bytes);
int64_t row_time(sqlite3_stmt *row, int column);

#endif
