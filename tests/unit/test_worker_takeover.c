/* Generations of apps that follow one another in the real worker: what is carried over, what
 * drains and how. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/app.h"
#include "tests/unit/worker_rig_app.h"

enum { RAMPED = 30, RAMP_LIMIT_MS = 1500 };

static struct rig rig;
static int targets[2];          /* listening */
static uint16_t target_ports[2];
static uint16_t port;           /* of the app */
static int socket_of_app;       /* the supervisor's copy */
static struct rig_app a, b, c;  /* three generations, or apps */

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

/* A generation with the port and both targets; the caller changes what it likes. */
static struct rig_app
plain(const char *name, uint32_t generation)
{
    return (struct rig_app){ .name = name, .generation = generation, .threads = 2,
                             .port_count = 1, .ports = { port },
                             .target_count = 2, .targets = { target_ports[0], target_ports[1] } };
}

static struct rig_app
with_socket(struct rig_app app)
{
    app.socket_count = 1;
    app.sockets[0] = socket_of_app;
    return app;
}

static void
start(struct rig_app *app)
{
    assert_int_equal(rig_app_load(&rig, app), 0);
    rig_app_accept(&rig, app, 0);
}

static uint64_t
active_at(const struct rig_app *app, uint16_t slot, uint32_t id)
{
    uint64_t connected, failed, active;

    traffic_sum_tries(app->traffic, slot, id, &connected, &failed, &active);
    return active;
}

static void
connections_are_carried_over(void **state)
{
    struct rig_pair first, second;

    (void)state;
    a = with_socket(plain("x", 1));
    b = plain("x", 2);
    b.targets[0] = target_ports[1];     /* the other order: both have new numbers */
    b.targets[1] = target_ports[0];
    start(&a);
    first = rig_pair_connect(port, targets[0]);
    second = rig_pair_connect(port, targets[1]);
    assert_int_equal(rig_app_load(&rig, &b), 0);
    rig_app_accept(&rig, &b, 0);        /* no time at all for what would stay */
    rig_app_expect_gone(&rig, &a);
    rig_pair_talk(&first);
    rig_pair_talk(&second);
    assert_int_equal(rig_app_totals(&b).accepted, 2);
    assert_int_equal(rig_app_totals(&b).active, 2);
    assert_int_equal(rig_app_totals(&a).active, 0);
    assert_int_equal(active_at(&b, 2, 200), 1);     /* target 0 of generation 2 */
    assert_int_equal(active_at(&b, 3, 201), 1);
    rig_pair_close(&first);
    rig_pair_close(&second);
    first = rig_pair_connect(port, targets[1]);       /* the new one's first */
    rig_pair_close(&first);
    assert_int_equal(rig_stop(&rig, 5000), 0);
    assert_int_equal(rig_app_totals(&b).accepted, 3);
    assert_int_equal(rig_app_totals(&b).active, 0);
    assert_int_equal(active_at(&b, 2, 200) + active_at(&b, 3, 201), 0);
}

static void
idle_200_ms(struct app_config *config)
{
    config->idle_timeout_ms = config->half_close_timeout_ms = 200;
}

static void
the_new_time_limits_hold_for_what_is_carried(void **state)
{
    struct rig_pair pair;
    char byte;

    (void)state;
    a = with_socket(plain("x", 1));
    b = plain("x", 2);
    b.configure = idle_200_ms;
    start(&a);
    pair = rig_pair_connect(port, targets[0]);
    assert_int_equal(rig_app_load(&rig, &b), 0);
    rig_app_accept(&rig, &b, 0);
    assert_int_equal(recv(pair.client, &byte, 1, 0), 0);
    assert_int_equal(rig_app_totals(&b).closed[CLOSE_IDLE_TIMEOUT], 1);
    rig_pair_close(&pair);
}

/* It was tried once; that it refuses is known to the next generation too. */
static void
what_is_known_of_an_endpoint_is_carried(void **state)
{
    uint16_t refused;
    int refusing = rig_refusing_port(&refused);
    struct rig_pair pair;

    (void)state;
    a = with_socket(plain("x", 1));
    a.targets[1] = refused;
    b = plain("x", 2);
    b.targets[0] = refused;
    b.targets[1] = target_ports[0];
    start(&a);
    for (int i = 0; i < 2; i++) {
        pair = rig_pair_connect(port, targets[0]);
        rig_pair_close(&pair);
    }
    assert_int_equal(rig_app_totals(&a).retries, 1);
    assert_int_equal(rig_app_load(&rig, &b), 0);
    rig_app_accept(&rig, &b, 0);
    for (int i = 0; i < 4; i++) {
        pair = rig_pair_connect(port, targets[0]);
        rig_pair_close(&pair);
    }
    assert_int_equal(rig_app_totals(&b).retries, 1);
    close(refusing);
}

/* When each of the clients was closed, in ms from now. */
static void
watch_ends(const struct rig_pair *pairs, uint64_t *ends_ms)
{
    uint64_t begin_ms = clock_monotonic_ms();
    struct pollfd polled[RAMPED];
    unsigned left = RAMPED;

    for (unsigned i = 0; i < RAMPED; i++)
        polled[i] = (struct pollfd){ .fd = pairs[i].client, .events = POLLIN };
    while (left > 0) {
        assert_true(poll(polled, RAMPED, RIG_WAIT_MS) > 0);
        for (unsigned i = 0; i < RAMPED; i++) {
            if (polled[i].fd < 0 || polled[i].revents == 0)
                continue;
            ends_ms[RAMPED - left--] = clock_monotonic_ms() - begin_ms;
            polled[i].fd = -1;
        }
    }
}

