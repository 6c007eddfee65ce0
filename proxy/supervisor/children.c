#include "proxy/supervisor/children.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/beside.h"
#include "base/clock.h"
#include "base/dirs.h"
#include "base/log.h"
#include "base/util.h"
#include "proxy/supervisor/pid_file.h"
#include "proxy/supervisor/text.h"

enum {
    WORKER_SILENT_MAX = 2,          /* turns without an answer: its clients hang */
    PROBER_SILENT_MAX = 5,          /* without it everything goes on as it is */
    PING_LATE_MS = 1000,            /* a turn so late says more of us than of the child */
    PING_GRID_MS = 100,             /* turns fall on multiples of it: one wakeup for many */
    ABORT_MS = 500,                 /* for SIGABRT to do its work */
    INSTANCE_MAX = 10000,
};

extern char **environ;

const char *
child_program(enum control_role role)
{
    return role == CONTROL_WORKER ? "fproxy-worker" : "fproxy-prober";
}

void
child_file_name(const struct child_place *place, const char *end, char *file)
{
    if (place->role == CONTROL_WORKER)
        snprintf(file, CHILD_FILE_BYTES, "worker-%s.%" PRIu32 ".%s", place->name,
                 place->instance, end);
    else
        snprintf(file, CHILD_FILE_BYTES, "prober.%" PRIu32 ".%s", place->instance, end);
}

bool
child_file_parse(const char *file, const char *end, struct child_place *place)
{
    char again[CHILD_FILE_BYTES];

    *place = (struct child_place){ .role = CONTROL_WORKER };
    if (sscanf(file, "worker-%63[a-z0-9-].%" SCNu32 ".", place->name, &place->instance) != 2) {
        *place = (struct child_place){ .role = CONTROL_PROBER, .name = "prober" };
        if (sscanf(file, "prober.%" SCNu32 ".", &place->instance) != 1)
            return false;
    }
    child_file_name(place, end, again);
    return strcmp(again, file) == 0;
}

static struct child_place
place_of(const struct child *child)
{
    struct child_place place = { .role = child->role, .instance = child->instance };

    text_copy(place.name, sizeof place.name, child->name);
    return place;
}

const char *
child_end_text(const struct child_end *end, char *text, size_t text_bytes)
{
    if (end->signal >= 0)
        snprintf(text, text_bytes, "signal %d (%s)", end->signal, strsignal(end->signal));
    else if (end->exit_code >= 0)
        snprintf(text, text_bytes, "exit status %d", end->exit_code);
    else
        snprintf(text, text_bytes, "an unknown end");
    return text;
}

int
child_find_program(enum control_role role, char *path)
{
    const char *program = child_program(role);
    int rc = beside_find(program, X_OK, path);

    if (rc == -ENOENT)
        log_error(NULL, "%s is missing: it belongs beside fproxy, or into libexec/fproxy", path);
    return rc;
}

/* What holds in the child before it runs: descriptors, a session of its own, no signal
 * blocked or ignored because the supervisor does. */
static int
prepare(posix_spawn_file_actions_t *actions, posix_spawnattr_t *attributes, const int *ends)
{
    short flags = POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t none, all;
    int rc;

    sigemptyset(&none);
    sigfillset(&all);
    sigdelset(&all, SIGKILL);
    sigdelset(&all, SIGSTOP);
    assert(ends[0] > CONTROL_LISTEN_FD && ends[1] > CONTROL_LISTEN_FD);     /* none clobbers */
    rc = posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, ends[0], CONTROL_FD);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(actions, ends[1], CONTROL_LISTEN_FD);
    if (rc == 0)
        rc = posix_spawnattr_setflags(attributes, flags);
    if (rc == 0)
        rc = posix_spawnattr_setsigmask(attributes, &none);
    if (rc == 0)
        rc = posix_spawnattr_setsigdefault(attributes, &all);
    return -rc;
}

/* Forks and execs with these two descriptors; posix_spawn() also reports that the exec failed.
 * 0 or -errno. */
