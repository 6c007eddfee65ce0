/* Which of an operator's words counts for an endpoint. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/override.h"
#include "base/util.h"

#define TEST(name) cmocka_unit_test(name)

static const struct override list[] = {
    { .target = OVERRIDE_ALL, .action = OVERRIDE_DRAIN, .note = "all" },
    { .target = "db:1", .action = OVERRIDE_MAINTAIN, .note = "target" },
    { .target = "10.0.0.1:1", .action = OVERRIDE_READY },
    { .target = "10.0.0.2:1", .action = OVERRIDE_DRAIN, .note = "address" },
};

static const struct override *
find(const char *target, const char *address)
{
    return override_find(list, ARRAY_SIZE(list), target, address);
}

static void
the_nearest_one_counts(void **state)
{
    assert_string_equal(find("other:1", "10.0.0.9:1")->note, "all");
    assert_string_equal(find("db:1", "10.0.0.9:1")->note, "target");
    assert_string_equal(find("db:1", "")->note, "target");
    assert_string_equal(find("db:1", "10.0.0.2:1")->note, "address");
}

static void
ready_takes_one_out_of_all(void **state)
{
    assert_null(find("db:1", "10.0.0.1:1"));
    assert_null(find("other:1", "10.0.0.1:1"));
}

static void
without_any_nothing_counts(void **state)
{
    assert_null(override_find(NULL, 0, "db:1", "10.0.0.1:1"));
    assert_null(override_find(list + 1, 1, "db:2", "10.0.0.1:1"));
}

static void
an_unresolved_target_is_not_the_empty_address(void **state)
{
    const struct override empty = { .target = "", .action = OVERRIDE_DRAIN };

    assert_null(override_find(&empty, 1, "db:1", ""));
}

static void
names_and_actions_fit(void **state)
{
    enum override_action action;

    assert_true(override_action_parse("maintain", &action));
    assert_int_equal(action, OVERRIDE_MAINTAIN);
    assert_string_equal(override_action_name(action), "maintain");
    assert_false(override_action_parse("", &action));
    assert_false(override_action_parse("rollback", &action));
    assert_string_equal(override_action_name(99), "");
}

static void
what_is_no_override_is_seen(void **state)
{
    struct override bad = list[0];

    assert_true(override_valid(list, ARRAY_SIZE(list)));
    bad.action = OVERRIDE_ACTIONS;
    assert_false(override_valid(&bad, 1));
    bad.action = OVERRIDE_NONE;
    assert_false(override_valid(&bad, 1));
    bad = list[0];
    memset(bad.note, 'x', sizeof bad.note);
    assert_false(override_valid(&bad, 1));
    bad = list[0];
    memset(bad.target, 'x', sizeof bad.target);
    assert_false(override_valid(&bad, 1));
}

/* "drain" of `drained`, then `said`; how many there are then, which stand in `words`. */
static size_t
say(struct override *words, const char *drained, const char *target, enum override_action action)
{
    struct override said = { .action = action };
    size_t count = 0;

    words[0] = (struct override){ .action = OVERRIDE_DRAIN };
    snprintf(words[0].target, sizeof words[0].target, "%s", drained);
    count = 1;
    snprintf(said.target, sizeof said.target, "%s", target);
    override_say(words, &count, &said);
    return count;
}

static void
a_word_is_put_beside_the_others(void **state)
{
    struct override words[2];

    assert_int_equal(say(words, "db:1", "db:2", OVERRIDE_MAINTAIN), 2);
    assert_int_equal(override_find(words, 2, "db:1", "")->action, OVERRIDE_DRAIN);
    assert_int_equal(override_find(words, 2, "db:2", "")->action, OVERRIDE_MAINTAIN);
    assert_int_equal(say(words, "db:1", "db:1", OVERRIDE_MAINTAIN), 1);
    assert_int_equal(words[0].action, OVERRIDE_MAINTAIN);
}

static void
ready_undoes_what_was_said(void **state)
{
    struct override words[2];
    size_t count = say(words, "db:1", "db:1", OVERRIDE_READY);

    assert_null(override_find(words, count, "db:1", ""));
    count = say(words, OVERRIDE_ALL, "db:1", OVERRIDE_READY);
    assert_null(override_find(words, count, "db:1", ""));
    assert_non_null(override_find(words, count, "db:2", ""));
    assert_int_equal(say(words, "db:1", OVERRIDE_ALL, OVERRIDE_READY), 0);
}

static void
a_word_about_all_undoes_the_exceptions(void **state)
{
    struct override words[2];
    const struct override all = { .target = OVERRIDE_ALL, .action = OVERRIDE_MAINTAIN };
    size_t count = say(words, OVERRIDE_ALL, "db:1", OVERRIDE_READY);

    override_say(words, &count, &all);
    assert_int_equal(count, 1);
    assert_int_equal(override_find(words, count, "db:1", "")->action, OVERRIDE_MAINTAIN);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_nearest_one_counts),
        TEST(ready_takes_one_out_of_all),
        TEST(without_any_nothing_counts),
        TEST(an_unresolved_target_is_not_the_empty_address),
        TEST(names_and_actions_fit),
        TEST(what_is_no_override_is_seen),
        TEST(a_word_is_put_beside_the_others),
        TEST(ready_undoes_what_was_said),
        TEST(a_word_about_all_undoes_the_exceptions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
