/*
 * The kind "exec": a command is run, and its exit status says how the target is, as those of
 * monitoring plugins do: 0 it works, 1 it works, but others are to be preferred, all else it does
 * not. What it says first becomes the detail.
 *
 *   [queued] --one of 4 places--> [running] --its process ended, or too late--> probe_done()
 *
 * All endpoints share four places; waiting for one takes nothing off the time the command has.
 */
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/app_probe.h"
#include "probes/child.h"
#include "probes/command_env.h"
#include "probes/plain_text.h"
#include "probes/probe.h"
#include "probes/trickle.h"

enum {
    PLACES = 4,
    OUTPUT_BYTES = 4096,
    LINE_BYTES = 112,               /* of it, in a detail, beside how it ended */
    WAIT_TOLD_MS = 60000,           /* that it waits long is told so often */
};

enum exec_stage { EXEC_QUEUED, EXEC_RUNNING, EXEC_FAILED };

struct exec_state {
    TAILQ_ENTRY(exec_state) link;   /* EXEC_QUEUED */
    struct probe *probe;
    enum exec_stage stage;
    struct child *child;            /* EXEC_RUNNING */
    struct trickle output;
    struct event event;             /* its time is over; EXEC_FAILED: to be told */
    size_t held;
    char *bytes;                    /* owned; OUTPUT_BYTES, while it runs */
    char why[DETAIL_BYTES];         /* EXEC_FAILED */
};

/* Of this process: its loop has one thread. */
static struct {
    TAILQ_HEAD(, exec_state) waiting;
    uint32_t running;
    uint64_t told_ms;
} places = { .waiting = TAILQ_HEAD_INITIALIZER(places.waiting) };

/* ---- what it says ---- */

static bool
on_output(void *context, const char *bytes, size_t length)
{
    struct exec_state *exec = context;
    size_t kept = MIN(length, OUTPUT_BYTES - exec->held);

    if (kept > 0) {
        memcpy(exec->bytes + exec->held, bytes, kept);
        exec->held += kept;
        probe_tell(exec->probe, "heard", bytes, kept);
    }
    return true;
}

/* ": DISK CRITICAL - free space", or nothing. */
static const char *
said(const struct exec_state *exec, char *text)
{
    text[0] = ':';
    text[1] = ' ';
    plain_first_line(text + 2, LINE_BYTES - 2, exec->bytes, exec->held);
    if (text[2] == '\0')
        text[0] = '\0';
    return text;
}

/* ---- places ---- */

static void run_next(void);

/* Everything but the state itself, which its probe frees. */
static void
let_go(struct exec_state *exec)
{
    enum exec_stage stage = exec->stage;

    event_del(&exec->event);
    if (stage == EXEC_QUEUED)
        TAILQ_REMOVE(&places.waiting, exec, link);
    if (stage != EXEC_RUNNING)
        return;
    trickle_stop(&exec->output);
    if (exec->child != NULL)
        child_leave(exec->child, 0);
    exec->child = NULL;
    free(exec->bytes);
    exec->bytes = NULL;
    exec->stage = EXEC_FAILED;
    places.running--;
    run_next();
}

/* ---- how it ended ---- */

static void
end_by_status(struct probe *probe, int status, const char *line)
{
    static const char *const names[] = { [2] = " (critical)", [3] = " (unknown)",
                                         [126] = " (not executable)",
                                         [127] = " (no such command)" };
    const char *name = status < (int)ARRAY_SIZE(names) ? names[status] : NULL;
    double took_ms = (double)(clock_monotonic_us() - probe->started_us) / 1000;

    probe->degraded = status == 1;
    if (status == 0)
        probe_done(probe, REASON_OK, "passed in %.1f ms%s", took_ms, line);
    else if (status == 1)
        probe_done(probe, REASON_OK, "passed with a warning in %.1f ms%s", took_ms, line);
    else
        probe_done(probe, REASON_EXEC_EXIT, "exit %d%s%s", status, name != NULL ? name : "", line);
}

/* The seconds of CPU time that one run may take. */
static uint32_t
cpu_limit_s(const struct app_probe *config)
{
    uint32_t cpu_ms = app_probe_more(config)->cpu_ms;

    return ((cpu_ms != 0 ? cpu_ms : config->timeout_ms) + 999) / 1000;
}

/* Who ignores SIGXCPU is killed by the kernel a second later. */
static void
end_by_signal(struct probe *probe, const struct child_end *end, const char *line)
{
    uint64_t limit_ms = (uint64_t)cpu_limit_s(probe->config) * 1000;
    const char *name = sigabbrev_np(end->code);
    int number = end->code;

    if (number == SIGXCPU || (number == SIGKILL && end->cpu_ms >= limit_ms))
        probe_done(probe, REASON_EXEC_EXIT, "SIG%s: more CPU time than it may use (cpu_time)%s",
                   name, line);
    else if (name != NULL)
        probe_done(probe, REASON_EXEC_EXIT, "killed by SIG%s%s", name, line);
    else
        probe_done(probe, REASON_EXEC_EXIT, "killed by signal %d%s", number, line);
}

