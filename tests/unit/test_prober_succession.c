/* A supervisor is killed, and the next one finds the prober: a real process, this test is both
 * of its supervisors. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/control.h"
#include "base/util.h"
#include "prober_harness.h"

enum { TEXT_BYTES = 64, APPS_MANY = 600 };

struct fixture {
    struct settings settings;
    struct app_config app;
    struct harness *harness;
    struct board *board;
    char target[TEXT_BYTES];
    uint16_t port;
    int fd;
};

static int
set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    const char *targets[1] = { fixture->target };

    settings_defaults(&fixture->settings);
    fixture->settings.log_level = LOG_ERROR;
    fixture->fd = harness_listen("127.0.0.1", &fixture->port, 16);
    snprintf(fixture->target, sizeof fixture->target, "127.0.0.1:%u", fixture->port);
    harness_app(&fixture->app, "web", targets, 1);
    fixture->app.probe.interval_ms = 60000;
    fixture->app.panic = APP_PANIC_FAIL;
    fixture->harness = harness_start(&fixture->settings);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;

    harness_stop(fixture->harness);
    board_close(fixture->board);
    app_config_fini(&fixture->app);
    if (fixture->fd >= 0)
        close(fixture->fd);
    free(fixture);
    return 0;
}

static bool
reported(const struct harness *harness, const void *context)
{
    return harness->report_end_count >= *(const uint32_t *)context;
}

static void
wait_for_report(struct harness *harness, uint32_t number)
{
    harness_wait(harness, reported, &number);
}

static bool
available(const struct harness *harness, const void *context)
{
    return harness->health.first_round_done && harness->health.available == 1;
}

static void
load(struct fixture *fixture)
{
    fixture->board = harness_load(fixture->harness, &fixture->app, 3, 7, 4);
    harness_wait(fixture->harness, available, NULL);
}

static void
forget(struct harness *harness)
{
    memset(&harness->health, 0, sizeof harness->health);
    harness->health_count = harness->record_count = 0;
}

static void
the_first_one_is_told_that_nothing_is_held(void **state)
{
    struct fixture *fixture = *state;

    wait_for_report(fixture->harness, 1);
    assert_int_equal(fixture->harness->hello_count, 1);
    assert_int_equal(fixture->harness->report_count, 0);
}

static void
the_next_one_is_told_what_is_held_and_how_it_is(void **state)
{
    struct fixture *fixture = *state;
    struct harness *harness = fixture->harness;
    char *text = app_config_print(&fixture->app);

    load(fixture);
    harness_leave(harness);
    forget(harness);
    assert_int_equal(harness_succeed(harness), -1);
    wait_for_report(harness, 2);
    assert_int_equal(harness->hello_count, 2);
    assert_int_equal(harness->report_count, 1);
    assert_string_equal(harness->reports[0].app, "web");
    assert_int_equal(harness->reports[0].generation, 3);
    assert_int_equal(harness->reports[0].board_number, 7);
    assert_int_equal(harness->reports[0].count, CONTROL_IS_LOADED);
    assert_string_equal(harness->report_texts[0], text);
    assert_int_equal(harness->health_count, 0);     /* it comes behind the report */
    harness_wait(harness, available, NULL);
    assert_string_equal(harness->health.app, "web");
    assert_int_equal(harness->health.generation, 3);
    free(text);
}

static void
what_it_asks_for_is_asked_again(void **state)
{
    struct fixture *fixture = *state;
    struct harness *harness = fixture->harness;
    const char *targets[] = { "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3" };

    app_config_fini(&fixture->app);
    harness_app(&fixture->app, "web", targets, 3);
    fixture->board = harness_load(harness, &fixture->app, 1, 1, 2);
    harness_read_for(harness, 200);
    assert_int_equal(harness->grow_count, 1);
    harness_leave(harness);
    harness_succeed(harness);
    wait_for_report(harness, 2);
    harness_read_for(harness, 200);
    assert_int_equal(harness->grow_count, 2);
    assert_int_equal(harness->grow.count, 3);
    assert_int_equal(harness->grow.board_number, 1);
}

static void
what_happened_meanwhile_is_told(void **state)
{
    struct fixture *fixture = *state;
    struct harness *harness = fixture->harness;
    uint64_t end_ms = clock_monotonic_ms() + HARNESS_WAIT_MS;
    struct board_detail detail;

    fixture->app.probe.interval_ms = 200;
    load(fixture);
    harness_leave(harness);
    forget(harness);
    close(fixture->fd);
    fixture->fd = -1;
    do {
        assert_true(clock_monotonic_ms() < end_ms);
        poll(NULL, 0, 10);
        assert_true(harness_detail(fixture->board, fixture->target, fixture->target, &detail));
    } while (detail.state != ENDPOINT_UNAVAILABLE);
    harness_succeed(harness);
    harness_read_for(harness, 300);
    assert_int_equal(harness_records(harness, RECORD_TRANSITION, fixture->target), 2);
    assert_string_equal(
        harness_record(harness, RECORD_TRANSITION, NULL)->of.transition.to_state,
        "unavailable");
    assert_int_equal(harness->health.available, 0);
}

