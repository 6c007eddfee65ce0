/* Generations of apps that follow one another in the real worker: what is carried over, what
 * drains and how, ports that come, go and change hands, loads that fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/app.h"
#include "tests/unit/worker_rig_app.h"

enum { RAMPED = 30, RAMP_LIMIT_MS = 1500 };

static struct rig rig;
static int targets[2];          /* listening */
static uint16_t target_ports[2];
static uint16_t ports[3];       /* of apps */
static int sockets[3];          /* the supervisor's copies */
static struct rig_app a, b, c;  /* three generations, or apps */

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
    struct rig_app *apps[] = { &a, &b, &c };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
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

static void
say(int from, int to, const char *text)
{
    char got[64];
    size_t bytes = strlen(text);

    assert_int_equal(send(from, text, bytes, MSG_NOSIGNAL), (ssize_t)bytes);
    assert_int_equal(recv(to, got, bytes, MSG_WAITALL), (ssize_t)bytes);
    assert_memory_equal(got, text, bytes);
}

struct pair {
    int client, target;
};

static struct pair
connect_by(uint16_t port, int listener)
{
    struct pair pair = { .client = rig_connect(port) };

    pair.target = rig_accept(listener);
    say(pair.client, pair.target, "question");
    say(pair.target, pair.client, "answer");
    return pair;
}

static void
talk(const struct pair *pair)
{
    say(pair->client, pair->target, "still");
    say(pair->target, pair->client, "here");
}

static void
hang_up(const struct pair *pair)
{
    close(pair->client);
    close(pair->target);
}

static uint64_t
active_at(const struct rig_app *app, uint16_t slot, uint32_t id)
{
    uint64_t connected, failed, active;

    traffic_sum_tries(app->traffic, slot, id, &connected, &failed, &active);
    return active;
}

/* ---- connections ---- */

static void
connections_are_carried_over(void **state)
{
    struct pair first, second;

    (void)state;
    a = with_socket(plain("x", 1));
    b = plain("x", 2);
    b.targets[0] = target_ports[1];     /* the other order: both have new numbers */
    b.targets[1] = target_ports[0];
    start(&a);
    first = connect_by(ports[0], targets[0]);
    second = connect_by(ports[0], targets[1]);
    assert_int_equal(rig_app_load(&rig, &b), 0);
    rig_app_accept(&rig, &b, 0);        /* no time at all for what would stay */
    rig_app_expect_gone(&rig, &a);
    talk(&first);
    talk(&second);
    assert_int_equal(rig_app_totals(&b).accepted, 2);
    assert_int_equal(rig_app_totals(&b).active, 2);
    assert_int_equal(rig_app_totals(&a).active, 0);
    assert_int_equal(active_at(&b, 2, 200), 1);     /* target 0 of generation 2 */
    assert_int_equal(active_at(&b, 3, 201), 1);
    hang_up(&first);
    hang_up(&second);
    first = connect_by(ports[0], targets[1]);       /* the new one's first */
    hang_up(&first);
    assert_int_equal(rig_stop(&rig, 5000), 0);
    assert_int_equal(rig_app_totals(&b).accepted, 3);
    assert_int_equal(rig_app_totals(&b).active, 0);
    assert_int_equal(active_at(&b, 2, 200) + active_at(&b, 3, 201), 0);
}

/* When each of the clients was closed, in ms from now. */
static void
watch_ends(const struct pair *pairs, uint64_t *ends_ms)
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
    struct pair pairs[RAMPED];
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
        pairs[i] = connect_by(ports[0], targets[0]);
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
        hang_up(&pairs[i]);
}

static void
patient(struct app_config *config)
{
    config->connect_timeout_ms = 15000;
    config->connect_per_try_ms = 15000;
}

/* A listening socket with a full queue: connect() hangs until somebody accepts. */
static int
full_listener(uint16_t *port, int *filler)
{
    int fd = rig_refusing_port(port);

    assert_int_equal(listen(fd, 0), 0);
    *filler = rig_connect(*port);
    return fd;
}

