/* What should run, from files in a directory and from what the database knows. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/util.h"
#include "proxy/supervisor/boot.h"

#define WEB "{ name = \"web\"; ports = [5001]; targets = (\"10.0.0.1:80\"); }"
#define OTHER_WEB "{ name = \"web\"; ports = [5001]; targets = (\"10.0.0.2:80\"); }"
#define BAD_WEB "{ name = \"web\"; ports = [5001]; targets = (); }"
#define API "{ name = \"api\"; ports = [5002]; targets = (\"10.0.0.1:81\"); }"

struct fixture {
    char dir[64], file[80];
    struct store_config known[8];
    size_t known_count;
    struct config *config;
    struct desired *desired;
};

static int
setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    strcpy(fixture->dir, "/tmp/fproxy-test-boot-XXXXXX");
    assert_non_null(mkdtemp(fixture->dir));
    snprintf(fixture->file, sizeof fixture->file, "%s/a.conf", fixture->dir);
    *state = fixture;
    return 0;
}

static int
teardown(void **state)
{
    struct fixture *fixture = *state;

    unlink(fixture->file);
    rmdir(fixture->dir);
    for (size_t i = 0; i < fixture->known_count; i++) {
        free(fixture->known[i].source);
        free(fixture->known[i].config);
    }
    desired_free(fixture->desired);
    config_free(fixture->config);
    free(fixture);
    return 0;
}

static void
write_file(struct fixture *fixture, const char *text)
{
    FILE *file = fopen(fixture->file, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    config_free(fixture->config);
    fixture->config = NULL;
    assert_int_equal(config_load(fixture->dir, &fixture->config), 0);
}

/* The database knows what the file says now as good, under this number. */
static void
remember(struct fixture *fixture, uint32_t generation)
{
    for (size_t i = 0; i < fixture->config->app_count; i++) {
        struct store_config *known = &fixture->known[fixture->known_count++];
        const struct config_app *from = &fixture->config->apps[i];

        snprintf(known->app, sizeof known->app, "%s", from->app.name);
        known->generation = generation;
        known->source = strdup(from->source);
        known->config = app_config_print(&from->app);
        assert_non_null(known->config);
        store_hash(known->config, known->hash);
    }
}

/* Some generation was used, without being good. */
static void
remember_highest(struct fixture *fixture, const char *app, uint32_t generation)
{
    struct store_config *known = &fixture->known[fixture->known_count++];

    snprintf(known->app, sizeof known->app, "%s", app);
    known->generation = generation;
}

static void
plan(struct fixture *fixture)
{
    assert_int_equal(boot_plan(fixture->config, fixture->dir, 0, fixture->known,
                               fixture->known_count, &fixture->desired),
                     0);
}

static const struct desired_app *
only_app(const struct fixture *fixture)
{
    assert_int_equal(fixture->desired->app_count, 1);
    return &fixture->desired->apps[0];
}

static void
a_new_app_begins_with_generation_one(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture, "apps = (" WEB ");");
    plan(fixture);
    assert_string_equal(only_app(fixture)->name, "web");
    assert_true(only_app(fixture)->runnable);
    assert_false(only_app(fixture)->recorded);
    assert_int_equal(only_app(fixture)->generation, 1);
    assert_int_equal(only_app(fixture)->from_generation, 0);
    assert_null(only_app(fixture)->held_back);
    assert_string_equal(only_app(fixture)->source, fixture->file);
}

static void
an_unchanged_text_keeps_its_generation(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture, "apps = (" WEB ");");
    remember(fixture, 4);
    remember_highest(fixture, "web", 9);
    plan(fixture);
    assert_int_equal(only_app(fixture)->generation, 4);
    assert_int_equal(only_app(fixture)->from_generation, 4);
    assert_true(only_app(fixture)->recorded);
}

static void
the_same_text_in_another_file_is_recorded_anew(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture, "apps = (" WEB ");");
    remember(fixture, 4);
    free(fixture->known[0].source);
    fixture->known[0].source = strdup("/elsewhere/b.conf");
    plan(fixture);
    assert_int_equal(only_app(fixture)->generation, 4);
    assert_false(only_app(fixture)->recorded);
}

static void
a_changed_text_gets_a_number_above_all(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture, "apps = (" WEB ");");
    remember(fixture, 4);
    remember_highest(fixture, "web", 9);
    write_file(fixture, "apps = (" OTHER_WEB ");");
    plan(fixture);
    assert_int_equal(only_app(fixture)->generation, 10);
    assert_int_equal(only_app(fixture)->from_generation, 4);
}

static void
an_invalid_app_runs_on_its_last_good_text(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture, "apps = (" WEB ");");
    remember(fixture, 4);
    write_file(fixture, "apps = (" BAD_WEB ", " API ");");
    plan(fixture);
    assert_int_equal(fixture->desired->app_count, 2);
    assert_string_equal(fixture->desired->apps[0].name, "api");
    assert_null(fixture->desired->apps[0].held_back);
    assert_string_equal(fixture->desired->apps[1].name, "web");
    assert_true(fixture->desired->apps[1].runnable);
    assert_int_equal(fixture->desired->apps[1].generation, 4);
    assert_string_equal(fixture->desired->apps[1].text, fixture->known[0].config);
    assert_non_null(strstr(fixture->desired->apps[1].held_back, "a.conf:1: web: targets"));
}

static void
an_invalid_app_that_never_worked_is_listed_only(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture, "apps = (" BAD_WEB ");");
    remember_highest(fixture, "web", 2);
    plan(fixture);
    assert_false(only_app(fixture)->runnable);
    assert_non_null(only_app(fixture)->held_back);
}

