/* database - see database.h. Writing is in batch.c, what follows damage in recover.c. */
#include "store/database.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "store/schema.h"

/* Small tables that a start depends on: checked page by page at each open. The history is
 * not, since that would take seconds; damage there is noticed when it is met. */
static const char *const checked_tables[] = {
    "config_generations", "config_groups", "dns_cache", "endpoints", "overrides",
    "rollouts",
};

static const char *
phrase(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "locked by another process";
    case SQLITE_FULL:
        return "the disk is full";
    case SQLITE_READONLY:
        return "read-only";
    case SQLITE_CANTOPEN:
        return "cannot be opened";
    case SQLITE_IOERR:
        return "disk error";
    case SQLITE_CORRUPT:
        return "damaged";
    case SQLITE_NOTADB:
        return "not a database";
    default:
        return NULL;
    }
}

static void
explain(struct database *database, int rc)
{
    const char *words = phrase(rc);
    int primary = rc & 0xff;

    if (words == NULL)
        words = sqlite3_errmsg(database->handle);
    if (primary == SQLITE_CANTOPEN)
        snprintf(database->why, sizeof database->why, "%s: %s", words,
                 strerror(access(database->path, R_OK | W_OK) != 0
                              ? errno
                              : sqlite3_system_errno(database->handle)));
    else if (primary == SQLITE_IOERR)
        snprintf(database->why, sizeof database->why, "%s (SQLite's code %d)", words, rc);
    else
        snprintf(database->why, sizeof database->why, "%s", words);
}

/* Its log is evidence as well: it is not to be written into the file at the close. */
static enum database_outcome
broken(struct database *database)
{
    sqlite3_db_config(database->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return DATABASE_BROKEN;
}

static enum database_outcome
newer(struct database *database, int version)
{
    snprintf(database->why, sizeof database->why,
             "of schema version %d, written by a newer fproxy (this one knows %d)", version,
             schema_version);
    return DATABASE_NEWER;
}

/* Somebody may have migrated it since it was opened. */
enum database_outcome
database_check_version(struct database *database)
{
    int version = 0;
    int rc = schema_read_version(database->handle, &version);

    if (rc == SQLITE_OK && version > schema_version)
        return newer(database, version);
    return database_judge(database, rc);
}

enum database_outcome
database_judge(struct database *database, int rc)
{
    int primary = rc & 0xff;

    if (rc == SQLITE_OK)
        return DATABASE_OK;
    explain(database, rc);
    if (primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB)
        return broken(database);
    return DATABASE_TROUBLE;
}

int
database_exec(struct database *database, const char *sql)
{
    return sqlite3_exec(database->handle, sql, NULL, NULL, NULL);
}

/* The first column of the first row, as text into `text`. */
static int
query_text(struct database *database, const char *sql, char *text, size_t bytes)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(database->handle, sql, -1, &statement, NULL);

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        const char *column = (const char *)sqlite3_column_text(statement, 0);

        snprintf(text, bytes, "%s", column ? column : "");
    }
    rc = sqlite3_finalize(statement);
    return rc;
}

static int
connect_file(struct database *database, const char *path)
{
    /* Made here for its mode: configurations may hold secrets. O_EXCL since closing any
     * other descriptor of a database would drop SQLite's locks on it. */
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    struct stat st;
    int rc;

    if (fd >= 0)
        close(fd);
    rc = sqlite3_open_v2(path, &database->handle,
                         SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                         NULL);
    if (rc != SQLITE_OK)
        return rc;
    if (stat(path, &st) != 0)
        return SQLITE_CANTOPEN;
    database->device = st.st_dev;
    database->inode = st.st_ino;
    sqlite3_busy_timeout(database->handle, DATABASE_BUSY_MS);
    return database_exec(database, "PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF;"
                                   "PRAGMA temp_store=MEMORY;"
                                   "PRAGMA journal_size_limit=16777216");
}

/* From a write-ahead log to a rollback journal, where there is no shared memory for the log's
 * index: a connection that asks for exclusive locks before it reads keeps that on the heap. */
static int
leave_wal(struct database *database, const char *path)
{
    char mode[16] = "";
    int rc;

    sqlite3_close(database->handle);
    rc = connect_file(database, path);
    if (rc == SQLITE_OK)
        rc = database_exec(database, "PRAGMA locking_mode=EXCLUSIVE; "
                                     "SELECT count(*) FROM sqlite_schema");
    if (rc == SQLITE_OK)
        rc = query_text(database, "PRAGMA journal_mode=TRUNCATE", mode, sizeof mode);
    if (rc == SQLITE_OK)    /* the lock goes with the next read */
        rc = database_exec(database,
                           "PRAGMA locking_mode=NORMAL; SELECT count(*) FROM sqlite_schema");
    return rc;
}

