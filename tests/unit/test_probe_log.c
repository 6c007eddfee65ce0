#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "probes/probe_log.h"

enum { MINUTE = PROBE_LOG_MINUTE_MS };

static void
one_success_a_minute_is_kept(void **state)
{
    struct probe_log log = { 0 };
    int kept = 0;

    for (int64_t wall_ms = 7 * MINUTE; wall_ms < 10 * MINUTE; wall_ms += 5000)
        kept += probe_log_keep(&log, REASON_OK, wall_ms);
    assert_int_equal(kept, 3);
}

static void
every_failure_and_every_change_is_kept(void **state)
{
    struct probe_log log = { 0 };

    assert_true(probe_log_keep(&log, REASON_OK, MINUTE));
    assert_false(probe_log_keep(&log, REASON_OK, MINUTE + 1000));
    assert_true(probe_log_keep(&log, REASON_CONNECT_REFUSED, MINUTE + 2000));
    assert_true(probe_log_keep(&log, REASON_CONNECT_REFUSED, MINUTE + 3000));
    assert_true(probe_log_keep(&log, REASON_OK, MINUTE + 4000));
    assert_false(probe_log_keep(&log, REASON_OK, MINUTE + 5000));
}

static void
a_clock_that_was_set_back_silences_nothing(void **state)
{
    struct probe_log log = { 0 };

    assert_true(probe_log_keep(&log, REASON_OK, 100 * MINUTE));
    assert_true(probe_log_keep(&log, REASON_OK, 50 * MINUTE));
}

static void
what_flaps_gets_so_many_lines_a_minute_and_a_count(void **state)
{
    struct probe_lines lines = { 0 };
    int told = 0;

    for (int i = 0; i < 50; i++)
        told += probe_lines_allow(&lines, 5 * MINUTE + i * 1000);
    assert_int_equal(told, PROBE_LOG_LINES_MAX);
    assert_int_equal(probe_lines_untold(&lines, 6 * MINUTE - 1), 0);
    assert_int_equal(probe_lines_untold(&lines, 6 * MINUTE), 50 - PROBE_LOG_LINES_MAX);
    assert_int_equal(probe_lines_untold(&lines, 7 * MINUTE), 0);
    assert_true(probe_lines_allow(&lines, 7 * MINUTE));
    /* The clock was set back. */
    assert_int_equal(probe_lines_untold(&lines, 3 * MINUTE), 0);
}

static void
a_minute_that_is_over_is_summed_up(void **state)
{
    struct probe_log log = { 0 };
    struct record_probe_summary summary;

    for (uint32_t i = 1; i <= 5; i++) {
        assert_false(probe_log_minute(&log, 3 * MINUTE + i, &summary));
        probe_log_add(&log, i == 2 ? REASON_CONNECT_TIMEOUT : REASON_OK, i * 100);
    }
    assert_true(probe_log_minute(&log, 4 * MINUTE, &summary));
    assert_int_equal(summary.minute_ms, 3 * MINUTE);
    assert_int_equal(summary.runs, 5);
    assert_int_equal(summary.failures, 1);
    assert_int_equal(summary.p50_us, 300);
    assert_int_equal(summary.max_us, 500);
    assert_false(probe_log_minute(&log, 9 * MINUTE, &summary));
    probe_log_fini(&log);
}

static void
more_results_than_samples_are_counted_all_the_same(void **state)
{
    struct probe_log log = { 0 };
    struct record_probe_summary summary;

    probe_log_minute(&log, MINUTE, &summary);
    for (uint32_t i = 0; i < 1000; i++)
        probe_log_add(&log, REASON_OK, i == 0 ? 9999 : 50);
    assert_true(probe_log_minute(&log, 2 * MINUTE, &summary));
    assert_int_equal(summary.runs, 1000);
    assert_int_equal(summary.p50_us, 50);
    assert_int_equal(summary.max_us, 9999);
    probe_log_fini(&log);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_success_a_minute_is_kept),
        cmocka_unit_test(every_failure_and_every_change_is_kept),
        cmocka_unit_test(a_clock_that_was_set_back_silences_nothing),
        cmocka_unit_test(what_flaps_gets_so_many_lines_a_minute_and_a_count),
        cmocka_unit_test(a_minute_that_is_over_is_summed_up),
        cmocka_unit_test(more_results_than_samples_are_counted_all_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
