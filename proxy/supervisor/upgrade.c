#include "proxy/supervisor/upgrade.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shared_file.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/guard.h"
#include "proxy/supervisor/notify.h"
#include "proxy/supervisor/pins.h"
#include "proxy/supervisor/prober_link.h"
#include "proxy/supervisor/rollout.h"
#include "proxy/supervisor/spare_ports.h"
#include "proxy/supervisor/state_dir.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/trial.h"
#include "proxy/supervisor/workers.h"
#include "store/store.h"

extern char **environ;

#define LEGACY_VARIABLE "FPROXY_UPGRADE_FD"

enum {
    REPLY_MS = 100,             /* for who asked to be answered before the exec */
    STORE_CLOSE_MS = 5000,
    WRITTEN_MS = 5000,          /* for the disk to have what may not be lost */
    LEGACY_BYTES_MAX = 4 << 20,
};

struct upgrade {
    struct supervisor *supervisor;
    char path[PATH_BYTES];      /* the installed binary */
    pid_t pid;                  /* of the trial; 0: it has ended */
    int output_fd;              /* owned: what the trial says */
    struct event *output, *deadline;    /* owned */
    uint64_t until_ms;          /* CLOCK_MONOTONIC: the trial has to have ended */
    char said[TRIAL_SAID_BYTES];
    size_t said_bytes;
    uint32_t turns_held;        /* of the loop, since signals are held for who is executed */
    upgrade_tried_fn *done;
    void *context;
};

/* What an exec'd binary is given besides the directories' locks. */
struct legacy {
    int runtime_fd, state_fd;
    int old_binary_fd;          /* to go back to */
    char *text;                 /* owned: "FD ADDRESS" lines of listening sockets */
};
static struct legacy legacy = { -1, -1, -1, NULL };

/* ---- the trial ---- */

/* Where the running binary was started from: another one may lie there now. */
static int
installed_path(char *path)
{
    static const char deleted[] = " (deleted)";
    ssize_t bytes = readlink("/proc/self/exe", path, PATH_BYTES - 1);
    size_t end;

    if (bytes < 0)
        return -errno;
    path[bytes] = '\0';
    end = strlen(deleted);
    if ((size_t)bytes > end && strcmp(path + bytes - end, deleted) == 0)
        path[(size_t)bytes - end] = '\0';
    return access(path, X_OK) < 0 ? -errno : 0;
}

static void
trial_free(struct upgrade *upgrade)
{
    store_cancel(upgrade->supervisor->store, upgrade);
    if (upgrade->pid > 0) {
        kill(-upgrade->pid, SIGKILL);       /* and those that it tries */
        waitpid(upgrade->pid, NULL, 0);
    }
    if (upgrade->output != NULL)
        event_free(upgrade->output);
    if (upgrade->deadline != NULL)
        event_free(upgrade->deadline);
    if (upgrade->output_fd >= 0)
        close(upgrade->output_fd);
    if (upgrade->turns_held > 0)
        supervisor_hold_signals(false);
    upgrade->supervisor->upgrade = NULL;
    free(upgrade);
}

static void
give_up(struct upgrade *upgrade, const char *why)
{
    struct supervisor *supervisor = upgrade->supervisor;
    upgrade_tried_fn *done = upgrade->done;
    void *context = upgrade->context;
    char text[APP_REASON_BYTES + PATH_BYTES];

    snprintf(text, sizeof text, "%s cannot take over: %s; this one (%s) goes on", upgrade->path,
             why, FPROXY_VERSION);
    event_write(supervisor, LOG_ERROR, NULL, "upgrade_failed", "%s", text);
    trial_free(upgrade);
    if (done != NULL)
        done(context, text);
}

/* ---- exec ---- */

static void
set_inherited(int fd, bool inherited)
{
    fcntl(fd, F_SETFD, inherited ? 0 : FD_CLOEXEC);
}

/* Copies of all sockets and those that the workers report do not fit together where there are
 * thousands: then those that a worker has are left to it. */
static bool
is_left_to_worker(const struct supervisor *supervisor, const struct listen_port *port)
{
    uint64_t sockets = (uint64_t)HASH_COUNT(supervisor->listeners.by_address) * port->count;
    const struct app *holder = port->holder;

    return 4 * sockets > supervisor->descriptors_max && holder != NULL &&
           holder->current != NULL && holder->current->load == LOAD_ACCEPTING &&
           holder->current->worker->child != NULL;
}

