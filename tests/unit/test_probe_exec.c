/* Commands that do what commands do: each ends in a named outcome, in bounded time, and leaves
 * nothing behind. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/util.h"
#include "command_rig.h"

enum { LONG_MS = 15000, SHORT_MS = 300 };

static struct rig_run
shell(uint32_t timeout_ms, const char *text)
{
    struct rig rig;
    struct rig_run run;

    rig_shell(&rig, &probe_exec, timeout_ms, text);
    rig_probe(&rig, &run, "db.example:5432");
    rig_fini(&rig);
    return run;
}

static struct rig_run
program(const char *path)
{
    struct rig rig;
    struct rig_run run;

    rig_init(&rig, &probe_exec, LONG_MS, (const char *const[]){ path, "-x", NULL });
    rig_probe(&rig, &run, "db.example:5432");
    rig_fini(&rig);
    return run;
}

static void
assert_ended(struct rig_run run, enum reason outcome, const char *part)
{
    assert_string_equal(reason_name(run.result.outcome), reason_name(outcome));
    if (strstr(run.result.detail, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, run.result.detail);
}

static void
exit_0_passes_and_its_first_line_is_told(void **state)
{
    struct rig_run run = shell(LONG_MS, "echo; echo 'OK - 3 replicas | lag=1;2'; echo more");
    const char *at = strstr(run.result.detail, " ms: ");

    assert_ended(run, REASON_OK, "passed in ");
    assert_non_null(at);
    assert_string_equal(at, " ms: OK - 3 replicas");
    assert_false(run.result.degraded);
    assert_ended(shell(LONG_MS, ":"), REASON_OK, " ms");
}

static void
exit_1_passes_and_is_degraded(void **state)
{
    struct rig_run run = shell(LONG_MS, "echo 'WARNING - slow' >&2; exit 1");

    assert_ended(run, REASON_OK, "WARNING - slow");
    assert_true(run.result.degraded);
}

static void
others_fail(void **state)
{
    assert_ended(shell(LONG_MS, "echo DOWN; exit 2"), REASON_EXEC_EXIT, "exit 2 (critical): DOWN");
    assert_ended(shell(LONG_MS, "exit 3"), REASON_EXEC_EXIT, "exit 3 (unknown)");
    assert_ended(shell(LONG_MS, "exit 4"), REASON_EXEC_EXIT, "exit 4");
    assert_ended(shell(LONG_MS, "no-such-command"), REASON_EXEC_EXIT, "exit 127 (no such command)");
    assert_ended(shell(LONG_MS, "exit 125"), REASON_EXEC_EXIT, "exit 125");
}

static void
a_signal_is_named(void **state)
{
    assert_ended(shell(LONG_MS, "echo hello; kill -SEGV $$"), REASON_EXEC_EXIT,
                 "killed by SIGSEGV: hello");
}

static void
what_cannot_be_started_is_told(void **state)
{
    struct rig rig;
    struct rig_run run;

    assert_ended(program("/nowhere/check"), REASON_EXEC_SPAWN,
                 "cannot run /nowhere/check: No such file");
    assert_ended(program("/etc/passwd"), REASON_EXEC_SPAWN, "Permission denied");
    rig_shell(&rig, &probe_exec, LONG_MS, "exit 0");
    rig.config.more->texts[PROBE_USER] = strdup("no-such-user");
    rig_probe(&rig, &run, "a:1");
    assert_ended(run, REASON_EXEC_SPAWN, "there is no user \"no-such-user\"");
    rig_fini(&rig);
}

static void
it_runs_as_its_user(void **state)
{
    struct rig rig;
    struct rig_run run;

    rig_shell(&rig, &probe_exec, LONG_MS, "echo $(id -un) $(id -Gn) $HOME $USER");
    rig.config.more->texts[PROBE_USER] = strdup("nobody");
    rig_probe(&rig, &run, "a:1");
    if (geteuid() == 0)
        assert_ended(run, REASON_OK, ": nobody nogroup /nonexistent nobody");
    else
        assert_ended(run, REASON_EXEC_SPAWN, "only root may");
    rig_fini(&rig);
}

static void
it_knows_what_it_checks_and_nothing_of_ours(void **state)
{
    setenv("SECRET", "ours", 1);
    assert_ended(shell(2500, "echo $FPROXY_APP,$FPROXY_TARGET,$FPROXY_ADDRESS,$FPROXY_HOST,"
                             "$FPROXY_PORT,$FPROXY_TIMEOUT,$LANG,$HOME,${SECRET:-none},$(pwd)"),
                 REASON_OK,
                 ": shop,db.example:5432,127.0.0.1:4711,127.0.0.1,4711,2.5,C,/,none,/");
}

static void
it_inherits_no_descriptor_and_no_signal(void **state)
{
    int extra = dup(2);                 /* not closed by exec */
    struct rig_run run;

    signal(SIGUSR1, SIG_IGN);
    assert_ended(shell(LONG_MS, "echo $(ls /proc/self/fd) $(readlink /proc/self/fd/0)"), REASON_OK,
                 ": 0 1 2 3 /dev/null");    /* 3 is the directory that ls reads */
    run = shell(LONG_MS, "grep -E 'SigIgn|SigBlk|NoNewPrivs' /proc/self/status | tr -d '\\n'");
    assert_ended(run, REASON_OK, "SigBlk: 0000000000000000SigIgn: 0000000");
    assert_ended(run, REASON_OK, "0000000NoNewPrivs: 1");   /* 32 and 33 are libc's own */
    close(extra);
    signal(SIGUSR1, SIG_DFL);
}

