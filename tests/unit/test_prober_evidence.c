/* What clients find out makes the prober look: a real process, this test is its supervisor and
 * the app's worker. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "prober_harness.h"

enum {
    TEXT_BYTES = 64,
    INTERVAL_MS = 60000,        /* no second probe happens by itself */
    SLOTS = 4,
};

struct fixture {
    struct settings settings;
    struct app_config app;
    struct harness *harness;
    struct board *board;
    char target[TEXT_BYTES];
    uint16_t port;
    int fd;
};

/* One target that works, probed once. */
static int
set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    const char *targets[1];

    settings_defaults(&fixture->settings);
    fixture->settings.log_level = LOG_ERROR;
    fixture->fd = harness_listen("127.0.0.1", &fixture->port, 16);
    snprintf(fixture->target, sizeof fixture->target, "127.0.0.1:%u", fixture->port);
    targets[0] = fixture->target;
    harness_app(&fixture->app, "web", targets, 1);
    fixture->app.probe.interval_ms = INTERVAL_MS;
    fixture->harness = harness_start(&fixture->settings);
    fixture->harness->with_traffic = true;
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
available(const struct harness *harness, const void *context)
{
    return harness->health.first_round_done && harness->health.available == 1;
}

static void
load(struct fixture *fixture, uint32_t generation)
{
    board_close(fixture->board);
    fixture->board = harness_load(fixture->harness, &fixture->app, generation, generation,
                                  SLOTS);
    harness_wait(fixture->harness, available, NULL);
}

static void
kill_target(struct fixture *fixture)
{
    close(fixture->fd);
    fixture->fd = -1;
}

static struct board_detail
detail_of(const struct fixture *fixture)
{
    struct board_detail detail;

    assert_true(harness_detail(fixture->board, fixture->target, fixture->target, &detail));
    return detail;
}

/* A try of the endpoint `id` in slot 0 failed. */
static void
report_failure(const struct fixture *fixture, uint32_t id)
{
    struct traffic_knowledge *cell = traffic_knowledge(fixture->harness->traffic, 0);

    atomic_store(&cell->id, id);
    atomic_fetch_add(&cell->failures, 1);
}

struct probed_again {
    const struct fixture *fixture;
    int64_t after_ms;
};

static bool
probed_again(const struct harness *harness, const void *context)
{
    const struct probed_again *wanted = context;

    return detail_of(wanted->fixture).probe_at_ms > wanted->after_ms;
}

static bool
has_failed(const struct harness *harness, const void *context)
{
    return detail_of(context).state == ENDPOINT_FAILING;
}

static void
failures_of_clients_start_a_probe_long_before_its_turn(void **state)
{
    struct fixture *fixture = *state;
    const struct board_pulse *pulse;
    uint64_t begin_ms;

    load(fixture, 1);
    pulse = board_pulse(fixture->board, 0);
    assert_int_equal(atomic_load(&pulse->failed_start_ms), 0);
    kill_target(fixture);
    harness_read_for(fixture->harness, 300);
    assert_int_equal(detail_of(fixture).state, ENDPOINT_AVAILABLE);
    begin_ms = clock_monotonic_ms();
    report_failure(fixture, detail_of(fixture).id);
    harness_wait(fixture->harness, has_failed, fixture);

    assert_true(clock_monotonic_ms() - begin_ms < 900);
    assert_true(atomic_load(&pulse->failed_start_ms) >= begin_ms);
    assert_true(atomic_load(&pulse->passed_start_ms) < begin_ms);
}

/* It is among the busy apps then, and goes from there when its page does. */
static void
an_app_with_traffic_is_looked_at_as_well(void **state)
{
    struct fixture *fixture = *state;
    struct traffic_counters *counters;
    struct probed_again wanted = { .fixture = fixture };

    load(fixture, 1);
    counters = traffic_counters(fixture->harness->traffic, 0);
    for (int i = 0; i < 4; i++) {
        wanted.after_ms = detail_of(fixture).probe_at_ms;
        for (int tries = 0; tries < 20; tries++) {
            atomic_fetch_add(&counters->attempts, 1);
            harness_read_for(fixture->harness, 20);
        }
        report_failure(fixture, detail_of(fixture).id);
        harness_wait(fixture->harness, probed_again, &wanted);
    }
    load(fixture, 2);
    assert_int_equal(detail_of(fixture).state, ENDPOINT_AVAILABLE);
}

static void
clients_do_not_quicken_the_fall(void **state)
{
    struct fixture *fixture = *state;

    load(fixture, 1);
    kill_target(fixture);
    report_failure(fixture, detail_of(fixture).id);
    harness_wait(fixture->harness, has_failed, fixture);
    for (int i = 0; i < 6; i++) {
        report_failure(fixture, detail_of(fixture).id);
        harness_read_for(fixture->harness, 100);
    }
    /* The next of the three probes that it takes is due a second after the first. */
    assert_int_equal(detail_of(fixture).state, ENDPOINT_FAILING);
    assert_int_equal(detail_of(fixture).failures, 1);
}