static void
what_a_removed_target_has_ends_evenly(void **state)
{
    struct rig_pair pairs[RAMPED];
    uint64_t ends_ms[RAMPED];

    (void)state;
    a = with_socket(plain("x", 1));
    a.target_count = 1;
    a.threads = 1;
    b = plain("x", 2);
    b.threads = 1;
    b.target_count = 1;
    b.targets[0] = target_ports[1];
    start(&a);
    for (int i = 0; i < RAMPED; i++)
        pairs[i] = rig_pair_connect(port, targets[0]);
    assert_int_equal(rig_app_load(&rig, &b), 0);
    rig_app_accept(&rig, &b, RAMP_LIMIT_MS);
    assert_int_equal(rig_app_totals(&a).active, RAMPED);
    watch_ends(pairs, ends_ms);
    /* Two thirds in peace, then a straight line; a busy machine only makes it later. */
    assert_true(ends_ms[0] >= RAMP_LIMIT_MS * 2 / 3 - 20);
    assert_true(ends_ms[RAMPED - 1] <= RAMP_LIMIT_MS + 500);
    assert_true(ends_ms[RAMPED - 1] - ends_ms[0] >= RAMP_LIMIT_MS / 3 * 3 / 4);
    assert_true(ends_ms[RAMPED / 2] - ends_ms[0] >= RAMP_LIMIT_MS / 3 / 4);
    rig_app_expect_gone(&rig, &a);
    assert_int_equal(rig_app_totals(&b).closed[CLOSE_DRAIN_TIMEOUT], RAMPED);
    for (int i = 0; i < RAMPED; i++)
        rig_pair_close(&pairs[i]);
}

static void
patient(struct app_config *config)
{
    config->connect_timeout_ms = 15000;
    config->connect_per_try_ms = 15000;
}

/* A listening socket with a full queue: connect() hangs until somebody accepts. */
static int
full_listener(uint16_t *slow, int *filler)
{
    int fd = rig_refusing_port(slow);

    assert_int_equal(listen(fd, 0), 0);
    *filler = rig_connect(*slow);
    return fd;
}

/* No time for what stays, but a client that is still connecting is not to blame. */
static void
a_connection_that_is_connecting_is_carried_when_it_has_connected(void **state)
{
    int hanging, client, target, filler, filled;
    uint16_t slow;

    (void)state;
    hanging = full_listener(&slow, &filler);
    a = with_socket(plain("x", 1));
    a.target_count = 1;
    a.targets[0] = slow;
    a.configure = patient;
    b = plain("x", 2);
    b.targets[1] = slow;
    b.configure = patient;
    c = plain("x", 3);
    c.targets[0] = slow;
    c.configure = patient;
    start(&a);
    client = rig_connect(port);
    for (int i = 0; i < RIG_WAIT_MS && rig_app_totals(&a).attempts == 0; i++)
        poll(NULL, 0, 1);
    assert_int_equal(rig_app_load(&rig, &b), 0);
    rig_app_accept(&rig, &b, 0);
    assert_int_equal(rig_app_load(&rig, &c), 0);
    rig_app_accept(&rig, &c, 0);        /* it waits for what its predecessor waits for */
    filled = rig_accept(hanging);
    target = rig_accept(hanging);       /* when its SYN comes again */
    rig_say(client, target, "at last");
    rig_app_expect_gone(&rig, &a);
    rig_app_expect_gone(&rig, &b);
    rig_say(target, client, "indeed");
    assert_int_equal(rig_app_totals(&c).active, 1);
    assert_int_equal(rig_app_totals(&c).accepted, 1);
    close(client);
    close(target);
    close(filled);
    close(filler);
    close(hanging);
}

static void
an_older_generation_drains_on_while_newer_ones_follow(void **state)
{
    struct rig_pair leaving, staying;

    (void)state;
    a = with_socket(plain("x", 1));
    b = plain("x", 2);
    b.target_count = 1;
    b.targets[0] = target_ports[1];
    c = b;
    c.generation = 3;
    start(&a);
    leaving = rig_pair_connect(port, targets[0]);
    staying = rig_pair_connect(port, targets[1]);
    assert_int_equal(rig_app_load(&rig, &b), 0);
    rig_app_accept(&rig, &b, RIG_WAIT_MS);
    assert_int_equal(rig_app_load(&rig, &c), 0);
    rig_app_accept(&rig, &c, 0);
    rig_app_expect_gone(&rig, &b);
    rig_pair_talk(&leaving);
    rig_pair_talk(&staying);
    assert_int_equal(rig_app_totals(&a).active, 1);
    assert_int_equal(rig_app_totals(&c).active, 1);
    rig_pair_close(&leaving);
    rig_app_expect_gone(&rig, &a);
    rig_pair_talk(&staying);
    assert_int_equal(rig_app_totals(&c).accepted, 2);   /* the oldest's end is counted here */
    assert_int_equal(rig_app_totals(&c).closed[CLOSE_CLIENT_FIN], 1);
    rig_pair_close(&staying);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connections_are_carried_over),
        TEST(the_new_time_limits_hold_for_what_is_carried),
        TEST(what_is_known_of_an_endpoint_is_carried),
        TEST(what_a_removed_target_has_ends_evenly),
        TEST(a_connection_that_is_connecting_is_carried_when_it_has_connected),
        TEST(an_older_generation_drains_on_while_newer_ones_follow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