static int
spawn(enum control_role role, const char *name, const int *ends, pid_t *pid)
{
    char path[PATH_BYTES], program[32], argument[APP_NAME_BYTES];
    char *argv[] = { program, role == CONTROL_WORKER ? argument : NULL, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc = child_find_program(role, path);

    if (rc < 0)
        return rc;
    text_copy(program, sizeof program, child_program(role));
    text_copy(argument, sizeof argument, name);
    if (posix_spawn_file_actions_init(&actions) != 0)
        return -ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return -ENOMEM;
    }
    rc = prepare(&actions, &attributes, ends);
    if (rc == 0)
        rc = -posix_spawn(pid, path, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static void
child_free(struct child *child)
{
    if (child->peer != NULL)
        control_peer_destroy(child->peer);
    if (child->exit_event != NULL)
        event_free(child->exit_event);
    if (child->silent_event != NULL)
        event_free(child->silent_event);
    if (child->ping_event != NULL)
        event_free(child->ping_event);
    if (child->pidfd >= 0)
        close(child->pidfd);
    free(child);
}

static void
unlink_files(const struct child *child)
{
    const struct child_place place = place_of(child);
    char file[CHILD_FILE_BYTES];

    child_file_name(&place, "pid", file);
    unlinkat(child->runtime_fd, file, 0);
    child_file_name(&place, "sock", file);
    unlinkat(child->runtime_fd, file, 0);
}

/* Ended, and everything it said was heard. */
static void
child_finish(struct child *child)
{
    unlink_files(child);
    child->on_ended(child->context, &child->end);
    child_free(child);
}

/* A process and its end of the connection go together; when one is gone, the other follows
 * at once or is made to. */
static void
on_silent(evutil_socket_t fd, short what, void *context)
{
    struct child *child = context;

    if (child->exited) {
        child_finish(child);
        return;
    }
    log_error(child->role == CONTROL_WORKER ? child->name : NULL,
              "%s (pid %d) closed its control connection but goes on: it is killed",
              child_program(child->role), (int)child->pid);
    child_signal(child, SIGKILL);
}

static void
await_other_end(struct child *child)
{
    const struct timeval patience = { .tv_sec = 1 };

    evtimer_add(child->silent_event, &patience);
}

static void
on_exit_event(evutil_socket_t fd, short what, void *context)
{
    struct child *child = context;
    siginfo_t info = { 0 };

    child->end = (struct child_end){ .signal = -1, .exit_code = -1 };
    if (waitid(P_PIDFD, (id_t)child->pidfd, &info, WEXITED | WNOHANG) == 0) {
        if (info.si_pid == 0)
            return;
        if (info.si_code == CLD_EXITED)
            child->end.exit_code = info.si_status;
        else
            child->end.signal = info.si_status;
    }
    child->exited = true;
    event_del(child->exit_event);
    if (child->peer == NULL)
        child_finish(child);
    else
        await_other_end(child);
}

/* ---- does it live? ---- */

static void
arm_ping(struct child *child, uint32_t wait_ms)
{
    uint64_t now_ms = clock_monotonic_ms(), due_ms = now_ms + wait_ms;
    struct timeval wait;

    due_ms -= due_ms % PING_GRID_MS;
    wait_ms = (uint32_t)(due_ms - MIN(now_ms, due_ms));
    wait = (struct timeval){ .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };
    child->ping_due_ms = due_ms;
    evtimer_add(child->ping_event, &wait);
}

static uint32_t
silent_max(const struct child *child)
{
    return child->role == CONTROL_WORKER ? WORKER_SILENT_MAX : PROBER_SILENT_MAX;
}

/* Nothing was heard for too many turns: it hangs. */
static void
end_hung(struct child *child)
{
    const char *app = child->role == CONTROL_WORKER ? child->name : NULL;

    if (child->ping_silent == silent_max(child)) {
        log_error(app, "%s (pid %d) has not answered for %d s: it hangs, and is ended",
                  child_program(child->role), (int)child->pid,
                  (int)(silent_max(child) * CHILD_PING_MS / 1000));
        child_signal(child, SIGABRT);
    } else {
        child_signal(child, SIGKILL);
    }
    arm_ping(child, ABORT_MS);
}

void
child_end_within(struct child *child, uint32_t wait_ms)
{
    assert(!child_speaks(child));       /* else its pings bound it */
    arm_ping(child, wait_ms);
}

static bool
is_ping_due(const struct child *child)
{
    return child->ping_due == NULL ||
           child->ping_due(child->context, clock_monotonic_ms() - child->pinged_ms);
}

static void
on_ping_timer(evutil_socket_t fd, short what, void *context)
{
    const struct control_message ping = { .magic = CONTROL_MAGIC, .type = CONTROL_PING };
    struct child *child = context;
    uint64_t now_ms = clock_monotonic_ms();
    uint64_t late_ms = now_ms - MIN(now_ms, child->ping_due_ms);    /* timers may be early */

    if (child->exited || child->peer == NULL)
        return;
    if (!child_speaks(child)) {         /* see child_end_within() */
        child_signal(child, SIGKILL);
        return;
    }
    /* Not when it was us who stood still: then its answer may lie there, unread. */
    if (child->ping_waits && late_ms <= PING_LATE_MS &&
        ++child->ping_silent >= silent_max(child)) {
        end_hung(child);
        return;
    }
    if (!child->ping_waits && is_ping_due(child)) {
        child->pinged_ms = clock_monotonic_ms();
        child->ping_waits = child_send(child, &ping, NULL, 0) == 0;
    }
    arm_ping(child, CHILD_PING_MS);
}

/* ---- another protocol ---- */

/* What control_message.h promises for all versions. */
static bool
is_common(uint32_t type)
{
    switch (type) {
    case CONTROL_HELLO:
    case CONTROL_STOP:
    case CONTROL_APP_RETIRE:
    case CONTROL_APP_GONE:
    case CONTROL_REPORT_APP:
    case CONTROL_REPORT_SOCKETS:
    case CONTROL_REPORT_END:
        return true;
    default:
        return false;
    }
}

bool
child_speaks(const struct child *child)
{
    return !child->foreign;
}

/* Does the other side of this message know what it means? */
static bool
is_understood(const struct child *child, uint32_t type)
{
    if (child_speaks(child) || is_common(type))
        return true;
    log_debug(child->role == CONTROL_WORKER ? child->name : NULL,
              "%s (pid %d) is of protocol %" PRIu32 ": message %" PRIu32 " is dropped",
              child_program(child->role), (int)child->pid, child->protocol, type);
    return false;
}

static void
tell_protocol(const struct child *child)
{
    log_warn(child->role == CONTROL_WORKER ? child->name : NULL,
             "%s (pid %d, version %s) is of control protocol %" PRIu32 ", this is of %d: %s",
             child_program(child->role), (int)child->pid, child->version, child->protocol,
             CONTROL_PROTOCOL,
             child->foreign ? "a new one takes over from it"
                            : "other binaries are installed; fproxy upgrade starts them all");
}

static void
on_hello(struct child *child, const struct control_hello *hello)
{
    text_copy(child->version, sizeof child->version, hello->version);
    child->protocol = hello->protocol;
    child->threads = hello->threads;
    /* One that we have started is all that there is: it gets what we can say. */
    child->foreign = child->adopted && hello->protocol != CONTROL_PROTOCOL;
    if (hello->protocol != CONTROL_PROTOCOL)
        tell_protocol(child);
    if (child_speaks(child))
        arm_ping(child, CHILD_PING_MS);
}

static void
close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static void
on_peer_message(void *context, const struct control_message *message, const int *fds,
                size_t fd_count)
{
    struct child *child = context;

    if (!is_understood(child, message->type)) {
        close_all(fds, fd_count);
        return;
    }
    if (message->type == CONTROL_PONG) {
        child->ping_waits = false;
        child->ping_silent = 0;
    } else if (message->type == CONTROL_HELLO) {
        on_hello(child, &message->body.hello);
    }
    child->on_message(child->context, message, fds, fd_count);
}

static void
on_peer_drained(void *context)
{
    struct child *child = context;

    if (child->on_drained != NULL)
        child->on_drained(child->context);
}

static void
on_peer_closed(void *context)
{
    struct child *child = context;

    control_peer_destroy(child->peer);
    child->peer = NULL;
    if (child->exited)
        child_finish(child);
    else
        await_other_end(child);
}

/* Watches the process and its connection. `control` is taken over on success. */
static int
watch(struct event_base *base, struct child *child, int control)
{
    child->pidfd = pidfd_open(child->pid, 0);
    if (child->pidfd < 0)
        return -errno;
    child->exit_event = event_new(base, child->pidfd, EV_READ | EV_PERSIST, on_exit_event,
                                  child);
    child->silent_event = evtimer_new(base, on_silent, child);
    child->ping_event = evtimer_new(base, on_ping_timer, child);
    if (child->exit_event == NULL || child->silent_event == NULL ||
        child->ping_event == NULL ||
        event_add(child->exit_event, NULL) < 0)
        return -ENOMEM;
    child->peer = control_peer_create(base, control, on_peer_message, on_peer_closed, child);
    if (child->peer == NULL)
        return -ENOMEM;
    control_peer_on_drained(child->peer, on_peer_drained);
    return 0;
}

static void
write_child_file(const struct child *child)
{
    const struct child_place place = place_of(child);
    char file[CHILD_FILE_BYTES];
    struct process_id id;
    int rc;

    child_file_name(&place, "pid", file);
    rc = process_id_of(child->pid, &id);
    if (rc == 0)
        rc = pid_file_write(child->runtime_fd, file, &id);
    if (rc < 0)
        log_warn(NULL, "%s cannot be written: %s", file, strerror(-rc));
}

/* Where the child will listen: bound here, for children create no file. A socket or -errno. */
static int
bind_socket(struct child *child)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    char file[CHILD_FILE_BYTES];
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int rc = fd < 0 ? -errno : -EADDRINUSE;

    /* The first number that is free: another one of this name may still be there. */
    for (child->instance = 1; fd >= 0 && rc == -EADDRINUSE && child->instance < INSTANCE_MAX;
         child->instance++) {
        const struct child_place place = place_of(child);

        child_file_name(&place, "sock", file);
        rc = dirs_socket_path(child->runtime_fd, file, address.sun_path,
                              sizeof address.sun_path);
        if (rc == 0 && bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
            rc = -errno;
        if (rc == 0)
            break;
    }
    if (rc == 0 && fchmodat(child->runtime_fd, file, 0600, 0) < 0)
        rc = -errno;
    if (rc != 0 && fd >= 0)
        close(fd);
    return rc == 0 ? fd : rc;
}

static struct child *
child_new(int runtime_fd, enum control_role role, const char *name,
          child_message_fn *on_message, child_ended_fn *on_ended, void *context)
{
    struct child *child = calloc(1, sizeof *child);

    if (child == NULL)
        return NULL;
    *child = (struct child){ .role = role, .pidfd = -1, .runtime_fd = runtime_fd,
                             .on_message = on_message, .on_ended = on_ended,
                             .context = context, .started_at_ms = clock_monotonic_ms() };
    text_copy(child->name, sizeof child->name, name);
    return child;
}

/* Spawns it with both its ends; `ours` is taken over on success. */
static int
spawn_and_watch(struct event_base *base, struct child *child, int ours, const int *ends)
{
    int rc = spawn(child->role, child->name, ends, &child->pid);

    if (rc < 0)
        return rc;
    rc = watch(base, child, ours);
    if (rc < 0) {
        kill(child->pid, SIGKILL);      /* not reaped yet: the number is still its own */
        waitpid(child->pid, NULL, 0);
    }
    return rc;
}

int
child_start(struct event_base *base, int runtime_fd, enum control_role role, const char *name,
            child_message_fn *on_message, child_ended_fn *on_ended, void *context,
            struct child **out)
{
    struct child *child = child_new(runtime_fd, role, name, on_message, on_ended, context);
    int pair[2], ends[2], rc;

    if (child == NULL)
        return -ENOMEM;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        rc = -errno;
        free(child);
        return rc;
    }
    ends[0] = pair[1];
    ends[1] = bind_socket(child);
    rc = ends[1] < 0 ? ends[1] : spawn_and_watch(base, child, pair[0], ends);
    close(pair[1]);
    if (ends[1] >= 0)
        close(ends[1]);
    if (rc < 0) {
        if (ends[1] >= 0)
            unlink_files(child);
        close(pair[0]);
        child_free(child);
        return rc;
    }
    write_child_file(child);
    *out = child;
    return 0;
}

int
child_adopt(struct event_base *base, int runtime_fd, const struct child_place *place,
            int socket, pid_t pid, child_message_fn *on_message, child_ended_fn *on_ended,
            void *context, struct child **out)
{
    struct child *child = child_new(runtime_fd, place->role, place->name, on_message, on_ended,
                                    context);
    int rc;

    if (child == NULL)
        return -ENOMEM;
    child->pid = pid;
    child->adopted = true;
    child->instance = place->instance;
    rc = watch(base, child, socket);
    if (rc < 0) {
        child_free(child);
        return rc;
    }
    *out = child;
    return 0;
}

int
child_send(struct child *child, const struct control_message *message, const int *fds,
           size_t fd_count)
{
    int rc;

    if (!is_understood(child, message->type))
        return -EPROTONOSUPPORT;
    rc = child->peer == NULL ? -EPIPE : control_peer_send(child->peer, message, fds, fd_count);
    if (rc < 0 && rc != -EPIPE)     /* that one ended: on_ended tells more */
        log_error(child->role == CONTROL_WORKER ? child->name : NULL,
                  "a message cannot be sent to %s (pid %d): %s", child_program(child->role),
                  (int)child->pid, strerror(-rc));
    return rc;
}

bool
child_takes(const struct child *child)
{
    return child->peer != NULL && control_peer_queued(child->peer) == 0;
}

void
child_signal(struct child *child, int signal)
{
    if (!child->exited && pidfd_send_signal(child->pidfd, signal, NULL, 0) < 0 &&
        errno != ESRCH)
        log_warn(NULL, "%s (pid %d) cannot be signalled: %s", child_program(child->role),
                 (int)child->pid, strerror(errno));
}

bool
children_reap_strangers(bool (*is_child)(void *context, pid_t pid), void *context)
{
    for (;;) {
        siginfo_t info = { 0 };

        /* Only looked at: the end of a child is its own event's to collect. */
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            return true;
        if (is_child(context, info.si_pid))
            return false;
        waitpid(info.si_pid, NULL, WNOHANG);
    }
}