/* No time for what stays, but a client that is still connecting is not to blame. */
static void
a_connection_that_is_connecting_is_carried_when_it_has_connected(void **state)
{
    int hanging, client, target, filler, filled;
    uint16_t port;

    (void)state;
    hanging = full_listener(&port, &filler);
    a = with_socket(plain("x", 1));
    a.target_count = 1;
    a.targets[0] = port;
    a.configure = patient;
    b = plain("x", 2);
    b.targets[1] = port;
    b.configure = patient;
    c = plain("x", 3);
    c.targets[0] = port;
    c.configure = patient;
    start(&a);
    client = rig_connect(ports[0]);
    for (int i = 0; i < RIG_WAIT_MS && rig_app_totals(&a).attempts == 0; i++)
        poll(NULL, 0, 1);
    assert_int_equal(rig_app_load(&rig, &b), 0);
    rig_app_accept(&rig, &b, 0);
    assert_int_equal(rig_app_load(&rig, &c), 0);
    rig_app_accept(&rig, &c, 0);        /* it waits for what its predecessor waits for */
    filled = rig_accept(hanging);
    target = rig_accept(hanging);       /* when its SYN comes again */
    say(client, target, "at last");
    rig_app_expect_gone(&rig, &a);
    rig_app_expect_gone(&rig, &b);
    say(target, client, "indeed");
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
    struct pair leaving, staying;

    (void)state;
    a = with_socket(plain("x", 1));
    b = plain("x", 2);
    b.target_count = 1;
    b.targets[0] = target_ports[1];
    c = b;
    c.generation = 3;
    start(&a);
    leaving = connect_by(ports[0], targets[0]);
    staying = connect_by(ports[0], targets[1]);
    assert_int_equal(rig_app_load(&rig, &b), 0);
    rig_app_accept(&rig, &b, RIG_WAIT_MS);
    assert_int_equal(rig_app_load(&rig, &c), 0);
    rig_app_accept(&rig, &c, 0);
    rig_app_expect_gone(&rig, &b);
    talk(&leaving);
    talk(&staying);
    assert_int_equal(rig_app_totals(&a).active, 1);
    assert_int_equal(rig_app_totals(&c).active, 1);
    hang_up(&leaving);
    rig_app_expect_gone(&rig, &a);
    talk(&staying);
    assert_int_equal(rig_app_totals(&c).accepted, 2);   /* the oldest's end is counted here */
    assert_int_equal(rig_app_totals(&c).closed[CLOSE_CLIENT_FIN], 1);
    hang_up(&staying);
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
    struct pair kept, leaving;

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
    kept = connect_by(ports[0], targets[0]);
    leaving = connect_by(ports[1], targets[0]);
    assert_int_equal(rig_app_load(&rig, &b), 0);
    close_sockets();
    rig_app_accept(&rig, &b, RIG_WAIT_MS);
    assert_refused(ports[1]);
    assert_int_equal(rig_app_totals(&a).active, 1);
    talk(&leaving);
    hang_up(&leaving);
    rig_app_expect_gone(&rig, &a);
    talk(&kept);
    hang_up(&kept);
    kept = connect_by(ports[0], targets[0]);
    hang_up(&kept);
}

/* x has ports 0 and 1, y port 2; then y has 1 and 2. */
static void
move_port(bool giver_first)
{
    struct rig_app giver = plain("x", 2), receiver = plain("y", 2);
    struct pair moved;
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
    talk(&moved);
    hang_up(&moved);
    for (int i = 0; i < 3; i++) {
        moved = connect_by(ports[i], targets[i == 0 ? 0 : 1]);
        hang_up(&moved);
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
    struct pair pair;
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
        pair = connect_by(ports[0], targets[0]);
        hang_up(&pair);
    }
}

/* ---- loads that come to nothing ---- */

static void
a_port_without_a_socket_fails_the_load_alone(void **state)
{
    struct control_message message;
    char text[16];
    struct pair pair;

    (void)state;
    a = with_socket(plain("x", 1));
    a.target_count = 1;
    b = plain("x", 2);
    b.port_count = 2;
    b.ports[1] = ports[1];
    start(&a);
    pair = connect_by(ports[0], targets[0]);
    rig_app_send(&rig, &b);
    rig_expect(&rig, CONTROL_APP_LOADED, &message);
    assert_int_equal(message.body.app.result, -ENOENT);
    snprintf(text, sizeof text, ":%u", ports[1]);
    assert_non_null(strstr(message.body.app.detail, text));
    talk(&pair);
    hang_up(&pair);
    rig_app_order(&rig, &b, CONTROL_APP_DRAIN, 0);
    rig_app_expect_gone(&rig, &b);      /* whether it was known or not */
    pair = connect_by(ports[0], targets[0]);
    hang_up(&pair);
}

static void
unloading_what_never_accepted_touches_nothing(void **state)
{
    unsigned before;
    struct pair pair;

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
    pair = connect_by(ports[0], targets[0]);
    assert_int_equal(rig_app_load(&rig, &b), 0);
    rig_app_order(&rig, &b, CONTROL_APP_DRAIN, 0);
    rig_app_expect_gone(&rig, &b);
    talk(&pair);
    hang_up(&pair);
    pair = connect_by(ports[0], targets[0]);
    assert_int_equal(rig_sockets(&rig), before + 2);
    hang_up(&pair);
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
    struct pair pair;
    int waiting, served;

    (void)state;
    a = with_socket(plain("x", 1));
    a.target_count = 1;
    start(&a);
    pair = connect_by(ports[0], targets[0]);
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
    say(waiting, served, "to another process");
    talk(&pair);
    hang_up(&pair);
    rig_app_expect_gone(&rig, &a);
    close(served);
    close(waiting);
}

static void
a_stop_ends_what_retires_without_limit(void **state)
{
    struct pair pair;
    char byte;

    (void)state;
    a = with_socket(plain("x", 1));
    a.target_count = 1;
    start(&a);
    pair = connect_by(ports[0], targets[0]);
    rig_app_order(&rig, &a, CONTROL_APP_RETIRE, 0);
    assert_int_equal(rig_stop(&rig, 100), 0);
    assert_int_equal(recv(pair.client, &byte, 1, 0), -1);
    hang_up(&pair);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(connections_are_carried_over),
        TEST(what_a_removed_target_has_ends_evenly),
        TEST(a_connection_that_is_connecting_is_carried_when_it_has_connected),
        TEST(an_older_generation_drains_on_while_newer_ones_follow),
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
