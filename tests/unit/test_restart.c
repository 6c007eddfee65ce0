#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/restart.h"

static void
the_first_restart_is_at_once_and_then_waits_double(void **state)
{
    static const uint32_t waits[] = { 0, 1000, 2000, 4000, 8000, 16000, 30000, 30000 };
    struct restart restart = { 0 };

    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++)
        assert_int_equal(restart_delay(&restart, 5000, 5100), waits[i]);
}

static void
a_minute_of_life_forgives(void **state)
{
    struct restart restart = { 0 };

    assert_int_equal(restart_delay(&restart, 0, 100), 0);
    assert_int_equal(restart_delay(&restart, 100, 200), 1000);
    assert_int_equal(restart_delay(&restart, 1200, 1200 + 59999), 2000);
    assert_int_equal(restart_delay(&restart, 100000, 160000), 0);
    assert_int_equal(restart_delay(&restart, 160000, 160001), 1000);
}

static void
five_ends_in_a_minute_are_a_loop(void **state)
{
    struct restart restart = { 0 };

    for (uint64_t i = 1; i <= 4; i++)
        restart_delay(&restart, 0, i * 1000);
    assert_false(restart_looping(&restart, 4000));
    restart_delay(&restart, 0, 5000);
    assert_true(restart_looping(&restart, 5000));
    assert_true(restart_looping(&restart, 72999));      /* the next one started at 13 s */
    assert_false(restart_looping(&restart, 73000));
}

/* With 30 s between two starts there are never five ends in a minute. */
static void
a_loop_goes_on_with_long_waits(void **state)
{
    struct restart restart = { 0 };
    uint64_t now_ms = 1000;

    for (int i = 1; i <= 20; i++) {
        uint64_t started_at_ms = now_ms;

        now_ms += restart_delay(&restart, started_at_ms, now_ms + 10) + 10;
        assert_int_equal(restart_looping(&restart, now_ms), i >= 5);
    }
    assert_false(restart_looping(&restart, now_ms + 60000));
    restart_delay(&restart, now_ms, now_ms + 60000);
    assert_false(restart_looping(&restart, now_ms + 60000));
}

static void
slow_ends_are_no_loop(void **state)
{
    struct restart restart = { 0 };

    for (uint64_t i = 1; i <= 20; i++) {
        restart_delay(&restart, i * 20000, i * 20000 + 1);
        assert_false(restart_looping(&restart, i * 20000 + 1));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_restart_is_at_once_and_then_waits_double),
        cmocka_unit_test(a_minute_of_life_forgives),
        cmocka_unit_test(five_ends_in_a_minute_are_a_loop),
        cmocka_unit_test(a_loop_goes_on_with_long_waits),
        cmocka_unit_test(slow_ends_are_no_loop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
