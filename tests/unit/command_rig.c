#include "command_rig.h"

#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "probes/child.h"

static int
count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

void
rig_init(struct rig *rig, const struct probe_ops *ops, uint32_t timeout_ms,
         const char *const *command)
{
    struct app_list *list;
    char why[DETAIL_BYTES] = "";

    signal(SIGPIPE, SIG_IGN);                       /* as in the prober */
    child_set_launcher(FPROXY_LAUNCH);
    *rig = (struct rig){ .ops = ops, .descriptors = count_descriptors() };
    rig->base = event_base_new();
    rig->config.timeout_ms = timeout_ms;
    rig->config.interval_ms = timeout_ms;
    list = &app_probe_make_more(&rig->config)->lists[PROBE_COMMAND];
    list->items = calloc(PROBE_LIST_MAX, sizeof *list->items);
    for (; command[list->count] != NULL; list->count++)
        list->items[list->count] = strdup(command[list->count]);
    if (ops->prepare != NULL)
        assert_int_equal(ops->prepare(&rig->config, rig->base, &rig->shared, why), 0);
}

void
rig_shell(struct rig *rig, const struct probe_ops *ops, uint32_t timeout_ms, const char *text)
{
    rig_init(rig, ops, timeout_ms, (const char *const[]){ "/bin/sh", "-c", text, NULL });
}

void
rig_python(struct rig *rig, const struct probe_ops *ops, uint32_t timeout_ms, const char *text)
{
    rig_init(rig, ops, timeout_ms,
             (const char *const[]){ "/usr/bin/python3", "-S", "-c", text, NULL });
}

int
rig_children(void)
{
    char path[64];
    FILE *file;
    int count = 0, pid;

    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    file = fopen(path, "re");
    if (file == NULL)
        return -1;
    while (fscanf(file, "%d", &pid) == 1)
        count++;
    fclose(file);
    return count;
}

void
rig_fini(struct rig *rig)
{
    if (rig->shared != NULL)
        rig->ops->release(rig->shared);
    child_end_all();
    event_base_free(rig->base);
    app_probe_fini(&rig->config);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);       /* no child, not even a zombie */
    assert_int_equal(count_descriptors(), rig->descriptors);
}

static void
on_done(struct probe *probe, const struct probe_result *result)
{
    struct rig_run *run = probe->context;

    run->done = true;
    run->times++;
    run->result = *result;
    event_base_loopbreak(probe->base);
}

void
rig_start(struct rig *rig, struct rig_run *run, const char *target)
{
    struct address address;

    *run = (struct rig_run){ .rig = rig };
    assert_int_equal(address_parse_ip("127.0.0.1", 4711, &address), 0);
    probe_init(&run->probe, rig->ops, rig->base, &address);
    run->probe.config = &rig->config;
    run->probe.shared = rig->shared;
    run->probe.app = "shop";
    run->probe.target = target;
    run->probe.on_done = on_done;
    run->probe.context = run;
    assert_int_equal(probe_start(&run->probe), 0);
    assert_false(run->done);                                /* never from inside */
}

static void
on_too_late(evutil_socket_t fd, short what, void *context)
{
    fail_msg("it is not over after %d ms", RIG_WAIT_MS);
}

void
rig_wait(struct rig_run *run)
{
    const struct timeval limit = { .tv_sec = RIG_WAIT_MS / 1000 };
    struct event *late = event_new(run->rig->base, -1, 0, on_too_late, NULL);

    event_add(late, &limit);
    while (!run->done)
        event_base_loop(run->rig->base, EVLOOP_ONCE);
    event_free(late);
    assert_int_equal(run->times, 1);
}

void
rig_probe(struct rig *rig, struct rig_run *run, const char *target)
{
    rig_start(rig, run, target);
    rig_wait(run);
}

static bool
runs(int pid)
{
    char path[64], state = 'X';
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
        state = 'X';
    fclose(file);
    return state != 'Z' && state != 'X';
}

void
rig_wait_gone(int pid)
{
    uint64_t until_ms = clock_monotonic_ms() + RIG_WAIT_MS;

    while (runs(pid)) {
        assert_true(clock_monotonic_ms() < until_ms);
        poll(NULL, 0, 2);
    }
}
