/* Helpers that answer, and those that do not: each check ends in a named outcome, in bounded time,
 * and the helper comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "command_rig.h"

enum { LONG_MS = 15000, SHORT_MS = 300 };

/* Does what the target of a check says; all else it answers. */
static const char actor[] =
    "import json, os, signal, sys, time\n"
    "def say(text):\n"
    "    os.write(1, text.encode() + b'\\n')\n"
    "def answer(ask, ok=True, **more):\n"
    "    say(json.dumps(dict(id=ask['id'], ok=ok, **more)))\n"
    "kept = []\n"
    "for line in sys.stdin:\n"
    "    ask = json.loads(line)\n"
    "    act = ask['target']\n"
    "    if act == 'keep': kept.append(ask)\n"
    "    elif act == 'bad': answer(ask, False, detail='no replica')\n"
    "    elif act == 'slow':\n"
    "        answer(ask, degraded=True, warning=True, detail='lag', duration_ms=7)\n"
    "    elif act == 'pid': answer(ask, detail=str(os.getpid()))\n"
    "    elif act == 'address': answer(ask, detail=ask['app'] + ask['address'])\n"
    "    elif act == 'nonsense': say('ready')\n"
    "    elif act == 'long': say('x' * 5000)\n"
    "    elif act == 'exit': sys.exit(3)\n"
    "    elif act == 'crash': os.kill(os.getpid(), signal.SIGSEGV)\n"
    "    elif act == 'close': os.close(1); sys.stdin.buffer.read()\n"
    "    elif act == 'silent': pass\n"
    "    elif act == 'burn':\n"
    "        while True: pass\n"
    "    elif act == 'stray':\n"
    "        say('{\"id\": 9999, \"ok\": true}'); say('[]'); answer(ask); answer(ask)\n"
    "    elif act == 'flood':\n"
    "        while True: say('{\"id\": 9999, \"ok\": true}')\n"
    "    elif act == 'errors':\n"
    "        os.write(2, b'trouble\\n' * 100000); answer(ask)\n"
    "    elif act == 'deaf': signal.signal(signal.SIGTERM, signal.SIG_IGN); answer(ask)\n"
    "    else:\n"
    "        answer(ask)\n"
    "        for old in reversed(kept): answer(old, detail=str(old['id']))\n"
    "        kept = []\n";

static void
assert_ended(const struct rig_run *run, enum reason outcome, const char *part)
{
    assert_string_equal(reason_name(run->result.outcome), reason_name(outcome));
    if (strstr(run->result.detail, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, run->result.detail);
}

static void
assert_check(struct rig *rig, const char *target, enum reason outcome, const char *part)
{
    struct rig_run run;

    rig_probe(rig, &run, target);
    assert_ended(&run, outcome, part);
}

/* After its wait it answers again. */
static void
assert_comes_back(struct rig *rig)
{
    struct rig_run run;

    do {
        rig_probe(rig, &run, "fine");
        if (run.result.outcome != REASON_OK)
            event_base_loop(rig->base, EVLOOP_ONCE);
    } while (run.result.outcome != REASON_OK);
}

static int
pid_of(struct rig *rig)
{
    struct rig_run run;

    rig_probe(rig, &run, "pid");
    assert_ended(&run, REASON_OK, " ms: ");
    return atoi(strstr(run.result.detail, " ms: ") + 5);
}

static void
one_process_answers_all(void **state)
{
    struct rig rig;
    struct rig_run run;
    int pid;

    rig_python(&rig, &probe_helper, LONG_MS, actor);
    assert_int_equal(rig_children(), 0);            /* the first check starts it */
    assert_check(&rig, "fine", REASON_OK, "passed in ");
    pid = pid_of(&rig);
    assert_check(&rig, "bad", REASON_EXEC_EXIT, ": no replica");
    assert_check(&rig, "address", REASON_OK, ": shop127.0.0.1:4711");
    rig_probe(&rig, &run, "slow");
    assert_ended(&run, REASON_OK, "passed, but degraded, in 7.0 ms: lag");
    assert_true(run.result.degraded && run.result.warning);
    assert_int_equal(pid_of(&rig), pid);
    assert_int_equal(rig_children(), 1);
    rig_fini(&rig);
    rig_wait_gone(pid);
}

static void
answers_may_come_in_any_order(void **state)
{
    struct rig rig;
    struct rig_run runs[4];

    rig_python(&rig, &probe_helper, LONG_MS, actor);
    for (int i = 0; i < 3; i++)
        rig_start(&rig, &runs[i], "keep");
    rig_start(&rig, &runs[3], "fine");
    for (int i = 3; i >= 0; i--)
        rig_wait(&runs[i]);
    assert_ended(&runs[0], REASON_OK, ": 1");
    assert_ended(&runs[1], REASON_OK, ": 2");
    assert_ended(&runs[2], REASON_OK, ": 3");
    rig_fini(&rig);
}

static void
strays_are_passed_over(void **state)
{
    struct rig rig;
    int pid;

    rig_python(&rig, &probe_helper, LONG_MS, actor);
    pid = pid_of(&rig);
    assert_check(&rig, "stray", REASON_OK, "passed");
    assert_check(&rig, "errors", REASON_OK, "passed");
    assert_int_equal(pid_of(&rig), pid);
    rig_fini(&rig);
}

static void
one_that_speaks_nonsense_is_started_anew(void **state)
{
    static const char *const acts[] = { "nonsense", "long", "flood" };
    static const char *const parts[] = { "no JSON", "over 4 KB", "floods us" };
    struct rig rig;
    struct rig_run other;
    int pid;

    for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
        rig_python(&rig, &probe_helper, LONG_MS, actor);
        pid = pid_of(&rig);
        rig_start(&rig, &other, "keep");
        assert_check(&rig, acts[i], REASON_EXEC_EXIT, parts[i]);
        rig_wait(&other);
        assert_ended(&other, REASON_EXEC_EXIT, parts[i]);
        assert_comes_back(&rig);                    /* at once, the first time */
        assert_int_not_equal(pid_of(&rig), pid);
        rig_fini(&rig);
        rig_wait_gone(pid);
    }
}