static void
each_failure_counts_but_not_more_than_four_times_a_second(void **state)
{
    struct fixture *fixture = *state;
    uint64_t begin_ms;
    uint32_t probes, most;

    load(fixture, 1);
    begin_ms = clock_monotonic_ms();
    for (int i = 0; i < 100; i++) {
        report_failure(fixture, detail_of(fixture).id);
        harness_read_for(fixture->harness, 10);
    }
    probes = detail_of(fixture).successes;
    assert_true(probes >= 3);
    most = 2 + (uint32_t)((clock_monotonic_ms() - begin_ms) / 250);   /* with the first one */
    assert_true(probes <= most);
    assert_int_equal(detail_of(fixture).state, ENDPOINT_AVAILABLE);
}

/* The second one comes too soon for a probe at once, and nothing comes after it. */
static void
a_failure_soon_after_another_has_its_probe_as_well(void **state)
{
    struct fixture *fixture = *state;
    struct probed_again wanted = { .fixture = fixture };

    load(fixture, 1);
    for (int i = 0; i < 3; i++) {
        wanted.after_ms = detail_of(fixture).probe_at_ms;
        report_failure(fixture, detail_of(fixture).id);
        harness_wait(fixture->harness, probed_again, &wanted);
    }
}

static void
what_is_said_of_another_endpoint_starts_nothing(void **state)
{
    struct fixture *fixture = *state;

    load(fixture, 1);
    report_failure(fixture, detail_of(fixture).id + 1);
    harness_read_for(fixture->harness, 400);
    assert_int_equal(detail_of(fixture).successes, 1);
}

static void
a_new_worker_is_listened_to_as_well(void **state)
{
    struct fixture *fixture = *state;
    struct probed_again wanted = { .fixture = fixture };

    load(fixture, 1);
    wanted.after_ms = detail_of(fixture).probe_at_ms;
    harness_renew_traffic(fixture->harness, fixture->board);
    report_failure(fixture, detail_of(fixture).id);
    harness_wait(fixture->harness, probed_again, &wanted);
}

static void
what_clients_found_while_no_prober_lived_is_looked_at(void **state)
{
    struct fixture *fixture = *state;
    struct traffic_knowledge *cell;
    uint64_t begin_ms;

    load(fixture, 1);
    kill_target(fixture);
    harness_replace(fixture->harness, &fixture->settings);
    begin_ms = clock_monotonic_ms();
    report_failure(fixture, detail_of(fixture).id);
    cell = traffic_knowledge(fixture->harness->traffic, 0);
    atomic_store(&cell->shunned_since_ms, begin_ms);
    harness_load_again(fixture->harness, &fixture->app, 1, 1);
    harness_wait(fixture->harness, has_failed, fixture);
    assert_true(clock_monotonic_ms() - begin_ms < 900);
}

static void
what_was_answered_before_is_not_looked_at_again(void **state)
{
    struct fixture *fixture = *state;
    struct traffic_knowledge *cell;

    load(fixture, 1);
    cell = traffic_knowledge(fixture->harness->traffic, 0);
    report_failure(fixture, detail_of(fixture).id);
    atomic_store(&cell->shunned_since_ms, 1);
    harness_read_for(fixture->harness, 300);
    assert_int_equal(detail_of(fixture).successes, 2);
    harness_replace(fixture->harness, &fixture->settings);
    harness_load_again(fixture->harness, &fixture->app, 1, 1);
    harness_read_for(fixture->harness, 400);
    assert_int_equal(detail_of(fixture).successes, 2);
}

static bool
works(const struct harness *harness, const void *context)
{
    const struct fixture *fixture = context;
    struct board_detail detail;

    return harness_detail(fixture->board, fixture->target, fixture->target, &detail) &&
           detail.state == ENDPOINT_AVAILABLE && detail.successes > 0;
}

static void
a_larger_board_comes_with_its_own_page(void **state)
{
    struct fixture *fixture = *state;
    struct probed_again wanted = { .fixture = fixture };
    struct board *larger;

    load(fixture, 1);
    larger = harness_grow(fixture->harness, "web", 1, 2, 4 * SLOTS);
    board_close(fixture->board);
    fixture->board = larger;
    harness_wait(fixture->harness, works, fixture);
    wanted.after_ms = detail_of(fixture).probe_at_ms;
    report_failure(fixture, detail_of(fixture).id);
    harness_wait(fixture->harness, probed_again, &wanted);
}

static void
without_a_page_it_probes_at_its_own_pace(void **state)
{
    struct fixture *fixture = *state;

    fixture->harness->with_traffic = false;
    load(fixture, 1);
    harness_read_for(fixture->harness, 200);
    assert_int_equal(detail_of(fixture).successes, 1);
    fixture->harness->with_traffic = true;
    load(fixture, 2);       /* the next generation has one again */
    harness_wait(fixture->harness, works, fixture);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(failures_of_clients_start_a_probe_long_before_its_turn,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_app_with_traffic_is_looked_at_as_well, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(clients_do_not_quicken_the_fall, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            each_failure_counts_but_not_more_than_four_times_a_second, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failure_soon_after_another_has_its_probe_as_well,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_said_of_another_endpoint_starts_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_new_worker_is_listened_to_as_well, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_larger_board_comes_with_its_own_page, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_clients_found_while_no_prober_lived_is_looked_at,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_answered_before_is_not_looked_at_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(without_a_page_it_probes_at_its_own_pace, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
