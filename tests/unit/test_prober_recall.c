/* A prober is killed, and the next one goes on: a real process, this test is its supervisor. A
 * target is up or down as the test says, so each probe's outcome is known. */
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
#include "prober_harness.h"

enum { TEXT_BYTES = 64, SLOTS = 4 };

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
    fixture->fd = harness_listen("127.0.0.1", &fixture->port, 64);
    snprintf(fixture->target, sizeof fixture->target, "127.0.0.1:%u", fixture->port);
    harness_app(&fixture->app, "web", targets, 1);
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

static void
load(struct fixture *fixture, uint32_t slots)
{
    fixture->board = harness_load(fixture->harness, &fixture->app, 1, 1, slots);
}

static void
kill_target(struct fixture *fixture)
{
    close(fixture->fd);
    fixture->fd = -1;
}

static void
revive_target(struct fixture *fixture)
{
    fixture->fd = harness_listen("127.0.0.1", &fixture->port, 64);
}

static struct board_detail
detail_of(const struct fixture *fixture)
{
    struct board_detail detail;

    assert_true(harness_detail(fixture->board, fixture->target, fixture->target, &detail));
    return detail;
}

struct wanted {
    const struct fixture *fixture;
    enum endpoint_state state;
    uint32_t in_a_row;              /* so many probes at least */
};

static bool
is_so(const struct harness *harness, const void *context)
{
    const struct wanted *wanted = context;
    struct board_detail detail = detail_of(wanted->fixture);

    return detail.state == wanted->state &&
           detail.successes + detail.failures >= wanted->in_a_row;
}

static struct board_detail
wait_for(struct fixture *fixture, enum endpoint_state state, uint32_t in_a_row)
{
    const struct wanted wanted = { fixture, state, in_a_row };

    harness_wait(fixture->harness, is_so, &wanted);
    return detail_of(fixture);
}

static void
replace_prober(struct fixture *fixture)
{
    harness_replace(fixture->harness, &fixture->settings);
    fixture->harness->record_count = 0;
    harness_load_again(fixture->harness, &fixture->app, 1, 1);
}

static uint64_t
published(const struct fixture *fixture)
{
    return available_set_generation(board_available(fixture->board));
}

static bool
probed_since(const struct harness *harness, const void *context)
{
    const struct board_detail *before =
        ((const struct board_detail *const *)context)[0];
    const struct fixture *fixture = ((const void *const *)context)[1];

    return detail_of(fixture).probe_at_ms > before->probe_at_ms;
}

static struct board_detail
next_probe(struct fixture *fixture, const struct board_detail *before)
{
    const void *context[] = { before, fixture };

    harness_wait(fixture->harness, probed_since, context);
    return detail_of(fixture);
}

static void
what_is_shown_has_no_gap(void **state)
{
    struct fixture *fixture = *state;
    const struct board_pulse *pulse;
    struct board_detail before, after;
    uint64_t passed_ms, set;
    uint32_t connect_us;

    fixture->app.probe.interval_ms = 60000;
    load(fixture, SLOTS);
    before = wait_for(fixture, ENDPOINT_AVAILABLE, 1);
    pulse = board_pulse(fixture->board, 0);
    passed_ms = atomic_load(&pulse->passed_start_ms);
    connect_us = atomic_load(&pulse->connect_us);
    set = published(fixture);
    replace_prober(fixture);
    harness_read_for(fixture->harness, 300);
    after = detail_of(fixture);

    assert_int_equal(after.due_ms, before.due_ms);
    after.probe_next_ms = before.probe_next_ms;     /* said again, by the wall clock */
    assert_memory_equal(&after, &before, sizeof after);
    assert_int_equal(atomic_load(&pulse->passed_start_ms), passed_ms);
    assert_int_equal(atomic_load(&pulse->connect_us), connect_us);
    assert_int_equal(atomic_load(&pulse->id), before.id);
    assert_int_equal(published(fixture), set);
    assert_int_equal(fixture->harness->health.available, 1);
    assert_int_equal(fixture->harness->health.first_round_done, 1);
    assert_int_equal(harness_records(fixture->harness, RECORD_TRANSITION, NULL), 0);
}

