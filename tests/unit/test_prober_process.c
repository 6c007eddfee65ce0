/* The prober as a whole: a real process on real sockets, with this test as its supervisor. */
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/control.h"
#include "prober_harness.h"

enum { TEXT_BYTES = 64 };

struct fixture {
    struct settings settings;
    struct app_config app;
    struct harness *harness;
    struct board *board;
};

static struct harness *
start(struct fixture *fixture)
{
    fixture->harness = harness_start(&fixture->settings);
    return fixture->harness;
}

static int
set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    settings_defaults(&fixture->settings);
    fixture->settings.log_level = LOG_ERROR;
    *state = fixture;
    return fixture == NULL;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;

    if (fixture->harness != NULL)
        harness_stop(fixture->harness);
    board_close(fixture->board);
    app_config_fini(&fixture->app);
    free(fixture);
    return 0;
}

static bool
first_round_done(const struct harness *harness, const void *context)
{
    return harness->health.first_round_done;
}

static bool
one_available(const struct harness *harness, const void *context)
{
    return harness->health.available == 1;
}

static bool
none_available(const struct harness *harness, const void *context)
{
    return harness->health_count > 0 && harness->health.available == 0;
}

static void
target_at(uint16_t port, char *text)
{
    snprintf(text, TEXT_BYTES, "127.0.0.1:%u", port);
}

static void
what_works_is_known_long_before_what_hangs(void **state)
{
    struct fixture *fixture = *state;
    char good[TEXT_BYTES], dead[TEXT_BYTES], hole[TEXT_BYTES], text[512];
    const char *targets[] = { hole, dead, good };
    uint16_t good_port = 0, dead_port = 0, hole_port = 0;
    int good_fd = harness_listen("127.0.0.1", &good_port, 16);
    int dead_fd = harness_listen("127.0.0.1", &dead_port, -1);  /* bound, not listening */
    int hole_fds[4];
    struct board_detail detail;
    uint64_t begin_ms;

    harness_black_hole(&hole_port, hole_fds);
    target_at(good_port, good);
    target_at(dead_port, dead);
    target_at(hole_port, hole);
    harness_app(&fixture->app, "three", targets, 3);
    fixture->app.probe.interval_ms = fixture->app.probe.timeout_ms = 1000;
    fixture->app.panic = APP_PANIC_FAIL;
    start(fixture);
    begin_ms = clock_monotonic_ms();
    fixture->board = harness_load(fixture->harness, &fixture->app, 1, 1, 3);

    harness_wait(fixture->harness, one_available, NULL);
    assert_true(clock_monotonic_ms() - begin_ms < 900);
    assert_false(fixture->harness->health.first_round_done);
    harness_wait(fixture->harness, first_round_done, NULL);

    assert_int_equal(fixture->harness->health.total, 3);
    assert_int_equal(fixture->harness->health.eligible, 1);
    assert_string_equal(harness_published(fixture->board, text, sizeof text), good);
    assert_true(harness_detail(fixture->board, good, good, &detail));
    assert_int_equal(detail.state, ENDPOINT_AVAILABLE);
    assert_int_equal(detail.reason, REASON_OK);
    assert_non_null(strstr(detail.probe_detail, "connected in"));
    assert_true(detail.probe_next_ms >= detail.probe_at_ms);
    assert_true(harness_detail(fixture->board, dead, dead, &detail));
    assert_int_equal(detail.state, ENDPOINT_UNAVAILABLE);
    assert_int_equal(detail.reason, REASON_CONNECT_REFUSED);
    assert_string_equal(detail.probe_detail, "connection refused");
    assert_true(harness_detail(fixture->board, hole, hole, &detail));
    assert_int_equal(detail.state, ENDPOINT_UNAVAILABLE);
    assert_int_equal(detail.reason, REASON_CONNECT_TIMEOUT);
    assert_string_equal(detail.probe_detail, "no answer within 1 s");
    close(good_fd);
    close(dead_fd);
    for (int i = 0; i < 4; i++)
        close(hole_fds[i]);
}

