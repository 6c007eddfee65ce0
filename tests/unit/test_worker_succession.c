/* The real worker loses its supervisor and gets another one, which learns what is there; and
 * it shows that it is alive. Then switch after switch under load. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shared_file.h"
#include "config/app.h"
#include "tests/unit/worker_rig_app.h"

enum { MANY_APPS = 300, SWITCHES = 200, SWITCHES_LIMIT_MS = 60000, STAYING = 20 };

static struct rig rig;
static int target;              /* listening */
static uint16_t target_port, port;
static int sockets[2];          /* of `port` */
static struct rig_app a, b;

static int
begin(void **state)
{
    (void)state;
    target = rig_listen(&target_port);
    port = 0;
    for (int i = 0; i < 2; i++)
        sockets[i] = rig_listen_shared(&port);
    rig_spawn(&rig);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    rig_app_fini(&a);
    rig_app_fini(&b);
    close(target);
    close(sockets[0]);
    close(sockets[1]);
    rig_fini(&rig);
    return 0;
}

static struct rig_app
generation(uint32_t number)
{
    return (struct rig_app){ .name = "x", .generation = number, .threads = 2,
                             .port_count = 1, .ports = { port },
                             .target_count = 1, .targets = { target_port } };
}

static struct rig_app
with_sockets(struct rig_app app)
{
    app.socket_count = 2;
    app.sockets[0] = sockets[0];
    app.sockets[1] = sockets[1];
    return app;
}

/* ---- reports ---- */

static void
receive(struct control_message *message, int *fds, size_t *fd_count)
{
    uint64_t until_ms = clock_monotonic_ms() + RIG_WAIT_MS;

    while (!rig_receive(&rig, 1000, message, fds, fd_count)) {
        if (clock_monotonic_ms() > until_ms)
            fail_msg("nothing came");
    }
}

static void
expect_hello(uint32_t threads)
{
    struct control_message message;
    int fds[CONTROL_FDS_MAX];
    size_t fd_count;

    receive(&message, fds, &fd_count);
    assert_int_equal(message.type, CONTROL_HELLO);
    assert_int_equal(message.body.hello.role, CONTROL_WORKER);
    assert_int_equal(message.body.hello.pid, rig.pid);
    assert_int_equal(message.body.hello.protocol, CONTROL_PROTOCOL);
    assert_int_equal(message.body.hello.threads, threads);
    assert_string_equal(message.body.hello.version, FPROXY_VERSION);
    assert_string_equal(message.body.hello.name, "rig");
}

static void
expect_app(const struct rig_app *app, uint32_t how_far)
{
    struct control_message message;
    int fds[CONTROL_FDS_MAX];
    size_t fd_count, bytes;
    char *text;

    receive(&message, fds, &fd_count);
    assert_int_equal(message.type, CONTROL_REPORT_APP);
    assert_string_equal(message.body.app.app, app->name);
    assert_int_equal(message.body.app.generation, app->generation);
    assert_int_equal(message.body.app.count, how_far);
    assert_int_equal(message.body.app.board_number, app->generation);
    assert_int_equal(message.body.app.traffic_number, app->generation);
    assert_int_equal(fd_count, 1);
    assert_int_equal(sealed_text_read(fds[0], APP_TEXT_BYTES_MAX, &text, &bytes), 0);
    assert_non_null(strstr(text, "127.0.0.1"));
    free(text);
    close(fds[0]);
}

static void
expect_sockets(unsigned count)
{
    struct control_message message;
    int fds[CONTROL_FDS_MAX];
    size_t fd_count;

    receive(&message, fds, &fd_count);
    assert_int_equal(message.type, CONTROL_REPORT_SOCKETS);
    assert_int_equal(message.body.sockets.first, 0);
    assert_int_equal(message.body.sockets.total, count);
    assert_int_equal(fd_count, count);
    for (unsigned i = 0; i < count; i++) {
        struct sockaddr_in address;
        socklen_t bytes = sizeof address;

        assert_int_equal(message.body.sockets.port[i], 0);
        assert_int_equal(getsockname(fds[i], (struct sockaddr *)&address, &bytes), 0);
        assert_int_equal(ntohs(address.sin_port), port);
        close(fds[i]);
    }
}

static void
expect_end(void)
{
    struct control_message message;
    int fds[CONTROL_FDS_MAX];
    size_t fd_count;

    receive(&message, fds, &fd_count);
    assert_int_equal(message.type, CONTROL_REPORT_END);
}

static void
exchange(int client, int other)
{
    char byte = 'x';

    assert_int_equal(send(client, &byte, 1, MSG_NOSIGNAL), 1);
    assert_int_equal(recv(other, &byte, 1, 0), 1);
    assert_int_equal(send(other, &byte, 1, MSG_NOSIGNAL), 1);
    assert_int_equal(recv(client, &byte, 1, 0), 1);
}

static void
a_new_worker_has_nothing(void **state)
{
    (void)state;
    expect_hello(0);
    expect_end();
}

