#include "probes/child.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/queue.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/beside.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "probes/launch.h"

enum { FD_MIN = 10, LAST_GRACE_MS = 1000, KILL_MS = 5000, STUCK_S = 2 };

struct child {
    LIST_ENTRY(child) link;
    pid_t pid;
    int pidfd;
    int status;                 /* where fproxy-launch tells what went wrong */
    struct event exited, kill;
    bool left, killed, stuck;
    child_ended_fn *ended;
    void *context;
};

/* All of this process. */
static LIST_HEAD(, child) children = LIST_HEAD_INITIALIZER(children);
static uint32_t stuck_count;
static char launcher[PATH_BYTES];

void
child_set_launcher(const char *path)
{
    snprintf(launcher, sizeof launcher, "%s", path);
}

/* Where it is missed, if it is: starting it says so. */
static const char *
find_launcher(void)
{
    char path[PATH_BYTES];

    if (launcher[0] != '\0')
        return launcher;
    beside_find("fproxy-launch", X_OK, path);
    memcpy(launcher, path, sizeof launcher);
    return launcher;
}

/* ---- descriptors ---- */

/* Away from 0 to 3, where those of the child will be. Takes `fd`. */
static int
move_up(int fd)
{
    int moved = fd < 0 ? -errno : fcntl(fd, F_DUPFD_CLOEXEC, FD_MIN);

    if (fd < 0)
        return moved;
    if (moved < 0)
        moved = -errno;
    close(fd);
    return moved;
}

static int
make_pipe(int *ours, int *childs, int our_side)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    *ours = ends[our_side];
    *childs = move_up(ends[1 - our_side]);
    if (*childs < 0 || fcntl(*ours, F_SETFL, O_NONBLOCK) < 0) {
        int rc = *childs < 0 ? *childs : -errno;

        close(*ours);
        if (*childs >= 0)
            close(*childs);
        return rc;
    }
    return 0;
}

int
child_pipe_in(int *ours, int *childs)
{
    return make_pipe(ours, childs, 1);
}

int
child_pipe_out(int *ours, int *childs)
{
    return make_pipe(ours, childs, 0);
}

int
child_null(void)
{
    return move_up(open("/dev/null", O_RDONLY | O_CLOEXEC));
}

/* ---- its end ---- */

/* The number of the group is its own as long as its process is not reaped. */
static void
kill_group(const struct child *child, int signal)
{
    kill(-child->pid, signal);
}

static void
free_child(struct child *child)
{
    LIST_REMOVE(child, link);
    stuck_count -= child->stuck;
    event_del(&child->exited);
    event_del(&child->kill);
    close(child->pidfd);
    close(child->status);
    free(child);
}

static void
tell_end(const struct child *child, const siginfo_t *info, struct child_end *end)
{
    ssize_t bytes = read(child->status, end->why, sizeof end->why - 1);

    *(bytes > 0 ? &end->why[bytes] : &end->why[0]) = '\0';
    end->code = info->si_status;
    if (bytes > 0)
        end->how = CHILD_NOT_STARTED;
    else
        end->how = info->si_code == CLD_EXITED ? CHILD_EXITED : CHILD_KILLED;
}

/* What it left behind in its group is killed first: once it is reaped, the group's number may be
 * another's. */
static void
reap(struct child *child, struct child_end *end)
{
    siginfo_t info = { .si_code = CLD_KILLED, .si_status = SIGKILL };

    end->cpu_ms = child_cpu_ms(child);
    kill_group(child, SIGKILL);
    if (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG) < 0)
        log_warn(NULL, "a probe's command cannot be waited for: %s", strerror(errno));
    tell_end(child, &info, end);
}

static void
on_exited(evutil_socket_t fd, short what, void *context)
{
    struct child *child = context;
    child_ended_fn *ended = child->left ? NULL : child->ended;
    void *to = child->context;
    struct child_end end = { .how = CHILD_EXITED };

    reap(child, &end);
    free_child(child);
    if (ended != NULL)
        ended(to, &end);
}

static void
on_kill(evutil_socket_t fd, short what, void *context)
{
    static const struct timeval then = { .tv_sec = STUCK_S };
    struct child *child = context;

    if (child->killed && !child->stuck) {
        child->stuck = true;
        stuck_count++;
        log_warn(NULL, "process %d of a probe was killed and does not end: it hangs in the kernel",
                 (int)child->pid);
    }
    if (!child->killed)
        event_add(&child->kill, &then);
    child->killed = true;
    kill_group(child, SIGKILL);
}

void
child_leave(struct child *child, uint32_t grace_ms)
{
    const struct timeval grace = { .tv_sec = grace_ms / 1000, .tv_usec = grace_ms % 1000 * 1000 };

    assert(!child->left);
    child->left = true;
    if (grace_ms > 0) {
        kill_group(child, SIGTERM);
        kill_group(child, SIGCONT);     /* one that is stopped hears it, too */
    }
    if (grace_ms == 0 || event_add(&child->kill, &grace) < 0)
        on_kill(-1, 0, child);
}

static bool
wait_for(const struct child *child, uint64_t until_ms)
{
    struct pollfd ended = { .fd = child->pidfd, .events = POLLIN };
    uint64_t now_ms = clock_monotonic_ms();
    int rc;

    do
        rc = poll(&ended, 1, (int)(until_ms - MIN(now_ms, until_ms)));
    while (rc < 0 && errno == EINTR);
    return rc > 0;
}