static void
a_target_that_dies_and_returns_is_followed(void **state)
{
    struct fixture *fixture = *state;
    char name[TEXT_BYTES], text[512];
    const char *targets[] = { name };
    const struct record *record;
    uint16_t port = 0;
    int fd = harness_listen("127.0.0.1", &port, 16);

    target_at(port, name);
    harness_app(&fixture->app, "phoenix", targets, 1);
    fixture->app.panic = APP_PANIC_FAIL;
    start(fixture);
    fixture->board = harness_load(fixture->harness, &fixture->app, 1, 1, 4);
    harness_wait(fixture->harness, one_available, NULL);
    /* That nothing was known yet is no row. */
    assert_int_equal(harness_records(fixture->harness, RECORD_ENDPOINT, name), 1);
    close(fd);
    harness_wait(fixture->harness, none_available, NULL);
    assert_string_equal(harness_published(fixture->board, text, sizeof text), "");
    fd = harness_listen("127.0.0.1", &port, 16);
    harness_wait(fixture->harness, one_available, NULL);
    assert_string_equal(harness_published(fixture->board, text, sizeof text), name);

    /* available, failing, unavailable, recovering, available: fall is 3, rise is 2. */
    assert_int_equal(harness_records(fixture->harness, RECORD_TRANSITION, name), 5);
    assert_true(harness_records(fixture->harness, RECORD_PROBE_RESULT, name) >= 5);
    record = harness_record(fixture->harness, RECORD_ENDPOINT, name);
    assert_string_equal(record->of.endpoint.state, "available");
    assert_string_equal(record->target, name);
    assert_string_equal(record->app, "phoenix");
    close(fd);
}

static void
panic_offers_everything_or_nothing(void **state)
{
    struct fixture *fixture = *state;
    char name[TEXT_BYTES], text[512], panic[TEXT_BYTES + 8];
    const char *targets[] = { name };
    uint16_t port = 0;
    int fd = harness_listen("127.0.0.1", &port, -1);

    target_at(port, name);
    snprintf(panic, sizeof panic, "panic %s", name);
    harness_app(&fixture->app, "afraid", targets, 1);
    start(fixture);
    fixture->board = harness_load(fixture->harness, &fixture->app, 1, 1, 4);
    harness_wait(fixture->harness, first_round_done, NULL);
    assert_string_equal(harness_published(fixture->board, text, sizeof text), panic);
    assert_int_equal(fixture->harness->health.panic, 2);    /* it never worked */
    assert_int_equal(fixture->harness->health.eligible, 0);

    board_close(fixture->board);
    fixture->app.panic = APP_PANIC_FAIL;
    fixture->harness->health.panic = 0;
    fixture->board = harness_load(fixture->harness, &fixture->app, 2, 2, 4);
    assert_string_equal(harness_published(fixture->board, text, sizeof text), "");
    close(fd);
}

static void
without_probes_everything_is_available_at_once(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[] = { "127.0.0.1:1", "localhost:2" };
    struct board_detail detail;
    char text[512];

    harness_app(&fixture->app, "trusting", targets, 2);
    snprintf(fixture->app.probe.kind, sizeof fixture->app.probe.kind, "none");
    start(fixture);
    fixture->board = harness_load(fixture->harness, &fixture->app, 1, 1, 8);
    harness_wait(fixture->harness, first_round_done, NULL);
    assert_true(harness_detail(fixture->board, "127.0.0.1:1", "127.0.0.1:1", &detail));
    assert_int_equal(detail.state, ENDPOINT_AVAILABLE);
    assert_int_equal(detail.reason, REASON_INITIAL);
    /* localhost is in the hosts file or means the loopback: it needs no DNS server. */
    harness_published(fixture->board, text, sizeof text);
    assert_non_null(strstr(text, "127.0.0.1:1 127.0.0.1:2"));
}

static void
it_goes_on_without_a_supervisor(void **state)
{
    struct fixture *fixture = *state;
    char name[TEXT_BYTES], text[512];
    const char *targets[] = { name };
    uint16_t port = 0;
    int fd = harness_listen("127.0.0.1", &port, 16);
    uint64_t end_ms, beat_ms;

    target_at(port, name);
    harness_app(&fixture->app, "orphan", targets, 1);
    fixture->app.panic = APP_PANIC_FAIL;
    start(fixture);
    fixture->board = harness_load(fixture->harness, &fixture->app, 1, 1, 4);
    harness_wait(fixture->harness, one_available, NULL);
    close(fixture->harness->control);
    fixture->harness->control = -1;
    close(fd);
    end_ms = clock_monotonic_ms() + HARNESS_WAIT_MS;
    while (harness_published(fixture->board, text, sizeof text)[0] != '\0') {
        assert_true(clock_monotonic_ms() < end_ms);
        poll(NULL, 0, 10);
    }
    beat_ms = board_beat_ms(fixture->board);
    while (board_beat_ms(fixture->board) == beat_ms) {
        assert_true(clock_monotonic_ms() < end_ms);
        poll(NULL, 0, 10);
    }
}

