/*
 * A change that is adopted without comparing all apps says what comparing them would say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "config/set_priv.h"
#include "tests/unit/config_dir.h"

enum { SEEDS = 20, STEPS = 120, FILES = 4, TEXT_BYTES = 4096 };

/* Both look at the same files at the same times; `full` always compares everything. */
struct fixture {
    char *dir;
    struct config_set *quick, *full;
    unsigned adopted;               /* steps that were */
    unsigned calm;                  /* sides of the dice for what disturbs others */
    uint64_t seed;
};

static int
set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    fixture->dir = config_dir_create();
    fixture->quick = config_set_create(fixture->dir);
    fixture->full = config_set_create(fixture->dir);
    *state = fixture;
    return fixture->dir == NULL || fixture->quick == NULL || fixture->full == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;

    config_set_destroy(fixture->quick);
    config_set_destroy(fixture->full);
    config_dir_destroy(fixture->dir);
    free(fixture);
    return 0;
}

/* Everything that is in it. */
static char *
whole_text(const struct config_change *change, const char *directory)
{
    char *text = NULL;
    size_t bytes;
    FILE *stream = open_memstream(&text, &bytes);

    fprintf(stream, "%s\n%zu files, %zu apps, %zu broken, %zu errors stand\n",
            told(change, directory), change->file_count, change->app_count,
            change->broken_count, change->standing_count);
    for (size_t i = 0; i < change->item_count; i++)
        fprintf(stream, "%s: %s\n", change->items[i].app,
                change->items[i].text != NULL ? change->items[i].text->bytes : "-");
    for (size_t i = 0; i < change->error_count; i++)
        fprintf(stream, "%s %s\n", change->errors[i].app, change->errors[i].text);
    fclose(stream);
    return text;
}

static char *
take(struct config_set *set, const char *directory)
{
    struct config_change *change;
    char *text;

    assert_int_equal(config_set_take(set, &change), 0);
    text = whole_text(change, directory);
    config_change_free(change);
    return text;
}

static void
take_both(struct fixture *fixture)
{
    char *quick = take(fixture->quick, fixture->dir), *full = take(fixture->full, fixture->dir);

    assert_string_equal(quick, full);
    free(quick);
    free(full);
}

static void
look_both(struct fixture *fixture)
{
    int rc = config_set_look(fixture->quick);

    fixture->adopted += !fixture->quick->compare_all && fixture->quick->adopted_count > 0;
    fixture->full->dirty = true;
    assert_int_equal(config_set_look(fixture->full), rc);
}

static unsigned
roll(struct fixture *fixture, unsigned sides)
{
    fixture->seed = fixture->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(fixture->seed >> 33) % sides;
}

/* Mostly an app of its own with its own port, one in a while something that disturbs others. */
static void
print_app(struct fixture *fixture, FILE *stream, unsigned number)
{
    unsigned name = roll(fixture, fixture->calm) == 0 ? roll(fixture, 6) : number;
    unsigned port = roll(fixture, fixture->calm) == 0 ? roll(fixture, 8) : number;

    fprintf(stream, "{ name = \"app%u\"; ports = %u; targets = \"t:%u\";%s }\n", name, 80 + port,
            1 + roll(fixture, 3), roll(fixture, fixture->calm) == 0 ? " wrong = 1;" : "");
}

static void
edit(struct fixture *fixture)
{
    unsigned file = roll(fixture, FILES);
    char name[16], text[TEXT_BYTES];
    FILE *stream = fmemopen(text, sizeof text, "w");

    snprintf(name, sizeof name, "%u.conf", file);
    if (roll(fixture, fixture->calm) == 0)
        fprintf(stream, "defaults = { probe = { interval = \"%us\"; }; };\n",
                1 + roll(fixture, 3));
    fprintf(stream, "apps = (\n");
    fprintf(stream, "{ name = \"own%u\"; ports = %u; targets = \"t:1\"; },\n", file, 100 + file);
    print_app(fixture, stream, file * 2);
    if (roll(fixture, fixture->calm) > 0) {
        fprintf(stream, ",");
        print_app(fixture, stream, file * 2 + 1);
    }
    fprintf(stream, "%s;\n", roll(fixture, fixture->calm) == 0 ? "" : ")");
    fclose(stream);
    if (roll(fixture, fixture->calm) == 0)
        remove(in(fixture->dir, name));
    else
        put(fixture->dir, name, text);
}