static void
it_has_limits(void **state)
{
    assert_ended(shell(LONG_MS, "echo $(ulimit -c) $(ulimit -n) $(ulimit -t) $(nice)"), REASON_OK,
                 ": 0 1024 15 5");
}

static void
one_that_hangs_is_killed(void **state)
{
    struct rig_run run = shell(SHORT_MS, "echo thinking; sleep 60; exit 0");

    assert_ended(run, REASON_EXEC_TIMEOUT, "not over after 0.3 s, killed");
    /* The loop counts from the moment of its turn, a run from when it was started. */
    assert_true(run.result.duration_us >= SHORT_MS * 900);
    assert_ended(shell(SHORT_MS, "trap '' TERM INT HUP; while :; do sleep 60; done"),
                 REASON_EXEC_TIMEOUT, "killed");
}

static void
what_it_leaves_behind_is_killed(void **state)
{
    struct rig_run run = shell(LONG_MS, "sleep 600 & echo $!");
    int pid = 0;

    assert_ended(run, REASON_OK, "passed in ");
    assert_true(run.result.duration_us < LONG_MS * 1000);   /* nobody waited for the pipe */
    assert_int_equal(sscanf(strstr(run.result.detail, " ms: "), " ms: %d", &pid), 1);
    rig_wait_gone(pid);
    run = shell(1000, "sleep 600 & echo $!; wait");
    assert_ended(run, REASON_EXEC_TIMEOUT, "killed: ");
    assert_int_equal(sscanf(strstr(run.result.detail, "killed: "), "killed: %d", &pid), 1);
    rig_wait_gone(pid);
}

static void
one_that_says_too_much_is_heard_in_part(void **state)
{
    assert_ended(shell(LONG_MS, "echo much; head -c 1000000 /dev/zero; echo >&2; exit 2"),
                 REASON_EXEC_EXIT, "exit 2 (critical): much");
    assert_ended(shell(1000, "yes"), REASON_EXEC_TIMEOUT, "killed: y");
    assert_ended(shell(LONG_MS, "printf 'a\\001\\377b\\302\\240\\tc\\033[1m'"), REASON_OK,
                 ": a??b");
}

static void
one_that_closes_its_output_runs_on(void **state)
{
    assert_ended(shell(LONG_MS, "exec >&- 2>&-; sleep 0.1; exit 2"), REASON_EXEC_EXIT, "exit 2");
}

