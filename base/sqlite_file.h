/*
 * sqlite_file - a database read by a command: beside the daemon that writes it, or after it.
 *
 * A connection of its own, read-only, which leaves no file behind. Whoever serves asks the store.
 */
#ifndef FPROXY_BASE_SQLITE_FILE_H
#define FPROXY_BASE_SQLITE_FILE_H

#include <sqlite3.h>

/* Reads what it wants. SQLITE_OK, an SQLite code, or -ENOMEM. Called again from the beginning
 * where the first way to open the file did not do. */
typedef int sqlite_file_read_fn(sqlite3 *database, void *context);

/* 0; -ENOENT: there is no such file; or -EIO with the reason in `why` (DETAIL_BYTES). */
int sqlite_file_read(const char *path, sqlite_file_read_fn *read, void *context, char *why);

#endif