static void
a_successor_learns_what_is_here_and_goes_on(void **state)
{
    int client, other;

    (void)state;
    expect_hello(0);
    expect_end();
    a = with_sockets(generation(1));
    b = generation(2);
    assert_int_equal(rig_app_load(&rig, &a), 0);
    rig_app_accept(&rig, &a, 0);
    client = rig_connect(port);
    other = rig_accept(target);
    assert_int_equal(rig_app_load(&rig, &b), 0);
    close(rig.control);
    rig.control = -1;
    exchange(client, other);
    rig_reconnect(&rig);
    expect_hello(2);
    expect_app(&a, CONTROL_IS_ACCEPTING);
    expect_sockets(2);
    expect_app(&b, CONTROL_IS_LOADED);
    expect_end();
    rig_app_accept(&rig, &b, 0);
    rig_app_expect_gone(&rig, &a);
    exchange(client, other);
    close(client);
    close(other);
}

/* The one that was asked has not seen to it; when it is seen to, none is asked again. */
static void
a_successor_is_asked_for_another_worker_too(void **state)
{
    struct control_message message;
    int fds[CONTROL_FDS_MAX];
    size_t fd_count;
    int client, other;

    (void)state;
    a = with_sockets(generation(1));
    assert_int_equal(rig_app_load(&rig, &a), 0);
    rig_app_accept(&rig, &a, 0);
    client = rig_connect(port);
    other = rig_accept(target);
    assert_int_equal(kill(rig.pid, SIGTERM), 0);
    rig_expect(&rig, CONTROL_TOLD_TO_END, &message);
    rig_reconnect(&rig);
    expect_hello(2);
    expect_app(&a, CONTROL_IS_ACCEPTING);
    expect_sockets(2);
    expect_end();
    receive(&message, fds, &fd_count);
    assert_int_equal(message.type, CONTROL_TOLD_TO_END);

    rig_app_order(&rig, &a, CONTROL_APP_RETIRE, 0);
    rig_order(&rig, CONTROL_PING, 0, NULL, 0);
    rig_expect(&rig, CONTROL_PONG, &message);      /* it has read that */
    rig_reconnect(&rig);
    expect_hello(2);
    expect_app(&a, CONTROL_IS_DRAINING);
    expect_end();
    rig_order(&rig, CONTROL_PING, 0, NULL, 0);
    receive(&message, fds, &fd_count);
    assert_int_equal(message.type, CONTROL_PONG);
    exchange(client, other);
    close(client);
    close(other);
}

static void
what_was_half_loaded_is_dropped_with_the_connection(void **state)
{
    struct rig_app half = with_sockets(generation(2));
    unsigned before;

    (void)state;
    a = with_sockets(generation(1));
    assert_int_equal(rig_app_load(&rig, &a), 0);
    rig_app_accept(&rig, &a, 0);
    before = rig_sockets(&rig);
    half.total_sockets = 3;             /* one is still to come */
    rig_app_send(&rig, &half);
    rig_reconnect(&rig);                /* the new one comes before the old is gone */
    expect_hello(2);
    expect_app(&a, CONTROL_IS_ACCEPTING);
    expect_sockets(2);
    expect_end();
    assert_int_equal(rig_sockets(&rig), before);
    rig_app_fini(&half);
}

/* More than the socket takes at once: descriptors are not doubled while it waits. */
static void
a_long_report_waits_for_its_reader(void **state)
{
    static struct rig_app apps[MANY_APPS];
    static char names[MANY_APPS][16];
    unsigned before, apps_seen = 0, sockets_seen = 0;
    struct control_message message;
    int fds[CONTROL_FDS_MAX];
    size_t fd_count;

    (void)state;
    for (unsigned i = 0; i < MANY_APPS; i++) {
        apps[i] = generation(1);
        snprintf(names[i], sizeof names[i], "app-%u", i);
        apps[i].name = names[i];
        apps[i].ports[0] = 0;
        apps[i].socket_count = 1;
        apps[i].sockets[0] = rig_listen_shared(&apps[i].ports[0]);
        assert_int_equal(rig_app_load(&rig, &apps[i]), 0);
        rig_app_accept(&rig, &apps[i], 0);
        close(apps[i].sockets[0]);
    }
    before = rig_sockets(&rig);
    rig_reconnect(&rig);
    rig_order(&rig, CONTROL_PING, 0, NULL, 0);
    for (int i = 0; i < 50; i++)        /* it has all the time to send */
        poll(NULL, 0, 2);
    assert_true(rig_sockets(&rig) <= before + 1);
    do {
        receive(&message, fds, &fd_count);
        apps_seen += message.type == CONTROL_REPORT_APP;
        sockets_seen += message.type == CONTROL_REPORT_SOCKETS;
        for (size_t i = 0; i < fd_count; i++)
            close(fds[i]);
    } while (message.type != CONTROL_REPORT_END);
    assert_int_equal(apps_seen, MANY_APPS);
    assert_int_equal(sockets_seen, MANY_APPS);
    for (unsigned i = 0; i < MANY_APPS; i++)
        rig_app_fini(&apps[i]);
}

/* ---- signs of life ---- */

