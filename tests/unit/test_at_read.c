/* Who was available at an instant, as the database tells: where the wall clock was set. */
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "probes/at_read.h"

enum { SCHEMA_BYTES = 65536 };

static char path[64];

/* The real schema, for its names are the contract. */
static void
make_database(const char *rows)
{
    char *schema = calloc(1, SCHEMA_BYTES);
    FILE *file = fopen(SCHEMA_SQL, "r");
    sqlite3 *database;

    assert_non_null(schema);
    assert_non_null(file);
    assert_true(fread(schema, 1, SCHEMA_BYTES - 1, file) > 0);
    fclose(file);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, schema, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, rows, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(database);
    free(schema);
}

static int
set_up(void **state)
{
    int fd;

    snprintf(path, sizeof path, "/tmp/fproxy-test-at-XXXXXX");
    fd = mkstemp(path);
    return fd < 0 || close(fd) < 0;
}

static int
tear_down(void **state)
{
    return unlink(path);
}

/* The state of the only endpoint then; "": it is not known, or was not there. */
static const char *
state_at(const char *at)
{
    static char word[INSPECT_WORD_BYTES];
    struct at_past past = { 0 };
    char why[DETAIL_BYTES];

    word[0] = '\0';
    assert_int_equal(clock_parse_utc(at, &past.at_ms), 0);
    assert_int_equal(at_read(path, &past, why), 0);
    if (past.view.count == 1 && past.view.apps[0].count == 1)
        snprintf(word, sizeof word, "%s", past.view.apps[0].endpoints[0].state);
    at_past_free(&past);
    return word;
}

#define MOVED(at, from, to)                                                                    \
    "INSERT INTO transitions (at, app, target, address, from_state, to_state, reason, detail)" \
    " VALUES ('2026-01-31T" at ":00.000Z', 'shop', 'a:1', '10.0.0.1:1', '" from "', '" to "'," \
    " 'ok', '');"

static void
each_instant_has_the_last_state_before(void **state)
{
    make_database(MOVED("10:00", "unknown", "available") MOVED("11:00", "available", "failing")
                  MOVED("12:00", "failing", "unavailable"));
    assert_string_equal(state_at("2026-01-31T09:59:59Z"), "");
    assert_string_equal(state_at("2026-01-31T10:00:00Z"), "available");
    assert_string_equal(state_at("2026-01-31T11:30:00Z"), "failing");
    assert_string_equal(state_at("2026-01-31T12:00:01Z"), "unavailable");
}

/* Down at 12:00; then it is 11:30 again, and it comes back at 11:45. */
static void
of_an_hour_that_occurs_twice_the_later_one_is_told(void **state)
{
    make_database(MOVED("10:00", "unknown", "available")
                  MOVED("12:00", "available", "unavailable")
                  MOVED("11:45", "unavailable", "available"));
    assert_string_equal(state_at("2026-01-31T11:00:00Z"), "available");
    assert_string_equal(state_at("2026-01-31T11:50:00Z"), "available");
    assert_string_equal(state_at("2026-01-31T12:10:00Z"), "available");
}

/* For a moment it was 23:00, and down; it came back at 12:10 of the right time. */
static void
a_time_that_was_wrong_hides_nothing_that_came_later(void **state)
{
    make_database(MOVED("12:00", "unknown", "available")
                  MOVED("23:00", "available", "unavailable")
                  MOVED("12:10", "unavailable", "available"));
    assert_string_equal(state_at("2026-01-31T12:05:00Z"), "available");
    assert_string_equal(state_at("2026-01-31T12:30:00Z"), "available");
    assert_string_equal(state_at("2026-01-31T23:30:00Z"), "available");
}

/* It was made when the clock was an hour ahead, which was set right then. */
static void
an_app_that_changed_before_it_was_made_was_there(void **state)
{
    make_database("INSERT INTO rollouts (app, from_generation, to_generation, outcome, reason,"
                  " started_at, finished_at) VALUES ('shop', 0, 1, 'done', '',"
                  " '2026-01-31T12:59:00.000Z', '2026-01-31T13:00:00.000Z');"
                  MOVED("13:00", "unknown", "available") MOVED("12:10", "available", "failing"));
    assert_string_equal(state_at("2026-01-31T12:05:00Z"), "");
    assert_string_equal(state_at("2026-01-31T12:15:00Z"), "failing");
}

#define ROLLED(from, to, outcome, at)                                                          \
    "INSERT INTO rollouts (app, from_generation, to_generation, outcome, reason, started_at,"   \
    " finished_at) VALUES ('shop', " from ", " to ", '" outcome "', '', '2026-01-" at           \
    ":00.000Z', '2026-01-" at ":30.000Z');"

/* Its port was in use: its target was probed for a moment, but nobody served it for days. */
static void
a_first_rollout_that_failed_did_not_serve(void **state)
{
    make_database(MOVED("10:00", "unknown", "available") ROLLED("0", "1", "failed", "31T10:00")
                  ROLLED("0", "1", "done", "31T16:00"));
    assert_string_equal(state_at("2026-01-31T12:00:00Z"), "");
    assert_string_equal(state_at("2026-01-31T16:01:00Z"), "available");
}

static void
one_that_never_came_to_serve_did_not(void **state)
{
    make_database(MOVED("10:00", "unknown", "available") ROLLED("0", "1", "failed", "31T10:00"));
    assert_string_equal(state_at("2026-01-31T12:00:00Z"), "");
}

/* What failed later, or of an app that was served, says nothing of it. */
static void
an_update_that_failed_left_what_was_served(void **state)
{
    make_database(MOVED("10:00", "unknown", "available") ROLLED("0", "1", "done", "31T10:00")
                  ROLLED("1", "2", "failed", "31T11:00") ROLLED("1", "3", "done", "31T16:00"));
    assert_string_equal(state_at("2026-01-31T12:00:00Z"), "available");
}

/* Tried in vain and made when the clock was ahead, which was set right then. */
static void
what_failed_at_a_wrong_time_says_nothing_of_the_right_one(void **state)
{
    make_database(ROLLED("0", "1", "failed", "31T20:00") ROLLED("0", "1", "done", "31T20:10")
                  MOVED("20:10", "unknown", "available") MOVED("12:10", "available", "failing"));
    assert_string_equal(state_at("2026-01-31T12:15:00Z"), "failing");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_instant_has_the_last_state_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_an_hour_that_occurs_twice_the_later_one_is_told, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(an_app_that_changed_before_it_was_made_was_there, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_first_rollout_that_failed_did_not_serve, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_that_never_came_to_serve_did_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_update_that_failed_left_what_was_served, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_failed_at_a_wrong_time_says_nothing_of_the_right_one,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_time_that_was_wrong_hides_nothing_that_came_later, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
