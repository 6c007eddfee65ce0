/* A damaged database is set aside whole, and what can be saved is. */
#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "tests/unit/store_fixture.h"

enum { PAGE_BYTES = 4096 };

static void
write_file(const char *path, off_t offset, int byte, size_t bytes)
{
    char *data = malloc(bytes);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    memset(data, byte, bytes);
    assert_int_equal(pwrite(fd, data, bytes, offset), bytes);
    close(fd);
    free(data);
}

/* Fills the root page of a table with rubbish. */
static void
damage_table(struct fixture *fixture, const char *table)
{
    char sql[128];
    long page;

    snprintf(sql, sizeof sql, "SELECT rootpage FROM sqlite_schema WHERE name = '%s'", table);
    page = atol(fixture_query(fixture, sql));
    assert_true(page > 1);
    write_file(fixture->path, (page - 1) * PAGE_BYTES, 0xa5, PAGE_BYTES);
}

/* An earlier run: good configurations, an endpoint, a DNS answer, history. */
static void
earlier_run(struct fixture *fixture)
{
    int64_t now_ms = clock_wall_ms();
    struct record endpoint = endpoint_record("a", "10.0.0.1:80", "available", now_ms);
    struct record dns = dns_record(RECORD_DNS, "x.example", "A", "10.0.0.1", now_ms);

    fixture_open(fixture);
    write_good(fixture, "a", 5, now_ms);
    write_good(fixture, "b", 1, now_ms);
    assert_int_equal(store_write_record(fixture->store, &endpoint), 0);
    assert_int_equal(store_write_record(fixture->store, &dns), 0);
    for (uint32_t i = 0; i < 1000; i++) {
        struct record result = result_record("a", "10.0.0.1:80", "ok", i, now_ms + i);

        assert_int_equal(store_write_record(fixture->store, &result), 0);
    }
    fixture_close(fixture);
}

/* Databases set aside, without their logs. */
static int
bad_databases(struct fixture *fixture)
{
    DIR *dir = opendir(fixture->dir);
    struct dirent *entry;
    int count = 0;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        const char *bad = strstr(entry->d_name, ".bad-");

        count += bad != NULL && strchr(bad + 5, '-') == NULL;
    }
    closedir(dir);
    return count;
}

/* Opens, and checks that a new database is written as if nothing had been. */
static void
assert_begun_anew(struct fixture *fixture)
{
    char text[512];

    fixture_open(fixture);
    assert_true(store_state(fixture->store, text, sizeof text));
    assert_int_equal(bad_databases(fixture), 1);
    write_good(fixture, "new", 1, clock_wall_ms());
    fixture_await(fixture, "SELECT config FROM last_good_config WHERE app = 'new'",
                  "name = new 1;");
}

static void
garbage_is_set_aside_and_a_new_database_begun(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture->path, 0, 0xa5, 3 * PAGE_BYTES);
    assert_begun_anew(fixture);
}

static void
an_empty_file_becomes_a_database(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture->path, 0, 0, 0);
    fixture_open(fixture);
    write_good(fixture, "a", 1, clock_wall_ms());
    fixture_await(fixture, "SELECT generation FROM last_good_config", "1");
    assert_int_equal(bad_databases(fixture), 0);
}

static void
a_truncated_file_is_set_aside(void **state)
{
    struct fixture *fixture = *state;

    earlier_run(fixture);
    assert_int_equal(truncate(fixture->path, 5 * PAGE_BYTES), 0);
    assert_begun_anew(fixture);
}

static void
a_database_of_something_else_is_set_aside(void **state)
{
    struct fixture *fixture = *state;

    fixture_exec(fixture, "CREATE TABLE events (what); INSERT INTO events VALUES (1)");
    assert_begun_anew(fixture);
}

static void
a_database_with_a_table_missing_is_set_aside_and_the_others_saved(void **state)
{
    struct fixture *fixture = *state;

    earlier_run(fixture);
    fixture_exec(fixture, "DROP TABLE overrides");
    assert_begun_anew(fixture);
    assert_string_equal(fixture_query(fixture, "SELECT config FROM last_good_config"
                                               " WHERE app = 'a'"), "name = a 5;");
}

