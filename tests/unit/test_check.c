/* What a check does when an equal one of another app is cut short. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/util.h"
#include "probes/check.h"
#include "probes/prober_priv.h"

enum { CHECKS = 3, PLACES = 2, TIMEOUT_MS = 60 * 1000 };

struct fixture {
    struct prober prober;
    struct app_probe config;
    struct app_check of;
    struct check checks[CHECKS];
    struct address where;
    int fd;                         /* it accepts, and says nothing */
};

static void
on_start(struct check *check)
{
}

static void
on_result(struct check *check, const struct probe_result *result, uint64_t started_ms)
{
    fail_msg("%s", result->detail);
}

static void
listen_somewhere(struct fixture *fixture)
{
    struct sockaddr_storage storage;
    socklen_t bytes;

    assert_int_equal(address_parse_ip("127.0.0.1", 0, &fixture->where), 0);
    bytes = address_to_sockaddr(&fixture->where, &storage);
    fixture->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fixture->fd, (struct sockaddr *)&storage, bytes), 0);
    assert_int_equal(listen(fixture->fd, 16), 0);
    bytes = sizeof storage;
    assert_int_equal(getsockname(fixture->fd, (struct sockaddr *)&storage, &bytes), 0);
    assert_int_equal(address_from_sockaddr((struct sockaddr *)&storage, &fixture->where), 0);
}

static int
set_up(void **state)
{
    static char word[] = "x";
    static struct app_step hear = { .kind = STEP_EXPECT, .length = 1, .bytes = word };
    struct fixture *fixture = calloc(1, sizeof *fixture);
    char why[DETAIL_BYTES];

    fixture->prober.base = event_base_new();
    fixture->prober.gate = gate_create(PLACES, PLACES, check_gate_open);
    fixture->prober.shares = shares_create();
    fixture->config = (struct app_probe){ .kind = "exchange", .interval_ms = TIMEOUT_MS,
                                          .timeout_ms = TIMEOUT_MS, .steps = { &hear, 1 } };
    assert_int_equal(app_check_init(&fixture->of, &fixture->config, fixture->prober.base, why), 0);
    listen_somewhere(fixture);
    for (int i = 0; i < CHECKS; i++) {
        fixture->checks[i].on_start = on_start;
        fixture->checks[i].on_result = on_result;
        check_init(&fixture->checks[i], &fixture->prober, &fixture->of, &fixture->where, "web",
                   "target");
        check_arm(&fixture->checks[i], TIMEOUT_MS);
    }
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < CHECKS; i++)
        check_fini(&fixture->checks[i]);
    app_check_fini(&fixture->of);
    shares_destroy(fixture->prober.shares);
    gate_destroy(fixture->prober.gate);
    event_base_free(fixture->prober.base);
    close(fixture->fd);
    free(fixture);
    return 0;
}

/* Whatever is due now. */
static void
turn(struct fixture *fixture)
{
    for (int i = 0; i < 3; i++)
        event_base_loop(fixture->prober.base, EVLOOP_NONBLOCK);
}

static void
one_that_waits_runs_when_the_one_that_ran_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct check *checks = fixture->checks;

    check_hurry(&checks[0], 0);
    check_hurry(&checks[1], 0);
    turn(fixture);
    assert_true(checks[0].probe.running);
    assert_false(checks[1].probe.running);          /* it waits for that */

    check_fini(&checks[0]);
    turn(fixture);
    assert_true(checks[1].probe.running);
    assert_false(checks[2].probe.running);          /* its turn comes in a minute */
}

static void
two_that_wait_become_one_that_runs(void **state)
{
    struct fixture *fixture = *state;
    struct check *checks = fixture->checks;

    for (int i = 0; i < CHECKS; i++)
        check_hurry(&checks[i], 0);
    check_hold(&checks[0]);
    turn(fixture);
    assert_int_equal(checks[1].probe.running + checks[2].probe.running, 1);
    check_hold(&checks[checks[1].probe.running ? 1 : 2]);
    turn(fixture);
    assert_int_equal(checks[1].probe.running + checks[2].probe.running, 1);
    assert_false(checks[0].probe.running);          /* it is held */
}

/* Waiting for a result and queueing for a place are two things: it is not to enter twice. */
static void
one_that_queues_is_not_woken(void **state)
{
    struct fixture *fixture = *state;
    struct check *checks = fixture->checks;
    struct gate_ticket other = { 0 };

    check_hurry(&checks[0], 0);
    check_hurry(&checks[1], 0);                     /* waits, and has left its place */
    assert_int_equal(gate_enter(fixture->prober.gate, &other, &fixture->where, false), 1);
    check_hurry(&checks[1], 0);                     /* all places are taken: it queues */
    assert_non_null(checks[1].ticket.destination);

    check_hold(&checks[0]);
    turn(fixture);
    assert_true(checks[1].probe.running);
    gate_leave(fixture->prober.gate, &other);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_that_waits_runs_when_the_one_that_ran_is_gone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(two_that_wait_become_one_that_runs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_queues_is_not_woken, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
