/* What a program says, fit to be shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "probes/plain_text.h"

static void
assert_plain(const char *from, const char *plain)
{
    char text[32];

    plain_text(text, sizeof text, from, strlen(from));
    assert_string_equal(text, plain);
}

static void
assert_first(const char *from, const char *first)
{
    char text[32];

    plain_first_line(text, sizeof text, from, strlen(from));
    assert_string_equal(text, first);
}

static void
plain_text_stays(void **state)
{
    assert_plain("", "");
    assert_plain("DISK OK - 3 GB", "DISK OK - 3 GB");
    assert_plain("\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80",
                 "\xc3\xbc \xe2\x82\xac \xf0\x9f\x98\x80");
}

static void
blanks_go_and_controls_are_marked(void **state)
{
    assert_plain(" \t a\tb \r\n", "a b");
    assert_plain("a\x1b[1m\x7f", "a?[1m?");
    assert_plain("\xc2\x85", "??");             /* a control character of two bytes */
}

static void
what_is_no_utf8_is_marked(void **state)
{
    assert_plain("a\xff\xc3", "a??");
    assert_plain("\xc0\xaf", "??");             /* overlong */
    assert_plain("\xed\xa0\x80", "???");        /* a surrogate */
    assert_plain("\xf4\x90\x80\x80", "????");   /* beyond Unicode */
}

static void
a_character_is_never_cut(void **state)
{
    char text[4];

    plain_text(text, sizeof text, "ab\xc3\xbc", 4);
    assert_string_equal(text, "ab");
    plain_text(text, sizeof text, "a\xc3\xbc", 3);
    assert_string_equal(text, "a\xc3\xbc");
    plain_text(text, 1, "abc", 3);
    assert_string_equal(text, "");
}

static void
the_first_line_is_that_which_says_something(void **state)
{
    assert_first("\n \r\nOK\nmore", "OK");
    assert_first("OK - up | time=3s;;;", "OK - up");
    assert_first("|time=3\nsecond", "second");
    assert_first("\n\n", "");
    assert_first("", "");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_text_stays),
        cmocka_unit_test(blanks_go_and_controls_are_marked),
        cmocka_unit_test(what_is_no_utf8_is_marked),
        cmocka_unit_test(a_character_is_never_cut),
        cmocka_unit_test(the_first_line_is_that_which_says_something),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
