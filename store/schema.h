/*
 * schema - the versions of fproxy.db, and the way from an older one to ours.
 *
 * The version is PRAGMA user_version; 0 is an empty file. A database of a newer version is
 * never written: its tables may ask for what we do not know.
 */
#ifndef FPROXY_STORE_SCHEMA_H
#define FPROXY_STORE_SCHEMA_H

#include <sqlite3.h>

/* The version that this fproxy writes. */
extern const int schema_version;

/* An SQLite code. */
int schema_read_version(sqlite3 *handle, int *version);

/* From `version` to ours. */
int schema_migrate(sqlite3 *handle, int version);

/* scripts[n] leads from version n to n + 1: those from `from` to `to`, and the new version, in
 * one transaction, so that a database is at one version or at another, never between. An
 * SQLite code; what was begun is taken back then. */
int schema_run(sqlite3 *handle, const char *const *scripts, int from, int to);

#endif