static void
a_newer_generation_knows_what_the_older_one_knew(void **state)
{
    struct fixture *fixture = *state;
    char good[TEXT_BYTES], more[TEXT_BYTES], text[512];
    const char *targets[] = { good, more };
    uint16_t good_port = 0, more_port = 0;
    int good_fd = harness_listen("127.0.0.1", &good_port, 16);
    int more_fd = harness_listen("127.0.0.1", &more_port, 16);
    struct app_config bigger;
    struct board_detail detail;
    struct board *second;

    target_at(good_port, good);
    target_at(more_port, more);
    harness_app(&fixture->app, "growing", targets, 1);
    harness_app(&bigger, "growing", targets, 2);
    start(fixture);
    fixture->board = harness_load(fixture->harness, &fixture->app, 1, 1, 1);
    harness_wait(fixture->harness, one_available, NULL);
    second = harness_load(fixture->harness, &bigger, 2, 2, 2);
    assert_true(harness_detail(second, good, good, &detail));
    assert_int_equal(detail.state, ENDPOINT_AVAILABLE);
    harness_wait(fixture->harness, first_round_done, NULL);

    /* The older one still works; then it goes, and takes no row with it that is still true. */
    harness_published(fixture->board, text, sizeof text);
    assert_string_equal(text, good);
    harness_unload(fixture->harness, "growing", 1);
    harness_read_for(fixture->harness, 300);
    assert_int_equal(harness_records(fixture->harness, RECORD_ENDPOINT_GONE, NULL), 0);
    harness_unload(fixture->harness, "growing", 2);
    harness_read_for(fixture->harness, 300);
    assert_int_equal(harness_records(fixture->harness, RECORD_ENDPOINT_GONE, NULL), 2);
    board_close(second);
    app_config_fini(&bigger);
    close(good_fd);
    close(more_fd);
}

static void
history_is_where_an_endpoint_starts(void **state)
{
    struct fixture *fixture = *state;
    char name[TEXT_BYTES], text[512];
    const char *targets[] = { name };
    struct record seed = { .kind = RECORD_ENDPOINT, .at_ms = clock_wall_ms() - 60000 };
    struct board_detail detail;
    int hole_fds[4];
    uint16_t port;

    harness_black_hole(&port, hole_fds);
    target_at(port, name);
    snprintf(seed.app, sizeof seed.app, "memory");
    snprintf(seed.target, sizeof seed.target, "%s", name);
    snprintf(seed.address, sizeof seed.address, "%s", name);
    snprintf(seed.of.endpoint.state, sizeof seed.of.endpoint.state, "failing");
    seed.of.endpoint.since_ms = seed.at_ms;
    harness_app(&fixture->app, "memory", targets, 1);
    fixture->app.panic = APP_PANIC_FAIL;
    start(fixture);
    harness_seed(fixture->harness, &seed, 1);
    fixture->board = harness_load(fixture->harness, &fixture->app, 1, 1, 4);
    assert_true(harness_detail(fixture->board, name, name, &detail));
    assert_int_equal(detail.state, ENDPOINT_AVAILABLE);
    assert_int_equal(detail.reason, REASON_HISTORY);
    assert_int_equal(detail.since_ms, seed.at_ms);
    assert_string_equal(harness_published(fixture->board, text, sizeof text), name);
    /* It needs `fall` failures to be believed dead. */
    harness_wait(fixture->harness, first_round_done, NULL);
    assert_true(harness_detail(fixture->board, name, name, &detail));
    assert_int_equal(detail.state, ENDPOINT_FAILING);
    harness_wait(fixture->harness, none_available, NULL);
    for (int i = 0; i < 4; i++)
        close(hole_fds[i]);
}

