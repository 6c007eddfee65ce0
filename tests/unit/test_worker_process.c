/* The real worker process under orders: loading, boards that grow, draining, losing its
 * supervisor, nonsense on the control socket. Bytes and failures are tests/scenarios' part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/app.h"
#include "tests/unit/worker_rig.h"

static struct rig rig;
static int targets[2];
static uint16_t ports[2];

static int
begin(void **state)
{
    (void)state;
    targets[0] = rig_listen(&ports[0]);
    targets[1] = rig_listen(&ports[1]);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    rig_fini(&rig);
    close(targets[0]);
    close(targets[1]);
    return 0;
}

static void
say(int from, int to, const char *text)
{
    char got[64] = "";
    size_t have = 0, bytes = strlen(text);

    assert_int_equal(send(from, text, bytes, MSG_NOSIGNAL), (ssize_t)bytes);
    while (have < bytes) {
        ssize_t more = recv(to, got + have, bytes - have, 0);

        assert_true(more > 0);
        have += (size_t)more;
    }
    assert_memory_equal(got, text, bytes);
}

/* Connects through the worker and proves that target `index` has it. */
static void
connect_to(unsigned index, int *client, int *target)
{
    *client = rig_connect(rig.port);
    *target = rig_accept(targets[index]);
    say(*client, *target, "question");
    say(*target, *client, "answer");
}

static struct traffic_totals
totals(void)
{
    struct traffic_totals sum;

    traffic_sum(rig.traffic, &sum);
    return sum;
}

static void
connections_go_to_the_targets_in_turn(void **state)
{
    int client, target;

    (void)state;
    rig_start(&rig, 2, ports, 2, NULL);
    for (unsigned i = 0; i < 6; i++) {
        connect_to(i % 2, &client, &target);
        close(client);
        assert_int_equal(recv(target, &client, 1, 0), 0);
        close(target);
    }
    assert_int_equal(WEXITSTATUS(rig_stop(&rig, 5000)), 0);
    assert_int_equal(totals().accepted, 6);
    assert_int_equal(totals().connected, 6);
    assert_int_equal(totals().active, 0);
    assert_int_equal(totals().closed[CLOSE_CLIENT_FIN], 6);
    assert_int_equal(totals().bytes_to_target, 6 * strlen("question"));
    assert_int_equal(totals().bytes_to_client, 6 * strlen("answer"));
}

static void
a_new_list_of_endpoints_counts_at_once(void **state)
{
    int client, target;

    (void)state;
    rig_start(&rig, 1, ports, 1, NULL);
    connect_to(0, &client, &target);
    close(client);
    close(target);
    rig_publish(&rig, ports + 1, 1);
    connect_to(1, &client, &target);
    close(client);
    close(target);
}

static void
a_target_that_refuses_costs_the_client_nothing(void **state)
{
    uint16_t list[2];
    int client, target, refusing = rig_refusing_port(&list[0]);

    (void)state;
    list[1] = ports[0];
    rig_start(&rig, 1, list, 2, NULL);
    for (int i = 0; i < 4; i++) {
        connect_to(0, &client, &target);
        close(client);
        close(target);
    }
    /* Tried once, then shunned: three of the four never went there. */
    assert_int_equal(totals().retries, 1);
    assert_int_equal(totals().attempts, 5);
    close(refusing);
}