static void
one_that_dies_is_started_again_later_each_time(void **state)
{
    struct rig rig;
    struct rig_run run;

    rig_python(&rig, &probe_helper, LONG_MS, actor);
    assert_check(&rig, "exit", REASON_EXEC_EXIT, "ended by itself (exit 3)");
    assert_comes_back(&rig);
    assert_check(&rig, "crash", REASON_EXEC_EXIT, "killed by SIGSEGV");
    rig_probe(&rig, &run, "fine");                  /* while it waits for a second */
    assert_ended(&run, REASON_EXEC_EXIT, "killed by SIGSEGV");
    assert_true(run.result.duration_us < 5000000);
    assert_comes_back(&rig);
    rig_fini(&rig);
}

static void
one_that_closes_its_output_is_started_anew(void **state)
{
    struct rig rig;

    rig_python(&rig, &probe_helper, LONG_MS, actor);
    assert_check(&rig, "close", REASON_EXEC_EXIT, "closed its standard output");
    assert_comes_back(&rig);
    rig_fini(&rig);
}

static void
silence_is_a_timeout_and_thrice_its_end(void **state)
{
    struct rig rig;
    int pid;

    rig_python(&rig, &probe_helper, LONG_MS, actor);
    pid = pid_of(&rig);
    rig.config.timeout_ms = SHORT_MS;
    assert_check(&rig, "silent", REASON_EXEC_TIMEOUT, "no answer within 0.3 s");
    assert_check(&rig, "silent", REASON_EXEC_TIMEOUT, "no answer");
    rig.config.timeout_ms = LONG_MS;
    assert_int_equal(pid_of(&rig), pid);
    rig.config.timeout_ms = SHORT_MS;
    for (int i = 0; i < 3; i++)
        assert_check(&rig, "silent", REASON_EXEC_TIMEOUT, "no answer");
    rig.config.timeout_ms = LONG_MS;
    assert_comes_back(&rig);
    assert_int_not_equal(pid_of(&rig), pid);
    rig_fini(&rig);
}

static void
its_cpu_time_is_counted(void **state)
{
    struct rig rig;
    struct rig_run other;
    int pid;

    rig_python(&rig, &probe_helper, LONG_MS, actor);
    rig.config.more->cpu_ms = 100;
    pid = pid_of(&rig);
    rig_start(&rig, &other, "keep");
    rig.config.timeout_ms = 2500;
    for (int i = 0; i < 2 && !other.done; i++)      /* once, where it gets much of the CPU */
        assert_check(&rig, "burn", REASON_EXEC_TIMEOUT, "no answer");
    rig_wait(&other);
    assert_ended(&other, REASON_EXEC_EXIT, "more CPU time than it may");
    rig.config.timeout_ms = LONG_MS;
    assert_comes_back(&rig);
    assert_int_not_equal(pid_of(&rig), pid);
    rig_fini(&rig);
}

