#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "proxy/supervisor/numbers.h"

static void
the_highest_is_kept(void **state)
{
    struct numbers numbers = { 0 };

    assert_int_equal(numbers_highest(&numbers, "a"), 0);
    numbers_keep(&numbers, "a", 3);
    numbers_keep(&numbers, "a", 2);
    numbers_keep(&numbers, "b", 7);
    numbers_keep(&numbers, "never", 0);
    assert_int_equal(numbers_highest(&numbers, "a"), 3);
    assert_int_equal(numbers_highest(&numbers, "b"), 7);
    assert_int_equal(numbers_highest(&numbers, "never"), 0);
    numbers_free(&numbers);
}

static void
what_finds_no_room_is_not_known(void **state)
{
    struct numbers numbers = { 0 };
    char name[32];

    for (int i = 0; i < NUMBERS_MAX; i++) {
        snprintf(name, sizeof name, "app-%d", i);
        numbers_keep(&numbers, name, 5);
    }
    assert_int_equal(numbers_highest(&numbers, "other"), 0);
    numbers_keep(&numbers, "other", 6);
    numbers_keep(&numbers, "app-0", 8);
    assert_int_equal(numbers_highest(&numbers, "app-0"), 8);
    assert_true(numbers_highest(&numbers, "other") >= 1700000000);
    numbers_free(&numbers);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_highest_is_kept),
        cmocka_unit_test(what_finds_no_room_is_not_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
