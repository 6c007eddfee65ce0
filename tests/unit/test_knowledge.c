/* What a worker learns by itself: whom to try last, and for how long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "proxy/worker/knowledge.h"
#include "strategy/board.h"
#include "strategy/traffic.h"

enum { ID = 7, STAGGER_MS = 250 };

static struct traffic_knowledge cell;
static struct board_pulse pulse;

static int
begin(void **state)
{
    (void)state;
    memset(&cell, 0, sizeof cell);
    memset(&pulse, 0, sizeof pulse);
    pulse.id = ID;
    return 0;
}

static void
an_endpoint_is_trusted_at_first(void **state)
{
    (void)state;
    assert_false(knowledge_shunned(&cell, &pulse, ID, 1000));
}

static void
one_failure_shuns_for_a_second(void **state)
{
    (void)state;
    knowledge_shun(&cell, &pulse, ID, 5000);
    assert_true(knowledge_shunned(&cell, &pulse, ID, 5000));
    assert_true(knowledge_shunned(&cell, &pulse, ID, 5999));
    assert_false(knowledge_shunned(&cell, &pulse, ID, 6000));
}

static void
failures_in_a_row_double_the_time_up_to_a_bound(void **state)
{
    uint64_t now_ms = 1000, length_ms = SHUN_MIN_MS;

    (void)state;
    for (int i = 0; i < 10; i++) {
        knowledge_shun(&cell, &pulse, ID, now_ms);
        assert_true(knowledge_shunned(&cell, &pulse, ID, now_ms + length_ms - 1));
        assert_false(knowledge_shunned(&cell, &pulse, ID, now_ms + length_ms));
        now_ms += length_ms;
        length_ms = length_ms * 2 > SHUN_MAX_MS ? SHUN_MAX_MS : length_ms * 2;
    }
}

static void
failures_while_shunned_do_not_prolong_it(void **state)
{
    (void)state;
    knowledge_shun(&cell, &pulse, ID, 1000);
    for (int i = 0; i < 50; i++)
        knowledge_shun(&cell, &pulse, ID, 1500);
    assert_false(knowledge_shunned(&cell, &pulse, ID, 2000));
}

static void
failures_in_a_row_end_with_a_connection(void **state)
{
    (void)state;
    knowledge_failed(&cell, ID);
    knowledge_failed(&cell, ID);
    assert_int_equal(cell.failed_in_row, 2);
    knowledge_shun(&cell, &pulse, ID, 1000);        /* late, not failed */
    assert_int_equal(cell.failed_in_row, 2);
    knowledge_connected(&cell, ID, 100);
    assert_int_equal(cell.failed_in_row, 0);
    knowledge_failed(&cell, ID);
    knowledge_failed(&cell, ID + 1);                /* another endpoint in the slot */
    assert_int_equal(cell.failed_in_row, 1);
}

static void
failures_in_a_row_do_not_wrap(void **state)
{
    (void)state;
    for (int i = 0; i < 70000; i++)
        knowledge_failed(&cell, ID);
    assert_true(cell.failed_in_row > 60000);
}

static void
a_probe_that_started_later_and_passed_ends_it(void **state)
{
    (void)state;
    knowledge_shun(&cell, &pulse, ID, 1000);
    pulse.passed_start_ms = 1000;
    assert_true(knowledge_shunned(&cell, &pulse, ID, 1100));
    pulse.passed_start_ms = 1001;
    assert_false(knowledge_shunned(&cell, &pulse, ID, 1100));
}

static void
a_probe_that_started_later_and_failed_keeps_it_without_end(void **state)
{
    (void)state;
    pulse.passed_start_ms = 500;
    knowledge_shun(&cell, &pulse, ID, 1000);
    pulse.failed_start_ms = 1040;
    assert_true(knowledge_shunned(&cell, &pulse, ID, 2000));
    assert_true(knowledge_shunned(&cell, &pulse, ID, 1000000));
    pulse.failed_start_ms = 900000;
    assert_true(knowledge_shunned(&cell, &pulse, ID, 1000000));
    pulse.passed_start_ms = 1000001;
    assert_false(knowledge_shunned(&cell, &pulse, ID, 1000002));
}

static void
a_mark_on_what_fails_its_probes_has_no_end_either(void **state)
{
    (void)state;
    pulse.passed_start_ms = 500;
    pulse.failed_start_ms = 900;
    knowledge_shun(&cell, &pulse, ID, 1000);
    assert_true(knowledge_shunned(&cell, &pulse, ID, 5000));
}

static void
an_older_failed_probe_keeps_nothing(void **state)
{
    (void)state;
    pulse.failed_start_ms = 500;
    pulse.passed_start_ms = 900;
    knowledge_shun(&cell, &pulse, ID, 1000);
    assert_true(knowledge_shunned(&cell, &pulse, ID, 1999));
    assert_false(knowledge_shunned(&cell, &pulse, ID, 2000));
}