static void
two_failures_of_three_need_exactly_one_more(void **state)
{
    struct fixture *fixture = *state;
    struct board_detail before, after;
    uint64_t set;

    load(fixture, SLOTS);
    wait_for(fixture, ENDPOINT_AVAILABLE, 1);
    set = published(fixture);
    kill_target(fixture);
    before = wait_for(fixture, ENDPOINT_FAILING, 2);
    replace_prober(fixture);
    assert_int_equal(detail_of(fixture).state, ENDPOINT_FAILING);
    assert_int_equal(published(fixture), set);
    after = next_probe(fixture, &before);
    assert_int_equal(after.state, ENDPOINT_UNAVAILABLE);
    assert_int_equal(after.failures, 3);
}

static void
one_failure_of_three_may_be_followed_by_another(void **state)
{
    struct fixture *fixture = *state;
    struct board_detail before, after;

    load(fixture, SLOTS);
    wait_for(fixture, ENDPOINT_AVAILABLE, 1);
    fixture->app.probe.fall = 3;
    kill_target(fixture);
    before = wait_for(fixture, ENDPOINT_FAILING, 1);
    if (before.failures > 1)
        return;                     /* this machine was too slow to tell */
    replace_prober(fixture);
    after = next_probe(fixture, &before);
    assert_int_equal(after.state, ENDPOINT_FAILING);
    assert_int_equal(after.failures, 2);
}

static void
one_success_below_rise_needs_one_more(void **state)
{
    struct fixture *fixture = *state;
    struct board_detail before, after;
    uint64_t set;

    fixture->app.probe.interval_ms = 1000;
    load(fixture, SLOTS);
    wait_for(fixture, ENDPOINT_AVAILABLE, 1);
    kill_target(fixture);
    wait_for(fixture, ENDPOINT_UNAVAILABLE, 3);
    harness_read_for(fixture->harness, 50);         /* published */
    set = published(fixture);
    revive_target(fixture);
    before = wait_for(fixture, ENDPOINT_RECOVERING, 1);
    replace_prober(fixture);
    assert_int_equal(detail_of(fixture).state, ENDPOINT_RECOVERING);
    assert_int_equal(published(fixture), set);
    after = next_probe(fixture, &before);
    assert_int_equal(after.state, ENDPOINT_AVAILABLE);
    assert_int_equal(after.successes, 2);
}

static void
what_is_known_to_be_dead_is_not_offered(void **state)
{
    struct fixture *fixture = *state;
    struct board_detail before;
    uint64_t set;
    char text[256];

    fixture->app.initial = APP_INITIAL_UP;
    load(fixture, SLOTS);
    kill_target(fixture);
    before = wait_for(fixture, ENDPOINT_UNAVAILABLE, 4);
    set = published(fixture);
    replace_prober(fixture);
    assert_int_equal(detail_of(fixture).state, ENDPOINT_UNAVAILABLE);
    assert_int_equal(detail_of(fixture).since_ms, before.since_ms);
    assert_int_equal(detail_of(fixture).down_since_ms, before.down_since_ms);
    assert_int_equal(published(fixture), set);
    assert_string_equal(harness_published(fixture->board, text, sizeof text), "");
    revive_target(fixture);         /* the first probe of the new one is not believed alone */
    wait_for(fixture, ENDPOINT_RECOVERING, 1);
    wait_for(fixture, ENDPOINT_AVAILABLE, 2);
}

/* Killed at any moment, again and again: the set stays the same and holds the endpoint. */
static void
available_stays_available_however_often_it_happens(void **state)
{
    struct fixture *fixture = *state;
    struct board_detail before, after;
    uint64_t set;

    load(fixture, SLOTS);
    before = wait_for(fixture, ENDPOINT_AVAILABLE, 1);
    set = published(fixture);
    for (int i = 0; i < 12; i++) {
        replace_prober(fixture);
        harness_read_for(fixture->harness, (uint32_t)(i * 37 % 100));
        after = detail_of(fixture);
        assert_int_equal(after.id, before.id);
        assert_int_equal(after.state, ENDPOINT_AVAILABLE);
        assert_true(after.successes >= before.successes);
        assert_int_equal(published(fixture), set);
        before = after;
    }
}

