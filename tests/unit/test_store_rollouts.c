/* Rollouts: one row each, from the start to the end. */
#include "tests/unit/store_fixture.h"

/* 2026-01-31T12:34:56.789Z */
#define AT_MS INT64_C(1769862896789)

enum { APPS = 5000 };

static void
a_rollout_is_one_row_that_is_closed_later(void **state)
{
    struct fixture *fixture = *state;
    struct store_rollout rollout = { .app = "a", .from_generation = 1, .to_generation = 2,
                                     .started_at_ms = AT_MS };
    struct store_rollout *rollouts;
    size_t count;

    fixture_open(fixture);
    assert_int_equal(store_write_rollout(fixture->store, &rollout), 0);
    fixture_await(fixture, "SELECT outcome IS NULL AND finished_at IS NULL FROM rollouts", "1");
    snprintf(rollout.outcome, sizeof rollout.outcome, "done");
    snprintf(rollout.reason, sizeof rollout.reason, "not_ready");
    rollout.finished_at_ms = AT_MS + 1500;
    assert_int_equal(store_write_rollout(fixture->store, &rollout), 0);
    fixture_await(fixture, "SELECT count(*) || outcome || finished_at FROM rollouts",
                  "1done2026-01-31T12:34:58.289Z");

    assert_int_equal(store_read_rollouts(fixture->store, &rollouts, &count), 0);
    assert_int_equal(count, 1);
    assert_memory_equal(&rollouts[0], &rollout, sizeof rollout);
    free(rollouts);
}

static void
write_rollout(struct fixture *fixture, const char *app, const char *outcome, int64_t at_ms)
{
    struct store_rollout rollout = { .to_generation = 1, .started_at_ms = at_ms,
                                     .finished_at_ms = at_ms + 1 };

    snprintf(rollout.app, sizeof rollout.app, "%s", app);
    snprintf(rollout.outcome, sizeof rollout.outcome, "%s", outcome);
    assert_int_equal(store_write_rollout(fixture->store, &rollout), 0);
}

static void
rollouts_that_a_killed_supervisor_left_open_are_closed_at_the_next_start(void **state)
{
    struct fixture *fixture = *state;
    struct store_rollout *rollouts;
    size_t count;

    fixture_open(fixture);
    write_rollout(fixture, "a", "", AT_MS);
    write_rollout(fixture, "b", "done", AT_MS);
    fixture_close(fixture);

    fixture_open(fixture);
    assert_int_equal(store_read_rollouts(fixture->store, &rollouts, &count), 0);
    assert_int_equal(count, 2);
    assert_string_equal(rollouts[0].outcome, "");
    assert_int_equal(rollouts[0].finished_at_ms, 0);
    free(rollouts);
    assert_int_equal(store_close_open_rollouts(fixture->store, AT_MS + 5000,
                                               "interrupted: the supervisor ended"),
                     0);
    write_rollout(fixture, "a", "", AT_MS + 9000);
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, "SELECT group_concat(app || '=' ||"
                                               " ifnull(outcome, 'open') || ' ' || reason)"
                                               " FROM (SELECT * FROM rollouts ORDER BY id)"),
                        "a=failed interrupted: the supervisor ended,b=done ,a=open ");
    assert_string_equal(fixture_query(fixture, "SELECT finished_at FROM rollouts WHERE id = 1"),
                        "2026-01-31T12:35:01.789Z");
}

static void
a_long_reason_is_cut_between_characters(void **state)
{
    struct fixture *fixture = *state;
    struct store_rollout rollout = { .app = "a", .to_generation = 2, .outcome = "failed",
                                     .started_at_ms = AT_MS, .finished_at_ms = AT_MS };

    for (size_t i = 0; i + 2 < sizeof rollout.reason; i += 2)
        memcpy(rollout.reason + i, "\u00e9", 2);
    rollout.reason[sizeof rollout.reason - 2] = '\xc3';     /* half of one */
    fixture_open(fixture);
    assert_int_equal(store_write_rollout(fixture->store, &rollout), 0);
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, "SELECT length(CAST(reason AS BLOB)) || ' ' ||"
                                               " length(reason) || ' ' || substr(reason, -1)"
                                               " FROM rollouts"),
                        "254 127 \u00e9");
}

/* What a first start of that many apps writes within a second or so. */
static void
five_thousand_apps_that_start_at_once_fit_into_the_queue(void **state)
{
    struct fixture *fixture = *state;
    char app[64];

    fixture_open(fixture);
    for (int i = 0; i < APPS; i++) {
        snprintf(app, sizeof app, "app-%d", i);
        write_rollout(fixture, app, "", AT_MS);
    }
    for (int i = 0; i < APPS; i++) {
        struct record endpoint;

        snprintf(app, sizeof app, "app-%d", i);
        endpoint = endpoint_record(app, "10.0.0.1:80", "available", AT_MS);
        assert_int_equal(store_write_record(fixture->store, &endpoint), 0);
        assert_int_equal(write_good(fixture, app, 1, AT_MS), 0);
        write_rollout(fixture, app, "done", AT_MS);
    }
    fixture_await(fixture, "SELECT (SELECT count(*) FROM last_good_config) || ' ' ||"
                           " (SELECT count(*) FROM rollouts WHERE outcome = 'done') || ' ' ||"
                           " (SELECT count(*) FROM endpoints)",
                  "5000 5000 5000");
    fixture_await_state(fixture, "ok");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_rollout_is_one_row_that_is_closed_later),
        TEST(rollouts_that_a_killed_supervisor_left_open_are_closed_at_the_next_start),
        TEST(a_long_reason_is_cut_between_characters),
        TEST(five_thousand_apps_that_start_at_once_fit_into_the_queue),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
