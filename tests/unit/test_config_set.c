/*
 * A configuration that changes: what is said, and what is never said by accident.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/util.h"
#include "config/app.h"
#include "config/config.h"
#include "config/set.h"
#include "tests/unit/config_dir.h"

enum { MANY_FILES = 5000, WAIT_MS = 5000 };

#define FIRST "daemon -; defaults -" /* what a first take says of groups that stand nowhere */

struct fixture {
    char *dir;
    struct config_set *set;
};

static int
set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    fixture->dir = config_dir_create();
    fixture->set = config_set_create(fixture->dir);
    *state = fixture;
    return fixture->dir == NULL || fixture->set == NULL ? -1 : 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;

    config_set_destroy(fixture->set);
    config_dir_destroy(fixture->dir);
    free(fixture);
    return 0;
}

static struct config_change *
take(struct fixture *fixture)
{
    struct config_change *change;

    assert_int_equal(config_set_take(fixture->set, &change), 0);
    return change;
}

/* Looks, takes, and compares with what should be told. */
static void
expect(struct fixture *fixture, const char *expected)
{
    struct config_change *change;

    config_set_look(fixture->set);
    change = take(fixture);
    assert_string_equal(told(change, fixture->dir), expected);
    config_change_free(change);
}

static char *
canonical(const char *text)
{
    struct app_config app;
    char why[DETAIL_BYTES], *printed;

    assert_int_equal(app_config_parse(text, &app, why), 0);
    printed = app_config_print(&app);
    app_config_fini(&app);
    return printed;
}

/* As if the database knew an app to have worked. */
static void
know(struct fixture *fixture, const char *name, const char *ports, const char *source)
{
    char text[512], *printed;
    struct config_known known = { .name = name };

    snprintf(text, sizeof text, "name = \"%s\"; ports = %s; targets = \"t:1\";", name, ports);
    known.text = printed = canonical(text);
    known.source = source;
    assert_int_equal(config_set_know(fixture->set, &known, 1, NULL, 0), 0);
    free(printed);
}

/* As if the supervisor had told it; `ports` NULL: none. */
static void
hold(struct fixture *fixture, const char *name, enum config_holds holds, const char *ports)
{
    char text[512], *printed = NULL;

    if (ports != NULL) {
        snprintf(text, sizeof text, "name = \"%s\"; ports = %s; targets = \"t:1\";", name, ports);
        printed = canonical(text);
    }
    assert_int_equal(config_set_holds(fixture->set, name, holds, printed), 0);
    free(printed);
}

static void
only_what_changed_is_said(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->dir, "b.conf", TWO(APP("b1", "81"), APP("b2", "82")));
    put(fixture->dir, "a.conf", ONE("a", "80"));
    expect(fixture, "set a a.conf; set b1 b.conf; set b2 b.conf; " FIRST);
    expect(fixture, "");
    put(fixture->dir, "b.conf", TWO(APP("b1", "81"), APP("b2", "83")));
    expect(fixture, "set b2 b.conf");
    put(fixture->dir, "b.conf", "# the same\n" TWO(APP("b1", "81"), APP("b2", "83")));
    expect(fixture, "");
    put(fixture->dir, "c.conf", ONE("c", "84"));
    put(fixture->dir, "b.conf", ONE("b2", "83"));
    expect(fixture, "gone b1; set c c.conf");
    drop(fixture->dir, "c.conf");
    expect(fixture, "gone c");
}

static void
counts_and_sequence_are_given(void **state)
{
    struct fixture *fixture = *state;
    struct config_change *change;

    put(fixture->dir, "a.conf", TWO(APP("a", "80"), APP("b", "0")));
    config_set_look(fixture->set);
    change = take(fixture);
    assert_int_equal(change->sequence, 1);
    assert_int_equal(change->file_count, 1);
    assert_int_equal(change->app_count, 2);
    assert_int_equal(change->broken_count, 1);
    assert_int_equal(change->path_error, 0);
    config_change_free(change);
    change = take(fixture);
    assert_int_equal(change->sequence, 2);
    assert_int_equal(change->item_count, 0);
    config_change_free(change);
}

static void
what_is_broken_stays_until_it_is_mended(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->dir, "a.conf", TWO(APP("a", "80"), APP("b", "81")));
    expect(fixture, "set a a.conf; set b a.conf; " FIRST);
    put(fixture->dir, "a.conf", TWO(APP("a", "80"), APP("b", "0")));
    expect(fixture, "broken b a.conf:2: b: ports: 0 is out of range; allowed is 1 to 65535");
    expect(fixture, "");
    put(fixture->dir, "a.conf", TWO(APP("a", "80"), APP("b", "0x")));
    expect(fixture,
           "broken a a.conf:2: syntax error in this line or just before it: look for a "
           "missing \";\", \",\", quote or bracket; "
           "broken b a.conf:2: syntax error in this line or just before it: look for a "
           "missing \";\", \",\", quote or bracket");
    put(fixture->dir, "a.conf", TWO(APP("a", "80"), APP("b", "81")));
    expect(fixture, "set a a.conf; set b a.conf"); /* though the texts are as before */
}

