/* What is written comes back, under the public names, and once. */
#include <errno.h>

#include "tests/unit/store_fixture.h"

/* 2026-01-31T12:34:56.789Z */
#define AT_MS INT64_C(1769862896789)

static void
write_record(struct fixture *fixture, struct record record)
{
    assert_int_equal(store_write_record(fixture->store, &record), 0);
}

static void
a_new_database_has_all_public_tables_and_views(void **state)
{
    static const char *const selects[] = {
        "SELECT app, generation, status, source, config, hash, reason, created_at"
        " FROM config_generations",
        "SELECT app, generation, source, config, hash FROM last_good_config",
        "SELECT name, source, config, hash, created_at FROM config_groups",
        "SELECT name, type, address, ttl_s, resolved_at, expires_at, status FROM dns_cache",
        "SELECT app, target, address, state, since, reason, weight, updated_at, penalty,"
        " penalty_at FROM endpoints",
        "SELECT app, target, address, state, since, reason, weight, updated_at"
        " FROM available_targets",
        "SELECT app, target, address, state, since, reason, weight, updated_at"
        " FROM unavailable_targets",
        "SELECT id, at, app, target, address, from_state, to_state, reason, detail"
        " FROM transitions",
        "SELECT id, at, app, target, address, probe, outcome, duration_ms, detail"
        " FROM probe_results",
        "SELECT app, target, address, probe, minute, runs, failures, p50_ms, max_ms"
        " FROM probe_summary",
        "SELECT id, app, from_generation, to_generation, outcome, reason, started_at,"
        " finished_at FROM rollouts",
        "SELECT id, at, process, app, pid, signal, exit_code, restart_delay_ms FROM crashes",
        "SELECT id, at, app, kind, level, message, fields FROM events",
        "SELECT app, target, action, since, note FROM overrides",
    };
    struct fixture *fixture = *state;
    char text[128];

    fixture_open(fixture);
    assert_true(store_state(fixture->store, text, sizeof text));
    assert_string_equal(text, "ok");
    for (size_t i = 0; i < sizeof selects / sizeof selects[0]; i++)
        fixture_exec(fixture, selects[i]);
    assert_string_equal(fixture_query(fixture, "PRAGMA user_version"), "2");
    assert_string_equal(fixture_query(fixture, "PRAGMA journal_mode"), "wal");
}

static void
the_database_is_not_readable_for_everybody(void **state)
{
    struct fixture *fixture = *state;
    struct stat st;

    fixture_open(fixture);
    assert_int_equal(stat(fixture->path, &st), 0);
    assert_int_equal(st.st_mode & 07, 0);
}

static void
an_opened_database_keeps_what_an_earlier_run_wrote(void **state)
{
    struct fixture *fixture = *state;
    struct store_config *configs;
    size_t count;

    fixture_open(fixture);
    assert_int_equal(write_good(fixture, "a", 1, AT_MS), 0);
    assert_int_equal(write_good(fixture, "a", 2, AT_MS), 0);
    assert_int_equal(write_good(fixture, "b", 7, AT_MS), 0);
    assert_int_equal(store_write_config(fixture->store, "b", 9, "failed", "b.conf", "text",
                                        "hash", "port 80 is taken", AT_MS), 0);
    fixture_close(fixture);

    fixture_open(fixture);
    assert_int_equal(store_read_configs(fixture->store, &configs, &count), 0);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        if (configs[i].config == NULL) {
            assert_int_equal(configs[i].generation, strcmp(configs[i].app, "a") ? 9 : 2);
            continue;
        }
        assert_int_equal(configs[i].generation, strcmp(configs[i].app, "a") ? 7 : 2);
        assert_string_equal(configs[i].source, "/etc/app.conf");
        assert_string_equal(configs[i].config,
                            strcmp(configs[i].app, "a") ? "name = b 7;" : "name = a 2;");
        assert_int_equal(strlen(configs[i].hash), 64);
    }
    store_configs_free(configs, count);
    assert_string_equal(fixture_query(fixture, "SELECT status FROM config_generations"
                                               " WHERE app = 'a' AND generation = 1"),
                        "superseded");
    assert_string_equal(fixture_query(fixture, "SELECT status || ': ' || reason"
                                               " FROM config_generations WHERE generation = 9"),
                        "failed: port 80 is taken");
}

