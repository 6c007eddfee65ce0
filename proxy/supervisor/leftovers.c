#include "proxy/supervisor/leftovers.h"

#include <dirent.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/pid_file.h"

enum { KILLED_MS = 2000 };      /* for the kernel to end what was killed */

/* Calls `visit` for every name in the directory. */
static void
each_name(int dir_fd, void (*visit)(int dir_fd, const char *name, void *context),
          void *context)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((entry = readdir(dir)) != NULL)
        visit(dir_fd, entry->d_name, context);
    closedir(dir);
}

/* ---- children ---- */

struct found {
    leftovers_pid_fn *keep;
    void *context;
    struct pollfd *children;    /* their pidfds; negative: ended */
    size_t count;
};

static void
add_child(int dir_fd, const char *name, void *context)
{
    struct found *found = context;
    struct child_place place;
    struct process_id id;
    struct pollfd *grown;
    int pidfd;

    if (!child_file_parse(name, "pid", &place) || pid_file_read(dir_fd, name, &id) < 0)
        return;
    if (found->keep != NULL && found->keep(found->context, id.pid))
        return;
    pidfd = process_id_open(&id);
    if (pidfd < 0)
        return;
    grown = reallocarray(found->children, found->count + 1, sizeof *grown);
    if (grown == NULL || !process_runs(id.pid, child_program(place.role))) {
        found->children = grown != NULL ? grown : found->children;
        close(pidfd);
        return;
    }
    log_warn(NULL, "%.*s (pid %d) was left by a supervisor that was killed: it is ended",
             (int)(strlen(name) - strlen(".pid")), name, (int)id.pid);
    found->children = grown;
    found->children[found->count++] = (struct pollfd){ .fd = pidfd, .events = POLLIN };
}

static void
signal_all(const struct found *found, int signal)
{
    for (size_t i = 0; i < found->count; i++) {
        if (found->children[i].fd >= 0)
            pidfd_send_signal(found->children[i].fd, signal, NULL, 0);
    }
}

/* True when all of them have ended. */
static bool
await_all(struct found *found, unsigned patience_ms)
{
    uint64_t until_ms = clock_monotonic_ms() + patience_ms;
    size_t left = 0;

    for (size_t i = 0; i < found->count; i++)
        left += found->children[i].fd >= 0;
    while (left > 0) {
        uint64_t now_ms = clock_monotonic_ms();

        if (now_ms >= until_ms)
            return false;
        poll(found->children, found->count, (int)(until_ms - now_ms));
        for (size_t i = 0; i < found->count; i++) {
            if (found->children[i].fd >= 0 && found->children[i].revents != 0) {
                close(found->children[i].fd);
                found->children[i].fd = -1;
                left--;
            }
        }
    }
    return true;
}

unsigned
leftovers_end_children(int runtime_fd, unsigned patience_ms, leftovers_pid_fn *keep,
                       void *context)
{
    struct found found = { .keep = keep, .context = context };

    each_name(runtime_fd, add_child, &found);
    signal_all(&found, SIGTERM);
    if (!await_all(&found, patience_ms)) {
        log_warn(NULL, "some of them have not ended after %u ms: they are killed", patience_ms);
        signal_all(&found, SIGKILL);
        if (!await_all(&found, KILLED_MS))
            log_error(NULL, "some of them cannot be ended: their ports stay in use");
    }
    for (size_t i = 0; i < found.count; i++) {
        if (found.children[i].fd >= 0)
            close(found.children[i].fd);
    }
    free(found.children);
    return (unsigned)found.count;
}

/* ---- files ---- */

struct kept {
    leftovers_name_fn *keep;
    void *context;
};

static void
unlink_ours(int dir_fd, const char *name, void *context)
{
    static const char *const patterns[] = {
        "board-*.*", "traffic-*.*", "worker-*.pid", ".worker-*.pid.new", "worker-*.sock",
        "prober*.pid", ".prober*.pid.new", "prober*.sock", "admin.sock",
    };
    const struct kept *kept = context;

    if (kept->keep != NULL && kept->keep(kept->context, name))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        if (fnmatch(patterns[i], name, 0) == 0) {
            unlinkat(dir_fd, name, 0);
            return;
        }
    }
}

void
leftovers_unlink(int runtime_fd, leftovers_name_fn *keep, void *context)
{
    struct kept kept = { keep, context };

    each_name(runtime_fd, unlink_ours, &kept);
}