static void
what_it_does_not_read_is_bounded(void **state)
{
    enum { COUNT = 4000 };
    struct rig_run *runs = calloc(COUNT, sizeof *runs);
    uint32_t refused = 0;
    struct rig rig;

    rig_shell(&rig, &probe_helper, 2000, "exec sleep 600");
    for (int i = 0; i < COUNT; i++)
        rig_start(&rig, &runs[i], "db.example:5432");
    for (int i = 0; i < COUNT; i++) {
        rig_wait(&runs[i]);
        assert_int_equal(runs[i].result.outcome, REASON_EXEC_TIMEOUT);
        refused += strstr(runs[i].result.detail, "reads nothing") != NULL;
    }
    assert_in_range(refused, 1, COUNT - 600);       /* 64 KB are some 600 questions */
    rig_fini(&rig);
    free(runs);
}

static void
one_that_cannot_be_started_is_told(void **state)
{
    struct rig rig;

    rig_init(&rig, &probe_helper, LONG_MS, (const char *const[]){ "/nowhere/helper", NULL });
    assert_check(&rig, "fine", REASON_EXEC_SPAWN, "cannot run /nowhere/helper: No such file");
    assert_check(&rig, "fine", REASON_EXEC_SPAWN, "cannot run /nowhere/helper");
    rig_fini(&rig);
}

static void
cancelled_checks_are_forgotten(void **state)
{
    struct rig rig;
    struct rig_run run;
    int pid;

    rig_python(&rig, &probe_helper, LONG_MS, actor);
    pid = pid_of(&rig);
    rig_start(&rig, &run, "keep");
    probe_cancel(&run.probe);
    assert_check(&rig, "fine", REASON_OK, "passed");        /* and the answer of the other */
    assert_int_equal(pid_of(&rig), pid);
    assert_false(run.done);
    rig_fini(&rig);
}

static void
one_that_does_not_hear_sigterm_is_killed(void **state)
{
    struct rig rig;
    int pid;

    rig_python(&rig, &probe_helper, LONG_MS, actor);
    pid = pid_of(&rig);
    assert_check(&rig, "deaf", REASON_OK, "passed");
    rig_fini(&rig);
    rig_wait_gone(pid);
}

static void
release_it(struct probe *probe, const struct probe_result *result)
{
    struct rig *rig = probe->context;

    probe_fini(probe);
    free(probe);
    probe_helper.release(rig->shared);
    rig->shared = NULL;
}

static void
its_owner_may_let_it_go_when_a_check_is_done(void **state)
{
    static const char *const acts[] = { "fine", "nonsense", "exit" };

    for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
        struct probe *probe = malloc(sizeof *probe);
        struct rig_run run;
        struct rig rig;

        rig_python(&rig, &probe_helper, LONG_MS, actor);
        rig_probe(&rig, &run, "fine");
        probe_init(probe, &probe_helper, rig.base, &run.probe.address);
        probe->config = &rig.config;
        probe->shared = rig.shared;
        probe->app = "shop";
        probe->target = acts[i];
        probe->on_done = release_it;
        probe->context = &rig;
        assert_int_equal(probe_start(probe), 0);
        while (rig.shared != NULL)
            event_base_loop(rig.base, EVLOOP_ONCE);
        event_base_loop(rig.base, EVLOOP_NONBLOCK);
        rig_fini(&rig);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_process_answers_all),
        cmocka_unit_test(answers_may_come_in_any_order),
        cmocka_unit_test(strays_are_passed_over),
        cmocka_unit_test(one_that_speaks_nonsense_is_started_anew),
        cmocka_unit_test(one_that_dies_is_started_again_later_each_time),
        cmocka_unit_test(one_that_closes_its_output_is_started_anew),
        cmocka_unit_test(silence_is_a_timeout_and_thrice_its_end),
        cmocka_unit_test(its_cpu_time_is_counted),
        cmocka_unit_test(what_it_does_not_read_is_bounded),
        cmocka_unit_test(one_that_cannot_be_started_is_told),
        cmocka_unit_test(cancelled_checks_are_forgotten),
        cmocka_unit_test(one_that_does_not_hear_sigterm_is_killed),
        cmocka_unit_test(its_owner_may_let_it_go_when_a_check_is_done),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
