#include "proxy/supervisor/trial.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/beside.h"
#include "base/clock.h"
#include "base/control_message.h"
#include "base/log.h"
#include "base/util.h"
#include "proxy/supervisor/children.h"

extern char **environ;

enum { CHILD_SAID_BYTES = 128, WHY_BYTES = 256 };

/* Its stdout is `output`. 0 or -errno. */
static int
spawn(const char *path, int output, pid_t *pid)
{
    char program[32], option[] = CONTROL_TRIAL_OPTION;
    char *argv[] = { program, option, NULL };
    posix_spawn_file_actions_t actions;
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc != 0)
        return -rc;
    snprintf(program, sizeof program, "fproxy-trial");
    rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, output, 1);
    if (rc == 0)
        rc = posix_spawn(pid, path, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return -rc;
}

/* Its status; -ETIMEDOUT: it was killed at `until_ms`. */
static int
wait_until(pid_t pid, uint64_t until_ms, int *status)
{
    struct pollfd ended = { .fd = pidfd_open(pid, 0), .events = POLLIN };
    uint64_t now_ms = clock_monotonic_ms();
    int rc = ended.fd < 0 ? -errno : 0;

    while (rc == 0 && now_ms < until_ms) {
        rc = poll(&ended, 1, (int)(until_ms - now_ms));
        if (rc < 0)
            rc = errno == EINTR ? 0 : -errno;
        now_ms = clock_monotonic_ms();
    }
    if (rc == 0)
        rc = -ETIMEDOUT;
    if (rc < 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, status, 0) < 0 && errno == EINTR)
        ;
    if (ended.fd >= 0)
        close(ended.fd);
    return MIN(rc, 0);
}

/* It has ended: what it said lies in the pipe. */
static void
judge(int status, int output, char *why)
{
    char said[CHILD_SAID_BYTES], version[32];
    ssize_t bytes = read(output, said, sizeof said - 1);
    unsigned protocol;

    said[MAX(bytes, 0)] = '\0';
    if (WIFSIGNALED(status))
        snprintf(why, WHY_BYTES, "ended with signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        snprintf(why, WHY_BYTES, "ended with exit status %d", WEXITSTATUS(status));
    else if (sscanf(said, CONTROL_TRIAL_WORD " %u %31s", &protocol, version) != 2)
        snprintf(why, WHY_BYTES, "does not say which version it is");
    else if (protocol != CONTROL_PROTOCOL || strcmp(version, FPROXY_VERSION) != 0)
        snprintf(why, WHY_BYTES, "is version %s (protocol %u), but fproxy is %s (%d)", version,
                 protocol, FPROXY_VERSION, CONTROL_PROTOCOL);
}

static void
run(const char *path, uint64_t until_ms, char *why)
{
    int ends[2], status = 0, rc;
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        snprintf(why, WHY_BYTES, "cannot be tried: %s", strerror(errno));
        return;
    }
    rc = spawn(path, ends[1], &pid);
    close(ends[1]);
    if (rc == 0)
        rc = wait_until(pid, until_ms, &status);
    if (rc == -ETIMEDOUT)
        snprintf(why, WHY_BYTES, "does not end when it is asked for its version");
    else if (rc < 0)
        snprintf(why, WHY_BYTES, "cannot be started: %s", strerror(-rc));
    else
        judge(status, ends[0], why);
    close(ends[0]);
}

static bool
can(enum control_role role, uint64_t until_ms)
{
    char path[PATH_BYTES], why[WHY_BYTES] = "";
    int rc = beside_find(child_program(role), X_OK, path);

    if (rc == -ENOENT)
        snprintf(why, sizeof why, "is missing");
    else if (rc < 0)
        snprintf(why, sizeof why, "cannot be found: %s", strerror(-rc));
    else
        run(path, until_ms, why);
    if (why[0] == '\0')
        return true;
    printf(TRIAL_NO_WORD "%.512s %s\n", path, why);
    log_error(NULL, "this installation cannot take over: %s %s", path, why);
    return false;
}

int
trial_run(void)
{
    uint64_t until_ms = clock_monotonic_ms() + TRIAL_CHILDREN_MS;
    bool all = can(CONTROL_PROBER, until_ms) && can(CONTROL_WORKER, until_ms);

    if (all)
        printf(CONTROL_TRIAL_WORD " %d %s\n", CONTROL_PROTOCOL, FPROXY_VERSION);
    return fflush(stdout) == 0 && all ? 0 : 1;
}
