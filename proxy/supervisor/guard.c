#include "proxy/supervisor/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GUARD_VARIABLE "FPROXY_UPGRADE_GUARD"

enum { OTHERS_FIRST_MS = 500 };     /* longer than a service manager waits */

extern char **environ;

static int guard_fd = -1;       /* what is written there, the guard reads */

/* The environment and one more; after fork() nothing may be allocated. NULL without memory. */
static char **
environment_with(char *more)
{
    size_t count = 0;
    char **list;

    while (environ[count] != NULL)
        count++;
    list = calloc(count + 2, sizeof(char *));
    if (list == NULL)
        return NULL;
    memcpy(list, environ, count * sizeof(char *));
    list[count] = more;
    return list;
}

static bool
is_taken(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
}

/* The locks are held again when the old binary begins, by the descriptors that it knows: who
 * comes while it starts finds somebody there. False: somebody is. */
static bool
lock_again(int *fds, const int *locks)
{
    struct stat runtime, state;

    if (fstat(fds[0], &runtime) == 0 && fstat(fds[1], &state) == 0 &&
        runtime.st_dev == state.st_dev && runtime.st_ino == state.st_ino)
        fds[1] = fds[0];
    if (is_taken(fds[0]) || (fds[1] != fds[0] && is_taken(fds[1])))
        return false;
    dup2(fds[0], locks[0]);     /* of what could not be opened the old binary opens its own */
    dup2(fds[1], locks[1]);
    return true;
}

/* In the guard: only what a signal handler may call. */
static void
watch(int fd, const struct guard_exec *what, char **environment)
{
    int again[2];
    char byte;
    ssize_t bytes;

    do
        bytes = read(fd, &byte, 1);
    while (bytes < 0 && errno == EINTR);
    if (bytes != 0)
        _exit(0);
    /* The new binary has ended without a word. */
    for (int i = 0; i < 2; i++)
        again[i] = openat(what->locks[i], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 2; i++)         /* after both: their numbers are to be had back */
        close(what->locks[i]);
    poll(NULL, 0, OTHERS_FIRST_MS);
    if (!lock_again(again, what->locks))
        _exit(0);
    execve(what->back, what->argv, environment);
    _exit(1);
}

static int
exec_guarded(const int *ends, const struct guard_exec *what)
{
    char number[48], went_back[] = GUARD_WENT_BACK "=1";
    char **forth, **again = environment_with(went_back);
    pid_t pid = -1;
    int rc = -ENOMEM;

    snprintf(number, sizeof number, GUARD_VARIABLE "=%d", ends[1]);
    forth = environment_with(number);
    if (forth != NULL && again != NULL) {
        pid = fork();
        rc = -errno;
    }
    if (pid == 0) {
        close(ends[1]);
        watch(ends[0], what, again);
    }
    if (pid > 0) {
        fcntl(ends[1], F_SETFD, 0);
        execve(what->path, what->argv, forth);
        rc = -errno;
        if (write(ends[1], "x", 1) == 1)
            waitpid(pid, NULL, 0);
    }
    free(forth);
    free(again);
    return rc;
}

bool
guard_went_back(void)
{
    return getenv(GUARD_WENT_BACK) != NULL;
}

int
guard_exec(const struct guard_exec *what)
{
    int ends[2], rc;

    if (getpid() == 1) {        /* whatever is left when the first process ends, ends too */
        execv(what->path, what->argv);
        return -errno;
    }
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    rc = exec_guarded(ends, what);
    close(ends[0]);
    close(ends[1]);
    return rc;
}

void
guard_inherit(void)
{
    const char *number = getenv(GUARD_VARIABLE);

    if (number != NULL)
        guard_fd = atoi(number);
    unsetenv(GUARD_VARIABLE);
    if (guard_fd >= 0 && fcntl(guard_fd, F_SETFD, FD_CLOEXEC) < 0)
        guard_fd = -1;
}

void
guard_came_up(void)
{
    if (guard_fd < 0)
        return;
    /* A guard that has ended is none: SIGPIPE is ignored. */
    if (write(guard_fd, "x", 1) < 0)
        errno = 0;
    close(guard_fd);
    guard_fd = -1;
}
