/* History is bounded by age and by rows, and pruned in small steps. */
#include "tests/unit/store_fixture.h"

#include "store/database.h"
#include "store/prune.h"

#define DAY_MS INT64_C(86400000)

struct pruned {
    struct fixture *fixture;
    struct database database;
    int64_t now_ms;
};

static int
setup(void **state)
{
    struct pruned *pruned = calloc(1, sizeof *pruned);
    void *fixture;

    fixture_setup(&fixture);
    pruned->fixture = fixture;
    assert_int_equal(clock_parse_utc("2026-06-15T00:00:00.000Z", &pruned->now_ms), 0);
    assert_int_equal(database_open(&pruned->database, pruned->fixture->path), DATABASE_OK);
    *state = pruned;
    return 0;
}

static int
teardown(void **state)
{
    struct pruned *pruned = *state;
    void *fixture = pruned->fixture;

    database_close(&pruned->database);
    fixture_teardown(&fixture);
    free(pruned);
    return 0;
}

static void
insert(struct pruned *pruned, const char *sql)
{
    assert_int_equal(database_exec(&pruned->database, sql), SQLITE_OK);
}

static bool
prune(struct pruned *pruned)
{
    bool more;

    assert_int_equal(prune_step(&pruned->database, pruned->now_ms, &more), SQLITE_OK);
    return more;
}

static void
assert_left(struct pruned *pruned, const char *sql, const char *expected)
{
    assert_string_equal(fixture_query(pruned->fixture, sql), expected);
}

#define PROBE(id, at)                                                                          \
    "INSERT INTO probe_results VALUES"                                                         \
    " (" #id ", '" at "', 'a', 't:1', 'x', 'tcp', 'ok', 1.0, '');"

static void
probe_results_older_than_a_week_go(void **state)
{
    struct pruned *pruned = *state;

    insert(pruned, PROBE(1, "2026-06-07T23:59:59.999Z") PROBE(2, "2026-06-08T00:00:00.000Z")
                   PROBE(3, "2026-06-14T00:00:00.000Z"));
    assert_false(prune(pruned));
    assert_left(pruned, "SELECT group_concat(id) FROM probe_results", "2,3");
}

static void
no_more_than_a_million_probe_results_stay(void **state)
{
    struct pruned *pruned = *state;

    insert(pruned, PROBE(1, "2026-06-14T00:00:00.000Z") PROBE(5, "2026-06-14T00:00:00.000Z")
                   PROBE(6, "2026-06-14T00:00:00.000Z")
                   PROBE(1000005, "2026-06-14T00:00:00.000Z"));
    prune(pruned);
    assert_left(pruned, "SELECT group_concat(id) FROM probe_results", "6,1000005");
}

static void
a_great_heap_goes_in_several_steps(void **state)
{
    struct pruned *pruned = *state;
    int steps = 1;

    insert(pruned, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                   " WHERE i < 10000) INSERT INTO probe_results SELECT i,"
                   " '2026-01-01T00:00:00.000Z', 'a', 't:1', 'x', 'tcp', 'ok', 1.0, '' FROM n");
    while (prune(pruned))
        steps++;
    assert_int_equal(steps, 10000 / PRUNE_ROWS + 1);
    assert_left(pruned, "SELECT count(*) FROM probe_results", "0");
}

static void
summaries_go_after_a_week_and_transitions_after_90_days(void **state)
{
    struct pruned *pruned = *state;

    insert(pruned, "INSERT INTO probe_summary VALUES"
                   " ('a', 't', 'x', 'tcp', '2026-06-01T00:00:00.000Z', 1, 0, 1.0, 1.0),"
                   " ('a', 't', 'x', 'tcp', '2026-06-10T00:00:00.000Z', 1, 0, 1.0, 1.0);"
                   "INSERT INTO transitions VALUES"
                   " (1, '2026-03-01T00:00:00.000Z', 'a', 't', 'x', 'f', 't', '', ''),"
                   " (2, '2026-06-01T00:00:00.000Z', 'a', 't', 'x', 'f', 't', '', '')");
    prune(pruned);
    assert_left(pruned, "SELECT group_concat(minute) FROM probe_summary",
                "2026-06-10T00:00:00.000Z");
    assert_left(pruned, "SELECT group_concat(id) FROM transitions", "2");
}

