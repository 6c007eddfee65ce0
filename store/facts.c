/* facts - see facts.h. */
#include "store/facts.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct fact {
    struct entry *entry;    /* owned; holds the key */
    UT_hash_handle hh;
};

/* What a write means for the facts. */
static const struct role {
    enum { NO_FACT, REMEMBERS, FORGETS, FORGETS_ALL } role;
    enum fact_kind kind;
    uint8_t key_values;     /* so many arguments, from the first on, are the key */
} roles[WRITE_KINDS] = {
    [WRITE_CONFIG_GOOD] = { REMEMBERS, FACT_CONFIG, 1 },
    [WRITE_CONFIG_FORGET] = { FORGETS, FACT_CONFIG, 1 },
    [WRITE_GROUP] = { REMEMBERS, FACT_GROUP, 1 },
    [WRITE_GROUP_FORGET] = { FORGETS, FACT_GROUP, 1 },
    [WRITE_OVERRIDE] = { REMEMBERS, FACT_OVERRIDE, 2 },
    [WRITE_OVERRIDE_FORGET] = { FORGETS, FACT_OVERRIDE, 2 },
    [WRITE_ENDPOINT] = { REMEMBERS, FACT_ENDPOINT, 3 },
    [WRITE_ENDPOINT_GONE] = { FORGETS, FACT_ENDPOINT, 3 },
    [WRITE_ENDPOINTS_FORGET] = { FORGETS_ALL, FACT_ENDPOINT, 1 },
};

/* The columns are the arguments of `write`. */
static const struct {
    enum write_kind write;
    const char *sql;
} loads[] = {
    { WRITE_CONFIG_GOOD, "SELECT app, generation, status, source, config, hash, reason,"
                         " created_at FROM config_generations WHERE status = 'good'" },
    { WRITE_GROUP, "SELECT name, source, config, hash, created_at FROM config_groups" },
    { WRITE_OVERRIDE, "SELECT app, target, action, since, note FROM overrides" },
    { WRITE_ENDPOINT, "SELECT app, target, address, state, since, reason, weight, updated_at,"
                      " penalty, penalty_at FROM endpoints" },
};
enum { COLUMNS_MAX = 10 };

static void
fact_free(struct facts *facts, enum fact_kind kind, struct fact *fact)
{
    HASH_DEL(facts->tables[kind], fact);
    free(fact->entry);
    free(fact);
}

/* Forgets what has the same key as `entry`. */
static void
forget(struct facts *facts, const struct role *role, const struct entry *entry)
{
    struct fact *fact = NULL;

    HASH_FIND(hh, facts->tables[role->kind], entry->data,
              entry_key_bytes(entry, role->key_values), fact);
    if (fact != NULL)
        fact_free(facts, role->kind, fact);
}

/* Forgets all whose keys begin as `entry` does. */
static void
forget_all(struct facts *facts, const struct role *role, const struct entry *entry)
{
    size_t bytes = entry_key_bytes(entry, role->key_values);
    struct fact *fact, *next;

    HASH_ITER(hh, facts->tables[role->kind], fact, next)
        if (entry_key_bytes(fact->entry, role->key_values) == bytes &&
            memcmp(fact->entry->data, entry->data, bytes) == 0)
            fact_free(facts, role->kind, fact);
}

void
facts_fini(struct facts *facts)
{
    struct fact *fact, *next;

    for (size_t kind = 0; kind < FACT_KINDS; kind++)
        HASH_ITER(hh, facts->tables[kind], fact, next)
            fact_free(facts, (enum fact_kind)kind, fact);
}

void
facts_learn(struct facts *facts, struct entry *entry)
{
    const struct role *role = &roles[entry->write];
    struct fact *fact = NULL;

    if (role->role == FORGETS_ALL)
        forget_all(facts, role, entry);
    else if (role->role != NO_FACT)
        forget(facts, role, entry);
    if (role->role == REMEMBERS)
        fact = malloc(sizeof *fact);
    if (fact == NULL) {
        free(entry);
        return;
    }
    fact->entry = entry;
    HASH_ADD_KEYPTR(hh, facts->tables[role->kind], entry->data,
                    entry_key_bytes(entry, role->key_values), fact);
}

/* Times stay the text that they are. */
static struct value
column_value(sqlite3_stmt *row, int column)
{
    const char *text;

    if (sqlite3_column_type(row, column) == SQLITE_INTEGER)
        return value_integer(sqlite3_column_int64(row, column));
    text = (const char *)sqlite3_column_text(row, column);
    return value_text(text ? text : "", SIZE_MAX);
}

static void
load_row(struct facts *facts, enum write_kind write, sqlite3_stmt *row)
{
    struct value values[COLUMNS_MAX];
    int count = sqlite3_column_count(row);
    struct entry *entry;

    assert(count <= COLUMNS_MAX);
    for (int i = 0; i < count; i++)
        values[i] = column_value(row, i);
    entry = entry_create(write, values, (size_t)count);
    if (entry != NULL)
        facts_learn(facts, entry);
}

int
facts_load(struct facts *facts, struct database *database)
{
    int rc = SQLITE_OK;

    if (facts->loaded)
        return SQLITE_OK;
    for (size_t i = 0; i < ARRAY_SIZE(loads) && rc == SQLITE_OK; i++) {
        sqlite3_stmt *row = NULL;

        rc = sqlite3_prepare_v2(database->handle, loads[i].sql, -1, &row, NULL);
        if (rc != SQLITE_OK)
            return rc;
        while (sqlite3_step(row) == SQLITE_ROW)
            load_row(facts, loads[i].write, row);
        rc = sqlite3_finalize(row);
    }
    facts->loaded = rc == SQLITE_OK;
    return rc;
}

enum database_outcome
facts_write(struct facts *facts, struct database *database)
{
    struct entry_list list = STAILQ_HEAD_INITIALIZER(list);
    struct fact *fact, *next;
    uint32_t refused;

    for (size_t kind = 0; kind < FACT_KINDS; kind++)
        HASH_ITER(hh, facts->tables[kind], fact, next)
            STAILQ_INSERT_TAIL(&list, fact->entry, link);
    if (STAILQ_EMPTY(&list))
        return DATABASE_OK;
    return database_write(database, &list, &refused);
}
