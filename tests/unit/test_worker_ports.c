/* Ports in the real worker: they come, go and change hands while generations of apps follow
 * one another; loads that fail and generations that retire leave them alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/app.h"
#include "tests/unit/worker_rig_app.h"

static struct rig rig;
static int targets[2];          /* listening */
static uint16_t target_ports[2];
static uint16_t ports[3];       /* of apps */
static int sockets[3];          /* the supervisor's copies */
static struct rig_app a, b;     /* generations, or apps */

static int
begin(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++)
        targets[i] = rig_listen(&target_ports[i]);
    for (int i = 0; i < 3; i++) {
        ports[i] = 0;
        sockets[i] = rig_listen_shared(&ports[i]);
    }
    rig_spawn(&rig);
    return 0;
}

static void
close_sockets(void)
{
    for (int i = 0; i < 3; i++) {
        if (sockets[i] >= 0)
            close(sockets[i]);
        sockets[i] = -1;
    }
}

static int
end(void **state)
{
    struct rig_app *apps[] = { &a, &b };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        rig_app_fini(apps[i]);
        memset(apps[i], 0, sizeof *apps[i]);
    }
    close_sockets();
    close(targets[0]);
    close(targets[1]);
    rig_fini(&rig);
    return 0;
}

/* A generation with port 0 and both targets; the caller changes what it likes. */
static struct rig_app
plain(const char *name, uint32_t generation)
{
    return (struct rig_app){ .name = name, .generation = generation, .threads = 2,
                             .port_count = 1, .ports = { ports[0] },
                             .target_count = 2, .targets = { target_ports[0], target_ports[1] } };
}

static struct rig_app
with_socket(struct rig_app app)
{
    app.socket_count = 1;
    app.sockets[0] = sockets[0];
    return app;
}

static void
start(struct rig_app *app)
{
    assert_int_equal(rig_app_load(&rig, app), 0);
    rig_app_accept(&rig, app, 0);
}

/* ---- ports ---- */

static void
assert_refused(uint16_t port)
{
    struct sockaddr_storage storage;
    struct address address;
    socklen_t bytes;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address_parse_ip("127.0.0.1", port, &address);
    bytes = address_to_sockaddr(&address, &storage);
    assert_int_equal(connect(fd, (struct sockaddr *)&storage, bytes), -1);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
}

static void
a_removed_port_closes_and_its_connections_drain(void **state)
{
    struct rig_pair kept, leaving;

    (void)state;
    a = with_socket(plain("x", 1));
    a.target_count = 1;
    a.port_count = 2;
    a.ports[1] = ports[1];
    a.socket_count = 2;
    a.sockets[1] = sockets[1];
    a.socket_ports[1] = 1;
    b = plain("x", 2);
    b.target_count = 1;
    start(&a);
    kept = rig_pair_connect(ports[0], targets[0]);
    leaving = rig_pair_connect(ports[1], targets[0]);
    assert_int_equal(rig_app_load(&rig, &b), 0);
    close_sockets();
    rig_app_accept(&rig, &b, RIG_WAIT_MS);
    assert_refused(ports[1]);
    assert_int_equal(rig_app_totals(&a).active, 1);
    rig_pair_talk(&leaving);
    rig_pair_close(&leaving);
    rig_app_expect_gone(&rig, &a);
    rig_pair_talk(&kept);
    rig_pair_close(&kept);
    kept = rig_pair_connect(ports[0], targets[0]);
    rig_pair_close(&kept);
}

/* x has ports 0 and 1, y port 2; then y has 1 and 2. */
static void
move_port(bool giver_first)
{
    struct rig_app giver = plain("x", 2), receiver = plain("y", 2);
    struct rig_pair moved;
    int waiting;

    a = with_socket(plain("x", 1));
    a.target_count = giver.target_count = 1;
    a.port_count = 2;
    a.ports[1] = ports[1];
    a.socket_count = 2;
    a.sockets[1] = sockets[1];
    a.socket_ports[1] = 1;
    b = plain("y", 1);
    b.target_count = 1;
    b.targets[0] = receiver.targets[0] = target_ports[1];
    receiver.target_count = 1;
    b.ports[0] = receiver.ports[0] = ports[2];
    b.socket_count = 1;
    b.sockets[0] = sockets[2];
    receiver.port_count = 2;
    receiver.ports[1] = ports[1];
    start(&a);
    start(&b);
    assert_int_equal(rig_app_load(&rig, &giver), 0);
    assert_int_equal(rig_app_load(&rig, &receiver), 0);
    close_sockets();
    rig_app_accept(&rig, giver_first ? &giver : &receiver, 0);
    waiting = rig_connect(ports[1]);
    rig_app_accept(&rig, giver_first ? &receiver : &giver, 0);
    moved.target = rig_accept(targets[1]);
    moved.client = waiting;
    rig_pair_talk(&moved);
    rig_pair_close(&moved);
    for (int i = 0; i < 3; i++) {
        moved = rig_pair_connect(ports[i], targets[i == 0 ? 0 : 1]);
        rig_pair_close(&moved);
    }
    rig_app_fini(&giver);
    rig_app_fini(&receiver);
}

static void
a_port_moves_to_another_app_that_switches_first(void **state)
{
    (void)state;
    move_port(false);
}

static void
a_port_moves_from_an_app_that_switches_first(void **state)
{
    (void)state;
    move_port(true);
}