static void
old_events_and_crashes_go(void **state)
{
    struct pruned *pruned = *state;

    insert(pruned, "INSERT INTO events VALUES"
                   " (1, '2026-03-01T00:00:00.000Z', 'a', 'k', 'info', 'm', NULL),"
                   " (2, '2026-06-01T00:00:00.000Z', 'a', 'k', 'info', 'm', NULL);"
                   "INSERT INTO crashes VALUES"
                   " (1, '2026-06-01T00:00:00.000Z', 'worker', 'a', 1, 11, NULL, 0),"
                   " (10002, '2026-06-01T00:00:00.000Z', 'worker', 'a', 1, 11, NULL, 0)");
    prune(pruned);
    assert_left(pruned, "SELECT group_concat(id) FROM events", "2");
    assert_left(pruned, "SELECT group_concat(id) FROM crashes", "10002");
}

static void
the_last_rollout_of_an_app_stays_however_old(void **state)
{
    struct pruned *pruned = *state;

    insert(pruned, "INSERT INTO rollouts VALUES"
                   " (1, 'a', 0, 1, 'done', '', '2025-01-01T00:00:00.000Z', NULL),"
                   " (2, 'a', 1, 2, 'done', '', '2025-02-01T00:00:00.000Z', NULL),"
                   " (3, 'b', 0, 1, 'done', '', '2025-02-01T00:00:00.000Z', NULL),"
                   " (4, 'b', 1, 2, 'done', '', '2026-06-01T00:00:00.000Z', NULL)");
    prune(pruned);
    assert_left(pruned, "SELECT group_concat(id) FROM rollouts", "2,4");
}

static void
ten_thousand_names_of_dns_stay_the_latest(void **state)
{
    struct pruned *pruned = *state;

    insert(pruned, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                   " WHERE i < 10007) INSERT INTO dns_cache SELECT 'host' || i, 'A', '1.1.1.1',"
                   " 5, iif(i <= 7, '2026-06-13T00:00:00.000Z', '2026-06-14T00:00:00.000Z'),"
                   " '', 'ok' FROM n");
    insert(pruned, "INSERT INTO dns_cache VALUES ('old', 'A', '1.1.1.1', 5,"
                   " '2026-05-01T00:00:00.000Z', '', 'ok')");
    prune(pruned);
    assert_left(pruned, "SELECT count(*) || min(resolved_at) FROM dns_cache",
                "100002026-06-14T00:00:00.000Z");
}

static void
configurations_of_an_app_that_is_long_gone_go_but_good_ones_stay(void **state)
{
    struct pruned *pruned = *state;

    insert(pruned, "INSERT INTO config_generations VALUES"
                   " ('gone', 1, 'superseded', 'f', 'c', 'h', '', '2025-01-01T00:00:00.000Z'),"
                   " ('gone', 2, 'failed', 'f', 'c', 'h', '', '2025-01-01T00:00:00.000Z'),"
                   " ('here', 1, 'good', 'f', 'c', 'h', '', '2025-01-01T00:00:00.000Z'),"
                   " ('new', 1, 'superseded', 'f', 'c', 'h', '', '2026-06-01T00:00:00.000Z')");
    prune(pruned);
    assert_left(pruned, "SELECT group_concat(app) FROM config_generations", "here,new");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(probe_results_older_than_a_week_go),
        TEST(no_more_than_a_million_probe_results_stay),
        TEST(a_great_heap_goes_in_several_steps),
        TEST(summaries_go_after_a_week_and_transitions_after_90_days),
        TEST(old_events_and_crashes_go),
        TEST(the_last_rollout_of_an_app_stays_however_old),
        TEST(ten_thousand_names_of_dns_stay_the_latest),
        TEST(configurations_of_an_app_that_is_long_gone_go_but_good_ones_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