static void
nothing_disappears_by_accident(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->dir, "a.conf", ONE("a", "80"));
    expect(fixture, "set a a.conf; " FIRST);
    put(fixture->dir, "a.conf", "");
    expect(fixture,
           "broken a a.conf: is empty (0 bytes): delete it, or write a comment into it "
           "if nothing is meant");
    drop(fixture->dir, "a.conf");
    assert_int_equal(symlink("nowhere", in(fixture->dir, "a.conf")), 0);
    expect(fixture,
           "broken a a.conf: cannot be read: No such file or directory (what this link "
           "points to)");
    drop(fixture->dir, "a.conf");
    assert_int_equal(mkdir(in(fixture->dir, "a.conf"), 0700), 0);
    expect(fixture, "broken a a.conf: is a directory, not a file");
    assert_int_equal(rmdir(in(fixture->dir, "a.conf")), 0);
    put(fixture->dir, "a.conf", "apps = ( { ports = 80; targets = \"t:1\"; } );");
    expect(fixture, "broken a a.conf:1: name: is missing; every app has one: lower-case "
                    "letters, digits and \"-\"");
    put(fixture->dir, "a.conf", "# it is meant\n");
    expect(fixture, "gone a");
}

static void
a_path_that_vanished_takes_nothing_with_it(void **state)
{
    struct fixture *fixture = *state;
    char *away = strdup(in(fixture->dir, "away")), *conf = strdup(in(fixture->dir, "conf"));
    char expected[512];
    struct config_change *change;

    assert_int_equal(mkdir(conf, 0700), 0);
    config_set_destroy(fixture->set);
    fixture->set = config_set_create(conf);
    put(fixture->dir, "conf/a.conf", "daemon = { threads = 2; };" ONE("a", "80"));
    expect(fixture, "set a conf/a.conf; daemon conf/a.conf; defaults -");
    assert_int_equal(rename(conf, away), 0);
    assert_int_equal(config_set_look(fixture->set), -ENOENT);
    change = take(fixture);
    snprintf(expected, sizeof expected,
             "broken a conf: cannot be read: No such file or "
             "directory; daemon conf/a.conf broken replaced");
    assert_string_equal(told(change, fixture->dir), expected);
    assert_int_equal(change->path_error, -ENOENT);
    assert_int_equal(change->error_count, 1);
    assert_int_equal(config_set_settings(fixture->set)->threads, 2);
    config_change_free(change);
    expect(fixture, "");
    assert_int_equal(rename(away, conf), 0);
    expect(fixture, "set a conf/a.conf; daemon conf/a.conf");
    free(away);
    free(conf);
}

static void
one_file_may_be_the_whole_configuration(void **state)
{
    struct fixture *fixture = *state;

    config_set_destroy(fixture->set);
    fixture->set = config_set_create(in(fixture->dir, "any-name"));
    put(fixture->dir, "any-name", ONE("a", "80"));
    expect(fixture, "set a any-name; " FIRST);
    drop(fixture->dir, "any-name");
    expect(fixture, "broken a any-name: cannot be read: No such file or directory");
    put(fixture->dir, "any-name", ONE("b", "80"));
    expect(fixture, "gone a; set b any-name");
}

static void
an_app_that_never_was_valid_is_told_and_goes(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->dir, "a.conf", ONE("a", "0"));
    expect(fixture,
           "broken a a.conf:1: a: ports: 0 is out of range; allowed is 1 to 65535; " FIRST);
    drop(fixture->dir, "a.conf");
    expect(fixture, "gone a");
}

static void
an_app_may_move_to_another_file(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->dir, "a.conf", ONE("a", "80"));
    expect(fixture, "set a a.conf; " FIRST);
    assert_int_equal(rename(in(fixture->dir, "a.conf"), in(fixture->dir, "z.conf")), 0);
    expect(fixture, "set a z.conf");
}

static void
who_holds_a_name_keeps_it(void **state)
{
    struct fixture *fixture = *state;
    struct config_change *change;

    put(fixture->dir, "m.conf", ONE("a", "80"));
    expect(fixture, "set a m.conf; " FIRST);
    put(fixture->dir, "a.conf", ONE("a", "81"));
    config_set_look(fixture->set);
    change = take(fixture);
    assert_int_equal(change->item_count, 0);
    assert_int_equal(change->error_count, 1);
    assert_string_equal(change->errors[0].app, "a");
    assert_non_null(strstr(change->errors[0].text, "a.conf:1: a: name: \"a\" is taken: an app "
                                                   "of this name stands at "));
    config_change_free(change);
    drop(fixture->dir, "m.conf");
    expect(fixture, "set a a.conf");
}