static void
write_legacy(FILE *out, const struct supervisor *supervisor, int old_binary_fd)
{
    fprintf(out, "%d %d %d\n", supervisor->runtime_fd, supervisor->state_fd, old_binary_fd);
    for (const struct listen_port *port = supervisor->listeners.by_address; port != NULL;
         port = port->hh.next) {
        const unsigned char *bytes = (const unsigned char *)&port->address;
        bool left = is_left_to_worker(supervisor, port);

        for (uint32_t i = 0; !left && i < port->count; i++) {
            fprintf(out, "%d ", port->fds[i]);
            for (size_t k = 0; k < sizeof port->address; k++)
                fprintf(out, "%02x", bytes[k]);
            fputc('\n', out);
        }
    }
}

/* A sealed memfd with all of it, or -errno. */
static int
make_legacy(const struct supervisor *supervisor, int old_binary_fd)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    int fd = -ENOMEM;

    if (out == NULL)
        return -ENOMEM;
    write_legacy(out, supervisor, old_binary_fd);
    if (fclose(out) == 0 && bytes <= LEGACY_BYTES_MAX)
        fd = sealed_text_create("upgrade", text, bytes);
    free(text);
    return fd;
}

static void
let_inherit(const struct supervisor *supervisor, int legacy_fd, int old_binary_fd, bool yes)
{
    set_inherited(legacy_fd, yes);
    set_inherited(old_binary_fd, yes);
    set_inherited(supervisor->runtime_fd, yes);
    set_inherited(supervisor->state_fd, yes);
    for (const struct listen_port *port = supervisor->listeners.by_address; port != NULL;
         port = port->hh.next) {
        bool left = is_left_to_worker(supervisor, port);

        for (uint32_t i = 0; !left && i < port->count; i++)
            set_inherited(port->fds[i], yes);
    }
}

/* Returns only if it could not be. */
static int
become(struct supervisor *supervisor, const char *path)
{
    int old_binary_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int legacy_fd = make_legacy(supervisor, old_binary_fd);
    char number[16], back[32];
    int rc = old_binary_fd < 0 || legacy_fd < 0 ? -ENOMEM : 0;

    if (rc == 0) {
        snprintf(number, sizeof number, "%d", legacy_fd);
        snprintf(back, sizeof back, "/proc/self/fd/%d", old_binary_fd);
        setenv(LEGACY_VARIABLE, number, 1);
        notify_hand_on();
        let_inherit(supervisor, legacy_fd, old_binary_fd, true);
        rc = guard_exec(&(struct guard_exec){
            .path = path, .back = back, .argv = supervisor->options.argv,
            .locks = { supervisor->runtime_fd, supervisor->state_fd } });
        let_inherit(supervisor, legacy_fd, old_binary_fd, false);
        unsetenv(LEGACY_VARIABLE);
        notify_init();
    }
    if (legacy_fd >= 0)
        close(legacy_fd);
    if (old_binary_fd >= 0)
        close(old_binary_fd);
    return rc;
}

static void
after(struct upgrade *upgrade, uint32_t wait_ms)
{
    const struct timeval wait = { .tv_sec = wait_ms / 1000,
                                  .tv_usec = wait_ms % 1000 * 1000 };

    evtimer_add(upgrade->deadline, &wait);
}

/* What was to be written is on the disk before; the store is opened again if nothing comes of
 * it. */
static void
on_exec(evutil_socket_t fd, short what, void *context)
{
    struct upgrade *upgrade = context;
    struct supervisor *supervisor = upgrade->supervisor;
    int rc;

    /* Signals that came before are seen to by the loop first: in the next turn it reads that there
     * were some, at its end it calls for them. */
    if (upgrade->turns_held < 2) {
        if (upgrade->turns_held++ == 0)
            supervisor_hold_signals(true);
        after(upgrade, 0);
        return;
    }
    event_write(supervisor, LOG_INFO, NULL, "upgrade", "%s takes over", upgrade->path);
    store_close(supervisor->store, STORE_CLOSE_MS);
    rc = become(supervisor, upgrade->path);
    supervisor->store = NULL;
    if (store_open(supervisor->state_dir, &supervisor->store) < 0)
        abort();                /* no memory: children serve on, another start adopts them */
    store_set_directory(supervisor->store, state_dir_hold, supervisor);
    store_set_notify(supervisor->store, supervisor->store_notify_fd);
    pins_ask_again(supervisor);
    give_up(upgrade, strerror(-rc));
}

/* ---- the trial's end ---- */

