/*
 * facts - what must survive even the database: the last good configuration of each app, the
 * groups, the overrides and the endpoints (which are written on a change only), kept in memory
 * as well, so that they are written again when the database had to be begun anew. The store's
 * thread only.
 *
 * A fact is the entry that wrote it (about 300 bytes beside its text), under the first
 * arguments of it as the key.
 */
#ifndef FPROXY_STORE_FACTS_H
#define FPROXY_STORE_FACTS_H

#include "store/database.h"
#include "store/entry.h"

struct fact;

enum fact_kind { FACT_CONFIG, FACT_GROUP, FACT_OVERRIDE, FACT_ENDPOINT, FACT_KINDS };

struct facts {
    struct fact *tables[FACT_KINDS];    /* uthash; owned */
    bool loaded;                        /* from the database, once */
};

void facts_fini(struct facts *facts);

/* An entry that was committed: remembered, forgotten or just freed. Takes it over. */
void facts_learn(struct facts *facts, struct entry *entry);

/* Learns what a database that existed before us holds. An SQLite code. */
int facts_load(struct facts *facts, struct database *database);

/* Writes all of it. */
enum database_outcome facts_write(struct facts *facts, struct database *database);

#endif