static void
an_endpoint_of_a_target_that_is_gone_goes_and_its_id_never_returns(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[] = { "127.0.0.1:1", "127.0.0.1:2" };
    const char *others[] = { "127.0.0.1:3", "127.0.0.1:2" };
    struct board_detail first, second, third;

    app_config_fini(&fixture->app);
    harness_app(&fixture->app, "web", targets, 2);
    load(fixture, SLOTS);
    assert_true(harness_detail(fixture->board, targets[0], targets[0], &first));
    assert_true(harness_detail(fixture->board, targets[1], targets[1], &second));
    app_config_fini(&fixture->app);
    harness_app(&fixture->app, "web", others, 2);
    replace_prober(fixture);
    assert_false(harness_detail(fixture->board, targets[0], targets[0], &third));
    assert_true(harness_detail(fixture->board, others[0], others[0], &third));
    assert_true(third.id > second.id);
    assert_true(harness_detail(fixture->board, others[1], others[1], &third));
    assert_int_equal(third.id, second.id);
}

static void
an_app_without_probes_stays_as_it_is(void **state)
{
    struct fixture *fixture = *state;
    struct board_detail before, after;
    uint64_t set;

    snprintf(fixture->app.probe.kind, sizeof fixture->app.probe.kind, "none");
    load(fixture, SLOTS);
    before = detail_of(fixture);
    set = published(fixture);
    replace_prober(fixture);
    after = detail_of(fixture);
    after.down_since_ms = before.down_since_ms;     /* means nothing here */
    assert_memory_equal(&after, &before, sizeof after);
    assert_int_equal(published(fixture), set);
}

static bool
three_available(const struct harness *harness, const void *context)
{
    return harness->health.available >= 3;
}

static void
targets_are_published_with_their_number(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[] = { "127.0.0.1:1", "localhost:2", "127.0.0.1:3" };
    struct available_snapshot *snapshot = calloc(1, available_snapshot_bytes(8));

    app_config_fini(&fixture->app);
    harness_app(&fixture->app, "web", targets, 3);
    snprintf(fixture->app.probe.kind, sizeof fixture->app.probe.kind, "none");
    load(fixture, 8);
    harness_wait(fixture->harness, three_available, NULL);
    available_set_copy(board_available(fixture->board), snapshot);
    assert_in_range(snapshot->count, 3, 4);     /* localhost has one address or two */
    for (uint32_t i = 0; i < snapshot->count; i++)
        assert_int_equal(snapshot->endpoints[i].target, snapshot->endpoints[i].address.port - 1);
    free(snapshot);
}

/* The addresses of names are there at once, before any lookup could have ended. */
static void
names_keep_their_addresses(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[] = { "127.0.0.1:1", "localhost:2", "127.0.0.1:3" };
    struct board_detail before, after;
    uint64_t set;

    app_config_fini(&fixture->app);
    harness_app(&fixture->app, "web", targets, 3);
    snprintf(fixture->app.probe.kind, sizeof fixture->app.probe.kind, "none");
    load(fixture, 8);
    harness_wait(fixture->harness, three_available, NULL);
    harness_read_for(fixture->harness, 200);            /* both families */
    assert_true(harness_detail(fixture->board, targets[1], "127.0.0.1:2", &before));
    set = published(fixture);
    replace_prober(fixture);
    assert_int_equal(published(fixture), set);
    harness_read_for(fixture->harness, 200);
    assert_true(harness_detail(fixture->board, targets[1], "127.0.0.1:2", &after));
    assert_int_equal(after.id, before.id);
    assert_int_equal(published(fixture), set);
}

/* ---- a newer generation beside it ---- */

static struct board_detail
detail_in(const struct board *board, const char *target)
{
    struct board_detail detail;

    assert_true(harness_detail(board, target, target, &detail));
    return detail;
}

static bool
new_one_was_probed(const struct harness *harness, const void *context)
{
    return harness->health.generation == 2 && harness->health.first_round_done;
}

