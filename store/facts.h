/*
 * facts - the last good configuration of each app, kept in memory as well, so that it is
 * written again when the database had to be begun anew. The store's thread only.
 */
#ifndef FPROXY_STORE_FACTS_H
#define FPROXY_STORE_FACTS_H

#include "store/database.h"
#include "store/entry.h"

struct fact;

struct facts {
    struct fact *table;     /* uthash, by app; owned */
    bool loaded;            /* from the database, once */
};

void facts_fini(struct facts *facts);

/* An entry that was committed: remembered, forgotten or just freed. Takes it over. */
void facts_learn(struct facts *facts, struct entry *entry);

/* Learns what a database that existed before us holds. An SQLite code. */
int facts_load(struct facts *facts, struct database *database);

/* Writes all of it. */
enum database_outcome facts_write(struct facts *facts, struct database *database);

#endif