static void
no_pong_comes_from_a_worker_that_stands_still(void **state)
{
    struct control_message message;
    struct pollfd poll_fd;
    int status;

    (void)state;
    a = with_sockets(generation(1));
    assert_int_equal(rig_app_load(&rig, &a), 0);
    rig_app_accept(&rig, &a, 0);
    rig_order(&rig, CONTROL_PING, 0, NULL, 0);
    rig_expect(&rig, CONTROL_PONG, &message);
    assert_int_equal(kill(rig.pid, SIGSTOP), 0);
    assert_int_equal(waitpid(rig.pid, &status, WUNTRACED), rig.pid);
    rig_order(&rig, CONTROL_PING, 0, NULL, 0);
    poll_fd = (struct pollfd){ .fd = rig.control, .events = POLLIN };
    assert_int_equal(poll(&poll_fd, 1, 100), 0);
    assert_int_equal(kill(rig.pid, SIGCONT), 0);
    rig_expect(&rig, CONTROL_PONG, &message);
}

/* ---- under load ---- */

static atomic_bool over, target_over;
static atomic_uint failures, served;

static void *
be_target(void *unused)
{
    char byte;

    while (!atomic_load(&target_over)) {
        struct pollfd poll_fd = { .fd = target, .events = POLLIN };
        int fd;

        if (poll(&poll_fd, 1, 50) != 1)
            continue;
        fd = accept4(target, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0 && recv(fd, &byte, 1, 0) == 1)
            send(fd, &byte, 1, MSG_NOSIGNAL);
        close(fd);
    }
    return unused;
}

/* 1: the answer came. */
static int
ask(void)
{
    const struct timeval wait = { .tv_sec = 10 };
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;
    char byte = 'x';

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    rc = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
         send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) == 1;
    close(fd);
    return rc;
}

static void *
be_client(void *unused)
{
    while (!atomic_load(&over)) {
        if (ask())
            atomic_fetch_add(&served, 1);
        else
            atomic_fetch_add(&failures, 1);
    }
    return unused;
}

static struct rig_app
one_of_many(uint32_t number)
{
    struct rig_app app = generation(number);

    if (number % 2 == 0) {      /* a target that comes and goes: it refuses */
        app.target_count = 2;
        app.targets[1] = 1;
    }
    return app;
}

static uint64_t
accepted_now(const struct rig_app *old, const struct rig_app *new)
{
    return rig_app_totals(old).accepted + rig_app_totals(new).accepted;
}

static void
two_hundred_switches_fail_nobody(void **state)
{
    uint64_t until_ms = clock_monotonic_ms() + SWITCHES_LIMIT_MS, last = 0;
    struct rig_pair staying[STAYING];
    pthread_t threads[3];

    (void)state;
    atomic_store(&failures, 0);
    atomic_store(&served, 0);
    atomic_store(&over, false);
    atomic_store(&target_over, false);
    a = with_sockets(one_of_many(1));
    assert_int_equal(rig_app_load(&rig, &a), 0);
    rig_app_accept(&rig, &a, 0);
    for (int i = 0; i < STAYING; i++)
        staying[i] = rig_pair_connect(port, target);
    pthread_create(&threads[0], NULL, be_target, NULL);
    pthread_create(&threads[1], NULL, be_client, NULL);
    pthread_create(&threads[2], NULL, be_client, NULL);
    for (uint32_t i = 2; i < SWITCHES + 2 && clock_monotonic_ms() < until_ms; i++) {
        b = one_of_many(i);
        assert_int_equal(rig_app_load(&rig, &b), 0);
        rig_app_accept(&rig, &b, 5000);
        assert_true(accepted_now(&a, &b) >= last);
        last = accepted_now(&a, &b);
        rig_app_expect_gone(&rig, &a);
        assert_int_equal(rig_app_totals(&a).accepted, 0);       /* all went on */
        assert_true(rig_app_totals(&b).active >= STAYING);
        rig_pair_talk(&staying[i % STAYING]);
        rig_app_fini(&a);
        a = b;
        b = (struct rig_app){ 0 };
    }
    atomic_store(&over, true);
    pthread_join(threads[2], NULL);
    pthread_join(threads[1], NULL);
    atomic_store(&target_over, true);
    pthread_join(threads[0], NULL);
    assert_int_equal(a.generation, SWITCHES + 1);
    assert_int_equal(atomic_load(&failures), 0);
    assert_true(atomic_load(&served) > SWITCHES);
    for (int i = 0; i < STAYING; i++) {
        rig_pair_talk(&staying[i]);
        rig_pair_close(&staying[i]);
    }
    assert_int_equal(rig_stop(&rig, 1000), 0);
    assert_int_equal(rig_app_totals(&a).accepted, STAYING + atomic_load(&served));
    assert_int_equal(rig_app_totals(&a).active, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_worker_has_nothing),
        TEST(a_successor_learns_what_is_here_and_goes_on),
        TEST(a_successor_is_asked_for_another_worker_too),
        TEST(what_was_half_loaded_is_dropped_with_the_connection),
        TEST(a_long_report_waits_for_its_reader),
        TEST(no_pong_comes_from_a_worker_that_stands_still),
        TEST(two_hundred_switches_fail_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