static void
what_holds_for_all_apps_is_kept_beside_them(void **state)
{
    struct fixture *fixture = *state;
    struct store_config *groups;
    size_t count;

    fixture_open(fixture);
    write_good(fixture, "daemon", 1, AT_MS);
    store_write_group(fixture->store, "daemon", "old.conf", "threads = 1;", "h1", AT_MS);
    store_write_group(fixture->store, "daemon", "00.conf", "threads = 2;", "h2", AT_MS);
    store_write_group(fixture->store, "defaults", "00.conf", "text", "h3", AT_MS);
    store_forget_group(fixture->store, "defaults");
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, "SELECT count(*) FROM last_good_config"), "1");

    fixture_open(fixture);
    assert_int_equal(store_read_groups(fixture->store, &groups, &count), 0);
    assert_int_equal(count, 1);
    assert_string_equal(groups[0].app, "daemon");
    assert_string_equal(groups[0].source, "00.conf");
    assert_string_equal(groups[0].config, "threads = 2;");
    assert_string_equal(groups[0].hash, "h2");
    store_configs_free(groups, count);
}

static void
a_configuration_is_on_disk_without_waiting_for_a_batch(void **state)
{
    struct fixture *fixture = *state;
    uint64_t start_ms = clock_monotonic_ms();

    fixture_open(fixture);
    write_good(fixture, "a", 1, AT_MS);
    fixture_await(fixture, "SELECT config FROM last_good_config", "name = a 1;");
    assert_true(clock_monotonic_ms() - start_ms < 2000);
}

static void
a_forgotten_app_has_no_good_configuration_and_no_endpoints(void **state)
{
    struct fixture *fixture = *state;
    struct store_config *configs;
    size_t count;

    fixture_open(fixture);
    write_good(fixture, "gone", 3, AT_MS);
    write_good(fixture, "stays", 1, AT_MS);
    write_record(fixture, endpoint_record("gone", "10.0.0.1:80", "available", AT_MS));
    write_record(fixture, endpoint_record("stays", "10.0.0.1:80", "available", AT_MS));
    assert_int_equal(store_forget_app(fixture->store, "gone", AT_MS), 0);
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, "SELECT group_concat(app) FROM endpoints"),
                        "stays");

    fixture_open(fixture);
    assert_int_equal(store_read_configs(fixture->store, &configs, &count), 0);
    assert_int_equal(count, 3);
    assert_string_equal(configs[0].app, "gone");
    assert_null(configs[0].config);
    assert_int_equal(configs[0].generation, 3);
    store_configs_free(configs, count);
}

static void
probe_rows_have_utc_times_and_milliseconds_with_fractions(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture);
    write_record(fixture, result_record("a", "10.0.0.1:80", "connect_refused", 153, AT_MS));
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, "SELECT at || ' ' || outcome || ' ' ||"
                                               " duration_ms FROM probe_results"),
                        "2026-01-31T12:34:56.789Z connect_refused 0.153");
}

static struct record
summary_record(uint32_t runs, uint32_t failures, uint32_t p50_us, uint32_t max_us)
{
    struct record record = record_of(RECORD_PROBE_SUMMARY, "a", "10.0.0.1:80", "10.0.0.1:80",
                                     AT_MS + 60000);

    snprintf(record.of.summary.probe, sizeof record.of.summary.probe, "tcp");
    record.of.summary.minute_ms = AT_MS - AT_MS % 60000;
    record.of.summary.runs = runs;
    record.of.summary.failures = failures;
    record.of.summary.p50_us = p50_us;
    record.of.summary.max_us = max_us;
    return record;
}

