#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "proxy/supervisor/generation.h"

static struct app_config
app_of(struct app_target *targets, uint32_t count, uint32_t endpoints_max)
{
    return (struct app_config){ .targets = targets, .target_count = count,
                                .endpoints_max = endpoints_max };
}

static void
a_name_gets_room_for_several_addresses(void **state)
{
    struct app_target targets[3] = { [0].address.family = 4, [1].address.family = 6 };
    const struct app_config app = app_of(targets, 3, 4096);

    assert_int_equal(generation_slots(&app), 1 + 1 + 4 + 4);
}

static void
a_board_stays_within_endpoints_max(void **state)
{
    struct app_target targets[3] = { 0 };
    const struct app_config app = app_of(targets, 3, 5);

    assert_int_equal(generation_slots(&app), 5);
}

static void
every_target_has_a_slot_even_beyond_endpoints_max(void **state)
{
    struct app_target targets[3] = { 0 };
    const struct app_config app = app_of(targets, 3, 2);

    assert_int_equal(generation_slots(&app), 3);
}

static void
a_board_grows_by_half_or_to_what_is_needed(void **state)
{
    struct app_target target = { 0 };
    const struct app_config app = app_of(&target, 1, 100);

    assert_int_equal(generation_slots_grown(&app, 8, 9), 12);
    assert_int_equal(generation_slots_grown(&app, 8, 40), 40);
    assert_int_equal(generation_slots_grown(&app, 80, 81), 100);
    assert_int_equal(generation_slots_grown(&app, 80, 5000), 100);
}

static void
a_board_at_its_limit_grows_no_more(void **state)
{
    struct app_target target = { 0 };
    const struct app_config app = app_of(&target, 1, 100);

    assert_int_equal(generation_slots_grown(&app, 100, 101), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_gets_room_for_several_addresses),
        cmocka_unit_test(a_board_stays_within_endpoints_max),
        cmocka_unit_test(every_target_has_a_slot_even_beyond_endpoints_max),
        cmocka_unit_test(a_board_grows_by_half_or_to_what_is_needed),
        cmocka_unit_test(a_board_at_its_limit_grows_no_more),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