static void
cpu_time_is_limited(void **state)
{
    struct rig rig;
    struct rig_run run;

    rig_shell(&rig, &probe_exec, LONG_MS, "while :; do :; done");
    rig.config.more->cpu_ms = 500;      /* becomes a second */
    rig_probe(&rig, &run, "a:1");
    assert_ended(run, REASON_EXEC_EXIT, "more CPU time than it may");
    rig_fini(&rig);
}

static void
four_run_at_once_and_waiting_is_not_their_time(void **state)
{
    enum { COUNT = 7 };
    struct rig rig;
    struct rig_run runs[COUNT];

    rig_shell(&rig, &probe_exec, 2500, "sleep 1.4");
    for (int i = 0; i < COUNT; i++)
        rig_start(&rig, &runs[i], "a:1");
    assert_int_equal(rig_children(), 4);
    for (int i = 0; i < COUNT; i++) {
        rig_wait(&runs[i]);
        assert_ended(runs[i], REASON_OK, "passed");
        assert_true(rig_children() <= 4);
    }
    rig_fini(&rig);
}

static void
cancelled_ones_make_room(void **state)
{
    struct rig rig;
    struct rig_run runs[6], last;

    rig_shell(&rig, &probe_exec, LONG_MS, "test $FPROXY_TARGET = quick || exec sleep 600");
    for (int i = 0; i < 6; i++)
        rig_start(&rig, &runs[i], "slow");
    rig_start(&rig, &last, "quick");
    probe_cancel(&runs[4].probe);       /* both wait */
    probe_cancel(&runs[5].probe);
    probe_cancel(&runs[1].probe);
    rig_wait(&last);
    assert_ended(last, REASON_OK, "passed");
    for (int i = 0; i < 6; i++) {
        probe_fini(&runs[i].probe);
        assert_false(runs[i].done);
    }
    rig_fini(&rig);
}

static void
free_it(struct probe *probe, const struct probe_result *result)
{
    *(bool *)probe->context = true;
    probe_fini(probe);
    free(probe);
}

static void
its_owner_may_free_it_when_it_is_done(void **state)
{
    struct rig rig;
    struct rig_run run;
    struct probe *probe = malloc(sizeof *probe);
    bool done = false;

    rig_shell(&rig, &probe_exec, LONG_MS, "exit 0");
    rig_start(&rig, &run, "a:1");
    probe_init(probe, &probe_exec, rig.base, &run.probe.address);
    probe->config = &rig.config;
    probe->app = probe->target = "a";
    probe->on_done = free_it;
    probe->context = &done;
    assert_int_equal(probe_start(probe), 0);
    rig_wait(&run);
    while (!done)
        event_base_loop(rig.base, EVLOOP_ONCE);
    rig_fini(&rig);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exit_0_passes_and_its_first_line_is_told),
        cmocka_unit_test(exit_1_passes_and_is_degraded),
        cmocka_unit_test(others_fail),
        cmocka_unit_test(a_signal_is_named),
        cmocka_unit_test(what_cannot_be_started_is_told),
        cmocka_unit_test(it_runs_as_its_user),
        cmocka_unit_test(it_knows_what_it_checks_and_nothing_of_ours),
        cmocka_unit_test(it_inherits_no_descriptor_and_no_signal),
        cmocka_unit_test(it_has_limits),
        cmocka_unit_test(one_that_hangs_is_killed),
        cmocka_unit_test(what_it_leaves_behind_is_killed),
        cmocka_unit_test(one_that_says_too_much_is_heard_in_part),
        cmocka_unit_test(one_that_closes_its_output_runs_on),
        cmocka_unit_test(cpu_time_is_limited),
        cmocka_unit_test(four_run_at_once_and_waiting_is_not_their_time),
        cmocka_unit_test(cancelled_ones_make_room),
        cmocka_unit_test(its_owner_may_free_it_when_it_is_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