static void
on_ended(void *context, const struct child_end *end)
{
    struct exec_state *exec = context;
    struct probe *probe = exec->probe;
    char line[LINE_BYTES];

    exec->child = NULL;
    trickle_drain(&exec->output);
    said(exec, line);
    let_go(exec);
    switch (end->how) {
    case CHILD_NOT_STARTED:
        probe_done(probe, REASON_EXEC_SPAWN, "%s", end->why);
        break;
    case CHILD_EXITED:
        end_by_status(probe, end->code, line);
        break;
    case CHILD_KILLED:
        end_by_signal(probe, end, line);
        break;
    }
}

static void
on_time(evutil_socket_t fd, short what, void *context)
{
    struct exec_state *exec = context;
    struct probe *probe = exec->probe;
    char line[LINE_BYTES];

    if (exec->stage == EXEC_FAILED) {
        probe_done(probe, REASON_EXEC_SPAWN, "%s", exec->why);
        return;
    }
    trickle_drain(&exec->output);
    said(exec, line);
    let_go(exec);
    probe_done(probe, REASON_EXEC_TIMEOUT, "not over after %g s, killed%s",
               probe->config->timeout_ms / 1000.0, line);
}

/* ---- its start ---- */

/* Its output: ours and the child's end. Both streams go there. 0 or -errno and why. */
static int
start_child(struct exec_state *exec, int null, int output)
{
    const struct app_probe *config = exec->probe->config;
    const struct app_probe_more *more = app_probe_more(config);
    struct command_env env;
    struct child_order order = {
        .arguments = more->lists[PROBE_COMMAND].items,
        .count = more->lists[PROBE_COMMAND].count,
        .environment = env.list,
        .user = app_probe_text(config, PROBE_USER),
        .cpu_s = cpu_limit_s(config),
        .in = null,
        .out = output,
        .err = output,
        .ended = on_ended,
        .context = exec,
    };

    command_env_of_run(&env, exec->probe);
    return child_start(exec->probe->base, &order, &exec->child, exec->why);
}

static int
start_with_output(struct exec_state *exec, int null)
{
    int ours, childs;
    int rc = child_pipe_out(&ours, &childs);

    if (rc < 0)
        return rc;
    rc = start_child(exec, null, childs);
    close(childs);
    if (rc < 0) {
        close(ours);
        return rc;
    }
    rc = trickle_start(&exec->output, exec->probe->base, ours, on_output, exec);
    if (rc < 0) {
        child_leave(exec->child, 0);
        exec->child = NULL;
    }
    return rc;
}

static int
run_command(struct exec_state *exec)
{
    uint32_t timeout_ms = exec->probe->config->timeout_ms;
    const struct timeval timeout = { .tv_sec = timeout_ms / 1000,
                                     .tv_usec = timeout_ms % 1000 * 1000 };
    int null, rc;

    if (exec->bytes == NULL || event_add(&exec->event, &timeout) < 0)
        return -ENOMEM;
    null = child_null();
    if (null < 0)
        return null;
    rc = start_with_output(exec, null);
    close(null);
    return rc;
}

/* It has a place now. Should it fail, it is told from the loop: this may be in a kind's start. */
static void
run(struct exec_state *exec)
{
    int rc;

    exec->stage = EXEC_RUNNING;
    places.running++;
    exec->probe->started_us = clock_monotonic_us();
    exec->held = 0;
    exec->bytes = malloc(OUTPUT_BYTES);
    rc = run_command(exec);
    if (rc == 0) {
        probe_tell(exec->probe, "started", NULL, 0);
        return;
    }
    if (exec->why[0] == '\0')
        snprintf(exec->why, sizeof exec->why, "cannot start a process: %s", strerror(-rc));
    event_del(&exec->event);
    free(exec->bytes);
    exec->bytes = NULL;
    exec->stage = EXEC_FAILED;
    places.running--;
    event_active(&exec->event, EV_TIMEOUT, 1);
}

/* That probes wait longer than their interval is nobody's failure, but should be known. */
static void
tell_wait(const struct exec_state *exec)
{
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t waited_ms = now_ms - exec->probe->started_us / 1000;

    if (waited_ms < MAX(exec->probe->config->interval_ms, 1000) ||
        (places.told_ms != 0 && now_ms - places.told_ms < WAIT_TOLD_MS))
        return;
    places.told_ms = now_ms;
    log_warn(exec->probe->app, "its exec probe had to wait %.1f s, since only %d commands run at "
             "once; make commands end sooner, intervals longer, or use kind = \"helper\"",
             (double)waited_ms / 1000, PLACES);
}

static void
run_next(void)
{
    struct exec_state *exec;

    while (places.running < PLACES && (exec = TAILQ_FIRST(&places.waiting)) != NULL) {
        TAILQ_REMOVE(&places.waiting, exec, link);
        tell_wait(exec);
        run(exec);
    }
}

static int
exec_start(struct probe *probe)
{
    struct exec_state *exec = probe->state;

    exec->probe = probe;
    if (event_assign(&exec->event, probe->base, -1, 0, on_time, exec) < 0)
        return -ENOMEM;
    TAILQ_INSERT_TAIL(&places.waiting, exec, link);
    run_next();
    return 0;
}

static void
exec_cancel(struct probe *probe)
{
    let_go(probe->state);
}

const struct probe_ops probe_exec = {
    .name = "exec",
    .state_bytes = sizeof(struct exec_state),
    .start = exec_start,
    .cancel = exec_cancel,
};