static void
two_parts_of_one_minute_are_added_up(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture);
    write_record(fixture, summary_record(10, 1, 200, 900));
    write_record(fixture, summary_record(2, 2, 5000, 7000));
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, "SELECT minute || ' ' || runs || ' ' || failures"
                                               " || ' ' || p50_ms || ' ' || max_ms"
                                               " FROM probe_summary"),
                        "2026-01-31T12:34:00.000Z 12 3 0.2 7.0");
}

static void
a_summary_confirms_the_row_of_its_endpoint(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture);
    write_record(fixture, endpoint_record("a", "10.0.0.1:80", "available", AT_MS));
    write_record(fixture, summary_record(10, 0, 200, 900));
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, "SELECT since || ' ' || updated_at"
                                               " FROM available_targets"),
                        "2026-01-31T12:34:56.789Z 2026-01-31T12:35:56.789Z");
}

static void
views_part_endpoints_by_who_gets_connections(void **state)
{
    static const char *const states[] = { "available", "failing", "warming", "unavailable",
                                          "unresolved", "recovering", "unknown", "draining" };
    struct fixture *fixture = *state;
    char address[32];

    fixture_open(fixture);
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        snprintf(address, sizeof address, "10.0.0.%zu:80", i);
        write_record(fixture, endpoint_record("a", address, states[i], AT_MS));
    }
    write_record(fixture, endpoint_record("a", "10.0.0.0:80", "failing", AT_MS + 1));
    write_record(fixture, record_of(RECORD_ENDPOINT_GONE, "a", "10.0.0.2:80", "10.0.0.2:80",
                                    AT_MS));
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, "SELECT group_concat(state)"
                                               " FROM available_targets"),
                        "failing,failing");
    assert_string_equal(fixture_query(fixture, "SELECT count(*) FROM unavailable_targets"),
                        "5");
}

static void
the_seed_is_young_endpoints_and_all_dns_answers(void **state)
{
    struct fixture *fixture = *state;
    struct record *records;
    size_t count;

    fixture_open(fixture);
    write_record(fixture, endpoint_record("a", "10.0.0.1:80", "available", AT_MS));
    write_record(fixture, endpoint_record("a", "10.0.0.2:80", "available", AT_MS - 90000));
    write_record(fixture, dns_record(RECORD_DNS, "x.example", "A", "10.1.1.1", AT_MS));
    write_record(fixture, dns_record(RECORD_DNS_GONE, "x.example", "A", "", AT_MS));
    write_record(fixture, dns_record(RECORD_DNS, "x.example", "A", "10.1.1.2", AT_MS));
    write_record(fixture, dns_record(RECORD_DNS, "x.example", "AAAA", "", AT_MS));
    fixture_close(fixture);

    fixture_open(fixture);
    assert_int_equal(store_read_seed(fixture->store, AT_MS - 60000, &records, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(records[0].kind, RECORD_ENDPOINT);
    assert_string_equal(records[0].address, "10.0.0.1:80");
    assert_string_equal(records[0].of.endpoint.state, "available");
    assert_int_equal(records[0].of.endpoint.since_ms, AT_MS);
    assert_int_equal(records[0].of.endpoint.weight, 1);
    assert_int_equal(records[1].kind, RECORD_DNS);
    assert_string_equal(records[1].address, "10.1.1.2");
    assert_int_equal(records[1].of.dns.expires_at_ms, AT_MS + 30000);
    assert_int_equal(records[1].of.dns.ttl_s, 30);
    assert_string_equal(records[2].of.dns.type, "AAAA");
    assert_string_equal(records[2].of.dns.status, "nxdomain");
    free(records);
}

static void
what_is_not_known_of_a_crash_is_null(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture);
    store_write_crash(fixture->store, AT_MS, "worker", "a", 41, 11, -1, 0);
    store_write_crash(fixture->store, AT_MS, "prober", "", 42, -1, 3, 1000);
    store_write_crash(fixture->store, AT_MS, "worker", "b", 43, -1, -1, 2000);
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture,
                                      "SELECT group_concat(process || pid ||"
                                      " ifnull(app, '-') || ifnull(signal, '-') ||"
                                      " ifnull(exit_code, '-') || '/' || restart_delay_ms)"
                                      " FROM crashes"),
                        "worker41a11-/0,prober42--3/1000,worker43b--/2000");
}

