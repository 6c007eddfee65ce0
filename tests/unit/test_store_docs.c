/* Each query of docs/sql.md works, and answers something on a database with rows. */
#include "tests/unit/store_fixture.h"

#define MINUTE_MS INT64_C(60000)

static char *
read_text(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t bytes = 0;

    assert_non_null(file);
    assert_true(getdelim(&text, &bytes, '\0', file) > 0);
    fclose(file);
    return text;
}

static void
write_transition_of(struct fixture *fixture, const char *target, const char *from,
                    const char *to, int64_t at_ms)
{
    struct record record = record_of(RECORD_TRANSITION, "five-thousand", target, target, at_ms);
    struct record_transition *move = &record.of.transition;

    snprintf(move->from_state, sizeof move->from_state, "%s", from);
    snprintf(move->to_state, sizeof move->to_state, "%s", to);
    snprintf(move->reason, sizeof move->reason, "connect_refused");
    assert_int_equal(store_write_record(fixture->store, &record), 0);
}

static void
write_transition(struct fixture *fixture, const char *from, const char *to, int64_t at_ms)
{
    write_transition_of(fixture, "10.0.0.1:5001", from, to, at_ms);
}

/* Of an endpoint that is still there, and came new. */
static void
write_flapping(struct fixture *fixture, int64_t now_ms)
{
    static const char *const states[] = { "unknown", "available", "failing", "unavailable",
                                          "recovering", "available", "failing", "available" };

    for (size_t i = 0; i + 1 < sizeof states / sizeof states[0]; i++)
        write_transition_of(fixture, "10.0.0.2:5001", states[i], states[i + 1],
                            now_ms - (15 - (int64_t)i) * MINUTE_MS);
}

static void
write_probes(struct fixture *fixture, int64_t now_ms)
{
    struct record result = result_record("five-thousand", "10.0.0.1:5001",
                                         "connect_refused", 99, now_ms - MINUTE_MS);
    struct record summary = record_of(RECORD_PROBE_SUMMARY, "five-thousand", "10.0.0.1:5001",
                                      "10.0.0.1:5001", now_ms);

    summary.of.summary.minute_ms = now_ms - 2 * MINUTE_MS;
    summary.of.summary.runs = 12;
    summary.of.summary.failures = 3;
    assert_int_equal(store_write_record(fixture->store, &result), 0);
    assert_int_equal(store_write_record(fixture->store, &summary), 0);
}

static void
write_endpoints(struct fixture *fixture, int64_t now_ms)
{
    struct record up = endpoint_record("five-thousand", "10.0.0.2:5001", "available", now_ms);
    struct record down = endpoint_record("hello", "10.0.0.1:5001", "unavailable", now_ms);
    struct record dns = dns_record(RECORD_DNS, "tcp-echo.example", "A", "10.0.0.2", now_ms);
    struct record none = dns_record(RECORD_DNS, "tcp-echo.example", "AAAA", "", now_ms);

    assert_int_equal(store_write_record(fixture->store, &up), 0);
    assert_int_equal(store_write_record(fixture->store, &down), 0);
    assert_int_equal(store_write_record(fixture->store, &dns), 0);
    assert_int_equal(store_write_record(fixture->store, &none), 0);
}

static void
write_event(struct fixture *fixture, int64_t now_ms)
{
    struct record event = record_of(RECORD_EVENT, "", "", "", now_ms);

    snprintf(event.of.event.kind, sizeof event.of.event.kind, "config_error");
    snprintf(event.of.event.level, sizeof event.of.event.level, "error");
    assert_int_equal(store_write_record(fixture->store, &event), 0);
}

/* Went back from 3 to 2, then got a file that does not parse. */
static void
write_configs(struct fixture *fixture, int64_t now_ms)
{
    static const uint32_t generations[] = { 1, 2, 3, 2 };

    for (uint32_t i = 0; i < 4; i++)
        write_good(fixture, "five-thousand", generations[i],
                   now_ms - (60 - 10 * i) * MINUTE_MS);
    store_write_override(fixture->store, "five-thousand", "", "rollback", "hash",
                         now_ms - 20 * MINUTE_MS);
    store_write_config(fixture->store, "five-thousand", 4, "failed", "f.conf", "", "",
                       "f.conf:3: syntax error", now_ms);
}

