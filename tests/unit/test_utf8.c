/* A text is cut between characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

static void
assert_cut(const char *from, size_t bytes, const char *expected)
{
    char *to = malloc(bytes);

    assert_non_null(to);
    utf8_copy(to, bytes, from);
    assert_string_equal(to, expected);
    free(to);
}

static void
what_fits_is_copied_whole(void **state)
{
    assert_cut("", 1, "");
    assert_cut("abc", 4, "abc");
    assert_cut("caf\u00e9", 6, "caf\u00e9");
    assert_cut("\U0001f600", 5, "\U0001f600");
}

static void
no_character_is_cut_in_two(void **state)
{
    assert_cut("abc", 1, "");
    assert_cut("abc", 3, "ab");
    assert_cut("caf\u00e9", 5, "caf");
    assert_cut("\u20ac\u20ac", 4, "\u20ac");
    assert_cut("\u20ac\u20ac", 5, "\u20ac");
    assert_cut("\u20ac\u20ac", 6, "\u20ac");
    for (size_t bytes = 1; bytes < 5; bytes++)
        assert_cut("\U0001f600", bytes, "");
}

static void
what_is_not_utf8_is_only_kept_within_its_size(void **state)
{
    assert_cut("\x80\x80\x80\x80\x80\x80", 6, "\x80\x80\x80\x80\x80");
    assert_cut("\xff\xff\xff", 3, "\xff");
    assert_int_equal(utf8_whole("\x80\x80", 2), 2);
    assert_int_equal(utf8_whole("", 0), 0);
    assert_int_equal(utf8_whole("\xe2\x82", 2), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_fits_is_copied_whole),
        cmocka_unit_test(no_character_is_cut_in_two),
        cmocka_unit_test(what_is_not_utf8_is_only_kept_within_its_size),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
