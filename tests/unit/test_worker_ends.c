/* How connections end in the real worker: RST and FIN at awkward moments, urgent data, time
 * limits with bytes on the way, orders that overlap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/app.h"
#include "tests/unit/worker_rig.h"

static struct rig rig;
static int listener;            /* the only target */
static uint16_t port;
static int client, target;      /* both ends of one connection through the worker */

static int
begin(void **state)
{
    (void)state;
    listener = rig_listen(&port);
    client = target = -1;
    return 0;
}

static int
end(void **state)
{
    (void)state;
    rig_fini(&rig);
    if (client >= 0)
        close(client);
    if (target >= 0)
        close(target);
    close(listener);
    return 0;
}

static void
reset_by_close(int *fd)
{
    const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(*fd);
    *fd = -1;
}

static void
pass_byte(int from, int to)
{
    char byte = 'x';

    assert_int_equal(send(from, &byte, 1, MSG_NOSIGNAL), 1);
    assert_int_equal(recv(to, &byte, 1, 0), 1);
}

static void
begin_connection(void (*configure)(struct app_config *))
{
    rig_start(&rig, 1, &port, 1, configure);
    client = rig_connect(rig.port);
    target = rig_accept(listener);
    pass_byte(client, target);
    pass_byte(target, client);
}

