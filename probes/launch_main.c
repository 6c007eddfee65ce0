/* fproxy-launch: becomes the command of a probe; started by the prober, never by hand. launch.h. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/names.h"
#include "base/util.h"
#include "probes/launch.h"

static void fail(const char *format, ...) PRINTF_LIKE(1, 2) __attribute__((noreturn));

static void
fail(const char *format, ...)
{
    char why[DETAIL_BYTES];
    va_list args;
    ssize_t written;

    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    written = write(LAUNCH_STATUS_FD, why, strlen(why));
    _exit(written < 0 ? LAUNCH_FAILED + 1 : LAUNCH_FAILED);
}

static void
limit(const char *name, int what, rlim_t soft, rlim_t hard)
{
    struct rlimit now, wanted = { soft, hard };

    if (getrlimit(what, &now) == 0) {       /* what is less already stays */
        wanted.rlim_max = MIN(wanted.rlim_max, now.rlim_max);
        wanted.rlim_cur = MIN(wanted.rlim_cur, wanted.rlim_max);
    }
    if (setrlimit(what, &wanted) < 0)
        fail("cannot limit %s: %s", name, strerror(errno));
}

/* Of CPU time the soft limit tells who is over it by SIGXCPU; the hard one kills who stays. */
static void
set_limits(rlim_t cpu_s, const char *user)
{
    limit("core dumps", RLIMIT_CORE, 0, 0);
    limit("open files", RLIMIT_NOFILE, LAUNCH_FILES, LAUNCH_FILES);
    limit("the size of files", RLIMIT_FSIZE, (rlim_t)LAUNCH_FILE_MB << 20,
          (rlim_t)LAUNCH_FILE_MB << 20);
    limit("memory", RLIMIT_DATA, (rlim_t)LAUNCH_DATA_MB << 20, (rlim_t)LAUNCH_DATA_MB << 20);
    if (cpu_s > 0)
        limit("CPU time", RLIMIT_CPU, cpu_s, cpu_s + 1);
    if (user[0] != '\0')
        limit("processes", RLIMIT_NPROC, LAUNCH_PROCESSES, LAUNCH_PROCESSES);
}

/* `problem`: the errno. Who runs fproxy is mostly news to whom it is told. */
static void fail_to_become(const char *user, int problem) __attribute__((noreturn));

static void
fail_to_become(const char *user, int problem)
{
    const struct passwd *entry = getpwuid(geteuid());

    if (problem != EPERM)
        fail("cannot become the user \"%.40s\": %s", user, strerror(problem));
    fail("cannot become the user \"%.32s\": only root may, and fproxy runs as \"%.32s\" (uid %u); "
         "run it as root, or leave out `user`", user, entry != NULL ? entry->pw_name : "?",
         (unsigned)geteuid());
}

static void
become(const char *user)
{
    const struct passwd *entry;

    errno = 0;
    entry = getpwnam(user);
    if (entry == NULL && errno != 0)
        fail("cannot look up the user \"%s\": %s", user, strerror(errno));
    if (entry == NULL)
        fail("there is no user \"%s\"; make it, or change `user` of the probe", user);
    setenv("HOME", entry->pw_dir, 1);
    setenv("USER", user, 1);
    setenv("LOGNAME", user, 1);
    if (geteuid() == entry->pw_uid && geteuid() != 0)
        return;                             /* it is already */
    if (initgroups(user, entry->pw_gid) < 0 || setgid(entry->pw_gid) < 0 ||
        setuid(entry->pw_uid) < 0)
        fail_to_become(user, errno);
}

/* Ends with the prober. Who looked away for a moment may have missed its end. */
static void
end_with(pid_t parent)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        fail("cannot be tied to the prober: %s", strerror(errno));
    if (getppid() != parent)
        _exit(LAUNCH_FAILED);
}

int
main(int argc, char **argv)
{
    if (argc <= LAUNCH_WORDS || fcntl(LAUNCH_STATUS_FD, F_SETFD, FD_CLOEXEC) < 0) {
        fprintf(stderr, "fproxy-launch is a part of fproxy and is started by it; to check things "
                        "by a command of your own, see `kind = \"exec\"` of a probe\n");
        return 2;
    }
    umask(022);
    errno = 0;
    if (nice(LAUNCH_NICE) == -1 && errno != 0)
        fail("cannot be nice: %s", strerror(errno));
    if (chdir("/") < 0)
        fail("cannot go to /: %s", strerror(errno));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail("cannot give up gaining rights: %s", strerror(errno));
    if (argv[3][0] != '\0')
        become(argv[3]);
    set_limits(strtoul(argv[2], NULL, 10), argv[3]);
    end_with((pid_t)strtol(argv[1], NULL, 10));     /* a change of the user would undo it */
    execvp(argv[LAUNCH_WORDS], argv + LAUNCH_WORDS);
    fail("cannot run %.80s: %s; see `command` of the probe", argv[LAUNCH_WORDS], strerror(errno));
}
