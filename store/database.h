/*
 * database - one connection that writes fproxy.db: opened, checked, migrated, prepared.
 *
 * Used by one thread at a time (store_open's caller, then the store's thread). Never waits
 * longer than DATABASE_BUSY_MS for another process; the caller tries again later. Why
 * something failed is left in `why`, a sentence for the operator.
 */
#ifndef FPROXY_STORE_DATABASE_H
#define FPROXY_STORE_DATABASE_H

#include <stddef.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/names.h"
#include "store/entry.h"
#include "store/writes.h"

enum {
    DATABASE_BUSY_MS = 250,
    DATABASE_CACHE_KB = 256,        /* of pages that are kept between transactions */
    DATABASE_WHY_BYTES = 256,
};

enum database_outcome {
    DATABASE_OK,
    DATABASE_TROUBLE,   /* locked, full, read-only, missing ...: try again later */
    DATABASE_BROKEN,    /* corrupt, or not ours: to be set aside */
    DATABASE_NEWER,     /* of a newer fproxy, perhaps since it was opened: not to be touched */
};

struct database {
    sqlite3 *handle;                /* owned; NULL while closed */
    sqlite3_stmt *statements[WRITE_KINDS][WRITE_PARTS];     /* owned */
    const char *path;               /* borrowed from the caller of database_open() */
    bool created;                   /* this open made the tables */
    bool full_sync;
    dev_t device;                   /* of the file that was opened */
    ino_t inode;
    char why[DATABASE_WHY_BYTES];
};

/* `database` is zeroed or closed; `path` must stay valid. Anything but DATABASE_OK leaves it
 * closed. */
enum database_outcome database_open(struct database *database, const char *path);
void database_close(struct database *database);

/* Is another file, or none, at `path` now? */
bool database_moved(const struct database *database, const char *path);

/* DATABASE_NEWER when it is one, now. */
enum database_outcome database_check_version(struct database *database);

/* Runs SQL without results; an SQLite code. */
int database_exec(struct database *database, const char *sql);

/* What a code means for us; the reason goes to `why`. */
enum database_outcome database_judge(struct database *database, int rc);

/* All entries in one transaction, or none. An entry that the schema refuses is left out and
 * counted in *refused. The list stays the caller's. */
enum database_outcome database_write(struct database *database, const struct entry_list *list,
                                     uint32_t *refused);

#endif