static void
without_a_target_the_client_is_reset(void **state)
{
    uint16_t port;
    char byte;
    int client, refusing = rig_refusing_port(&port);

    (void)state;
    rig_start(&rig, 1, &port, 1, NULL);
    client = rig_connect(rig.port);
    assert_int_equal(recv(client, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    close(client);
    close(refusing);
}

static void
a_larger_board_takes_over_without_a_lost_connection(void **state)
{
    int kept_client, kept_target, client, target;

    (void)state;
    rig_start(&rig, 2, ports, 2, NULL);
    connect_to(0, &kept_client, &kept_target);
    rig_grow(&rig, 2, ports, 2);
    say(kept_client, kept_target, "still here");
    connect_to(1, &client, &target);
    assert_int_equal(totals().accepted, 2);
    assert_int_equal(totals().active, 2);
    close(client);
    close(target);
    close(kept_client);
    close(kept_target);
    assert_int_equal(WEXITSTATUS(rig_stop(&rig, 5000)), 0);
    assert_int_equal(totals().active, 0);
}

static void
draining_lets_connections_end_by_themselves(void **state)
{
    int client, target, waiting;

    (void)state;
    rig_start(&rig, 1, ports, 1, NULL);
    connect_to(0, &client, &target);
    waiting = rig_connect(rig.port);        /* in the queue, or just accepted: served too */
    rig_close_listeners(&rig);
    rig_order(&rig, CONTROL_STOP, RIG_WAIT_MS, NULL, 0);
    say(client, target, "more");
    close(client);
    close(target);
    target = rig_accept(targets[0]);
    say(waiting, target, "me too");
    close(waiting);
    close(target);
    assert_int_equal(WEXITSTATUS(rig_stop(&rig, RIG_WAIT_MS)), 0);
}

static void
the_deadline_ends_what_does_not_end_by_itself(void **state)
{
    int client, target;
    char byte;

    (void)state;
    rig_start(&rig, 1, ports, 1, NULL);
    connect_to(0, &client, &target);
    assert_int_equal(WEXITSTATUS(rig_stop(&rig, 100)), 0);
    assert_int_equal(recv(client, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    assert_int_equal(totals().closed[CLOSE_DRAIN_TIMEOUT], 1);
    close(client);
    close(target);
}

static void
a_lost_supervisor_changes_nothing_for_clients(void **state)
{
    int client, target, status;

    (void)state;
    rig_start(&rig, 1, ports, 2, NULL);
    close(rig.control);
    rig.control = -1;
    for (unsigned i = 0; i < 4; i++) {
        connect_to(i % 2, &client, &target);
        close(client);
        close(target);
    }
    assert_int_equal(kill(rig.pid, SIGTERM), 0);
    assert_int_equal(waitpid(rig.pid, &status, 0), rig.pid);
    rig.pid = 0;
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Else its clients would wait in the supervisor's copies of the sockets. */
static void
told_to_end_it_asks_for_another_one_and_serves_on(void **state)
{
    struct control_message message;
    int client, target;

    (void)state;
    rig_start(&rig, 1, ports, 2, NULL);
    connect_to(0, &client, &target);
    for (unsigned i = 0; i < 2; i++) {
        int new_client, new_target;

        assert_int_equal(kill(rig.pid, SIGTERM), 0);
        rig_expect(&rig, CONTROL_TOLD_TO_END, &message);
        connect_to((i + 1) % 2, &new_client, &new_target);
        close(new_client);
        close(new_target);
    }
    rig_order(&rig, CONTROL_APP_RETIRE, 0, NULL, 0);        /* another one has taken over */
    say(client, target, "still here");
    close(client);
    close(target);
    rig_expect(&rig, CONTROL_APP_GONE, &message);
    assert_int_equal(WEXITSTATUS(rig_stop(&rig, 5000)), 0);
}

static void
told_to_end_while_it_stops_it_goes_on_stopping(void **state)
{
    int client, target;

    (void)state;
    rig_start(&rig, 1, ports, 1, NULL);
    connect_to(0, &client, &target);
    rig_order(&rig, CONTROL_STOP, 10000, NULL, 0);
    assert_int_equal(kill(rig.pid, SIGTERM), 0);
    say(client, target, "still here");
    close(client);
    close(target);
    assert_int_equal(WEXITSTATUS(rig_stop(&rig, 10000)), 0);
}

static void
nonsense_from_the_supervisor_is_survived(void **state)
{
    struct control_message message;
    char garbage[700];
    int client, target, nothing[3] = { 0, 1, 2 };

    (void)state;
    rig_start(&rig, 1, ports, 2, NULL);
    memset(garbage, 0xa5, sizeof garbage);
    assert_true(send(rig.control, garbage, sizeof garbage, MSG_NOSIGNAL) > 0);
    rig_order(&rig, CONTROL_APP_COMMIT, 0, NULL, 0);        /* a second time */
    rig_expect(&rig, CONTROL_APP_LOADED, &message);
    assert_int_not_equal(message.body.app.result, 0);
    rig_order(&rig, CONTROL_APP_SOCKETS, 77, nothing, 2);   /* too late */
    rig_order(&rig, CONTROL_APP_BOARD, 0, nothing, 2);      /* no board at all */
    rig_order(&rig, CONTROL_APP_LOAD, 0, nothing, 3);       /* is loaded already */
    rig_expect(&rig, CONTROL_APP_LOADED, &message);
    assert_int_not_equal(message.body.app.result, 0);
    rig_order(&rig, CONTROL_PING, 0, NULL, 0);
    rig_expect(&rig, CONTROL_PONG, &message);
    connect_to(0, &client, &target);
    close(client);
    close(target);
}

static void
short_idle(struct app_config *app)
{
    app->idle_timeout_ms = 100;
}

static void
a_connection_without_bytes_ends_after_idle_timeout(void **state)
{
    int client, target;
    char byte;

    (void)state;
    rig_start(&rig, 1, ports, 1, short_idle);
    connect_to(0, &client, &target);
    assert_int_equal(recv(client, &byte, 1, 0), 0);
    assert_int_equal(recv(target, &byte, 1, 0), 0);
    assert_int_equal(totals().closed[CLOSE_IDLE_TIMEOUT], 1);
    close(client);
    close(target);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connections_go_to_the_targets_in_turn, begin, end),
        cmocka_unit_test_setup_teardown(a_new_list_of_endpoints_counts_at_once, begin, end),
        cmocka_unit_test_setup_teardown(a_target_that_refuses_costs_the_client_nothing, begin,
                                        end),
        cmocka_unit_test_setup_teardown(without_a_target_the_client_is_reset, begin, end),
        cmocka_unit_test_setup_teardown(a_larger_board_takes_over_without_a_lost_connection,
                                        begin, end),
        cmocka_unit_test_setup_teardown(draining_lets_connections_end_by_themselves, begin, end),
        cmocka_unit_test_setup_teardown(the_deadline_ends_what_does_not_end_by_itself, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_lost_supervisor_changes_nothing_for_clients, begin,
                                        end),
        cmocka_unit_test_setup_teardown(told_to_end_it_asks_for_another_one_and_serves_on,
                                        begin, end),
        cmocka_unit_test_setup_teardown(told_to_end_while_it_stops_it_goes_on_stopping, begin,
                                        end),
        cmocka_unit_test_setup_teardown(nonsense_from_the_supervisor_is_survived, begin, end),
        cmocka_unit_test_setup_teardown(a_connection_without_bytes_ends_after_idle_timeout,
                                        begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
