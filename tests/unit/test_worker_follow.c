/* What has retired in the real worker, for another process serves it: it hears of later updates,
 * and the app may come back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/app.h"
#include "tests/unit/worker_rig_app.h"

enum { TIME_MS = 1500 };

static struct rig rig;
static int targets[2];          /* listening */
static uint16_t target_ports[2];
static uint16_t port;           /* of the app */
static int socket_of_app;       /* the supervisor's copy */
static struct rig_app a, b, c;  /* three generations */

static int
begin(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        targets[i] = rig_listen(&target_ports[i]);
    port = 0;
    socket_of_app = rig_listen_shared(&port);
    rig_spawn(&rig);
    return 0;
}

static int
end(void **state)
{
    struct rig_app *apps[] = { &a, &b, &c };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        rig_app_fini(apps[i]);
        memset(apps[i], 0, sizeof *apps[i]);
    }
    close(socket_of_app);
    close(targets[0]);
    close(targets[1]);
    rig_fini(&rig);
    return 0;
}

/* With the port and both targets, the worker not having its socket. */
static struct rig_app
plain(uint32_t generation)
{
    return (struct rig_app){ .name = "x", .generation = generation, .threads = 2,
                             .port_count = 1, .ports = { port },
                             .target_count = 2, .targets = { target_ports[0], target_ports[1] } };
}

/* The first target alone, or the second one. */
static struct rig_app
with_target(struct rig_app app, int which)
{
    app.target_count = 1;
    app.targets[0] = target_ports[which];
    return app;
}

static void
start(struct rig_app *app)
{
    app->socket_count = 1;
    app->sockets[0] = socket_of_app;
    assert_int_equal(rig_app_load(&rig, app), 0);
    rig_app_accept(&rig, app, 0);
}

static void
follow(struct rig_app *app, uint32_t limit_ms)
{
    app->total_sockets = 1;         /* that never comes: there is no COMMIT */
    rig_app_send(&rig, app);
    rig_app_order(&rig, app, CONTROL_APP_FOLLOW, limit_ms);
}

/* Bytes are read until the end; how that was: 0 or -1. */
static ssize_t
wait_for_end(int socket)
{
    char bytes[64];
    ssize_t count;

    do
        count = recv(socket, bytes, sizeof bytes, 0);
    while (count > 0);
    return count;
}

static void
the_follower_has_what_is_configured_still(void **state)
{
    struct rig_pair kept, removed;

    (void)state;
    a = plain(1);
    b = with_target(plain(2), 1);
    start(&a);
    removed = rig_pair_connect(port, targets[0]);
    kept = rig_pair_connect(port, targets[1]);
    rig_app_order(&rig, &a, CONTROL_APP_RETIRE, 0);
    follow(&b, TIME_MS);
    rig_pair_talk(&removed);
    rig_pair_talk(&kept);
    wait_for_end(removed.client);
    rig_app_expect_gone(&rig, &a);
    rig_pair_talk(&kept);
    assert_int_equal(rig_app_totals(&b).active, 1);
    assert_int_equal(rig_app_totals(&b).accepted, 2);
    assert_int_equal(rig_app_totals(&b).closed[CLOSE_DRAIN_TIMEOUT], 1);
    rig_pair_close(&kept);
    rig_app_expect_gone(&rig, &b);
    rig_pair_close(&removed);
}

static void
each_follower_follows_the_one_before(void **state)
{
    struct rig_pair kept, removed;

    (void)state;
    a = plain(1);
    b = plain(2);
    c = with_target(plain(3), 1);
    start(&a);
    removed = rig_pair_connect(port, targets[0]);
    kept = rig_pair_connect(port, targets[1]);
    rig_app_order(&rig, &a, CONTROL_APP_RETIRE, 0);
    follow(&b, 0);
    rig_app_expect_gone(&rig, &a);
    rig_pair_talk(&removed);
    follow(&c, 0);
    rig_app_expect_gone(&rig, &b);
    wait_for_end(removed.client);
    rig_pair_talk(&kept);
    rig_pair_close(&kept);
    rig_app_expect_gone(&rig, &c);
    assert_int_equal(rig_app_totals(&c).accepted, 2);
    rig_pair_close(&removed);
}