static void
who_holds_a_port_keeps_it(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->dir, "m.conf", ONE("m", "80"));
    expect(fixture, "set m m.conf; " FIRST);
    put(fixture->dir, "a.conf", ONE("a", "\"127.0.0.1:80\""));
    expect(fixture, "broken a a.conf:1: a: ports: 127.0.0.1:80 is taken: app \"m\" listens on "
                    "80 (m.conf:1)");
    put(fixture->dir, "m.conf", ONE("m", "81"));
    expect(fixture, "set a a.conf; set m m.conf"); /* its own file did not change */
}

static void
a_broken_holder_keeps_the_ports_of_its_last_valid_text(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->dir, "m.conf", ONE("m", "80"));
    expect(fixture, "set m m.conf; " FIRST);
    put(fixture->dir, "m.conf", ONE("m", "(81, 0)"));
    put(fixture->dir, "a.conf", ONE("a", "80"));
    expect(fixture,
           "broken a a.conf:1: a: ports: 80 is taken: app \"m\" listens on 80 "
           "(m.conf:1); broken m m.conf:1: m: ports: 0 is out of range; allowed is 1 to "
           "65535");
    put(fixture->dir, "m.conf", "does not parse");
    expect(fixture, "broken a a.conf:1: a: ports: 80 is taken: app \"m\" listens on 80 "
                    "(m.conf); broken m m.conf:1: syntax error in this line or just before it: "
                    "look for a missing \";\", \",\", quote or bracket");
}

#define SYNTAX                                                                                   \
    ".conf:1: syntax error in this line or just before it: look for a missing \";\", \",\", "    \
    "quote or bracket"

static void
know_running(struct fixture *fixture, const char *name, const char *port)
{
    char text[512], *printed;
    struct config_known known = { .name = name };

    snprintf(text, sizeof text, "name = \"%s\"; ports = %s; targets = \"t:1\";", name, port);
    known.text = printed = canonical(text);
    assert_int_equal(config_set_know_running(fixture->set, &known, 1), 0);
    free(printed);
}

/* Nobody remembers where it stood: it may be in each file that has no syntax. */
static void
what_runs_is_not_gone_while_a_file_that_may_have_it_cannot_be_read(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->dir, "a.conf", ONE("a", "80"));
    put(fixture->dir, "m.conf", "does not parse");
    put(fixture->dir, "n.conf", "does not parse");
    config_set_look(fixture->set);
    know_running(fixture, "a", "80");
    know_running(fixture, "n", "90");
    expect(fixture, "set a a.conf; broken n m" SYNTAX "; " FIRST);
    put(fixture->dir, "a.conf", ONE("a", "90"));    /* it has that port */
    expect(fixture, "broken a a.conf:1: a: ports: 90 is taken: app \"n\" listens on 90 (m.conf)");
    put(fixture->dir, "a.conf", ONE("a", "80"));
    put(fixture->dir, "m.conf", ONE("m", "81"));
    expect(fixture, "set a a.conf; set m m.conf; broken n n" SYNTAX);
    put(fixture->dir, "n.conf", ONE("n", "90"));
    expect(fixture, "set n n.conf");
    put(fixture->dir, "m.conf", "does not parse");  /* now it is known where it stands */
    drop(fixture->dir, "n.conf");
    expect(fixture, "gone n; broken m m" SYNTAX);
}

static void
what_runs_and_stands_in_no_file_is_gone(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->dir, "a.conf", TWO(APP("a", "80"), APP("b", "0")));
    config_set_look(fixture->set);
    know_running(fixture, "n", "90");
    expect(fixture, "gone n; set a a.conf; broken b a.conf:2: b: ports: 0 is out of range; "
                    "allowed is 1 to 65535; " FIRST);
}

static void
ports_move_and_are_swapped_in_one_change(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->dir, "a.conf", ONE("a", "(80, 90)"));
    put(fixture->dir, "b.conf", ONE("b", "81"));
    expect(fixture, "set a a.conf; set b b.conf; " FIRST);
    put(fixture->dir, "a.conf", ONE("a", "80"));
    put(fixture->dir, "b.conf", ONE("b", "(81, 90)"));
    expect(fixture, "set a a.conf; set b b.conf");
    put(fixture->dir, "a.conf", ONE("a", "81"));
    put(fixture->dir, "b.conf", ONE("b", "80"));
    expect(fixture, "set a a.conf; set b b.conf");
}

/* b may not have 82, so it keeps 81, so a may not have 81 and keeps 80. */
static void
who_cannot_move_holds_up_who_wanted_its_place(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->dir, "a.conf", ONE("a", "80"));
    put(fixture->dir, "b.conf", ONE("b", "81"));
    put(fixture->dir, "c.conf", ONE("c", "82"));
    expect(fixture, "set a a.conf; set b b.conf; set c c.conf; " FIRST);
    put(fixture->dir, "a.conf", ONE("a", "81"));
    put(fixture->dir, "b.conf", ONE("b", "82"));
    put(fixture->dir, "d.conf", ONE("d", "80"));
    expect(fixture,
           "broken a a.conf:1: a: ports: 81 is taken: app \"b\" listens on 81 "
           "(b.conf:1); broken b b.conf:1: b: ports: 82 is taken: app \"c\" listens on "
           "82 (c.conf:1); broken d d.conf:1: d: ports: 80 is taken: app \"a\" listens "
           "on 80 (a.conf:1)");
    drop(fixture->dir, "c.conf");
    expect(fixture, "gone c; set a a.conf; set b b.conf; set d d.conf");
}

