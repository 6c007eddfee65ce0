#include "probes/seeds.h"

#include <stdio.h>
#include <stdlib.h>
#include <uthash.h>

#include "probes/health.h"

enum { KEY_BYTES = APP_NAME_BYTES + TARGET_NAME_BYTES + ADDRESS_TEXT_BYTES };

struct entry {
    UT_hash_handle hh;
    struct seed seed;
    int64_t at_ms;          /* wall: when the database knew it */
    char key[];             /* "app target address" */
};

struct seeds {
    struct entry *entries;  /* owned */
};

struct seeds *
seeds_create(void)
{
    return calloc(1, sizeof(struct seeds));
}

void
seeds_destroy(struct seeds *seeds)
{
    struct entry *entry, *next;

    HASH_ITER (hh, seeds->entries, entry, next) {
        HASH_DEL(seeds->entries, entry);
        free(entry);
    }
    free(seeds);
}

/* No part can contain a space; returns the length. */
static size_t
make_key(char *key, const char *app, const char *target, const char *address)
{
    return (size_t)snprintf(key, KEY_BYTES, "%s %s %s", app, target, address);
}

void
seeds_add(struct seeds *seeds, const struct record *record)
{
    char key[KEY_BYTES];
    size_t bytes = make_key(key, record->app, record->target, record->address);
    enum endpoint_state state;
    struct entry *entry;

    if (!endpoint_state_parse(record->of.endpoint.state, &state) || bytes >= sizeof key)
        return;
    HASH_FIND(hh, seeds->entries, key, bytes, entry);
    if (entry == NULL) {
        if (HASH_COUNT(seeds->entries) >= SEEDS_MAX)
            return;
        entry = calloc(1, sizeof *entry + bytes + 1);
        if (entry == NULL)
            return;
        memcpy(entry->key, key, bytes + 1);
        HASH_ADD_KEYPTR(hh, seeds->entries, entry->key, bytes, entry);
    }
    entry->seed.state = health_seed_state(state);
    entry->seed.since_ms = record->of.endpoint.since_ms;
    entry->seed.penalty = record->of.endpoint.penalty;
    entry->seed.penalty_at_ms = record->of.endpoint.penalty_at_ms;
    entry->at_ms = record->at_ms;
}

bool
seeds_take(struct seeds *seeds, const char *app, const char *target,
           const struct address *address, int64_t wall_ms, struct seed *seed)
{
    char key[KEY_BYTES], text[ADDRESS_TEXT_BYTES];
    size_t bytes = make_key(key, app, target, address_format(address, text));
    struct entry *entry = NULL;
    bool usable;

    if (bytes < sizeof key)
        HASH_FIND(hh, seeds->entries, key, bytes, entry);
    if (entry == NULL)
        return false;
    *seed = entry->seed;
    usable = wall_ms - entry->at_ms < SEED_AGE_MAX_MS && seed->state != ENDPOINT_UNKNOWN;
    HASH_DEL(seeds->entries, entry);
    free(entry);
    return usable;
}