static void
to_load_what_is_loaded_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct harness *harness = fixture->harness;
    struct board_detail before, after;
    uint64_t published;

    load(fixture);
    assert_true(harness_detail(fixture->board, fixture->target, fixture->target, &before));
    published = available_set_generation(board_available(fixture->board));
    harness_leave(harness);
    harness_succeed(harness);
    wait_for_report(harness, 2);
    forget(harness);
    harness_load_again(harness, &fixture->app, 3, 7);
    harness_read_for(harness, 200);
    assert_true(harness_detail(fixture->board, fixture->target, fixture->target, &after));
    assert_memory_equal(&after, &before, sizeof after);
    assert_int_equal(available_set_generation(board_available(fixture->board)), published);
    assert_int_equal(harness->record_count, 0);
}

static void
another_text_of_the_same_number_replaces_it_and_keeps_the_state(void **state)
{
    struct fixture *fixture = *state;
    struct harness *harness = fixture->harness;
    struct board_detail before, after;
    uint64_t published;

    load(fixture);
    assert_true(harness_detail(fixture->board, fixture->target, fixture->target, &before));
    published = available_set_generation(board_available(fixture->board));
    fixture->app.probe.fall = 9;
    harness_load_again(harness, &fixture->app, 3, 7);
    harness_read_for(harness, 200);
    assert_true(harness_detail(fixture->board, fixture->target, fixture->target, &after));
    assert_int_equal(after.id, before.id);
    assert_int_equal(after.successes, before.successes);
    assert_int_equal(after.probe_at_ms, before.probe_at_ms);
    assert_int_equal(available_set_generation(board_available(fixture->board)), published);
}

static void
who_connects_while_there_is_one_replaces_it(void **state)
{
    struct fixture *fixture = *state;
    struct control_message ping = { .magic = CONTROL_MAGIC, .type = CONTROL_PING };
    struct control_message message;
    int fds[CONTROL_FDS_MAX], before;
    uint64_t end_ms = clock_monotonic_ms() + HARNESS_WAIT_MS;
    size_t fd_count;
    int rc;

    load(fixture);
    for (int i = 0; i < 5; i++) {
        before = harness_succeed(fixture->harness);
        wait_for_report(fixture->harness, 2 + (uint32_t)i);
        while ((rc = control_receive(before, &message, fds, &fd_count)) != 0) {
            assert_true(clock_monotonic_ms() < end_ms);
            assert_true(rc == 1 || rc == -EAGAIN);
        }
        close(before);
    }
    harness_send(fixture->harness, &ping, -1, -1);
    harness_read_for(fixture->harness, 100);
    assert_int_equal(fixture->harness->pong_count, 1);
}

/* One that does not read fills no queue of ours with texts, nor does it stop the probes. */
static void
many_apps_are_reported_at_the_pace_of_the_reader(void **state)
{
    struct fixture *fixture = *state;
    struct harness *harness = fixture->harness;
    const char *targets[] = { fixture->target };
    struct app_config app;
    struct board *board = NULL;
    char name[16];

    harness->records_ignored = true;
    for (int i = 0; i < APPS_MANY; i++) {
        snprintf(name, sizeof name, "app-%d", i);
        harness_app(&app, name, targets, 1);
        app.probe.interval_ms = 60000;
        board_close(board);
        board = harness_load(harness, &app, 1, 1, 2);
        app_config_fini(&app);
    }
    board_close(board);
    close(harness_succeed(harness));
    poll(NULL, 0, 200);
    harness_unload(harness, "app-5", 0);        /* while it is being told */
    harness_unload(harness, "app-599", 0);
    harness->health_count = 0;
    wait_for_report(harness, 2);
    assert_in_range(harness->report_count, APPS_MANY - 2, APPS_MANY);
    harness_read_for(harness, 500);
    assert_true(harness->health_count >= APPS_MANY - 2);    /* some change, too */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_first_one_is_told_that_nothing_is_held, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_next_one_is_told_what_is_held_and_how_it_is, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_it_asks_for_is_asked_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_happened_meanwhile_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(to_load_what_is_loaded_changes_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            another_text_of_the_same_number_replaces_it_and_keeps_the_state, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_connects_while_there_is_one_replaces_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(many_apps_are_reported_at_the_pace_of_the_reader,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