static void
an_update_probes_at_once_what_is_new_and_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    struct board_detail before, after;
    char more[TEXT_BYTES];
    const char *targets[] = { fixture->target, more };
    struct app_config update;
    struct board *second;
    uint16_t port = 0;
    int fd = harness_listen("127.0.0.1", &port, 16);
    uint64_t begin_ms;

    snprintf(more, sizeof more, "127.0.0.1:%u", port);
    fixture->app.probe.interval_ms = 60000;
    load(fixture, SLOTS);
    before = wait_for(fixture, ENDPOINT_AVAILABLE, 1);
    harness_app(&update, "web", targets, 2);
    update.probe.interval_ms = 50000;
    update.probe.rise = 7;
    update.probe.fall = 9;
    begin_ms = clock_monotonic_ms();
    second = harness_load(fixture->harness, &update, 2, 2, SLOTS);
    harness_wait(fixture->harness, new_one_was_probed, NULL);
    assert_true(clock_monotonic_ms() - begin_ms < 1000);
    assert_int_equal(fixture->harness->health.available, 2);
    harness_read_for(fixture->harness, 200);
    after = detail_in(second, fixture->target);
    assert_int_equal(after.id, before.id);
    assert_int_equal(after.state, ENDPOINT_AVAILABLE);
    assert_int_equal(after.successes, 1);           /* not probed again */
    assert_int_equal(after.probe_at_ms, before.probe_at_ms);
    assert_true(after.due_ms <= clock_monotonic_ms() + 55000);
    assert_true(detail_in(second, more).id != before.id);
    board_close(second);
    app_config_fini(&update);
    close(fd);
}

static void
an_update_without_probes_inherits_no_state_and_back(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[] = { fixture->target };
    struct app_config update;
    struct board *second;

    snprintf(fixture->app.probe.kind, sizeof fixture->app.probe.kind, "none");
    load(fixture, SLOTS);
    assert_int_equal(detail_of(fixture).state, ENDPOINT_AVAILABLE);
    kill_target(fixture);
    harness_app(&update, "web", targets, 1);
    update.panic = APP_PANIC_FAIL;
    second = harness_load(fixture->harness, &update, 2, 2, SLOTS);
    harness_wait(fixture->harness, new_one_was_probed, NULL);
    assert_int_equal(detail_in(second, fixture->target).state, ENDPOINT_UNAVAILABLE);
    assert_int_equal(detail_of(fixture).state, ENDPOINT_AVAILABLE);
    board_close(second);
    app_config_fini(&update);
}

static bool
works(const struct harness *harness, const void *context)
{
    return harness->health.generation == *(const uint32_t *)context &&
           harness->health.available == 1;
}

static void
storms_of_updates_end_with_what_is_true(void **state)
{
    struct fixture *fixture = *state;
    struct board *board = NULL;
    char text[256];

    fixture->harness->records_ignored = true;
    load(fixture, SLOTS);
    wait_for(fixture, ENDPOINT_AVAILABLE, 1);
    for (uint32_t generation = 2; generation <= 100; generation++) {
        board_close(board);
        board = harness_load(fixture->harness, &fixture->app, generation, generation, SLOTS);
        harness_unload(fixture->harness, "web", generation - 1);
        assert_string_equal(harness_published(board, text, sizeof text), fixture->target);
        if (generation % 10 == 0)
            harness_unload(fixture->harness, "web", 0);
        else if (generation % 10 == 1)              /* nobody is there to be asked */
            harness_wait(fixture->harness, works, &generation);
        else
            assert_int_equal(detail_in(board, fixture->target).state, ENDPOINT_AVAILABLE);
    }
    board_close(board);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_shown_has_no_gap),
        TEST(two_failures_of_three_need_exactly_one_more),
        TEST(one_failure_of_three_may_be_followed_by_another),
        TEST(one_success_below_rise_needs_one_more),
        TEST(what_is_known_to_be_dead_is_not_offered),
        TEST(available_stays_available_however_often_it_happens),
        TEST(an_endpoint_of_a_target_that_is_gone_goes_and_its_id_never_returns),
        TEST(an_app_without_probes_stays_as_it_is),
        TEST(targets_are_published_with_their_number),
        TEST(names_keep_their_addresses),
        TEST(an_update_probes_at_once_what_is_new_and_nothing_else),
        TEST(an_update_without_probes_inherits_no_state_and_back),
        TEST(storms_of_updates_end_with_what_is_true),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