static void
the_log_and_its_index_go_along(void **state)
{
    struct fixture *fixture = *state;
    char path[128];

    write_file(fixture->path, 0, 0xa5, 3 * PAGE_BYTES);
    snprintf(path, sizeof path, "%s-wal", fixture->path);
    write_file(path, 0, 0x5a, 100);
    snprintf(path, sizeof path, "%s-shm", fixture->path);
    write_file(path, 0, 0x5a, 100);
    fixture_open(fixture);
    assert_int_equal(fixture_files(fixture, ".bad-"), 3);
    write_good(fixture, "a", 1, clock_wall_ms());
    fixture_await(fixture, "SELECT generation FROM last_good_config", "1");
}

static void
rubbish_in_the_log_of_a_killed_process_loses_no_more_than_the_log(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    int status;
    pid_t pid;

    earlier_run(fixture);
    pid = fork();
    if (pid == 0) {     /* dies without closing, so that a log is left */
        if (store_open(fixture->dir, &fixture->store) != 0)
            _exit(1);
        write_good(fixture, "a", 6, clock_wall_ms());
        fixture_await(fixture, "SELECT generation FROM last_good_config WHERE app = 'a'", "6");
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    snprintf(path, sizeof path, "%s-wal", fixture->path);
    assert_int_equal(access(path, F_OK), 0);
    write_file(path, 0, 0xa5, 2000);

    fixture_open(fixture);
    fixture_await_state(fixture, "ok");
    assert_string_equal(fixture_query(fixture, "SELECT generation FROM last_good_config"
                                               " WHERE app = 'a'"), "5");
    assert_int_equal(bad_databases(fixture), 0);
}

static void
damage_in_the_history_costs_no_configuration_endpoint_or_dns_answer(void **state)
{
    struct fixture *fixture = *state;
    struct record result = result_record("a", "10.0.0.1:80", "late", 1, clock_wall_ms());
    struct record *seed;
    size_t count;

    earlier_run(fixture);
    damage_table(fixture, "probe_results");
    fixture_open(fixture);
    assert_int_equal(store_write_record(fixture->store, &result), 0);
    fixture_await(fixture, "SELECT outcome FROM probe_results", "late");
    assert_int_equal(bad_databases(fixture), 1);
    assert_string_equal(fixture_query(fixture, "SELECT group_concat(generation) FROM"
                                               " (SELECT generation FROM last_good_config"
                                               "  ORDER BY app)"), "5,1");
    assert_int_equal(store_read_seed(fixture->store, 0, &seed, &count), 0);
    assert_int_equal(count, 2);
    free(seed);
}

static void
damage_in_the_endpoints_is_found_at_the_start(void **state)
{
    struct fixture *fixture = *state;

    earlier_run(fixture);
    damage_table(fixture, "endpoints");
    assert_begun_anew(fixture);
    assert_string_equal(fixture_query(fixture, "SELECT config FROM last_good_config"
                                               " WHERE app = 'b'"), "name = b 1;");
    assert_string_equal(fixture_query(fixture, "SELECT count(*) FROM dns_cache"), "1");
}

static void
configurations_that_a_reader_finds_damaged_are_written_again_from_memory(void **state)
{
    struct fixture *fixture = *state;
    struct store_config *configs;
    size_t count;

    earlier_run(fixture);
    fixture_open(fixture);      /* what is good is in memory from here on */
    damage_table(fixture, "config_generations");
    assert_int_equal(store_read_configs(fixture->store, &configs, &count), -EUCLEAN);
    fixture_await(fixture, "SELECT group_concat(generation) FROM (SELECT generation FROM"
                           " last_good_config ORDER BY app)", "5,1");
    assert_int_equal(bad_databases(fixture), 1);
}

static void
no_more_than_three_damaged_databases_are_kept(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 5; i++) {
        write_file(fixture->path, 0, 0xa5, 3 * PAGE_BYTES);
        fixture_open(fixture);
        fixture_await_state(fixture, "ok");
        fixture_close(fixture);
    }
    assert_int_equal(bad_databases(fixture), 3);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rubbish_in_the_log_of_a_killed_process_loses_no_more_than_the_log),
        TEST(garbage_is_set_aside_and_a_new_database_begun),
        TEST(an_empty_file_becomes_a_database),
        TEST(a_truncated_file_is_set_aside),
        TEST(a_database_of_something_else_is_set_aside),
        TEST(a_database_with_a_table_missing_is_set_aside_and_the_others_saved),
        TEST(the_log_and_its_index_go_along),
        TEST(damage_in_the_history_costs_no_configuration_endpoint_or_dns_answer),
        TEST(damage_in_the_endpoints_is_found_at_the_start),
        TEST(configurations_that_a_reader_finds_damaged_are_written_again_from_memory),
        TEST(no_more_than_three_damaged_databases_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