/* It may have said itself what is wrong: its first line, as one may print it. */
static const char *
own_reason(char *said)
{
    static const char word[] = TRIAL_NO_WORD;

    if (strncmp(said, word, sizeof word - 1) != 0)
        return NULL;
    said += sizeof word - 1;
    said[strcspn(said, "\n")] = '\0';
    for (char *c = said; *c != '\0'; c++) {
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    }
    return said;
}

static void
give_up_failed(struct upgrade *upgrade, int status)
{
    const char *reason = WIFEXITED(status) ? own_reason(upgrade->said) : NULL;
    char why[APP_REASON_BYTES];

    if (WIFSIGNALED(status))
        snprintf(why, sizeof why, "its trial ended with signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(why, sizeof why, "its trial ended with exit status %d", WEXITSTATUS(status));
    give_up(upgrade, reason != NULL ? reason : why);
}

/* Its last obstacle is gone. */
static void
take_over(struct upgrade *upgrade)
{
    event_free(upgrade->deadline);
    upgrade->deadline = evtimer_new(upgrade->supervisor->base, on_exec, upgrade);
    if (upgrade->deadline == NULL) {
        give_up(upgrade, "no memory");
        return;
    }
    if (upgrade->done != NULL)
        upgrade->done(upgrade->context, NULL);
    upgrade->done = NULL;           /* who asked was told that it begins */
    after(upgrade, REPLY_MS);
}

/* ---- what waits in memory ---- */

static void
give_up_unwritten(struct upgrade *upgrade)
{
    char state[APP_REASON_BYTES], why[APP_REASON_BYTES + 128];

    if (store_state(upgrade->supervisor->store, state, sizeof state))
        snprintf(state, sizeof state, "%s", upgrade->supervisor->overrides_late != NULL
                                                ? "what operators said before is still unknown"
                                                : "it is still being written");
    snprintf(why, sizeof why, "what is not on the disk yet would be lost (%s); when that is "
             "over, upgrade again", state);
    give_up(upgrade, why);
}

static void
on_unwritten(evutil_socket_t fd, short what, void *context)
{
    give_up_unwritten(context);
}

static void
on_written(void *context, int rc)
{
    struct upgrade *upgrade = context;

    if (rc < 0 || upgrade->supervisor->overrides_late != NULL)
        give_up_unwritten(upgrade);
    else
        take_over(upgrade);
}

/* Words of operators, rollouts and last good configurations that wait for the database are in this
 * process only: the next one would bring targets back that an operator took out. */
static void
await_written(struct upgrade *upgrade)
{
    event_free(upgrade->deadline);
    upgrade->deadline = evtimer_new(upgrade->supervisor->base, on_unwritten, upgrade);
    if (upgrade->deadline == NULL ||
        store_when_written(upgrade->supervisor->store, on_written, upgrade) < 0) {
        give_up(upgrade, "no memory");
        return;
    }
    after(upgrade, WRITTEN_MS);
}

/* ---- the judgement ---- */

static void
judge(struct upgrade *upgrade, int status)
{
    unsigned protocol;
    char version[32];

    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        give_up_failed(upgrade, status);
        return;
    }
    if (sscanf(upgrade->said, CONTROL_TRIAL_WORD " %u %31s", &protocol, version) != 2) {
        give_up(upgrade, "it is no fproxy that can");
        return;
    }
    log_info(NULL, "%s is version %s and can take over", upgrade->path, version);
    await_written(upgrade);
}

/* It has said its last word: it ends, or hangs. */
static void
on_look(evutil_socket_t fd, short what, void *context)
{
    struct upgrade *upgrade = context;
    int status = 0;

    if (waitpid(upgrade->pid, &status, WNOHANG) == upgrade->pid) {
        upgrade->pid = 0;
        judge(upgrade, status);
    } else if (clock_monotonic_ms() >= upgrade->until_ms) {
        give_up(upgrade, "its trial did not end in 10 s");
    }
}