static void
a_file_without_syntax_removes_nothing(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture, "apps = (" WEB ", " API ");");
    remember(fixture, 1);
    write_file(fixture, "apps = (" WEB);
    plan(fixture);
    assert_int_equal(fixture->desired->app_count, 2);
    assert_int_equal(fixture->desired->forgotten_count, 0);
    assert_true(fixture->desired->apps[0].runnable);
    assert_non_null(strstr(fixture->desired->apps[1].held_back, "syntax"));
}

static void
an_emptied_file_removes_nothing(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture, "apps = (" WEB ");");
    remember(fixture, 1);
    write_file(fixture, "");
    plan(fixture);
    assert_true(only_app(fixture)->runnable);
    assert_non_null(only_app(fixture)->held_back);
    assert_int_equal(fixture->desired->forgotten_count, 0);
}

static void
an_app_that_its_file_no_longer_has_is_forgotten(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture, "apps = (" WEB ", " API ");");
    remember(fixture, 1);
    write_file(fixture, "apps = (" API ");");
    plan(fixture);
    assert_string_equal(only_app(fixture)->name, "api");
    assert_int_equal(fixture->desired->forgotten_count, 1);
    assert_string_equal(fixture->desired->forgotten[0], "web");
}

static void
an_app_of_another_place_is_neither_run_nor_forgotten(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture, "apps = (" WEB ");");
    remember(fixture, 1);
    free(fixture->known[0].source);
    fixture->known[0].source = strdup("/elsewhere/a.conf");
    write_file(fixture, "apps = (" API ");");
    plan(fixture);
    assert_string_equal(only_app(fixture)->name, "api");
    assert_int_equal(fixture->desired->forgotten_count, 0);
}

static void
without_any_file_the_database_is_enough(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture, "apps = (" WEB ", " API ");");
    remember(fixture, 3);
    assert_int_equal(boot_plan(NULL, fixture->dir, -ENOENT, fixture->known,
                               fixture->known_count, &fixture->desired),
                     0);
    assert_int_equal(fixture->desired->app_count, 2);
    assert_true(fixture->desired->apps[1].runnable);
    assert_non_null(strstr(fixture->desired->apps[1].held_back, "cannot be read"));
    assert_int_equal(fixture->desired->forgotten_count, 0);
}

static void
a_mistyped_path_runs_nothing_of_another(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture, "apps = (" WEB ");");
    remember(fixture, 3);
    assert_int_equal(boot_plan(NULL, "/no/such/place", -ENOENT, fixture->known,
                               fixture->known_count, &fixture->desired),
                     0);
    assert_int_equal(fixture->desired->app_count, 0);
}

static void
a_last_good_text_that_no_longer_parses_is_told(void **state)
{
    struct fixture *fixture = *state;

    write_file(fixture, "apps = (" WEB ");");
    remember(fixture, 3);
    free(fixture->known[0].config);
    fixture->known[0].config = strdup("name = 7;");
    write_file(fixture, "apps = (" BAD_WEB ");");
    plan(fixture);
    assert_false(only_app(fixture)->runnable);
    assert_non_null(strstr(only_app(fixture)->held_back, "last good configuration"));
}

static void
a_path_holds_what_lies_under_it(void **state)
{
    assert_true(boot_is_under("/etc/f/a.conf", "/etc/f"));
    assert_true(boot_is_under("/etc/f/a.conf", "/etc/f/"));
    assert_true(boot_is_under("/etc/f/a.conf", "/etc/f/a.conf"));
    assert_false(boot_is_under("/etc/fx/a.conf", "/etc/f"));
    assert_false(boot_is_under("/etc/f", "/etc/f/a.conf"));
}

static void
groups_that_cannot_be_used_are_the_last_good_ones(void **state)
{
    static const struct {
        const char *text;
        bool restored;
    } cases[] = {
        { "defaults = { idle_timeout = 9000; };", false },
        { "defaults = { idle_timeout = true; };", true },
        { "defaults = 7;", true },
        { "defaults = {", true },
        { "", true },
        { "# no defaults any more\n", false },
        { "defaults = { idle_timeout = 7000; }; apps = (" BAD_WEB ");", false },
    };
    struct fixture *fixture = *state;
    struct store_config good = { .app = "defaults", .source = fixture->file };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        write_file(fixture, cases[i].text);
        assert_int_equal(boot_group_restored(fixture->config, &fixture->config->defaults,
                                             fixture->dir, &good),
                         cases[i].restored);
        assert_false(boot_group_restored(fixture->config, &fixture->config->defaults,
                                         fixture->dir, NULL));
        assert_false(boot_group_restored(fixture->config, &fixture->config->defaults,
                                         "/elsewhere", &good));
    }
    assert_true(boot_group_restored(NULL, NULL, fixture->dir, &good));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_app_begins_with_generation_one),
        TEST(an_unchanged_text_keeps_its_generation),
        TEST(the_same_text_in_another_file_is_recorded_anew),
        TEST(a_changed_text_gets_a_number_above_all),
        TEST(an_invalid_app_runs_on_its_last_good_text),
        TEST(an_invalid_app_that_never_worked_is_listed_only),
        TEST(a_file_without_syntax_removes_nothing),
        TEST(an_emptied_file_removes_nothing),
        TEST(an_app_that_its_file_no_longer_has_is_forgotten),
        TEST(an_app_of_another_place_is_neither_run_nor_forgotten),
        TEST(without_any_file_the_database_is_enough),
        TEST(a_mistyped_path_runs_nothing_of_another),
        TEST(a_last_good_text_that_no_longer_parses_is_told),
        TEST(groups_that_cannot_be_used_are_the_last_good_ones),
        cmocka_unit_test(a_path_holds_what_lies_under_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
