/* facts - see facts.h. */
#include "store/facts.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "base/clock.h"

struct fact {
    struct entry *entry;    /* owned; entry_key() is the key */
    UT_hash_handle hh;
};

static void
fact_forget(struct facts *facts, const char *app)
{
    struct fact *fact = NULL;

    HASH_FIND_STR(facts->table, app, fact);
    if (fact == NULL)
        return;
    HASH_DEL(facts->table, fact);
    free(fact->entry);
    free(fact);
}

static void
fact_remember(struct facts *facts, struct entry *entry)
{
    struct fact *fact;

    fact_forget(facts, entry_key(entry));
    fact = malloc(sizeof *fact);
    if (fact == NULL) {
        free(entry);
        return;
    }
    fact->entry = entry;
    HASH_ADD_KEYPTR(hh, facts->table, entry_key(entry), strlen(entry_key(entry)), fact);
}

void
facts_fini(struct facts *facts)
{
    struct fact *fact, *next;

    HASH_ITER(hh, facts->table, fact, next) {
        HASH_DEL(facts->table, fact);
        free(fact->entry);
        free(fact);
    }
}

void
facts_learn(struct facts *facts, struct entry *entry)
{
    if (entry->write == WRITE_CONFIG_GOOD) {
        fact_remember(facts, entry);
        return;
    }
    if (entry->write == WRITE_CONFIG_FORGET)
        fact_forget(facts, entry_key(entry));
    free(entry);
}

static struct value
column_value(sqlite3_stmt *row, int column)
{
    const char *text = (const char *)sqlite3_column_text(row, column);

    return value_text(text ? text : "", SIZE_MAX);
}

static void
load_row(struct facts *facts, sqlite3_stmt *row)
{
    const char *created_at = (const char *)sqlite3_column_text(row, 5);
    int64_t at_ms = 0;
    struct entry *entry;

    if (created_at != NULL && clock_parse_utc(created_at, &at_ms) != 0)
        at_ms = 0;
    entry = ENTRY(WRITE_CONFIG_GOOD, column_value(row, 0),
                  value_integer(sqlite3_column_int64(row, 1)), value_text("good", SIZE_MAX),
                  column_value(row, 2), column_value(row, 3), column_value(row, 4),
                  value_text("", SIZE_MAX), value_time(at_ms));
    if (entry != NULL)
        fact_remember(facts, entry);
}

int
facts_load(struct facts *facts, struct database *database)
{
    sqlite3_stmt *row = NULL;
    int rc;

    if (facts->loaded)
        return SQLITE_OK;
    rc = sqlite3_prepare_v2(database->handle,
                            "SELECT app, generation, source, config, hash, created_at"
                            " FROM last_good_config",
                            -1, &row, NULL);
    if (rc != SQLITE_OK)
        return rc;
    while (sqlite3_step(row) == SQLITE_ROW)
        load_row(facts, row);
    rc = sqlite3_finalize(row);
    facts->loaded = rc == SQLITE_OK;
    return rc;
}

enum database_outcome
facts_write(struct facts *facts, struct database *database)
{
    struct entry_list list = STAILQ_HEAD_INITIALIZER(list);
    struct fact *fact, *next;
    uint32_t refused;

    HASH_ITER(hh, facts->table, fact, next)
        STAILQ_INSERT_TAIL(&list, fact->entry, link);
    if (STAILQ_EMPTY(&list))
        return DATABASE_OK;
    return database_write(database, &list, &refused);
}
