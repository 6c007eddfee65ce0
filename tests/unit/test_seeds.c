#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "probes/seeds.h"

enum { NOW = 2000000000 };

static int
set_up(void **state)
{
    *state = seeds_create();
    return *state == NULL;
}

static int
tear_down(void **state)
{
    seeds_destroy(*state);
    return 0;
}

static void
add(struct seeds *seeds, const char *state, int64_t at_ms)
{
    struct record record = { .kind = RECORD_ENDPOINT, .at_ms = at_ms };

    snprintf(record.app, sizeof record.app, "web");
    snprintf(record.target, sizeof record.target, "db.test:80");
    snprintf(record.address, sizeof record.address, "10.0.0.1:80");
    snprintf(record.of.endpoint.state, sizeof record.of.endpoint.state, "%s", state);
    record.of.endpoint.since_ms = at_ms - 5;
    seeds_add(seeds, &record);
}

static bool
take(struct seeds *seeds, const char *app, const char *target, const char *ip,
     struct seed *seed)
{
    struct address address;

    assert_int_equal(address_parse_ip(ip, 80, &address), 0);
    return seeds_take(seeds, app, target, &address, NOW, seed);
}

static void
a_seed_is_found_once(void **state)
{
    struct seed seed;

    add(*state, "failing", NOW - 1000);
    assert_false(take(*state, "other", "db.test:80", "10.0.0.1", &seed));
    assert_false(take(*state, "web", "other.test:80", "10.0.0.1", &seed));
    assert_false(take(*state, "web", "db.test:80", "10.0.0.2", &seed));
    assert_true(take(*state, "web", "db.test:80", "10.0.0.1", &seed));
    assert_int_equal(seed.state, ENDPOINT_AVAILABLE);
    assert_int_equal(seed.since_ms, NOW - 1005);
    assert_false(take(*state, "web", "db.test:80", "10.0.0.1", &seed));
}

static void
what_is_older_than_a_day_says_nothing(void **state)
{
    struct seed seed;

    add(*state, "available", NOW - SEED_AGE_MAX_MS);
    assert_false(take(*state, "web", "db.test:80", "10.0.0.1", &seed));
}

static void
states_that_say_nothing_are_no_seeds(void **state)
{
    struct seed seed;

    add(*state, "unresolved", NOW);
    assert_false(take(*state, "web", "db.test:80", "10.0.0.1", &seed));
    add(*state, "no such state", NOW);
    assert_false(take(*state, "web", "db.test:80", "10.0.0.1", &seed));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_seed_is_found_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_older_than_a_day_says_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(states_that_say_nothing_are_no_seeds, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