static void
events_and_transitions_become_rows(void **state)
{
    struct fixture *fixture = *state;
    struct record event = record_of(RECORD_EVENT, "", "", "", AT_MS);
    struct record move = record_of(RECORD_TRANSITION, "a", "t:1", "10.0.0.1:1", AT_MS);

    fixture_open(fixture);
    snprintf(event.of.event.kind, sizeof event.of.event.kind, "config_error");
    snprintf(event.of.event.level, sizeof event.of.event.level, "error");
    snprintf(event.of.event.message, sizeof event.of.event.message, "it's \"broken\"");
    snprintf(move.of.transition.from_state, sizeof move.of.transition.from_state, "failing");
    snprintf(move.of.transition.to_state, sizeof move.of.transition.to_state, "unavailable");
    snprintf(move.of.transition.reason, sizeof move.of.transition.reason, "connect_refused");
    write_record(fixture, event);
    write_record(fixture, move);
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, "SELECT level || kind || message ||"
                                               " (app IS NULL) || (fields IS NULL)"
                                               " FROM events"),
                        "errorconfig_errorit's \"broken\"11");
    assert_string_equal(fixture_query(fixture, "SELECT app || target || address || from_state"
                                               " || to_state || reason FROM transitions"),
                        "at:110.0.0.1:1failingunavailableconnect_refused");
}

static void
a_record_of_no_known_kind_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    struct record record = { .kind = 0 };

    fixture_open(fixture);
    assert_int_equal(store_write_record(fixture->store, &record), -EINVAL);
    record.kind = RECORD_KINDS;
    assert_int_equal(store_write_record(fixture->store, &record), -EINVAL);
}

static void
a_text_that_does_not_end_stays_within_its_field(void **state)
{
    struct fixture *fixture = *state;
    struct record record = endpoint_record("a", "10.0.0.1:80", "available", AT_MS);

    fixture_open(fixture);
    memset(record.target, 'x', sizeof record.target);
    write_record(fixture, record);
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, "SELECT length(target) FROM endpoints"), "264");
}

static void
ten_thousand_rows_all_arrive(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture);
    for (uint32_t i = 0; i < 10000; i++)
        write_record(fixture, result_record("a", "10.0.0.1:80", "ok", i, AT_MS + i));
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, "SELECT count(*) || ' ' || count(DISTINCT at)"
                                               " FROM probe_results"),
                        "10000 10000");
}

static void
the_hash_is_sha256_in_hex(void **state)
{
    char hash[65];

    store_hash("abc", hash);
    assert_string_equal(hash,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_database_has_all_public_tables_and_views),
        TEST(the_database_is_not_readable_for_everybody),
        TEST(an_opened_database_keeps_what_an_earlier_run_wrote),
        TEST(what_holds_for_all_apps_is_kept_beside_them),
        TEST(a_configuration_is_on_disk_without_waiting_for_a_batch),
        TEST(a_forgotten_app_has_no_good_configuration_and_no_endpoints),
        TEST(probe_rows_have_utc_times_and_milliseconds_with_fractions),
        TEST(two_parts_of_one_minute_are_added_up),
        TEST(a_summary_confirms_the_row_of_its_endpoint),
        TEST(views_part_endpoints_by_who_gets_connections),
        TEST(the_seed_is_young_endpoints_and_all_dns_answers),
        TEST(what_is_not_known_of_a_crash_is_null),
        TEST(events_and_transitions_become_rows),
        TEST(a_record_of_no_known_kind_is_an_error),
        TEST(a_text_that_does_not_end_stays_within_its_field),
        TEST(ten_thousand_rows_all_arrive),
        cmocka_unit_test(the_hash_is_sha256_in_hex),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