static void
more_sockets_for_a_known_port_are_added(void **state)
{
    struct rig_pair pair;
    unsigned before;

    (void)state;
    a = with_socket(plain("x", 1));
    a.target_count = 1;
    b = plain("x", 2);
    b.target_count = 1;
    b.socket_count = 1;
    start(&a);
    before = rig_sockets(&rig);
    b.sockets[0] = rig_listen_shared(&ports[0]);
    assert_int_equal(rig_app_load(&rig, &b), 0);
    rig_app_accept(&rig, &b, 0);
    close(b.sockets[0]);
    close_sockets();
    rig_app_expect_gone(&rig, &a);
    assert_int_equal(rig_sockets(&rig), before + 1);
    for (int i = 0; i < 20; i++) {      /* the kernel spreads them over both */
        pair = rig_pair_connect(ports[0], targets[0]);
        rig_pair_close(&pair);
    }
}

/* ---- loads that come to nothing ---- */

static void
a_port_without_a_socket_fails_the_load_alone(void **state)
{
    struct control_message message;
    char text[16];
    struct rig_pair pair;

    (void)state;
    a = with_socket(plain("x", 1));
    a.target_count = 1;
    b = plain("x", 2);
    b.port_count = 2;
    b.ports[1] = ports[1];
    start(&a);
    pair = rig_pair_connect(ports[0], targets[0]);
    rig_app_send(&rig, &b);
    rig_expect(&rig, CONTROL_APP_LOADED, &message);
    assert_int_equal(message.body.app.result, -ENOENT);
    snprintf(text, sizeof text, ":%u", ports[1]);
    assert_non_null(strstr(message.body.app.detail, text));
    rig_pair_talk(&pair);
    rig_pair_close(&pair);
    rig_app_order(&rig, &b, CONTROL_APP_DRAIN, 0);
    rig_app_expect_gone(&rig, &b);      /* whether it was known or not */
    pair = rig_pair_connect(ports[0], targets[0]);
    rig_pair_close(&pair);
}

static void
unloading_what_never_accepted_touches_nothing(void **state)
{
    unsigned before;
    struct rig_pair pair;
    uint64_t until_ms;

    (void)state;
    a = with_socket(plain("x", 1));
    a.target_count = 1;
    b = plain("x", 2);
    b.port_count = 2;
    b.ports[1] = ports[1];
    b.socket_count = 1;
    b.sockets[0] = sockets[1];
    b.socket_ports[0] = 1;
    start(&a);
    before = rig_sockets(&rig);
    pair = rig_pair_connect(ports[0], targets[0]);
    assert_int_equal(rig_app_load(&rig, &b), 0);
    rig_app_order(&rig, &b, CONTROL_APP_DRAIN, 0);
    rig_app_expect_gone(&rig, &b);
    rig_pair_talk(&pair);
    rig_pair_close(&pair);
    pair = rig_pair_connect(ports[0], targets[0]);
    until_ms = clock_monotonic_ms() + RIG_WAIT_MS;      /* the first pair's may close just now */
    while (rig_sockets(&rig) != before + 2 && clock_monotonic_ms() < until_ms)
        poll(NULL, 0, 1);
    assert_int_equal(rig_sockets(&rig), before + 2);
    rig_pair_close(&pair);
}

/* ---- another process goes on ---- */

static void
limit_descriptors(rlim_t most, struct rlimit *before)
{
    struct rlimit limit;

    assert_int_equal(prlimit(rig.pid, RLIMIT_NOFILE, NULL, before), 0);
    limit = *before;
    limit.rlim_cur = most;
    assert_int_equal(prlimit(rig.pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

/* Accepting pauses just then, so the client is surely in the queue. */
static void
retiring_leaves_the_queue_to_others(void **state)
{
    struct rlimit before;
    struct rig_pair pair;
    int waiting, served;

    (void)state;
    a = with_socket(plain("x", 1));
    a.target_count = 1;
    start(&a);
    pair = rig_pair_connect(ports[0], targets[0]);
    limit_descriptors(3, &before);
    waiting = rig_connect(ports[0]);
    for (int i = 0; i < RIG_WAIT_MS && rig_app_totals(&a).accept_pauses == 0; i++)
        poll(NULL, 0, 1);
    rig_app_order(&rig, &a, CONTROL_APP_RETIRE, 0);
    /* No answer says that it stopped accepting: its only socket beside these is gone. */
    for (int i = 0; i < RIG_WAIT_MS && rig_sockets(&rig) > 4; i++)
        poll(NULL, 0, 1);
    assert_int_equal(rig_sockets(&rig), 4);
    prlimit(rig.pid, RLIMIT_NOFILE, &before, NULL);
    served = accept4(sockets[0], NULL, NULL, SOCK_CLOEXEC);
    assert_true(served >= 0);
    rig_say(waiting, served, "to another process");
    rig_pair_talk(&pair);
    rig_pair_close(&pair);
    rig_app_expect_gone(&rig, &a);
    close(served);
    close(waiting);
}

static void
a_stop_ends_what_retires_without_limit(void **state)
{
    struct rig_pair pair;
    char byte;

    (void)state;
    a = with_socket(plain("x", 1));
    a.target_count = 1;
    start(&a);
    pair = rig_pair_connect(ports[0], targets[0]);
    rig_app_order(&rig, &a, CONTROL_APP_RETIRE, 0);
    assert_int_equal(rig_stop(&rig, 100), 0);
    assert_int_equal(recv(pair.client, &byte, 1, 0), -1);
    rig_pair_close(&pair);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_removed_port_closes_and_its_connections_drain),
        TEST(a_port_moves_to_another_app_that_switches_first),
        TEST(a_port_moves_from_an_app_that_switches_first),
        TEST(more_sockets_for_a_known_port_are_added),
        TEST(a_port_without_a_socket_fails_the_load_alone),
        TEST(unloading_what_never_accepted_touches_nothing),
        TEST(retiring_leaves_the_queue_to_others),
        TEST(a_stop_ends_what_retires_without_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