static void
on_output(evutil_socket_t fd, short what, void *context)
{
    struct upgrade *upgrade = context;
    size_t room = sizeof upgrade->said - 1 - upgrade->said_bytes;
    char rest[256];
    ssize_t bytes = read(fd, room > 0 ? upgrade->said + upgrade->said_bytes : rest,
                         room > 0 ? room : sizeof rest);
    static const struct timeval often = { .tv_usec = 5000 };

    if (bytes > 0) {
        upgrade->said_bytes += room > 0 ? (size_t)bytes : 0;
        return;
    }
    if (bytes < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    event_del(upgrade->output);
    event_free(upgrade->deadline);
    upgrade->deadline = event_new(upgrade->supervisor->base, -1, EV_PERSIST, on_look, upgrade);
    upgrade->until_ms = clock_monotonic_ms() + TRIAL_MS;
    if (upgrade->deadline == NULL)
        give_up(upgrade, "no memory");
    else
        event_add(upgrade->deadline, &often);
}

static void
on_deadline(evutil_socket_t fd, short what, void *context)
{
    give_up(context, "its trial did not end in 10 s");
}

/* ---- its beginning ---- */

/* In a group of its own, with the programs that it tries. */
static int
spawn_trial(struct upgrade *upgrade, int output)
{
    char name[] = "fproxy", option[] = CONTROL_TRIAL_OPTION;
    char *argv[] = { name, option, NULL };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int rc = posix_spawn_file_actions_init(&actions);

    if (rc != 0)
        return -rc;
    rc = posix_spawnattr_init(&attributes);
    if (rc != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return -rc;
    }
    rc = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    if (rc == 0)
        rc = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (rc == 0)
        rc = posix_spawn_file_actions_adddup2(&actions, output, 1);
    if (rc == 0)
        rc = posix_spawn(&upgrade->pid, upgrade->path, &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    if (rc != 0)
        upgrade->pid = 0;
    return -rc;
}

static int
begin(struct upgrade *upgrade)
{
    struct event_base *base = upgrade->supervisor->base;
    int ends[2];
    int rc = installed_path(upgrade->path);

    if (rc < 0)
        return rc;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return -errno;
    upgrade->output_fd = ends[0];
    rc = spawn_trial(upgrade, ends[1]);
    close(ends[1]);
    if (rc < 0)
        return rc;
    upgrade->output = event_new(base, ends[0], EV_READ | EV_PERSIST, on_output, upgrade);
    upgrade->deadline = evtimer_new(base, on_deadline, upgrade);
    if (upgrade->output == NULL || upgrade->deadline == NULL)
        return -ENOMEM;
    event_add(upgrade->output, NULL);
    after(upgrade, TRIAL_MS);
    return 0;
}

int
upgrade_begin(struct supervisor *supervisor, upgrade_tried_fn *done, void *context)
{
    struct upgrade *upgrade;
    int rc;

    if (supervisor->upgrade != NULL || supervisor->shutdown != NULL)
        return -EALREADY;
    upgrade = calloc(1, sizeof *upgrade);
    if (upgrade == NULL)
        return -ENOMEM;
    *upgrade = (struct upgrade){ .supervisor = supervisor, .output_fd = -1, .done = done,
                                 .context = context };
    supervisor->upgrade = upgrade;
    rc = begin(upgrade);
    if (rc < 0)
        give_up(upgrade, strerror(-rc));
    return 0;
}

void
upgrade_forget(struct supervisor *supervisor, const void *context)
{
    if (supervisor->upgrade != NULL && supervisor->upgrade->context == context)
        supervisor->upgrade->done = NULL;
}

bool
upgrade_is_trial(const struct supervisor *supervisor, pid_t pid)
{
    return supervisor->upgrade != NULL && supervisor->upgrade->pid == pid;
}

void
upgrade_cancel(struct supervisor *supervisor)
{
    if (supervisor->upgrade != NULL)
        give_up(supervisor->upgrade, "the supervisor stops");
}

void
upgrade_free(struct supervisor *supervisor)
{
    if (supervisor->upgrade != NULL)
        trial_free(supervisor->upgrade);
}

/* ---- in the new binary ---- */

static bool
is_directory(int fd, const char *path)
{
    struct stat a, b;

    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* Sockets that a child inherited would listen for ever. */
static void
keep_from_children(void)
{
    const char *line = legacy.text;

    while ((line = strchr(line, '\n')) != NULL && *++line != '\0')
        set_inherited(atoi(line), false);
}

void
upgrade_inherit(struct supervisor *supervisor)
{
    const char *number = getenv(LEGACY_VARIABLE);
    int fd = number == NULL ? -1 : atoi(number);
    size_t bytes;

    unsetenv(LEGACY_VARIABLE);
    guard_inherit();
    if (fd < 3 || sealed_text_read(fd, LEGACY_BYTES_MAX, &legacy.text, &bytes) < 0)
        return;
    close(fd);
    if (sscanf(legacy.text, "%d %d %d", &legacy.runtime_fd, &legacy.state_fd,
               &legacy.old_binary_fd) != 3)
        return;
    supervisor->upgraded = true;
    keep_from_children();
    set_inherited(legacy.old_binary_fd, false);
    set_inherited(legacy.runtime_fd, false);
    set_inherited(legacy.state_fd, false);
    if (is_directory(legacy.runtime_fd, supervisor->runtime_dir))
        supervisor->runtime_fd = legacy.runtime_fd;
    if (is_directory(legacy.state_fd, supervisor->state_dir))
        supervisor->state_fd = legacy.state_fd;
}

static bool
parse_address(const char *text, struct address *address)
{
    unsigned char *bytes = (unsigned char *)address;

    for (size_t i = 0; i < sizeof *address; i++) {
        if (sscanf(text + 2 * i, "%2hhx", &bytes[i]) != 1)
            return false;
    }
    return true;
}

static void
take_socket(struct supervisor *supervisor, int fd, const char *address_text)
{
    struct address address;

    set_inherited(fd, false);
    if (parse_address(address_text, &address))
        spare_ports_take(supervisor, &address, fd);
    else
        close(fd);
}

void
upgrade_take_sockets(struct supervisor *supervisor)
{
    char *line, *rest = legacy.text;

    if (legacy.text == NULL)
        return;
    strsep(&rest, "\n");                    /* the directories */
    while ((line = strsep(&rest, "\n")) != NULL && line[0] != '\0') {
        char *address = strchr(line, ' ');

        if (address != NULL)
            take_socket(supervisor, atoi(line), address + 1);
    }
    free(legacy.text);
    legacy.text = NULL;
}

void
upgrade_go_back(struct supervisor *supervisor)
{
    char path[32];

    if (!supervisor->upgraded || legacy.old_binary_fd < 0 || guard_went_back())
        return;
    log_error(NULL, "this binary (%s) cannot start: the one before goes on", FPROXY_VERSION);
    setenv(GUARD_WENT_BACK, "1", 1);
    snprintf(path, sizeof path, "/proc/self/fd/%d", legacy.old_binary_fd);
    notify_hand_on();
    supervisor_hold_signals(true);
    if (supervisor->stop_asked)
        kill(getpid(), SIGTERM);        /* waits for the old binary */
    execv(path, supervisor->options.argv);
    log_error(NULL, "it cannot be executed: %s", strerror(errno));
}

/* ---- replacing what is of the old binary ---- */

static struct worker *
next_outdated(struct supervisor *supervisor)
{
    for (struct worker *worker = supervisor->workers; worker != NULL; worker = worker->hh.next) {
        if (worker->outdated && worker->child != NULL)
            return worker;
    }
    return NULL;
}

static void
replace_worker(struct worker *worker)
{
    struct app_generation *generation, *next;

    log_info(NULL, "a new process takes over from worker %s (pid %d)", worker->name,
             (int)worker->child->pid);
    worker->outdated = false;
    worker_retire(worker);
    for (generation = LIST_FIRST(&worker->generations); generation != NULL;
         generation = next) {
        next = LIST_NEXT(generation, of_worker);
        if (!generation->leaving && generation == generation->app->current &&
            !rollout_hand_over(generation->app))
            worker->supervisor->workers_unsettled = true;   /* something is under way with it */
    }
}

bool
upgrade_replace(struct worker *worker, const struct app *app)
{
    struct supervisor *supervisor = worker->supervisor;

    if (supervisor->shutdown != NULL || !supervisor->first_change_applied || app->unsettled ||
        worker->retired)
        return false;
    replace_worker(worker);
    supervisor->workers_unsettled = true;       /* another app may just be moving into it */
    return true;
}

void
upgrade_continue(struct supervisor *supervisor)
{
    struct worker *worker;

    if (supervisor->shutdown != NULL || supervisor->unsettled > 0 ||
        !supervisor->first_change_applied)
        return;
    worker = next_outdated(supervisor);
    if (worker != NULL) {
        replace_worker(worker);
        return;
    }
    if (supervisor->prober_outdated && supervisor->prober != NULL) {
        log_info(NULL, "the prober (pid %d) is of another binary: a new one takes over",
                 (int)supervisor->prober->pid);
        supervisor->prober_outdated = false;
        supervisor->prober_replaced = true;
        prober_link_stop(supervisor);
        return;
    }
    if (supervisor->upgraded && !supervisor->prober_replaced) {
        supervisor->upgraded = false;
        unsetenv(GUARD_WENT_BACK);
        event_write(supervisor, LOG_INFO, NULL, "upgraded",
                    "fproxy %s has taken over; connections that were open stay with the "
                    "workers of before until they end", FPROXY_VERSION);
    }
}