/* A seed of what works, with a penalty of `penalty_at_ms`. */
static struct record
seed_of(const char *target, int64_t penalty_at_ms)
{
    struct record seed = { .kind = RECORD_ENDPOINT, .at_ms = clock_wall_ms() };

    snprintf(seed.app, sizeof seed.app, "flaps");
    snprintf(seed.target, sizeof seed.target, "%s", target);
    snprintf(seed.address, sizeof seed.address, "%s", target);
    snprintf(seed.of.endpoint.state, sizeof seed.of.endpoint.state, "available");
    seed.of.endpoint.penalty = 4000;
    seed.of.endpoint.penalty_at_ms = penalty_at_ms;
    return seed;
}

/* The database has the wall clock's time of a penalty. Whatever that clock did meanwhile, it is
 * held for no longer than from now on, and is told to the next one with the time that it is now. */
static void
a_penalty_fades_by_the_clock_that_nobody_sets(void **state)
{
    struct fixture *fixture = *state;
    char ahead[TEXT_BYTES], faded[TEXT_BYTES];
    const char *targets[] = { ahead, faded };
    uint16_t ahead_port = 0, faded_port = 0;
    int ahead_fd = harness_listen("127.0.0.1", &ahead_port, 16);
    int faded_fd = harness_listen("127.0.0.1", &faded_port, 16);
    int64_t wall_ms = clock_wall_ms(), penalty_at_ms;
    struct record seeds[2];
    struct board_detail detail;

    target_at(ahead_port, ahead);
    target_at(faded_port, faded);
    seeds[0] = seed_of(ahead, wall_ms + 3600000);       /* it was set back since */
    seeds[1] = seed_of(faded, wall_ms - 120000);        /* two half-lives */
    harness_app(&fixture->app, "flaps", targets, 2);
    fixture->app.flap_half_life_ms = 60000;
    fixture->app.flap_suppress = 3000;
    fixture->app.flap_reuse = 1500;
    start(fixture);
    harness_seed(fixture->harness, seeds, 2);
    fixture->board = harness_load(fixture->harness, &fixture->app, 1, 1, 2);
    harness_wait(fixture->harness, first_round_done, NULL);

    assert_true(harness_detail(fixture->board, ahead, ahead, &detail));
    assert_true(detail.flags & BOARD_FLAPPING);
    assert_int_equal(detail.state, ENDPOINT_RECOVERING);
    assert_true(detail.penalty_at_ms <= (int64_t)clock_monotonic_ms());
    penalty_at_ms = harness_record(fixture->harness, RECORD_ENDPOINT, ahead)
                        ->of.endpoint.penalty_at_ms;
    assert_in_range(penalty_at_ms, wall_ms - 1000, clock_wall_ms());
    assert_true(harness_detail(fixture->board, faded, faded, &detail));
    assert_false(detail.flags & BOARD_FLAPPING);
    assert_int_equal(detail.state, ENDPOINT_AVAILABLE);
    close(ahead_fd);
    close(faded_fd);
}

static void
nonsense_is_refused_and_told(void **state)
{
    struct fixture *fixture = *state;
    struct control_message message;
    struct control_message ping = { .magic = CONTROL_MAGIC, .type = CONTROL_PING };
    char text[] = "this is no configuration";
    int fd;

    start(fixture);
    control_app_message(&message, CONTROL_APP_LOAD, "broken", 1);
    harness_send(fixture->harness, &message, -1, -1);
    fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    harness_send(fixture->harness, &message, fd, fd);
    control_app_message(&message, CONTROL_APP_BOARD, "broken", 1);
    harness_send(fixture->harness, &message, fd, -1);
    close(fd);
    harness_seed(fixture->harness, (const struct record *)(const void *)text, 0);
    harness_unload(fixture->harness, "unheard-of", 7);
    harness_send(fixture->harness, &ping, -1, -1);
    harness_read_for(fixture->harness, 500);
    assert_int_equal(fixture->harness->loaded_count, 3);
    assert_true(fixture->harness->loaded.result < 0);
    assert_string_not_equal(fixture->harness->loaded.detail, "");
    assert_int_equal(fixture->harness->pong_count, 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_works_is_known_long_before_what_hangs, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_target_that_dies_and_returns_is_followed, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(panic_offers_everything_or_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_probes_everything_is_available_at_once, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(it_goes_on_without_a_supervisor, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_newer_generation_knows_what_the_older_one_knew,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(history_is_where_an_endpoint_starts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_penalty_fades_by_the_clock_that_nobody_sets, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nonsense_is_refused_and_told, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