static bool
may_lack_shared_memory(int rc)
{
    int primary = rc & 0xff;

    return primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN || primary == SQLITE_PROTOCOL;
}

static int
set_journal(struct database *database, const char *path)
{
    char mode[16] = "";
    int rc = query_text(database, "PRAGMA journal_mode=WAL", mode, sizeof mode);

    bool wal = rc == SQLITE_OK && strcmp(mode, "wal") == 0;

    if (wal)        /* the first read finds out whether it can be had */
        rc = database_exec(database, "SELECT count(*) FROM sqlite_schema");
    if (wal && rc == SQLITE_OK)
        return rc;
    if (rc != SQLITE_OK && !may_lack_shared_memory(rc))
        return rc;
    if (leave_wal(database, path) != SQLITE_OK)
        return rc == SQLITE_OK ? SQLITE_IOERR : rc;
    log_warn(NULL,
             "store: no write-ahead log is possible for %s (a network file system?): a "
             "rollback journal is used, so whoever reads it and fproxy wait for each other",
             path);
    return SQLITE_OK;
}

static int
check_tables(struct database *database)
{
    char sql[64], text[128];
    int rc = SQLITE_OK;

    for (size_t i = 0; i < ARRAY_SIZE(checked_tables) && rc == SQLITE_OK; i++) {
        snprintf(sql, sizeof sql, "PRAGMA quick_check(%s)", checked_tables[i]);
        rc = query_text(database, sql, text, sizeof text);
        if (rc == SQLITE_OK && strcmp(text, "ok") != 0)
            rc = SQLITE_CORRUPT;
    }
    return rc;
}

/* SQLite would keep 2 MB, and what is written here is hardly ever read again. A transaction may
 * hold more: what it writes need not go to the file before its end. Reads the schema. */
static int
bound_cache(struct database *database)
{
    char sql[64];

    snprintf(sql, sizeof sql, "PRAGMA cache_size=-%d; PRAGMA cache_spill=OFF", DATABASE_CACHE_KB);
    return database_exec(database, sql);
}

static int
prepare_writes(struct database *database)
{
    int rc = SQLITE_OK;

    for (size_t i = 0; i < WRITE_KINDS; i++)
        for (size_t part = 0; part < WRITE_PARTS && writes[i].sql[part] != NULL; part++) {
            rc = sqlite3_prepare_v3(database->handle, writes[i].sql[part], -1,
                                    SQLITE_PREPARE_PERSISTENT,
                                    &database->statements[i][part], NULL);
            if (rc != SQLITE_OK)
                return rc;
        }
    return rc;
}

static enum database_outcome
open_steps(struct database *database, const char *path)
{
    int version = 0;
    int rc = connect_file(database, path);

    if (rc == SQLITE_OK)
        rc = schema_read_version(database->handle, &version);
    if (may_lack_shared_memory(rc) && leave_wal(database, path) == SQLITE_OK)
        rc = schema_read_version(database->handle, &version);
    if (rc == SQLITE_OK && version > schema_version)
        return newer(database, version);
    if (rc == SQLITE_OK && sqlite3_db_readonly(database->handle, "main") == 1)
        rc = SQLITE_READONLY;
    if (rc == SQLITE_OK)
        rc = set_journal(database, path);
    database->created = rc == SQLITE_OK && version == 0;
    if (rc == SQLITE_OK)
        rc = schema_migrate(database->handle, version);
    if (rc == SQLITE_OK && version > 0)
        rc = check_tables(database);        /* now that all of them must be there */
    if (rc == SQLITE_OK)
        rc = bound_cache(database);
    if (rc == SQLITE_OK)
        rc = prepare_writes(database);
    if ((rc & 0xff) == SQLITE_ERROR) {      /* tables that are not as they should be */
        explain(database, rc);
        return broken(database);
    }
    return database_judge(database, rc);
}

enum database_outcome
database_open(struct database *database, const char *path)
{
    enum database_outcome outcome;

    assert(database->handle == NULL);
    database->path = path;
    database->created = false;
    database->full_sync = true;             /* SQLite's default */
    database->why[0] = '\0';
    outcome = open_steps(database, path);
    if (outcome != DATABASE_OK)
        database_close(database);
    return outcome;
}

void
database_close(struct database *database)
{
    for (size_t i = 0; i < WRITE_KINDS; i++)
        for (size_t part = 0; part < WRITE_PARTS; part++) {
            sqlite3_finalize(database->statements[i][part]);
            database->statements[i][part] = NULL;
        }
    sqlite3_close(database->handle);
    database->handle = NULL;
}

bool
database_moved(const struct database *database, const char *path)
{
    struct stat st;

    return stat(path, &st) != 0 || st.st_dev != database->device ||
           st.st_ino != database->inode;
}