/* a was to give 80 to b, and could not have 90. */
static void
fail_to_move(struct fixture *fixture)
{
    put(fixture->dir, "a.conf", ONE("a", "80"));
    expect(fixture, "set a a.conf; " FIRST);
    put(fixture->dir, "a.conf", ONE("a", "90"));
    put(fixture->dir, "b.conf", ONE("b", "80"));
    expect(fixture, "set a a.conf; set b b.conf");
    hold(fixture, "a", CONFIG_HOLDS_TEXT, "80");
    hold(fixture, "b", CONFIG_HOLDS_NOTHING, NULL);
    expect(fixture, "");
}

#define B_LOST \
    "broken b b.conf:1: b: ports: 80 is taken: app \"a\" listens on 80 (a.conf"

static void
who_could_not_give_a_port_up_has_it(void **state)
{
    struct fixture *fixture = *state;

    fail_to_move(fixture);
    put(fixture->dir, "a.conf", ONE("a", "80"));
    expect(fixture, "set a a.conf; " B_LOST ":1)");
    put(fixture->dir, "a.conf", ONE("a", "91"));
    expect(fixture, "set a a.conf; set b b.conf");
    put(fixture->dir, "a.conf", ONE("a", "80"));    /* this time nothing else is told: b has it */
    expect(fixture, "broken a a.conf:1: a: ports: 80 is taken: app \"b\" listens on 80 (b.conf:1)");
}

static void
a_broken_app_keeps_what_it_holds_in_fact(void **state)
{
    struct fixture *fixture = *state;

    fail_to_move(fixture);
    put(fixture->dir, "a.conf", "x y");
    put(fixture->dir, "c.conf", ONE("c", "90"));
    expect(fixture, B_LOST "); set c c.conf; broken a a.conf:1: syntax error in this line or just "
                           "before it: look for a missing \";\", \",\", quote or bracket");
}

static void
what_came_to_its_end_after_all_is_held(void **state)
{
    struct fixture *fixture = *state;

    fail_to_move(fixture);
    hold(fixture, "a", CONFIG_HOLDS_CONFIGURED, NULL);
    hold(fixture, "b", CONFIG_HOLDS_CONFIGURED, NULL);
    put(fixture->dir, "a.conf", ONE("a", "(80, 90)"));
    expect(fixture, "broken a a.conf:1: a: ports: 80 is taken: app \"b\" listens on 80 (b.conf:1)");
}

static void
what_is_told_of_others_or_is_no_news_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    uint64_t revision;

    put(fixture->dir, "a.conf", ONE("a", "80"));
    expect(fixture, "set a a.conf; " FIRST);
    revision = config_set_revision(fixture->set);
    hold(fixture, "nobody", CONFIG_HOLDS_TEXT, "80");
    hold(fixture, "a", CONFIG_HOLDS_TEXT, "80");
    hold(fixture, "a", CONFIG_HOLDS_CONFIGURED, NULL);
    expect(fixture, "");
    assert_int_equal(config_set_revision(fixture->set), revision);
    assert_int_equal(config_set_holds(fixture->set, "a", CONFIG_HOLDS_TEXT, "no text"), 0);
    put(fixture->dir, "b.conf", ONE("b", "80"));
    expect(fixture, B_LOST ":1)");
}

/* What is wanted anew goes in order; the loser's other ports are free for others. */
static void
new_ports_go_in_the_order_of_files(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->dir, "a.conf", ONE("a", "80"));
    put(fixture->dir, "b.conf", ONE("b", "(80, 81)"));
    put(fixture->dir, "c.conf", ONE("c", "81"));
    expect(fixture, "set a a.conf; broken b b.conf:1: b: ports: 80 is taken: app \"a\" listens "
                    "on 80 (a.conf:1); set c c.conf; " FIRST);
}

/* Who gets a port in the end does not depend on who is mended first. */
static void
an_app_with_errors_has_its_place_in_the_order(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->dir, "h.conf", ONE("h", "90"));
    expect(fixture, "set h h.conf; " FIRST);
    put(fixture->dir, "a.conf", ONE("a", "(80, 90, 0)"));
    put(fixture->dir, "b.conf", ONE("b", "80"));
    expect(fixture, "broken a a.conf:1: a: ports: 0 is out of range; allowed is 1 to 65535; "
                    "broken b b.conf:1: b: ports: 80 is taken: app \"a\" listens on 80 "
                    "(a.conf:1)"); /* and h keeps what it has */
    put(fixture->dir, "a.conf", ONE("a", "80"));
    expect(fixture, "set a a.conf");
}

