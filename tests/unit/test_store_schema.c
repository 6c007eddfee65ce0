/* A database is at one version or at another, never between; a newer one is not written. */
#include "base/util.h"
#include "store/schema.h"
#include "store/writes.h"
#include "tests/unit/store_fixture.h"

/* Made-up versions; the third cannot be reached. */
static const char *const scripts[] = {
    "CREATE TABLE apps (name TEXT NOT NULL) STRICT; INSERT INTO apps VALUES ('a'), ('b')",
    ("ALTER TABLE apps ADD COLUMN port INTEGER NOT NULL DEFAULT 0;"
     "UPDATE apps SET port = 5000 + rowid"),
    "CREATE INDEX apps_port ON apps (port); INSERT INTO apps VALUES (NULL, 1)",
};

static sqlite3 *
open_database(struct fixture *fixture)
{
    sqlite3 *handle = NULL;

    assert_int_equal(sqlite3_open(fixture->path, &handle), SQLITE_OK);
    return handle;
}

static void
assert_version(sqlite3 *handle, int expected)
{
    int version = -1;

    assert_int_equal(schema_read_version(handle, &version), SQLITE_OK);
    assert_int_equal(version, expected);
}

static void
an_empty_file_is_brought_to_the_newest_version(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *handle = open_database(fixture);

    assert_version(handle, 0);
    assert_int_equal(schema_run(handle, scripts, 0, 2), SQLITE_OK);
    assert_version(handle, 2);
    assert_string_equal(fixture_query(fixture, "SELECT group_concat(name || port) FROM apps"),
                        "a5001,b5002");
    sqlite3_close(handle);
}

static void
an_older_database_keeps_its_rows(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *handle = open_database(fixture);

    assert_int_equal(schema_run(handle, scripts, 0, 1), SQLITE_OK);
    fixture_exec(fixture, "INSERT INTO apps VALUES ('c')");
    assert_int_equal(schema_run(handle, scripts, 1, 2), SQLITE_OK);
    assert_version(handle, 2);
    assert_string_equal(fixture_query(fixture, "SELECT group_concat(name || port) FROM apps"),
                        "a5001,b5002,c5003");
    sqlite3_close(handle);
}

static void
nothing_is_done_twice(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *handle = open_database(fixture);

    assert_int_equal(schema_run(handle, scripts, 0, 2), SQLITE_OK);
    assert_int_equal(schema_run(handle, scripts, 2, 2), SQLITE_OK);
    assert_string_equal(fixture_query(fixture, "SELECT count(*) FROM apps"), "2");
    sqlite3_close(handle);
}

static void
a_step_that_fails_takes_all_of_them_back(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *handle = open_database(fixture);

    assert_int_equal(schema_run(handle, scripts, 0, 1), SQLITE_OK);
    assert_int_not_equal(schema_run(handle, scripts, 1, ARRAY_SIZE(scripts)), SQLITE_OK);
    assert_version(handle, 1);
    assert_string_equal(fixture_query(fixture, "SELECT count(*) FROM pragma_table_info('apps')"),
                        "1");
    /* It can be tried again on the same connection. */
    assert_int_equal(schema_run(handle, scripts, 1, 2), SQLITE_OK);
    assert_version(handle, 2);
    sqlite3_close(handle);
}

static void
ours_is_what_a_new_database_gets(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *handle = open_database(fixture);

    assert_int_equal(schema_migrate(handle, 0), SQLITE_OK);
    assert_version(handle, schema_version);
    assert_string_equal(fixture_query(fixture, "SELECT count(*) FROM last_good_config"), "0");
    sqlite3_close(handle);
}

/* Fails when a step of the plan reads a table from its begin to its end. */
static void
assert_searches(sqlite3 *handle, const char *sql)
{
    char explain[2048];
    sqlite3_stmt *step = NULL;

    snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
    assert_int_equal(sqlite3_prepare_v2(handle, explain, -1, &step, NULL), SQLITE_OK);
    while (sqlite3_step(step) == SQLITE_ROW) {
        const char *detail = (const char *)sqlite3_column_text(step, 3);

        if (strcmp(detail, "SCAN CONSTANT ROW") == 0)
            continue;                   /* a SELECT without a FROM */
        if (strncmp(detail, "SCAN", strlen("SCAN")) == 0)
            fail_msg("%s: %s", detail, sql);
    }
    sqlite3_finalize(step);
}

static void
no_write_takes_longer_because_a_table_is_long(void **state)
{
    struct fixture *fixture = *state;
    sqlite3 *handle = open_database(fixture);

    assert_int_equal(schema_migrate(handle, 0), SQLITE_OK);
    for (int kind = 0; kind < WRITE_KINDS; kind++)
        for (int part = 0; part < WRITE_PARTS && writes[kind].sql[part] != NULL; part++)
            if (kind != WRITE_ROLLOUTS_CLOSE)       /* once in a run */
                assert_searches(handle, writes[kind].sql[part]);
    sqlite3_close(handle);
}

/* A newer fproxy's tool migrated it under us: what is written in ours may be refused there. */
static void
a_database_that_becomes_newer_while_running_is_not_written(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture);
    write_good(fixture, "a", 1, clock_wall_ms());
    fixture_await(fixture, "SELECT generation FROM last_good_config", "1");
    fixture_exec(fixture, "PRAGMA user_version = 999");
    write_good(fixture, "a", 2, clock_wall_ms());
    fixture_await_state(fixture, "schema version 999");
    fixture_await_state(fixture, "1 writes wait in memory, 0 were lost");
    assert_string_equal(fixture_query(fixture, "SELECT generation FROM last_good_config"), "1");
    assert_int_equal(fixture_files(fixture, ".bad-"), 0);

    /* And when it is ours again, what waited is written. */
    fixture_exec(fixture, "PRAGMA user_version = 2");
    fixture_await(fixture, "SELECT generation FROM last_good_config", "2");
    fixture_await_state(fixture, "ok");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_file_is_brought_to_the_newest_version),
        TEST(an_older_database_keeps_its_rows),
        TEST(nothing_is_done_twice),
        TEST(a_step_that_fails_takes_all_of_them_back),
        TEST(ours_is_what_a_new_database_gets),
        TEST(no_write_takes_longer_because_a_table_is_long),
        TEST(a_database_that_becomes_newer_while_running_is_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