/* As if the supervisor had told it. */
static void
hold_both(struct fixture *fixture)
{
    enum config_holds holds = roll(fixture, CONFIG_HOLDS_NOTHING + 1);
    char name[16], text[256], why[DETAIL_BYTES], *printed;
    struct app_config app;

    snprintf(name, sizeof name, "app%u", roll(fixture, 6));
    snprintf(text, sizeof text, "name = \"%s\"; ports = %u; targets = \"t:1\";", name,
             80 + roll(fixture, 8));
    assert_int_equal(app_config_parse(text, &app, why), 0);
    printed = app_config_print(&app);
    app_config_fini(&app);
    config_set_holds(fixture->quick, name, holds, printed);
    config_set_holds(fixture->full, name, holds, printed);
    free(printed);
}

static void
says_what_comparing_all_would_say(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < STEPS; i++) {
        for (unsigned edits = roll(fixture, 3); edits > 0; edits--)
            edit(fixture);
        if (roll(fixture, 4) == 0)
            hold_both(fixture);
        look_both(fixture);
        if (roll(fixture, 3) > 0)
            take_both(fixture);
    }
    take_both(fixture);
}

/* Sets that came out of one seed go on with the next. */
static void
says_the_same_whatever_happens(void **state)
{
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < SEEDS; i++) {
        fixture->seed = i;
        fixture->calm = i % 2 == 0 ? 20 : 200;
        says_what_comparing_all_would_say(state);
    }
    assert_true(fixture->adopted > SEEDS * 5);  /* it is this that was tried */
}

static void
write_apps(struct fixture *fixture, unsigned count, unsigned target)
{
    for (unsigned i = 0; i < count; i++) {
        char name[16], text[256];

        snprintf(name, sizeof name, "%03u.conf", i);
        snprintf(text, sizeof text,
                 "apps = ({ name = \"app%u\"; ports = %u; targets = \"t:%u\"; });\n", i, 1000 + i,
                 target);
        put(fixture->dir, name, text);
    }
}

static void
more_of_them_than_are_noted_are_all_said(void **state)
{
    struct fixture *fixture = *state;

    write_apps(fixture, ADOPTED_MAX + 1, 1);
    look_both(fixture);
    take_both(fixture);
    write_apps(fixture, ADOPTED_MAX + 1, 2);
    look_both(fixture);
    assert_true(fixture->quick->compare_all);
    take_both(fixture);
    write_apps(fixture, ADOPTED_MAX, 3);
    look_both(fixture);
    assert_false(fixture->quick->compare_all);
    take_both(fixture);
}

static void
the_order_is_that_of_the_files(void **state)
{
    struct fixture *fixture = *state;

    write_apps(fixture, 3, 1);
    look_both(fixture);
    take_both(fixture);
    put(fixture->dir, "002.conf",
        "apps = ({ name = \"app2\"; ports = 1002; targets = \"t:2\"; });");
    look_both(fixture);
    put(fixture->dir, "000.conf",
        "apps = ({ name = \"app0\"; ports = 1000; targets = \"t:2\"; });");
    look_both(fixture);
    assert_int_equal(fixture->quick->adopted_count, 2);
    take_both(fixture);
}

static void
what_is_undone_before_it_is_taken_is_not_said(void **state)
{
    struct fixture *fixture = *state;
    struct config_change *change;
    uint64_t revision;

    write_apps(fixture, 2, 1);
    look_both(fixture);
    take_both(fixture);
    revision = config_set_revision(fixture->quick);
    write_apps(fixture, 2, 2);
    config_set_look(fixture->quick);
    assert_true(config_set_revision(fixture->quick) > revision);
    write_apps(fixture, 2, 1);
    config_set_look(fixture->quick);
    assert_int_equal(config_set_take(fixture->quick, &change), 0);
    assert_int_equal(change->item_count, 0);
    config_change_free(change);
}

#define WITH_SETS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SETS(says_the_same_whatever_happens),
        WITH_SETS(more_of_them_than_are_noted_are_all_said),
        WITH_SETS(the_order_is_that_of_the_files),
        WITH_SETS(what_is_undone_before_it_is_taken_is_not_said),
    };

    return cmocka_run_group_tests_name("config_set_adopt", tests, NULL, NULL);
}