static void
wide_and_narrow_addresses_collide_when_they_move_too(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->dir, "a.conf", ONE("a", "(\"127.0.0.1:80\", \"127.0.0.2:80\")"));
    put(fixture->dir, "b.conf", ONE("b", "\"127.0.0.3:80\""));
    expect(fixture, "set a a.conf; set b b.conf; " FIRST);
    put(fixture->dir, "a.conf", ONE("a", "80"));
    expect(fixture, "broken a a.conf:1: a: ports: 80 is taken: app \"b\" listens on "
                    "127.0.0.3:80 (b.conf:1)");
    put(fixture->dir, "b.conf", ONE("b", "81"));
    expect(fixture, "set a a.conf; set b b.conf");
}

static void
what_the_database_knows_counts_as_held(void **state)
{
    struct fixture *fixture = *state;
    char *source = strdup(in(fixture->dir, "m.conf"));

    put(fixture->dir, "a.conf", ONE("a", "80"));
    put(fixture->dir, "m.conf", "does not parse");
    config_set_look(fixture->set);
    know(fixture, "m", "80", source);
    know(fixture, "left", "90", in(fixture->dir, "left.conf"));
    know(fixture, "elsewhere", "91", "/somewhere/else.conf");
    expect(fixture,
           "gone left; broken a a.conf:1: a: ports: 80 is taken: app \"m\" listens on 80 "
           "(m.conf); broken m m.conf:1: syntax error in this line or just before it: "
           "look for a missing \";\", \",\", quote or bracket; " FIRST);
    free(source);
}

static void
a_known_app_that_is_as_it_was_is_said_at_first(void **state)
{
    struct fixture *fixture = *state;
    char *source = strdup(in(fixture->dir, "m.conf"));

    put(fixture->dir, "a.conf", ONE("a", "80"));
    put(fixture->dir, "m.conf", ONE("m", "80"));
    config_set_look(fixture->set);
    know(fixture, "m", "80", source);
    expect(fixture, "broken a a.conf:1: a: ports: 80 is taken: app \"m\" listens on 80 "
                    "(m.conf:1); set m m.conf; " FIRST);
    free(source);
}

static void
defaults_touch_just_the_apps_whose_text_changes(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->dir, "a.conf", ONE("a", "80"));
    put(fixture->dir, "b.conf",
        "apps = ( { name = \"b\"; ports = 81; targets = \"t:1\"; idle_timeout = \"5m\"; "
        "half_close_timeout = \"5m\"; } );");
    put(fixture->dir, "z.conf", "defaults = { idle_timeout = \"1h\"; };");
    expect(fixture, "set a a.conf; set b b.conf; daemon -; defaults z.conf");
    put(fixture->dir, "z.conf", "defaults = { idle_timeout = \"2h\"; };");
    expect(fixture, "set a a.conf; defaults z.conf");
    drop(fixture->dir, "z.conf");
    expect(fixture, "set a a.conf; defaults -");
}

static void
broken_groups_leave_the_last_good_ones(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->dir, "a.conf", ONE("a", "80"));
    put(fixture->dir, "g.conf", "defaults = { threads = 3; };\ndaemon = { threads = 3; };");
    expect(fixture, "set a a.conf; daemon g.conf; defaults g.conf");
    put(fixture->dir, "g.conf",
        "defaults = { threads = 4; x = 1; };\ndaemon = { threads = 4; };");
    expect(fixture, "daemon g.conf; defaults g.conf broken replaced");
    assert_int_equal(config_set_settings(fixture->set)->threads, 4);
    put(fixture->dir, "g.conf", "no syntax");
    expect(fixture, "daemon g.conf broken replaced");
    assert_int_equal(config_set_settings(fixture->set)->threads, 4);
    put(fixture->dir, "g.conf", "defaults = { threads = 4; };");
    expect(fixture, "set a a.conf; daemon -; defaults g.conf");
    assert_int_equal(config_set_settings(fixture->set)->threads, 0);
}

static void
groups_of_the_database_hold_when_the_present_ones_are_broken(void **state)
{
    struct fixture *fixture = *state;
    struct config_known groups[] = { { .name = "daemon", .text = "threads = 7;" },
                                     { .name = "defaults", .text = "threads = 8;" } };
    struct config_change *change;

    put(fixture->dir, "a.conf", ONE("a", "80"));
    put(fixture->dir, "g.conf", "daemon = { threads = 99; };");
    config_set_look(fixture->set);
    groups[0].source = groups[1].source = in(fixture->dir, "g.conf");
    assert_int_equal(config_set_know(fixture->set, NULL, 0, groups, 2), 0);
    assert_int_equal(config_set_settings(fixture->set)->threads, 7);
    change = take(fixture);
    assert_string_equal(told(change, fixture->dir),
                        "set a a.conf; daemon g.conf broken replaced; defaults -");
    assert_string_equal(change->daemon.text, "threads = 7;");
    assert_non_null(
        strstr(change->items[0].text->bytes, "threads = 0;")); /* its file parses without */
    config_change_free(change);
}