static void
write_rollouts(struct fixture *fixture, int64_t done_at_ms, int64_t now_ms)
{
    struct store_rollout rollout = { .app = "five-thousand", .to_generation = 1,
                                     .outcome = "done",
                                     .started_at_ms = done_at_ms - MINUTE_MS,
                                     .finished_at_ms = done_at_ms };

    store_write_rollout(fixture->store, &rollout);
    rollout = (struct store_rollout){ .app = "hello", .from_generation = 1, .to_generation = 2,
                                      .outcome = "rolled_back", .reason = "not_ready",
                                      .started_at_ms = now_ms - MINUTE_MS,
                                      .finished_at_ms = now_ms };
    store_write_rollout(fixture->store, &rollout);
}

static void
write_crashes(struct fixture *fixture, int64_t now_ms)
{
    store_write_crash(fixture->store, now_ms, "worker", "five-thousand", 7, 11, -1, 0);
    store_write_crash(fixture->store, now_ms, "worker", "five-thousand", 8, 11, -1, 1000);
    store_write_crash(fixture->store, now_ms, "supervisor", "", 6, -1, -1, 0);
}

static void
fill(struct fixture *fixture)
{
    int64_t now_ms = clock_wall_ms();
    int64_t done_at_ms = now_ms - 40 * MINUTE_MS;

    fixture_open(fixture);
    write_configs(fixture, now_ms);
    write_rollouts(fixture, done_at_ms, now_ms);
    write_crashes(fixture, now_ms);
    write_transition(fixture, "failing", "unavailable", done_at_ms + 1000);
    write_transition(fixture, "recovering", "available", now_ms - 20 * MINUTE_MS);
    write_flapping(fixture, now_ms);
    write_probes(fixture, now_ms);
    write_endpoints(fixture, now_ms);
    write_event(fixture, now_ms);
    fixture_close(fixture);
}

static void
run_query(sqlite3 *handle, const char *sql)
{
    sqlite3_stmt *statement = NULL;
    const char *rest = NULL;

    if (sqlite3_prepare_v2(handle, sql, -1, &statement, &rest) != SQLITE_OK)
        fail_msg("%s: %s", sqlite3_errmsg(handle), sql);
    if (sqlite3_stmt_readonly(statement) == 0)
        fail_msg("it writes: %s", sql);
    if (sqlite3_step(statement) != SQLITE_ROW)
        fail_msg("no row: %s", sql);
    if (rest[strspn(rest, " \n")] != '\0')
        fail_msg("more than one statement: %s", sql);
    sqlite3_finalize(statement);
}

static void
every_documented_query_finds_rows(void **state)
{
    struct fixture *fixture = *state;
    char *text = read_text(FPROXY_DOCS "/sql.md");
    sqlite3 *handle = NULL;
    int queries = 0;

    fill(fixture);
    assert_int_equal(sqlite3_open_v2(fixture->path, &handle, SQLITE_OPEN_READONLY, NULL),
                     SQLITE_OK);
    for (char *at = text; (at = strstr(at, "```sql\n")) != NULL; queries++) {
        char *sql = at + strlen("```sql\n");
        char *end = strstr(sql, "```");

        assert_non_null(end);
        *end = '\0';
        run_query(handle, sql);
        at = end + 1;
    }
    assert_true(queries >= 32);
    sqlite3_close(handle);
    free(text);
}

/* Nothing public is left out of the page. */
static void
every_table_and_view_is_documented(void **state)
{
    struct fixture *fixture = *state;
    char *text = read_text(FPROXY_DOCS "/sql.md");
    const char *names;
    char copy[4096], quoted[80], *name, *save = NULL;

    fixture_open(fixture);
    names = fixture_query(fixture, "SELECT group_concat(name) FROM sqlite_schema"
                                   " WHERE type IN ('table', 'view')"
                                   " AND name NOT LIKE 'sqlite_%'");
    snprintf(copy, sizeof copy, "%s", names);
    for (name = strtok_r(copy, ",", &save); name != NULL; name = strtok_r(NULL, ",", &save)) {
        snprintf(quoted, sizeof quoted, "`%s`", name);
        if (strstr(text, quoted) == NULL)
            fail_msg("docs/sql.md does not name %s", name);
    }
    free(text);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_documented_query_finds_rows),
        TEST(every_table_and_view_is_documented),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
