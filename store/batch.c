/* batch - many entries in one transaction (database.h). */
#include <assert.h>

#include "base/log.h"
#include "store/database.h"

/* FULL costs an fsync at each commit; a power cut then takes back nothing. */
static int
set_sync(struct database *database, bool full)
{
    int rc;

    if (database->full_sync == full)
        return SQLITE_OK;
    rc = database_exec(database, full ? "PRAGMA synchronous=FULL"
                                      : "PRAGMA synchronous=NORMAL");
    if (rc == SQLITE_OK)
        database->full_sync = full;
    return rc;
}

/* Is it the entry that is wrong, so that trying again would never help? */
static bool
entry_is_refused(int rc)
{
    int primary = rc & 0xff;

    return primary == SQLITE_CONSTRAINT || primary == SQLITE_MISMATCH ||
           primary == SQLITE_TOOBIG;
}

static int
write_entry(struct database *database, const struct entry *entry)
{
    int rc = SQLITE_OK;

    for (size_t part = 0; part < WRITE_PARTS && rc == SQLITE_OK; part++) {
        sqlite3_stmt *statement = database->statements[entry->write][part];

        if (statement == NULL)
            break;
        rc = entry_bind(entry, statement);
        if (rc != SQLITE_OK)
            break;
        sqlite3_step(statement);
        rc = sqlite3_reset(statement);      /* tells how the step went */
    }
    return rc;
}

static int
write_all(struct database *database, const struct entry_list *list, uint32_t *refused)
{
    const struct entry *entry;
    int rc;

    STAILQ_FOREACH (entry, list, link) {
        rc = write_entry(database, entry);
        if (entry_is_refused(rc)) {
            log_error(NULL, "store: a row was refused: %s", sqlite3_errmsg(database->handle));
            (*refused)++;
            continue;
        }
        if (rc != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}

static bool
any_at_once(const struct entry_list *list)
{
    const struct entry *entry;

    STAILQ_FOREACH (entry, list, link)
        if (writes[entry->write].at_once)
            return true;
    return false;
}

/* Judged before a rollback changes the message. */
static enum database_outcome
write_and_commit(struct database *database, const struct entry_list *list, uint32_t *refused)
{
    int rc = write_all(database, list, refused);

    if (rc == SQLITE_OK)
        rc = database_exec(database, "COMMIT");
    return database_judge(database, rc);
}

enum database_outcome
database_write(struct database *database, const struct entry_list *list, uint32_t *refused)
{
    enum database_outcome outcome;
    int rc;

    assert(database->handle != NULL);
    *refused = 0;
    rc = set_sync(database, any_at_once(list));
    if (rc == SQLITE_OK)
        rc = database_exec(database, "BEGIN IMMEDIATE");
    outcome = rc == SQLITE_OK ? database_check_version(database) : database_judge(database, rc);
    if (outcome == DATABASE_OK)
        outcome = write_and_commit(database, list, refused);
    if (!sqlite3_get_autocommit(database->handle))
        database_exec(database, "ROLLBACK");
    return outcome;
}