static void
a_group_stays_with_the_file_that_had_it(void **state)
{
    struct fixture *fixture = *state;

    put(fixture->dir, "m.conf", "daemon = { threads = 3; };");
    expect(fixture, "daemon m.conf; defaults -");
    put(fixture->dir, "a.conf", "daemon = { threads = 4; };");
    expect(fixture, "");
    assert_int_equal(config_set_settings(fixture->set)->threads, 3);
    drop(fixture->dir, "m.conf");
    expect(fixture, "daemon a.conf");
    assert_int_equal(config_set_settings(fixture->set)->threads, 4);
}

static void
an_error_is_told_once(void **state)
{
    struct fixture *fixture = *state;
    struct config_change *change;

    put(fixture->dir, "a.conf", "apps = ( { name = \"a\"; x = 1; y = 2; } );");
    config_set_look(fixture->set);
    change = take(fixture);
    assert_int_equal(change->error_count, 4);
    assert_string_equal(change->errors[0].app, "a");
    config_change_free(change);
    put(fixture->dir, "b.conf", ONE("b", "x"));
    config_set_look(fixture->set);
    change = take(fixture);
    assert_int_equal(change->error_count, 1);
    assert_string_equal(change->errors[0].app, "");
    config_change_free(change);
}

static void
what_stands_is_handed_over_with_each_change(void **state)
{
    struct fixture *fixture = *state;
    struct config_change *change;

    put(fixture->dir, "a.conf", "apps = (");
    config_set_look(fixture->set);
    config_change_free(take(fixture));
    put(fixture->dir, "b.conf", "apps = ((");
    config_set_look(fixture->set);
    change = take(fixture);
    assert_int_equal(change->error_count, 1);
    assert_int_equal(change->standing_count, 2);
    assert_non_null(strstr(change->standing[0].text, "a.conf:"));
    assert_string_equal(change->standing[1].text, change->errors[0].text);
    config_change_free(change);
    drop(fixture->dir, "a.conf");
    drop(fixture->dir, "b.conf");
    config_set_look(fixture->set);
    change = take(fixture);
    assert_int_equal(change->standing_count, 0);
    config_change_free(change);
}

/* The way Kubernetes mounts a ConfigMap. */
static void
a_link_that_leads_elsewhere_is_another_file(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(mkdir(in(fixture->dir, "..1"), 0700), 0);
    assert_int_equal(mkdir(in(fixture->dir, "..2"), 0700), 0);
    put(fixture->dir, "..1/a.conf", ONE("a", "80"));
    put(fixture->dir, "..2/a.conf", ONE("a", "81"));
    assert_int_equal(symlink("..1", in(fixture->dir, "..data")), 0);
    assert_int_equal(symlink("..data/a.conf", in(fixture->dir, "a.conf")), 0);
    expect(fixture, "set a a.conf; " FIRST);
    assert_int_equal(symlink("..2", in(fixture->dir, "..tmp")), 0);
    assert_int_equal(rename(in(fixture->dir, "..tmp"), in(fixture->dir, "..data")), 0);
    expect(fixture, "set a a.conf");
}

static void
a_look_at_names_sees_what_is_new_changed_and_gone(void **state)
{
    static const char *const names[] = { "a.conf", "b.conf", "c.conf", "none.conf", ".x.conf" };
    struct fixture *fixture = *state;
    struct config_change *change;

    put(fixture->dir, "b.conf", ONE("b", "81"));
    put(fixture->dir, "c.conf", ONE("c", "82"));
    put(fixture->dir, "d.conf", ONE("d", "83"));
    expect(fixture, "set b b.conf; set c c.conf; set d d.conf; " FIRST);
    put(fixture->dir, "a.conf", ONE("a", "80"));
    put(fixture->dir, "b.conf", ONE("b", "91"));
    put(fixture->dir, "d.conf", ONE("d", "93")); /* not named: not looked at */
    drop(fixture->dir, "c.conf");
    assert_int_equal(config_set_look_at(fixture->set, names, ARRAY_SIZE(names)), 0);
    change = take(fixture);
    assert_string_equal(told(change, fixture->dir), "gone c; set a a.conf; set b b.conf");
    assert_int_equal(change->file_count, 3);
    config_change_free(change);
    expect(fixture, "set d d.conf");
}

/* Times of files are coarse. */
static void
a_young_file_is_read_once_more(void **state)
{
    struct fixture *fixture = *state;
    uint64_t until_ms = clock_monotonic_ms() + WAIT_MS, again_ms;

    put(fixture->dir, "a.conf", ONE("a", "80"));
    expect(fixture, "set a a.conf; " FIRST);
    again_ms = config_set_look_again_ms(fixture->set);
    assert_true(again_ms > clock_monotonic_ms());
    assert_true(again_ms <= clock_monotonic_ms() + 1000);
    assert_int_equal(config_set_look_young(fixture->set, again_ms - 1), 0);
    assert_int_equal(config_set_look_again_ms(fixture->set), again_ms);
    assert_int_equal(config_set_look_young(fixture->set, again_ms), 0);
    assert_int_equal(config_set_look_again_ms(fixture->set), 0);
    assert_true(clock_monotonic_ms() < until_ms);
}