/* Sends until the way is full and stays so. */
static void
fill(int fd)
{
    static char block[65536];
    struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };

    while (poll(&poll_fd, 1, 200) == 1 && poll_fd.revents == POLLOUT)
        send(fd, block, sizeof block, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Reads to the end: 0 or the errno that ended it. */
static int
read_to_end(int fd, size_t *bytes)
{
    static char block[65536];
    ssize_t got;

    for (*bytes = 0; (got = recv(fd, block, sizeof block, 0)) > 0; *bytes += (size_t)got)
        continue;
    return got == 0 ? 0 : errno;
}

static void
rest_ms(int ms)
{
    poll(NULL, 0, ms);
}

static struct traffic_totals
totals(void)
{
    struct traffic_totals sum;

    traffic_sum(rig.traffic, &sum);
    return sum;
}

/* ---- RST ---- */

static void
a_reset_after_the_fin_is_passed_on(void **state)
{
    size_t bytes;
    char byte;

    (void)state;
    begin_connection(NULL);
    shutdown(client, SHUT_WR);
    assert_int_equal(recv(target, &byte, 1, 0), 0);
    reset_by_close(&client);
    assert_int_equal(poll(&(struct pollfd){ .fd = target }, 1, 3000), 1);   /* POLLERR */
    assert_int_equal(read_to_end(target, &bytes), 0);       /* its FIN was first */
    assert_int_equal(totals().closed[CLOSE_CLIENT_RST], 1);
}

static void
a_reset_with_both_ways_full_is_passed_on(void **state)
{
    struct pollfd poll_fd;

    (void)state;
    begin_connection(NULL);
    fill(client);
    fill(target);
    fill(client);
    reset_by_close(&target);
    poll_fd = (struct pollfd){ .fd = client, .events = 0 };
    assert_int_equal(poll(&poll_fd, 1, 3000), 1);
    assert_true(poll_fd.revents & (POLLERR | POLLHUP));
    assert_int_equal(totals().active, 0);
}

/* The target answers without reading all and closes: the answer comes before the RST. */
static void
an_answer_before_the_reset_arrives(void **state)
{
    size_t bytes;

    (void)state;
    begin_connection(NULL);
    fill(client);
    assert_int_equal(send(target, "answer", 6, MSG_NOSIGNAL), 6);
    close(target);                      /* with bytes unread: RST */
    target = -1;
    assert_int_equal(read_to_end(client, &bytes), ECONNRESET);
    assert_int_equal(bytes, 6);
}

/* ---- urgent data splits the receive queue ---- */

/* All of it lies in the worker's socket before the worker may look. */
static void
send_around_urgent_byte(size_t before, size_t after, int then_fin)
{
    static char block[65536];
    int status;

    assert_int_equal(kill(rig.pid, SIGSTOP), 0);
    assert_int_equal(waitpid(rig.pid, &status, WUNTRACED), rig.pid);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(send(client, block, before, MSG_NOSIGNAL), (ssize_t)before);
    assert_int_equal(send(client, "!", 1, MSG_NOSIGNAL | MSG_OOB), 1);
    assert_int_equal(send(client, block, after, MSG_NOSIGNAL), (ssize_t)after);
    if (then_fin)
        shutdown(client, SHUT_WR);
    rest_ms(50);
    assert_int_equal(kill(rig.pid, SIGCONT), 0);
}

static void
bytes_after_an_urgent_one_are_not_left_lying(void **state)
{
    char got[6];

    (void)state;
    begin_connection(NULL);
    send_around_urgent_byte(3, 3, 0);
    assert_int_equal(recv(target, got, sizeof got, MSG_WAITALL), 6);
}

static void
an_urgent_byte_does_not_cut_a_bulk_transfer(void **state)
{
    size_t bytes;

    (void)state;
    begin_connection(NULL);
    send_around_urgent_byte(40000, 10000, 1);
    assert_int_equal(read_to_end(target, &bytes), 0);
    assert_int_equal(bytes, 50000);
}

/* ---- time limits ---- */

static void
idle_400_ms(struct app_config *app)
{
    app->idle_timeout_ms = 400;
    app->half_close_timeout_ms = 300;
}

/* A stream that was cut must not look complete. */
static void
an_idle_timeout_with_bytes_on_the_way_is_a_reset(void **state)
{
    size_t bytes;

    (void)state;
    begin_connection(idle_400_ms);
    fill(target);
    rest_ms(1000);
    assert_int_equal(totals().closed[CLOSE_IDLE_TIMEOUT], 1);
    assert_int_equal(read_to_end(client, &bytes), ECONNRESET);
}

static void
half_close_timeout_counts_from_the_fin(void **state)
{
    char byte;

    (void)state;
    begin_connection(idle_400_ms);
    rest_ms(300);
    pass_byte(client, target);
    rest_ms(350);       /* idle for longer than half_close_timeout when the FIN comes */
    shutdown(client, SHUT_WR);
    assert_int_equal(recv(target, &byte, 1, 0), 0);
    rest_ms(100);
    pass_byte(target, client);
}

/* ---- orders that overlap ---- */

static void
a_board_that_comes_while_stopping_is_no_hindrance(void **state)
{
    (void)state;
    begin_connection(NULL);
    close(client);
    close(target);
    client = target = -1;
    rig_order(&rig, CONTROL_STOP, 5000, NULL, 0);
    rig_send_board(&rig, 2, &port, 1);
    assert_int_equal(WEXITSTATUS(rig_stop(&rig, 5000)), 0);
}

/* Threads that exit do not answer: what they would be told is not begun (a leak, seen under ASan).
 * All of it lies in the worker's socket before the worker may look. It complains of what is not for
 * it, a line in the log each, and comes to the ping when its threads are gone. */
static void
nothing_is_begun_after_the_end_has(void **state)
{
    struct control_message gone;
    int status;

    (void)state;
    begin_connection(NULL);
    close(client);
    close(target);
    client = target = -1;
    rig_order(&rig, CONTROL_APP_RETIRE, 0, NULL, 0);
    rig_expect(&rig, CONTROL_APP_GONE, &gone);
    assert_int_equal(kill(rig.pid, SIGSTOP), 0);
    assert_int_equal(waitpid(rig.pid, &status, WUNTRACED), rig.pid);
    rig_order(&rig, CONTROL_STOP, 5000, NULL, 0);
    for (int i = 0; i < 60; i++)        /* read in one turn, as all of it */
        rig_order(&rig, CONTROL_PONG, 0, NULL, 0);
    rig_order(&rig, CONTROL_PING, 0, NULL, 0);
    assert_int_equal(kill(rig.pid, SIGCONT), 0);
    assert_int_equal(rig_stop(&rig, 5000), 0);
}

static void
a_board_that_comes_before_the_app_is_loaded_counts(void **state)
{
    struct control_message loaded;

    (void)state;
    rig_begin(&rig, 2, &port, 1, NULL);
    rig_order(&rig, CONTROL_APP_COMMIT, 0, NULL, 0);
    rig_send_board(&rig, 2, &port, 1);
    for (uint32_t number = 1; number <= 2; number++) {
        rig_expect(&rig, CONTROL_APP_LOADED, &loaded);
        assert_int_equal(loaded.body.app.result, 0);
        assert_int_equal(loaded.body.app.board_number, number);
    }
    rig_order(&rig, CONTROL_APP_ACCEPT, 0, NULL, 0);
    client = rig_connect(rig.port);
    target = rig_accept(listener);
    pass_byte(client, target);
}

static void
a_board_that_comes_before_the_sockets_counts(void **state)
{
    struct control_message loaded;

    (void)state;
    rig_begin(&rig, 2, &port, 1, NULL);
    rig_send_board(&rig, 2, &port, 1);
    rig_expect(&rig, CONTROL_APP_LOADED, &loaded);
    assert_int_equal(loaded.body.app.board_number, 2);
    rig_order(&rig, CONTROL_APP_COMMIT, 0, NULL, 0);
    rig_expect(&rig, CONTROL_APP_LOADED, &loaded);
    assert_int_equal(loaded.body.app.board_number, 2);
    rig_order(&rig, CONTROL_APP_ACCEPT, 0, NULL, 0);
    client = rig_connect(rig.port);
    target = rig_accept(listener);
    pass_byte(client, target);
}

/* ---- descriptors ---- */

static void
limit_descriptors(rlim_t most, struct rlimit *before)
{
    struct rlimit limit;

    assert_int_equal(prlimit(rig.pid, RLIMIT_NOFILE, NULL, &limit), 0);
    if (before != NULL)
        *before = limit;
    limit.rlim_cur = most;
    assert_int_equal(prlimit(rig.pid, RLIMIT_NOFILE, &limit, NULL), 0);
}

/* They wait in the queue because accepting pauses just then. */
static void
clients_that_wait_out_a_pause_are_served_when_stopping(void **state)
{
    struct rlimit before;

    (void)state;
    rig_start(&rig, 1, &port, 1, NULL);
    limit_descriptors(3, &before);
    client = rig_connect(rig.port);
    for (int i = 0; i < 1000 && totals().accept_pauses == 0; i++)
        rest_ms(1);
    limit_descriptors(before.rlim_cur, NULL);
    rig_close_listeners(&rig);
    rig_order(&rig, CONTROL_STOP, RIG_WAIT_MS, NULL, 0);
    target = rig_accept(listener);
    pass_byte(client, target);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_reset_after_the_fin_is_passed_on, begin, end),
        cmocka_unit_test_setup_teardown(a_reset_with_both_ways_full_is_passed_on, begin, end),
        cmocka_unit_test_setup_teardown(an_answer_before_the_reset_arrives, begin, end),
        cmocka_unit_test_setup_teardown(bytes_after_an_urgent_one_are_not_left_lying, begin, end),
        cmocka_unit_test_setup_teardown(an_urgent_byte_does_not_cut_a_bulk_transfer, begin, end),
        cmocka_unit_test_setup_teardown(an_idle_timeout_with_bytes_on_the_way_is_a_reset, begin,
                                        end),
        cmocka_unit_test_setup_teardown(half_close_timeout_counts_from_the_fin, begin, end),
        cmocka_unit_test_setup_teardown(a_board_that_comes_while_stopping_is_no_hindrance, begin,
                                        end),
        cmocka_unit_test_setup_teardown(nothing_is_begun_after_the_end_has, begin, end),
        cmocka_unit_test_setup_teardown(a_board_that_comes_before_the_app_is_loaded_counts,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_board_that_comes_before_the_sockets_counts, begin,
                                        end),
        cmocka_unit_test_setup_teardown(clients_that_wait_out_a_pause_are_served_when_stopping,
                                        begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
