/* Generations: good, good again, failed, bounded. */
#include "tests/unit/store_fixture.h"

/* 2026-01-31T12:34:56.789Z */
#define AT_MS INT64_C(1769862896789)

#define STATUSES                                                                               \
    "SELECT group_concat(generation || status) FROM (SELECT generation, status FROM"           \
    " config_generations WHERE app = 'a' ORDER BY generation)"

static void
write_failed(struct fixture *fixture, uint32_t generation)
{
    assert_int_equal(store_write_config(fixture->store, "a", generation, "failed", "a.conf", "",
                                        "", "a.conf:3: syntax error", AT_MS),
                     0);
}

/* Checks what a start would see of app "a". */
static void
assert_known(struct fixture *fixture, uint32_t good, uint32_t highest)
{
    struct store_config *configs;
    size_t count;

    assert_int_equal(store_read_configs(fixture->store, &configs, &count), 0);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(configs[i].generation, configs[i].config != NULL ? good : highest);
    store_configs_free(configs, count);
}

static void
a_generation_that_is_good_again_supersedes_the_higher_one(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture);
    for (uint32_t generation = 3; generation <= 5; generation++)
        write_good(fixture, "a", generation, AT_MS);
    write_good(fixture, "a", 4, AT_MS + 1000);
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, STATUSES), "3superseded,4good,5superseded");
    assert_string_equal(fixture_query(fixture, "SELECT config FROM last_good_config"),
                        "name = a 4;");

    fixture_open(fixture);
    assert_known(fixture, 4, 5);
}

static void
what_was_superseded_stays_although_a_file_is_saved_broken_a_hundred_times(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture);
    write_good(fixture, "a", 1, AT_MS);
    write_good(fixture, "a", 2, AT_MS);
    for (uint32_t generation = 3; generation <= 102; generation++)
        write_failed(fixture, generation);
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, "SELECT group_concat(n) FROM (SELECT status ||"
                                               " count(*) AS n FROM config_generations"
                                               " GROUP BY status ORDER BY status)"),
                        "failed20,good1,superseded1");

    fixture_open(fixture);
    assert_known(fixture, 2, 102);
}

static void
the_good_one_stays_although_a_hundred_came_after_it(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture);
    for (uint32_t generation = 1; generation <= 100; generation++)
        write_good(fixture, "a", generation, AT_MS);
    write_good(fixture, "a", 80, AT_MS);    /* the oldest that a trim leaves: back to it */
    write_failed(fixture, 101);
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, "SELECT count(*) || ' ' || min(generation)"
                                               " FROM config_generations"),
                        "22 80");

    fixture_open(fixture);
    assert_known(fixture, 80, 101);
}

static void
a_file_that_cannot_be_read_is_a_row_without_a_text(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture);
    write_failed(fixture, 1);
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, "SELECT status || config || hash || reason"
                                               " FROM config_generations"),
                        "faileda.conf:3: syntax error");
    assert_string_equal(fixture_query(fixture, "SELECT count(*) FROM last_good_config"), "0");
}

static void
what_failed_never_takes_the_place_of_what_worked(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture);
    write_good(fixture, "a", 1, AT_MS);
    write_good(fixture, "a", 2, AT_MS);
    write_failed(fixture, 1);
    write_failed(fixture, 2);
    write_failed(fixture, 3);
    write_failed(fixture, 3);
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, STATUSES), "1superseded,2good,3failed");
    assert_string_equal(fixture_query(fixture, "SELECT config FROM last_good_config"),
                        "name = a 2;");
}

static void
what_failed_may_become_good(void **state)
{
    struct fixture *fixture = *state;

    fixture_open(fixture);
    write_good(fixture, "a", 1, AT_MS);
    write_failed(fixture, 2);
    write_good(fixture, "a", 2, AT_MS);
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, STATUSES), "1superseded,2good");
}

static void
write_unpinned(struct fixture *fixture, uint32_t generation)
{
    char config[32], hash[65];

    snprintf(config, sizeof config, "name = a %u;", generation);
    store_hash(config, hash);
    assert_int_equal(store_write_config_unpinned(fixture->store, "a", generation, "a.conf", config,
                                                 hash, AT_MS),
                     0);
}

static void
what_an_operator_went_back_from_is_not_good_where_that_is_not_known(void **state)
{
    struct fixture *fixture = *state;
    char hash[65];

    store_hash("name = a 2;", hash);
    fixture_open(fixture);
    write_good(fixture, "a", 1, AT_MS);
    store_write_override(fixture->store, "a", "", "rollback", hash, AT_MS);
    store_write_override(fixture->store, "b", "", "rollback", hash, AT_MS);
    write_unpinned(fixture, 2);
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, STATUSES), "1good");

    fixture_open(fixture);
    write_unpinned(fixture, 3);
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, STATUSES), "1superseded,3good");

    fixture_open(fixture);
    store_forget_override(fixture->store, "a", "");
    write_unpinned(fixture, 2);
    fixture_close(fixture);
    assert_string_equal(fixture_query(fixture, STATUSES), "1superseded,2good,3superseded");
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_generation_that_is_good_again_supersedes_the_higher_one),
        TEST(what_was_superseded_stays_although_a_file_is_saved_broken_a_hundred_times),
        TEST(the_good_one_stays_although_a_hundred_came_after_it),
        TEST(a_file_that_cannot_be_read_is_a_row_without_a_text),
        TEST(what_failed_never_takes_the_place_of_what_worked),
        TEST(what_failed_may_become_good),
        TEST(what_an_operator_went_back_from_is_not_good_where_that_is_not_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