/* Who waits until then would wait for nothing: nothing is read while the path is gone. */
static void
a_young_file_is_not_waited_for_while_the_path_is_gone(void **state)
{
    struct fixture *fixture = *state;
    char *away = strdup(in(fixture->dir, "away")), *conf = strdup(in(fixture->dir, "conf"));

    config_set_destroy(fixture->set);
    assert_int_equal(mkdir(conf, 0700), 0);
    put(fixture->dir, "conf/a.conf", ONE("a", "80"));
    fixture->set = config_set_create(conf);
    assert_int_equal(config_set_look(fixture->set), 0);
    assert_int_not_equal(config_set_look_again_ms(fixture->set), 0);
    assert_int_equal(rename(conf, away), 0);
    assert_int_equal(config_set_look(fixture->set), -ENOENT);
    assert_int_equal(config_set_look_again_ms(fixture->set), 0);
    assert_int_equal(rename(away, conf), 0);
    assert_int_equal(config_set_look(fixture->set), 0);
    assert_int_not_equal(config_set_look_again_ms(fixture->set), 0);
    free(away);
    free(conf);
}

static void
an_empty_path_error_at_first_names_what_is_known(void **state)
{
    struct fixture *fixture = *state;

    config_set_destroy(fixture->set);
    fixture->set = config_set_create(in(fixture->dir, "none"));
    assert_int_equal(config_set_look(fixture->set), -ENOENT);
    know(fixture, "m", "80", in(fixture->dir, "none/m.conf"));
    expect(fixture, "broken m none: cannot be read: No such file or directory; " FIRST);
}

static void
more_errors_than_are_kept_remove_nothing(void **state)
{
    struct fixture *fixture = *state;
    FILE *file = fopen(in(fixture->dir, "a.conf"), "w");
    struct config_change *change;

    know(fixture, "a1199", "80", in(fixture->dir, "a.conf"));
    fputs("apps = (\n", file);
    for (int i = 0; i < 1200; i++)
        fprintf(file, "%s{ name = \"a%d\"; ports = %d; targets = \"t\"; }\n", i > 0 ? "," : "",
                i, i + 1);
    fputs(");", file);
    fclose(file);
    config_set_look(fixture->set);
    change = take(fixture);
    assert_int_equal(change->error_count, CONFIG_ERRORS_MAX);
    assert_int_equal(change->item_count, CONFIG_ERRORS_MAX + 1);
    assert_string_equal(change->items[CONFIG_ERRORS_MAX].app, "a1199");
    assert_int_equal(change->items[CONFIG_ERRORS_MAX].op, CONFIG_BROKEN);
    config_change_free(change);
}

/* Deterministic: a failure can be looked at again. */
static uint32_t
any(uint32_t below)
{
    static uint64_t seed = 20240229;

    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % below);
}

enum { NAMES = 8, FILES = 5, ROUNDS = 1500 };

/* What the supervisor would run: the last text of each app that was SET. */
struct running {
    bool there;
    struct app_config app;
};

static void
any_file(struct fixture *fixture)
{
    static const char *const ports[] = {
        "80",          "81",        "82", "\"127.0.0.1:80\"", "\"127.0.0.2:80\"",
        "\"[::]:81\"", "\"80-82\"", "0"
    };
    char name[] = "0.conf", text[1024];
    FILE *stream = fmemopen(text, sizeof text, "w");

    name[0] = (char)('0' + any(FILES));
    fputs("apps = ( ", stream);
    for (uint32_t i = any(4); i > 0; i--)
        fprintf(stream, "{ name = \"%c\"; targets = \"t:1\"; ports = (%s); }%s",
                'a' + (char)any(NAMES), ports[any(ARRAY_SIZE(ports))], i > 1 ? ", " : "");
    fputs(any(10) == 0 ? ";" : ");\n", stream);
    fclose(stream);
    if (any(10) == 0)
        unlink(in(fixture->dir, name));
    else
        put(fixture->dir, name, text);
}

static void
follow(struct running *running, const struct config_change *change)
{
    char why[DETAIL_BYTES];

    for (size_t i = 0; i < change->item_count; i++) {
        const struct config_item *item = &change->items[i];
        struct running *it = &running[item->app[0] - 'a'];

        if (item->op == CONFIG_BROKEN)
            continue;
        if (it->there)
            app_config_fini(&it->app);
        it->there = item->op == CONFIG_SET;
        if (it->there)
            assert_int_equal(app_config_parse(item->text->bytes, &it->app, why), 0);
    }
}

static bool
every(const struct address *address)
{
    static const uint8_t zero[16];

    return memcmp(address->ip, zero, sizeof zero) == 0;
}

static bool
collide(const struct address *a, const struct address *b)
{
    if (a->port != b->port)
        return false;
    return a->family == 0 || b->family == 0 ||
           (a->family == b->family && (every(a) || every(b) || address_equal(a, b)));
}