void
child_end_all(void)
{
    uint64_t until_ms = clock_monotonic_ms() + LAST_GRACE_MS, last_ms = until_ms + KILL_MS;
    struct child *child;
    struct child_end end;

    LIST_FOREACH (child, &children, link) {
        if (!child->left)
            kill_group(child, SIGKILL);
    }
    while ((child = LIST_FIRST(&children)) != NULL) {
        if (!wait_for(child, until_ms)) {
            kill_group(child, SIGKILL);
            wait_for(child, last_ms);
        }
        reap(child, &end);
        free_child(child);
    }
}

uint64_t
child_cpu_ms(const struct child *child)
{
    struct timespec used;
    clockid_t clock;

    if (clock_getcpuclockid(child->pid, &clock) != 0 || clock_gettime(clock, &used) < 0)
        return 0;
    return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

/* ---- its start ---- */

/* 0 or an errno. */
static int
set_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    int rc;

    sigemptyset(&none);
    sigfillset(&all);
    rc = posix_spawnattr_setsigmask(attributes, &none);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(attributes, &all);
    if (rc == 0)
        rc = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK |
                                                      POSIX_SPAWN_SETSIGDEF);
    return rc;
}

static int
set_descriptors(posix_spawn_file_actions_t *actions, const struct child_order *order, int status)
{
    const int from[] = { order->in, order->out, order->err, status };
    int rc = 0;

    for (int i = 0; rc == 0 && i < (int)ARRAY_SIZE(from); i++) {
        assert(from[i] >= FD_MIN);
        rc = posix_spawn_file_actions_adddup2(actions, from[i], i);
    }
    if (rc == 0)
        rc = posix_spawn_file_actions_addclosefrom_np(actions, LAUNCH_STATUS_FD + 1);
    return rc;
}

static int
run_launcher(char **words, const struct child_order *order, int status, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc = posix_spawnattr_init(&attributes);

    if (rc != 0)
        return -rc;
    rc = posix_spawn_file_actions_init(&actions);
    if (rc == 0) {
        rc = set_attributes(&attributes);
        if (rc == 0)
            rc = set_descriptors(&actions, order, status);
        if (rc == 0)
            rc = posix_spawn(pid, words[0], &actions, &attributes, words, order->environment);
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    return -rc;
}

static int
launch(const struct child_order *order, int status, pid_t *pid)
{
    char *words[LAUNCH_WORDS + CHILD_ARGUMENTS_MAX + 1];
    char parent[16], cpu[16];

    assert(order->count > 0);
    assert(order->count <= CHILD_ARGUMENTS_MAX);
    snprintf(parent, sizeof parent, "%d", (int)getpid());
    snprintf(cpu, sizeof cpu, "%u", order->cpu_s);
    words[0] = (char *)(uintptr_t)find_launcher();
    words[1] = parent;
    words[2] = cpu;
    words[3] = (char *)(uintptr_t)(order->user != NULL ? order->user : "");
    for (uint32_t i = 0; i < order->count; i++)
        words[LAUNCH_WORDS + i] = order->arguments[i];
    words[LAUNCH_WORDS + order->count] = NULL;
    return run_launcher(words, order, status, pid);
}

/* Watches it; -errno ends it. */
static int
watch(struct event_base *base, struct child *child)
{
    child->pidfd = pidfd_open(child->pid, 0);       /* nobody else reaps it: it is that one */
    if (child->pidfd >= 0 &&
        event_assign(&child->exited, base, child->pidfd, EV_READ, on_exited, child) == 0 &&
        event_assign(&child->kill, base, -1, 0, on_kill, child) == 0 &&
        event_add(&child->exited, NULL) == 0) {
        LIST_INSERT_HEAD(&children, child, link);
        return 0;
    }
    kill_group(child, SIGKILL);
    kill(child->pid, SIGKILL);                      /* should it have no group yet */
    waitpid(child->pid, NULL, 0);
    if (child->pidfd >= 0)
        close(child->pidfd);
    return -ENOMEM;
}

static int
start(struct event_base *base, struct child *child, const struct child_order *order)
{
    int status;
    int rc = child_pipe_out(&child->status, &status);

    if (rc < 0)
        return rc;
    rc = launch(order, status, &child->pid);
    close(status);
    if (rc == 0)
        rc = watch(base, child);
    if (rc < 0)
        close(child->status);
    return rc;
}

int
child_start(struct event_base *base, const struct child_order *order, struct child **child,
            char *why)
{
    struct child *made = stuck_count < CHILD_STUCK_MAX ? calloc(1, sizeof *made) : NULL;
    int rc = stuck_count < CHILD_STUCK_MAX ? -ENOMEM : -EAGAIN;

    if (made != NULL) {
        made->ended = order->ended;
        made->context = order->context;
        rc = start(base, made, order);
    }
    if (rc == 0) {
        *child = made;
        return 0;
    }
    free(made);
    if (rc == -EAGAIN && stuck_count >= CHILD_STUCK_MAX)
        snprintf(why, DETAIL_BYTES, "%u commands before it were killed and hang in the kernel",
                 stuck_count);
    else if (rc == -ENOENT || rc == -EACCES)
        snprintf(why, DETAIL_BYTES, "%.100s: %s; install fproxy anew", find_launcher(),
                 strerror(-rc));
    else if (rc == -EAGAIN)
        snprintf(why, DETAIL_BYTES, "cannot start a process: the user that fproxy runs as has as "
                 "many processes as it may (RLIMIT_NPROC, TasksMax of the unit)");
    else
        snprintf(why, DETAIL_BYTES, "cannot start a process: %s", strerror(-rc));
    return rc;
}
