#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "proxy/supervisor/known.h"

static char api_source[] = "/etc/fproxy/conf.d/api.conf", api_text[] = "text";
static char web_source[] = "/srv/web.conf", web_text[] = "other";

/* As the store gives them: by name, of each app the good one and its highest number, in either
 * order. */
static struct store_config configs[] = {
    { .app = "api", .generation = 7 },
    { .app = "api", .generation = 4, .source = api_source, .config = api_text },
    { .app = "gone", .generation = 2 },
    { .app = "web", .generation = 1, .source = web_source, .config = web_text },
    { .app = "web", .generation = 1 },
};

static struct store_override overrides[] = {
    { .app = "api", .target = "10.0.0.1:80", .action = "drain", .note = "not that" },
    { .app = "api", .action = "rollback", .note = "hash" },
    { .app = "web", .action = "drain", .note = "" },
};

static const struct known known = {
    .configs = configs, .config_count = ARRAY_SIZE(configs),
    .overrides = overrides, .override_count = ARRAY_SIZE(overrides),
};

static void
the_good_one_and_the_highest_number_are_found(void **state)
{
    assert_int_equal(known_good(&known, "api")->generation, 4);
    assert_int_equal(known_highest(&known, "api"), 7);
    assert_string_equal(known_good(&known, "web")->config, "other");
    assert_null(known_good(&known, "gone"));
    assert_int_equal(known_highest(&known, "gone"), 2);
    assert_null(known_good(&known, "never"));
    assert_int_equal(known_highest(&known, "never"), 0);
}

/* Rows that are there must not be taken the place of. */
static void
a_number_that_cannot_be_read_is_higher_than_any(void **state)
{
    const struct known unread = { .configs_unknown = true }, empty = { 0 };

    assert_true(known_highest(&unread, "api") >= 1700000000);
    assert_int_equal(known_highest(&empty, "api"), 0);
}

static void
nothing_is_known_of_a_path_that_no_good_one_came_from(void **state)
{
    const struct known nothing = { 0 };

    assert_false(known_is_empty(&known, "/etc/fproxy/conf.d"));
    assert_false(known_is_empty(&known, "/etc/fproxy/conf.d/"));
    assert_false(known_is_empty(&known, "/srv/web.conf"));
    assert_true(known_is_empty(&known, "/etc/fproxy/conf"));
    assert_true(known_is_empty(&known, "/srv/other"));
    assert_true(known_is_empty(&nothing, "/"));
}

static void
only_a_rollback_of_the_whole_app_is_one(void **state)
{
    assert_string_equal(known_rolled_back(&known, "api"), "hash");
    assert_null(known_rolled_back(&known, "web"));
    assert_null(known_rolled_back(&known, "never"));
}

static void
an_open_rollout_of_what_does_not_run_has_failed(void **state)
{
    struct store_rollout open = { .started_at_ms = 1 };
    struct store_rollout done = { .outcome = "done", .started_at_ms = 1, .finished_at_ms = 2 };

    known_end(&open);
    assert_string_equal(open.outcome, "failed");
    assert_string_equal(open.reason, known_interrupted);
    assert_true(open.finished_at_ms > 0);
    known_end(&done);
    assert_string_equal(done.outcome, "done");
    assert_int_equal(done.finished_at_ms, 2);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_good_one_and_the_highest_number_are_found),
        cmocka_unit_test(a_number_that_cannot_be_read_is_higher_than_any),
        cmocka_unit_test(nothing_is_known_of_a_path_that_no_good_one_came_from),
        cmocka_unit_test(only_a_rollback_of_the_whole_app_is_one),
        cmocka_unit_test(an_open_rollout_of_what_does_not_run_has_failed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
