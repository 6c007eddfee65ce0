/*
 * store_fixture - a temporary state directory, and looking at the database in it as an
 * operator would: through a connection of one's own.
 */
#ifndef FPROXY_TESTS_STORE_FIXTURE_H
#define FPROXY_TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/store.h"

enum { WAIT_MS = 20000 };

struct fixture {
    char dir[64];
    char path[96];
    struct store *store;
};

static inline int
fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    snprintf(fixture->dir, sizeof fixture->dir, "/tmp/fproxy-test-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    snprintf(fixture->path, sizeof fixture->path, "%s/fproxy.db", fixture->dir);
    *state = fixture;
    return 0;
}

static inline int
fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    char path[512];
    DIR *dir;
    struct dirent *entry;

    if (fixture->store != NULL)
        store_close(fixture->store, 1000);
    dir = opendir(fixture->dir);
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", fixture->dir, entry->d_name);
        if (entry->d_name[0] != '.')
            remove(path);
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(fixture->dir);
    free(fixture);
    return 0;
}

static inline void
fixture_open(struct fixture *fixture)
{
    assert_null(fixture->store);
    assert_int_equal(store_open(fixture->dir, &fixture->store), 0);
}

static inline void
fixture_close(struct fixture *fixture)
{
    store_close(fixture->store, 5000);
    fixture->store = NULL;
}

/* The first column of the first row; "" when there is none, or no database. */
static inline const char *
fixture_query(struct fixture *fixture, const char *sql)
{
    static char text[4096];
    sqlite3 *handle = NULL;
    sqlite3_stmt *row = NULL;

    text[0] = '\0';
    if (sqlite3_open_v2(fixture->path, &handle, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(handle, 1000);
        if (sqlite3_prepare_v2(handle, sql, -1, &row, NULL) == SQLITE_OK &&
            sqlite3_step(row) == SQLITE_ROW && sqlite3_column_text(row, 0) != NULL)
            snprintf(text, sizeof text, "%s", (const char *)sqlite3_column_text(row, 0));
        sqlite3_finalize(row);
    }
    sqlite3_close(handle);
    return text;
}

static inline void
fixture_exec(struct fixture *fixture, const char *sql)
{
    sqlite3 *handle = NULL;

    assert_int_equal(sqlite3_open(fixture->path, &handle), SQLITE_OK);
    sqlite3_busy_timeout(handle, 1000);
    assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(handle);
}

static inline void
short_pause(void)
{
    const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };

    nanosleep(&pause, NULL);
}

/* Waits until the query gives `expected`; fails after WAIT_MS. */
static inline void
fixture_await(struct fixture *fixture, const char *sql, const char *expected)
{
    uint64_t end_ms = clock_monotonic_ms() + WAIT_MS;

    while (strcmp(fixture_query(fixture, sql), expected) != 0 &&
           clock_monotonic_ms() < end_ms)
        short_pause();
    assert_string_equal(fixture_query(fixture, sql), expected);
}

/* Waits until the state holds `words`. */
static inline void
fixture_await_state(struct fixture *fixture, const char *words)
{
    uint64_t end_ms = clock_monotonic_ms() + WAIT_MS;
    char text[512] = "";

    store_state(fixture->store, text, sizeof text);
    while (strstr(text, words) == NULL && clock_monotonic_ms() < end_ms) {
        short_pause();
        store_state(fixture->store, text, sizeof text);
    }
    if (strstr(text, words) == NULL)
        fail_msg("the state is '%s', not '%s'", text, words);
}

/* How many files of the directory have `part` in their names. */
static inline int
fixture_files(struct fixture *fixture, const char *part)
{
    DIR *dir = opendir(fixture->dir);
    struct dirent *entry;
    int count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        count += strstr(entry->d_name, part) != NULL;
    closedir(dir);
    return count;
}

static inline struct record
record_of(enum record_kind kind, const char *app, const char *target, const char *address,
          int64_t at_ms)
{
    struct record record = { .kind = kind, .at_ms = at_ms };

    snprintf(record.app, sizeof record.app, "%s", app);
    snprintf(record.target, sizeof record.target, "%s", target);
    snprintf(record.address, sizeof record.address, "%s", address);
    return record;
}

static inline struct record
result_record(const char *app, const char *address, const char *outcome, uint32_t duration_us,
              int64_t at_ms)
{
    struct record record = record_of(RECORD_PROBE_RESULT, app, address, address, at_ms);

    snprintf(record.of.result.probe, sizeof record.of.result.probe, "tcp");
    snprintf(record.of.result.outcome, sizeof record.of.result.outcome, "%s", outcome);
    record.of.result.duration_us = duration_us;
    return record;
}

static inline struct record
endpoint_record(const char *app, const char *address, const char *endpoint_state,
                int64_t at_ms)
{
    struct record record = record_of(RECORD_ENDPOINT, app, address, address, at_ms);

    snprintf(record.of.endpoint.state, sizeof record.of.endpoint.state, "%s", endpoint_state);
    snprintf(record.of.endpoint.reason, sizeof record.of.endpoint.reason, "ok");
    record.of.endpoint.since_ms = at_ms;
    record.of.endpoint.weight = 1;
    return record;
}

static inline struct record
dns_record(enum record_kind kind, const char *name, const char *type, const char *address,
           int64_t at_ms)
{
    struct record record = record_of(kind, "", "", address, at_ms);

    snprintf(record.of.dns.name, sizeof record.of.dns.name, "%s", name);
    snprintf(record.of.dns.type, sizeof record.of.dns.type, "%s", type);
    snprintf(record.of.dns.status, sizeof record.of.dns.status, "%s",
             address[0] != '\0' ? "ok" : "nxdomain");
    record.of.dns.ttl_s = 30;
    record.of.dns.resolved_at_ms = at_ms;
    record.of.dns.expires_at_ms = at_ms + 30000;
    return record;
}

/* A good configuration whose text is "name = APP GENERATION;". */
static inline int
write_good(struct fixture *fixture, const char *app, uint32_t generation, int64_t at_ms)
{
    char config[128], hash[65];

    snprintf(config, sizeof config, "name = %s %u;", app, generation);
    store_hash(config, hash);
    return store_write_config(fixture->store, app, generation, "good", "/etc/app.conf", config,
                              hash, "", at_ms);
}

#endif
