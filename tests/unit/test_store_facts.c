/* What must outlive the database: good configurations, groups, overrides. */
#include "tests/unit/store_fixture.h"

/* 2026-01-31T12:34:56.789Z */
#define AT_MS INT64_C(1769862896789)

#define GOOD_APPS                                                                              \
    "SELECT group_concat(app || generation) FROM (SELECT app, generation FROM"                 \
    " last_good_config ORDER BY app)"
#define GROUPS                                                                                 \
    "SELECT group_concat(name || config) FROM (SELECT * FROM config_groups ORDER BY name)"
#define OVERRIDES                                                                              \
    "SELECT group_concat(app || '/' || target || '=' || action) FROM"                          \
    " (SELECT * FROM overrides ORDER BY app, target)"

#define ENDPOINTS                                                                              \
    "SELECT group_concat(app || address || state) FROM"                                        \
    " (SELECT * FROM endpoints ORDER BY app, address)"

static void
an_override_is_kept_until_it_is_undone(void **state)
{
    struct fixture *fixture = *state;
    struct store_override *overrides;
    size_t count;

    fixture_open(fixture);
    assert_int_equal(store_write_override(fixture->store, "b", "", "rollback", "old", AT_MS), 0);
    assert_int_equal(store_write_override(fixture->store, "b", "", "rollback", "new", AT_MS), 0);
    assert_int_equal(store_write_override(fixture->store, "a", "t:1", "drain", "", AT_MS), 0);
    assert_int_equal(store_write_override(fixture->store, "a", "", "drain", "", AT_MS), 0);
    assert_int_equal(store_forget_override(fixture->store, "a", ""), 0);
    assert_int_equal(store_forget_override(fixture->store, "never", ""), 0);
    fixture_close(fixture);

    fixture_open(fixture);
    assert_int_equal(store_read_overrides(fixture->store, &overrides, &count), 0);
    assert_int_equal(count, 2);
    assert_string_equal(overrides[0].app, "a");
    assert_string_equal(overrides[0].target, "t:1");
    assert_string_equal(overrides[0].action, "drain");
    assert_string_equal(overrides[1].app, "b");
    assert_string_equal(overrides[1].target, "");
    assert_string_equal(overrides[1].note, "new");
    assert_int_equal(overrides[1].since_ms, AT_MS);
    free(overrides);
}

static void
without_overrides_there_is_no_array(void **state)
{
    struct fixture *fixture = *state;
    struct store_override *overrides;
    size_t count;

    fixture_open(fixture);
    assert_int_equal(store_read_overrides(fixture->store, &overrides, &count), 0);
    assert_int_equal(count, 0);
    assert_null(overrides);
}

static void
write_endpoint(struct fixture *fixture, const char *app, const char *address,
               const char *endpoint_state)
{
    struct record record = endpoint_record(app, address, endpoint_state, AT_MS);

    assert_int_equal(store_write_record(fixture->store, &record), 0);
}

/* What an earlier run left behind. */
static void
earlier_run(struct fixture *fixture)
{
    fixture_open(fixture);
    write_good(fixture, "old", 3, AT_MS);
    write_good(fixture, "gone", 1, AT_MS);
    store_write_group(fixture->store, "daemon", "00.conf", "(d)", "hash", AT_MS);
    store_write_group(fixture->store, "defaults", "00.conf", "(old)", "hash", AT_MS);
    store_write_override(fixture->store, "old", "", "rollback", "hash", AT_MS);
    store_write_override(fixture->store, "old", "t:1", "drain", "", AT_MS);
    write_endpoint(fixture, "old", "1:1", "available");
    write_endpoint(fixture, "old", "2:2", "available");
    write_endpoint(fixture, "gone", "1:1", "available");
    write_endpoint(fixture, "gone", "2:2", "available");
    fixture_close(fixture);
}

/* Changes of each kind; the last one is there when all are. */
static void
this_run(struct fixture *fixture)
{
    struct record gone = record_of(RECORD_ENDPOINT_GONE, "old", "2:2", "2:2", AT_MS);

    write_endpoint(fixture, "old", "1:1", "failing");
    write_endpoint(fixture, "new", "3:3", "unknown");
    assert_int_equal(store_write_record(fixture->store, &gone), 0);
    write_good(fixture, "new", 1, AT_MS);
    store_forget_app(fixture->store, "gone", AT_MS);
    store_write_group(fixture->store, "defaults", "00.conf", "(new)", "hash", AT_MS);
    store_forget_override(fixture->store, "old", "t:1");
    store_write_override(fixture->store, "new", "", "maintain", "", AT_MS);
    fixture_await(fixture, OVERRIDES, "new/=maintain,old/=rollback");
    fixture_await(fixture, ENDPOINTS, "new3:3unknown,old1:1failing");
}

static void
remove_database(struct fixture *fixture)
{
    char path[128];

    unlink(fixture->path);
    snprintf(path, sizeof path, "%s-wal", fixture->path);
    unlink(path);
    snprintf(path, sizeof path, "%s-shm", fixture->path);
    unlink(path);
}

static void
assert_all_facts(struct fixture *fixture)
{
    fixture_await(fixture, GOOD_APPS, "last1,new1,old3");
    assert_string_equal(fixture_query(fixture, GROUPS), "daemon(d),defaults(new)");
    assert_string_equal(fixture_query(fixture, OVERRIDES), "new/=maintain,old/=rollback");
    assert_string_equal(fixture_query(fixture, ENDPOINTS), "new3:3unknown,old1:1failing");
}

static void
a_database_removed_while_running_is_begun_anew_with_all_facts(void **state)
{
    struct fixture *fixture = *state;
    char text[512];

    earlier_run(fixture);
    fixture_open(fixture);
    this_run(fixture);
    remove_database(fixture);
    write_good(fixture, "last", 1, AT_MS);
    assert_all_facts(fixture);
    assert_true(store_state(fixture->store, text, sizeof text));
}

static void
a_database_replaced_by_rubbish_while_running_is_begun_anew_with_all_facts(void **state)
{
    struct fixture *fixture = *state;
    FILE *file;

    earlier_run(fixture);
    fixture_open(fixture);
    this_run(fixture);
    remove_database(fixture);
    file = fopen(fixture->path, "we");
    assert_non_null(file);
    for (int i = 0; i < 10000; i++)
        fputs("rubbish ", file);
    fclose(file);
    write_good(fixture, "last", 1, AT_MS);
    assert_all_facts(fixture);
    assert_int_equal(fixture_files(fixture, ".bad-"), 1);
}

static void
a_database_removed_twice_is_begun_anew_twice(void **state)
{
    struct fixture *fixture = *state;

    earlier_run(fixture);
    fixture_open(fixture);
    this_run(fixture);
    for (int i = 0; i < 2; i++) {
        remove_database(fixture);
        write_good(fixture, "last", 1, AT_MS);
        assert_all_facts(fixture);
    }
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_override_is_kept_until_it_is_undone),
        TEST(without_overrides_there_is_no_array),
        TEST(a_database_removed_while_running_is_begun_anew_with_all_facts),
        TEST(a_database_replaced_by_rubbish_while_running_is_begun_anew_with_all_facts),
        TEST(a_database_removed_twice_is_begun_anew_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