static void
assert_no_port_twice(const struct running *running)
{
    for (int i = 0; i < NAMES; i++)
        for (int j = i + 1; j < NAMES; j++) {
            const struct app_config *a = &running[i].app, *b = &running[j].app;

            if (!running[i].there || !running[j].there)
                continue;
            for (uint32_t k = 0; k < a->port_count; k++)
                for (uint32_t l = 0; l < b->port_count; l++)
                    assert_false(collide(&a->ports[k].address, &b->ports[l].address));
        }
}

/* Also not while one of them is broken and goes on with what it had. */
static void
whatever_changes_no_port_has_two_apps(void **state)
{
    struct fixture *fixture = *state;
    struct running running[NAMES] = { 0 };
    struct config_change *change;

    for (int round = 0; round < ROUNDS; round++) {
        for (uint32_t i = any(4); i > 0; i--)
            any_file(fixture);
        config_set_look(fixture->set);
        change = take(fixture);
        follow(running, change);
        config_change_free(change);
        assert_no_port_twice(running);
    }
    for (char name[] = "0.conf"; name[0] < '0' + FILES; name[0]++)
        unlink(in(fixture->dir, name));
    config_set_look(fixture->set);
    change = take(fixture);
    follow(running, change);
    assert_int_equal(change->app_count, 0);
    config_change_free(change);
    for (int i = 0; i < NAMES; i++)
        assert_false(running[i].there);
}

/* Quadratic work, or reading all files again, would run into the test's time limit. */
static void
thousands_of_files_are_looked_at_many_times(void **state)
{
    struct fixture *fixture = *state;
    struct config_change *change;
    char name[32], text[256];

    for (int i = 0; i < MANY_FILES; i++) {
        snprintf(name, sizeof name, "%04d.conf", i);
        snprintf(text, sizeof text, ONE("app-%d", "%d"), i, 10000 + i);
        put(fixture->dir, name, text);
    }
    config_set_look(fixture->set);
    change = take(fixture);
    assert_int_equal(change->item_count, MANY_FILES);
    assert_int_equal(change->broken_count, 0);
    config_change_free(change);
    for (int i = 0; i < 50; i++) {
        snprintf(text, sizeof text, ONE("app-%d", "%d"), 4711, 20000 + i);
        put(fixture->dir, "4711.conf", text);
        expect(fixture, "set app-4711 4711.conf");
    }
}

#define WITH_SET(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SET(only_what_changed_is_said),
        WITH_SET(counts_and_sequence_are_given),
        WITH_SET(what_is_broken_stays_until_it_is_mended),
        WITH_SET(nothing_disappears_by_accident),
        WITH_SET(a_path_that_vanished_takes_nothing_with_it),
        WITH_SET(one_file_may_be_the_whole_configuration),
        WITH_SET(an_app_that_never_was_valid_is_told_and_goes),
        WITH_SET(an_app_may_move_to_another_file),
        WITH_SET(who_holds_a_name_keeps_it),
        WITH_SET(who_holds_a_port_keeps_it),
        WITH_SET(a_broken_holder_keeps_the_ports_of_its_last_valid_text),
        WITH_SET(what_runs_is_not_gone_while_a_file_that_may_have_it_cannot_be_read),
        WITH_SET(what_runs_and_stands_in_no_file_is_gone),
        WITH_SET(ports_move_and_are_swapped_in_one_change),
        WITH_SET(who_cannot_move_holds_up_who_wanted_its_place),
        WITH_SET(who_could_not_give_a_port_up_has_it),
        WITH_SET(a_broken_app_keeps_what_it_holds_in_fact),
        WITH_SET(what_came_to_its_end_after_all_is_held),
        WITH_SET(what_is_told_of_others_or_is_no_news_changes_nothing),
        WITH_SET(new_ports_go_in_the_order_of_files),
        WITH_SET(an_app_with_errors_has_its_place_in_the_order),
        WITH_SET(wide_and_narrow_addresses_collide_when_they_move_too),
        WITH_SET(what_the_database_knows_counts_as_held),
        WITH_SET(a_known_app_that_is_as_it_was_is_said_at_first),
        WITH_SET(defaults_touch_just_the_apps_whose_text_changes),
        WITH_SET(broken_groups_leave_the_last_good_ones),
        WITH_SET(groups_of_the_database_hold_when_the_present_ones_are_broken),
        WITH_SET(a_group_stays_with_the_file_that_had_it),
        WITH_SET(an_error_is_told_once),
        WITH_SET(what_stands_is_handed_over_with_each_change),
        WITH_SET(a_link_that_leads_elsewhere_is_another_file),
        WITH_SET(a_look_at_names_sees_what_is_new_changed_and_gone),
        WITH_SET(a_young_file_is_read_once_more),
        WITH_SET(a_young_file_is_not_waited_for_while_the_path_is_gone),
        WITH_SET(an_empty_path_error_at_first_names_what_is_known),
        WITH_SET(more_errors_than_are_kept_remove_nothing),
        WITH_SET(whatever_changes_no_port_has_two_apps),
        WITH_SET(thousands_of_files_are_looked_at_many_times),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