/* An update does not make the time of the hand-over begin anew, nor end it. */
static void
the_time_that_was_left_goes_on(void **state)
{
    struct rig_pair pair;
    uint64_t begin_ms, took_ms;

    (void)state;
    a = plain(1);
    b = plain(2);
    start(&a);
    pair = rig_pair_connect(port, targets[0]);
    begin_ms = clock_monotonic_ms();
    rig_app_order(&rig, &a, CONTROL_APP_RETIRE, TIME_MS);
    follow(&b, 0);
    rig_app_expect_gone(&rig, &a);
    rig_pair_talk(&pair);
    wait_for_end(pair.client);
    took_ms = clock_monotonic_ms() - begin_ms;
    assert_true(took_ms >= TIME_MS * 2 / 3 - 20);
    assert_true(took_ms <= TIME_MS + 1000);
    rig_app_expect_gone(&rig, &b);
    rig_pair_close(&pair);
}

static void
who_has_nobody_to_follow_is_gone(void **state)
{
    struct rig_pair pair;

    (void)state;
    a = plain(1);
    b = plain(2);
    c = plain(3);
    start(&a);
    pair = rig_pair_connect(port, targets[0]);
    follow(&b, 0);                  /* it accepts here: there is nothing that has retired */
    rig_app_expect_gone(&rig, &b);
    rig_pair_talk(&pair);
    rig_app_order(&rig, &a, CONTROL_APP_DRAIN, TIME_MS);
    follow(&c, 0);                  /* what drains is nobody's either */
    rig_app_expect_gone(&rig, &c);
    rig_pair_talk(&pair);
    rig_pair_close(&pair);
    rig_app_expect_gone(&rig, &a);
}

/* For the app serves there now, with a process of another number of threads. */
static void
one_that_does_not_fit_is_gone_and_nothing_else_is(void **state)
{
    struct rig_pair pair;

    (void)state;
    a = plain(1);
    b = plain(2);
    b.threads = 1;
    start(&a);
    pair = rig_pair_connect(port, targets[0]);
    rig_app_order(&rig, &a, CONTROL_APP_RETIRE, 0);
    follow(&b, 0);
    rig_app_expect_gone(&rig, &b);
    rig_pair_talk(&pair);
    rig_pair_close(&pair);
    rig_app_expect_gone(&rig, &a);
}

static void
connections_come_home_with_their_app(void **state)
{
    struct rig_pair pair, fresh;

    (void)state;
    a = plain(1);
    b = plain(2);
    c = with_target(plain(3), 1);
    start(&a);
    pair = rig_pair_connect(port, targets[0]);
    rig_app_order(&rig, &a, CONTROL_APP_RETIRE, 0);
    start(&b);
    rig_app_expect_gone(&rig, &a);
    fresh = rig_pair_connect(port, targets[0]);
    rig_pair_talk(&pair);
    assert_int_equal(rig_app_totals(&b).active, 2);
    assert_int_equal(rig_app_totals(&b).accepted, 2);
    start(&c);
    wait_for_end(pair.client);
    wait_for_end(fresh.client);
    rig_app_expect_gone(&rig, &b);
    rig_pair_close(&pair);
    rig_pair_close(&fresh);
}

/* Told twice, it waits for nobody, and its threads end in order. */
static void
a_second_stop_cuts_what_stays(void **state)
{
    struct rig_pair pair;

    (void)state;
    a = plain(1);
    b = plain(2);
    start(&a);
    pair = rig_pair_connect(port, targets[0]);
    rig_app_order(&rig, &a, CONTROL_APP_RETIRE, 0);
    follow(&b, 0);
    rig_app_expect_gone(&rig, &a);
    rig_order(&rig, CONTROL_STOP, 60000, NULL, 0);
    rig_pair_talk(&pair);
    assert_int_equal(rig_stop(&rig, 0), 0);
    wait_for_end(pair.client);
    rig_pair_close(&pair);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_follower_has_what_is_configured_still),
        TEST(each_follower_follows_the_one_before),
        TEST(the_time_that_was_left_goes_on),
        TEST(who_has_nobody_to_follow_is_gone),
        TEST(one_that_does_not_fit_is_gone_and_nothing_else_is),
        TEST(connections_come_home_with_their_app),
        TEST(a_second_stop_cuts_what_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