static void
a_failed_probe_alone_shuns_nothing(void **state)
{
    (void)state;
    pulse.failed_start_ms = 900;
    assert_false(knowledge_shunned(&cell, &pulse, ID, 1000));
    knowledge_shun(&cell, &pulse, ID, 1000);
    knowledge_connected(&cell, ID, 200);
    assert_false(knowledge_shunned(&cell, &pulse, ID, 1001));
}

static void
a_failed_probe_of_another_endpoint_in_the_slot_keeps_nothing(void **state)
{
    (void)state;
    knowledge_shun(&cell, &pulse, ID, 1000);
    pulse.id = ID + 1;
    pulse.failed_start_ms = 1500;
    assert_true(knowledge_shunned(&cell, &pulse, ID, 1999));
    assert_false(knowledge_shunned(&cell, &pulse, ID, 2000));
}

static void
a_passed_probe_makes_the_next_mark_short_again(void **state)
{
    (void)state;
    knowledge_shun(&cell, &pulse, ID, 1000);
    knowledge_shun(&cell, &pulse, ID, 2000);
    pulse.passed_start_ms = 2500;
    knowledge_shun(&cell, &pulse, ID, 3000);
    assert_true(knowledge_shunned(&cell, &pulse, ID, 3999));
    assert_false(knowledge_shunned(&cell, &pulse, ID, 4000));
}

static void
a_probe_of_another_endpoint_in_the_slot_ends_nothing(void **state)
{
    (void)state;
    knowledge_shun(&cell, &pulse, ID, 1000);
    pulse.id = ID + 1;
    pulse.passed_start_ms = 1500;
    assert_true(knowledge_shunned(&cell, &pulse, ID, 1600));
}

static void
a_connection_ends_it(void **state)
{
    (void)state;
    knowledge_shun(&cell, &pulse, ID, 1000);
    knowledge_connected(&cell, ID, 200);
    assert_false(knowledge_shunned(&cell, &pulse, ID, 1001));
}

static void
a_new_endpoint_in_the_slot_inherits_nothing(void **state)
{
    (void)state;
    knowledge_connected(&cell, ID, 100000);
    knowledge_shun(&cell, &pulse, ID, 1000);
    assert_false(knowledge_shunned(&cell, &pulse, ID + 1, 1001));
    knowledge_connected(&cell, ID + 1, 40);
    assert_int_equal(cell.connect_us, 40);
    assert_int_equal(cell.failures, 0);
}

static void
late_is_four_times_the_usual_within_bounds(void **state)
{
    (void)state;
    assert_int_equal(knowledge_suspect_ms(&cell, &pulse, ID, STAGGER_MS), STAGGER_MS);
    pulse.connect_us = 300;
    assert_int_equal(knowledge_suspect_ms(&cell, &pulse, ID, STAGGER_MS), SUSPECT_MIN_MS);
    knowledge_connected(&cell, ID, 30000);
    assert_int_equal(knowledge_suspect_ms(&cell, &pulse, ID, STAGGER_MS), 120);
    knowledge_connected(&cell, ID, 3000000);
    assert_int_equal(knowledge_suspect_ms(&cell, &pulse, ID, STAGGER_MS), STAGGER_MS);
}

static void
a_short_stagger_is_obeyed(void **state)
{
    (void)state;
    knowledge_connected(&cell, ID, 100);
    assert_int_equal(knowledge_suspect_ms(&cell, &pulse, ID, 5), 5);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_endpoint_is_trusted_at_first, begin),
        cmocka_unit_test_setup(one_failure_shuns_for_a_second, begin),
        cmocka_unit_test_setup(failures_in_a_row_double_the_time_up_to_a_bound, begin),
        cmocka_unit_test_setup(failures_while_shunned_do_not_prolong_it, begin),
        cmocka_unit_test_setup(failures_in_a_row_end_with_a_connection, begin),
        cmocka_unit_test_setup(failures_in_a_row_do_not_wrap, begin),
        cmocka_unit_test_setup(a_probe_that_started_later_and_passed_ends_it, begin),
        cmocka_unit_test_setup(a_probe_that_started_later_and_failed_keeps_it_without_end,
                               begin),
        cmocka_unit_test_setup(a_mark_on_what_fails_its_probes_has_no_end_either, begin),
        cmocka_unit_test_setup(an_older_failed_probe_keeps_nothing, begin),
        cmocka_unit_test_setup(a_failed_probe_alone_shuns_nothing, begin),
        cmocka_unit_test_setup(a_failed_probe_of_another_endpoint_in_the_slot_keeps_nothing,
                               begin),
        cmocka_unit_test_setup(a_passed_probe_makes_the_next_mark_short_again, begin),
        cmocka_unit_test_setup(a_probe_of_another_endpoint_in_the_slot_ends_nothing, begin),
        cmocka_unit_test_setup(a_connection_ends_it, begin),
        cmocka_unit_test_setup(a_new_endpoint_in_the_slot_inherits_nothing, begin),
        cmocka_unit_test_setup(late_is_four_times_the_usual_within_bounds, begin),
        cmocka_unit_test_setup(a_short_stagger_is_obeyed, begin),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
