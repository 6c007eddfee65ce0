#include "proxy/supervisor/adopt.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dirs.h"
#include "proxy/supervisor/adopt_apps.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/leftovers.h"
#include "proxy/supervisor/pid_file.h"
#include "proxy/supervisor/report.h"
#include "proxy/supervisor/supervisor.h"

enum {
    CONNECT_MS = 500,           /* one that hangs does not take our connection */
    REPORT_MS = 5000,           /* without a word of any that has not said all */
    REPORT_MAX_MS = 60000,      /* in all */
    ENDED_MS = 2000,            /* for the others to end */
};

struct reports {
    struct report **list;       /* owned; the children's contexts, so they do not move */
    size_t count;
    uint32_t waiting;
    uint64_t heard_ms;
};

/* ---- finding them ---- */

static int
connect_to(int runtime_fd, const char *file)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd, rc;

    rc = dirs_socket_path(runtime_fd, file, address.sun_path, sizeof address.sun_path);
    if (rc < 0)
        return rc;
    fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    rc = -errno;
    close(fd);
    return rc;
}

/* Who listened there, if it is one of ours; 0: it is none. */
static pid_t
peer_of(int fd, enum control_role role)
{
    struct ucred peer;
    socklen_t bytes = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0 || peer.pid <= 0)
        return 0;
    if (peer.uid != geteuid() && peer.uid != 0)
        return 0;
    return process_runs(peer.pid, child_program(role)) ? peer.pid : 0;
}

static void
on_ended_early(void *context, const struct child_end *end)
{
    struct report *report = context;

    if (!report->complete)
        --*report->waiting;
    report->child = NULL;
    report->complete = false;
}

static void
ask(struct supervisor *supervisor, struct reports *reports, const char *file,
    const struct child_place *place)
{
    int runtime_fd = supervisor->runtime_fd;
    int fd = connect_to(runtime_fd, file);
    pid_t pid = fd < 0 ? 0 : peer_of(fd, place->role);
    struct report **grown = pid == 0 ? NULL
                                     : reallocarray(reports->list, reports->count + 1,
                                                    sizeof(struct report *));
    struct report *report = grown == NULL ? NULL : calloc(1, sizeof *report);

    if (grown != NULL)
        reports->list = grown;
    if (report != NULL) {
        report->waiting = &reports->waiting;
        report->heard_ms = &reports->heard_ms;
        reports->waiting++;
        if (child_adopt(supervisor->base, runtime_fd, place, fd, pid, report_on_message,
                        on_ended_early, report, &report->child) == 0) {
            reports->list[reports->count++] = report;
            return;
        }
        reports->waiting--;
        free(report);
    }
    if (fd >= 0)
        close(fd);
}

static void
find_children(struct supervisor *supervisor, struct reports *reports)
{
    int fd = openat(supervisor->runtime_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct child_place place;
    struct dirent *entry;

    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (child_file_parse(entry->d_name, "sock", &place))
            ask(supervisor, reports, entry->d_name, &place);
    }
    closedir(dir);
}

/* ---- hearing them ---- */

static void
on_tick(evutil_socket_t fd, short what, void *context)
{
    /* It only makes the loop return. */
}

static void
hear(struct supervisor *supervisor, struct reports *reports)
{
    static const struct timeval tick = { .tv_usec = 100 * 1000 };
    struct event *timer = event_new(supervisor->base, -1, EV_PERSIST, on_tick, NULL);
    uint64_t began_ms = clock_monotonic_ms(), now_ms = began_ms;

    if (timer == NULL)
        return;
    event_add(timer, &tick);
    reports->heard_ms = began_ms;
    while (reports->waiting > 0 && now_ms - reports->heard_ms < REPORT_MS &&
           now_ms - began_ms < REPORT_MAX_MS) {
        event_base_loop(supervisor->base, EVLOOP_ONCE);
        now_ms = clock_monotonic_ms();
    }
    event_free(timer);
}

/* One that has not reported hangs, or is none that we understand. */
static void
end_silent(struct supervisor *supervisor, struct reports *reports)
{
    uint64_t until_ms = clock_monotonic_ms() + ENDED_MS;
    bool any = false;

    for (size_t i = 0; i < reports->count; i++) {
        struct child *child = reports->list[i]->child;

        if (child == NULL || reports->list[i]->complete)
            continue;
        log_error(child->role == CONTROL_WORKER ? child->name : NULL,
                  "%s (pid %d) was left by the last supervisor and does not answer: it is "
                  "killed", child_program(child->role), (int)child->pid);
        child_signal(child, SIGKILL);
        any = true;
    }
    while (any && clock_monotonic_ms() < until_ms) {
        any = false;
        for (size_t i = 0; i < reports->count; i++)
            any = any || (reports->list[i]->child != NULL && !reports->list[i]->complete);
        if (any)
            event_base_loop(supervisor->base, EVLOOP_ONCE);
    }
}

/* ---- all of it ---- */

static void
ignore_message(void *context, const struct control_message *message, const int *fds,
               size_t fd_count)
{
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
}

static void
ignore_end(void *context, const struct child_end *end)
{
}

/* What was not taken over ends some time, and nobody waits for it. */
static void
let_go(struct report *report)
{
    struct child *child = report->child;

    if (child == NULL || child->context != report)
        return;
    child->on_message = ignore_message;
    child->on_ended = ignore_end;
    child->context = NULL;
}

static bool
is_adopted(void *context, pid_t pid)
{
    const struct reports *reports = context;

    for (size_t i = 0; i < reports->count; i++) {
        if (reports->list[i]->child != NULL && reports->list[i]->child->pid == pid)
            return true;
    }
    return false;
}

/* What the prober tells is about apps that the workers have told of. */
static size_t
adopt_role(struct supervisor *supervisor, struct reports *reports, enum control_role role,
           bool replace)
{
    size_t adopted = 0;

    for (size_t i = 0; i < reports->count; i++) {
        struct report *report = reports->list[i];

        if (report->child != NULL && report->complete && report->child->role == role)
            adopted += adopt_child(supervisor, report, replace);
    }
    return adopted;
}

void
adopt_children(struct supervisor *supervisor, bool replace)
{
    struct reports reports = { 0 };
    size_t adopted;

    find_children(supervisor, &reports);
    hear(supervisor, &reports);
    end_silent(supervisor, &reports);
    adopted = adopt_role(supervisor, &reports, CONTROL_WORKER, replace) +
              adopt_role(supervisor, &reports, CONTROL_PROBER, replace);
    leftovers_end_children(supervisor->runtime_fd, ENDED_MS, is_adopted, &reports);
    adopt_unlink_others(supervisor);
    for (size_t i = 0; i < reports.count; i++) {
        let_go(reports.list[i]);
        report_fini(reports.list[i]);
        free(reports.list[i]);
    }
    free(reports.list);
    adopt_settle(supervisor);
    if (adopted > 0)
        event_write(supervisor, LOG_WARN, NULL, "adopted",
                    "%zu processes that served without a supervisor were taken over, with %u "
                    "apps", adopted, HASH_COUNT(supervisor->apps));
}
