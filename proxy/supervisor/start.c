#include "proxy/supervisor/start.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dirs.h"
#include "base/log.h"
#include "base/shared_file.h"
#include "config/set.h"
#include "proxy/supervisor/admin.h"
#include "proxy/supervisor/admin_overrides.h"
#include "proxy/supervisor/adopt.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/guard.h"
#include "proxy/supervisor/live_settings.h"
#include "proxy/supervisor/lock.h"
#include "proxy/supervisor/overrides.h"
#include "proxy/supervisor/overrides_late.h"
#include "proxy/supervisor/pins.h"
#include "proxy/supervisor/places.h"
#include "proxy/supervisor/reload.h"
#include "proxy/supervisor/spare_ports.h"
#include "proxy/supervisor/state_dir.h"
#include "proxy/supervisor/upgrade.h"
#include "proxy/supervisor/workers.h"
#include "store/store.h"

enum {
    STORE_CLOSE_MS = 5000,
    SEED_AGE_MS = 24 * 3600 * 1000,     /* what is older is no hint any more */
};

/* ---- descriptors, directories ---- */

/* Descriptors 0 to 2 must be taken, or a socket of ours becomes somebody's standard error. */
static void
take_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

static void
raise_descriptor_limit(struct supervisor *supervisor)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        limit.rlim_cur = limit.rlim_max = 1024;
    if (limit.rlim_cur < limit.rlim_max) {
        rlim_t before = limit.rlim_cur;

        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
            limit.rlim_cur = before;
    }
    supervisor->descriptors_max = limit.rlim_cur;
}

/* Opens and locks a directory. A descriptor, or -1 when that was told. */
static int
open_locked(const char *path, unsigned mode, const char *what, const char *option)
{
    struct process_id holder;
    int rc, fd = dirs_open(path, mode);

    if (fd < 0) {
        log_error(NULL, "the %s directory %s cannot be used: %s; name another one with %s", what,
                  path, fd == -EPERM ? "it belongs to another user" : strerror(-fd), option);
        return -1;
    }
    rc = lock_take(fd, &holder);
    if (rc == 0)
        return fd;
    close(fd);
    if (rc != -EWOULDBLOCK)
        log_error(NULL, "the %s directory %s cannot be locked: %s", what, path, strerror(-rc));
    else if (holder.pid > 0)
        log_error(NULL,
                  "fproxy is running already: pid %d holds the %s directory %s; stop it with "
                  "`fproxy stop', or name another directory with %s",
                  (int)holder.pid, what, path, option);
    else
        log_error(NULL,
                  "another process holds the %s directory %s; name another directory with %s",
                  what, path, option);
    return -1;
}

/* A full or read-only disk is no reason not to serve. */
static void
sign(int dir_fd, const char *path)
{
    int rc = lock_sign(dir_fd);

    if (rc < 0)
        log_warn(NULL, "%s cannot be written: %s", path, strerror(-rc));
}

/* The runtime directory's last holder did not take its name off: it was killed. */
static void
note_crash(struct supervisor *supervisor)
{
    const struct process_id *last = &supervisor->last_holder;

    if (last->pid <= 0 || last->pid == getpid())
        return;
    event_write(supervisor, LOG_WARN, NULL, "supervisor_ended",
                "the last supervisor (pid %d) ended without stopping its children",
                (int)last->pid);
    store_write_crash(supervisor->store, clock_wall_ms(), "supervisor", NULL, (int)last->pid, -1,
                      -1, 0);
}

static bool
is_missing(const char *path)
{
    return access(path, F_OK) < 0 && errno == ENOENT;
}

static int
open_directories(struct supervisor *supervisor)
{
    bool made = supervisor->runtime_fd < 0 && is_missing(supervisor->runtime_dir);

    if (supervisor->runtime_fd < 0)
        supervisor->runtime_fd = open_locked(supervisor->runtime_dir, 0750, "runtime",
                                             "--runtime-dir");
    if (supervisor->runtime_fd < 0)
        return -1;
    if (supervisor->state_fd >= 0)
        ;                           /* inherited, locked */
    else if (lock_is_at(supervisor->runtime_fd, supervisor->state_dir))
        supervisor->state_fd = fcntl(supervisor->runtime_fd, F_DUPFD_CLOEXEC, 0);
    else
        supervisor->state_fd = open_locked(supervisor->state_dir, STATE_DIR_MODE, "state",
                                           "--state-dir");
    if (supervisor->state_fd < 0) {
        if (made)
            rmdir(supervisor->runtime_dir);     /* nobody else could lock it: it is empty */
        return -1;
    }
    lock_last_holder(supervisor->runtime_fd, &supervisor->last_holder);
    sign(supervisor->runtime_fd, supervisor->runtime_dir);
    sign(supervisor->state_fd, supervisor->state_dir);
    return 0;
}

/* ---- the store ---- */

static void
on_store_notify(evutil_socket_t fd, short what, void *context)
{
    struct supervisor *supervisor = context;

    store_deliver(supervisor->store);
}

static int
open_store(struct supervisor *supervisor)
{
    int rc = store_open(supervisor->state_dir, &supervisor->store);

    if (rc < 0) {
        log_error(NULL, "no store can be opened in %s: %s", supervisor->state_dir,
                  strerror(-rc));
        return -1;
    }
    supervisor->store_notify_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    supervisor->store_event = event_new(supervisor->base, supervisor->store_notify_fd,
                                        EV_READ | EV_PERSIST, on_store_notify, supervisor);
    if (supervisor->store_notify_fd < 0 || supervisor->store_event == NULL ||
        event_add(supervisor->store_event, NULL) < 0) {
        log_error(NULL, "no memory");
        return -1;
    }
    store_set_directory(supervisor->store, state_dir_hold, supervisor);
    store_set_notify(supervisor->store, supervisor->store_notify_fd);
    known_read(&supervisor->known, supervisor->store);
    overrides_read(supervisor);
    store_close_open_rollouts(supervisor->store, clock_wall_ms(),
                              known_interrupted);
    note_crash(supervisor);
    return 0;
}

static void
read_seed(struct supervisor *supervisor)
{
    struct record *records = NULL;
    size_t count = 0;
    int fd;

    if (store_read_seed(supervisor->store, clock_wall_ms() - SEED_AGE_MS, &records, &count) < 0)
        count = 0;
    fd = sealed_text_create("seed", records, count * sizeof *records);
    if (fd < 0)
        log_warn(NULL, "the prober starts without history: %s", strerror(-fd));
    supervisor->seed_fd = MAX(fd, -1);
    free(records);
    log_debug(NULL, "%zu endpoints and DNS answers are known from before", count);
}

/* ---- configuration ---- */

/* What worked before, for the set; those without a text only lend their number. */
static size_t
known_texts(const struct store_config *rows, size_t count, struct config_known *texts)
{
    size_t at = 0;

    for (size_t i = 0; i < count; i++) {
        if (rows[i].config != NULL)
            texts[at++] = (struct config_known){ .name = rows[i].app, .text = rows[i].config,
                                                 .source = rows[i].source };
    }
    return at;
}

static int
tell_known(struct supervisor *supervisor)
{
    const struct known *known = &supervisor->known;
    struct config_known *apps = calloc(known->config_count + 1, sizeof *apps);
    struct config_known *groups = calloc(known->group_count + 1, sizeof *groups);
    int rc = -ENOMEM;

    if (apps != NULL && groups != NULL)
        rc = config_set_know(supervisor->set, apps,
                             known_texts(known->configs, known->config_count, apps), groups,
                             known_texts(known->groups, known->group_count, groups));
    free(apps);
    free(groups);
    return rc;
}

/* What was adopted, too: the database may have lost it. */
static int
tell_running(struct supervisor *supervisor)
{
    struct config_known *running = calloc(HASH_COUNT(supervisor->apps) + 1, sizeof *running);
    size_t count = 0;
    int rc = -ENOMEM;

    for (struct app *app = supervisor->apps; app != NULL && running != NULL; app = app->hh.next) {
        if (app->current != NULL)
            running[count++] = (struct config_known){ .name = app->name,
                                                      .text = app->current->text->bytes };
    }
    if (running != NULL)
        rc = config_set_know_running(supervisor->set, running, count);
    free(running);
    if (rc < 0)
        log_error(NULL, "no memory");
    return rc;
}

/* Nothing can be read, and nothing is known of it: then there is nothing to run. */
static bool
is_hopeless(const struct supervisor *supervisor)
{
    return supervisor->path_error_at_start < 0 && known_is_empty(&supervisor->known,
                                                                 supervisor->config_path);
}

static int
decide(struct supervisor *supervisor)
{
    if (tell_known(supervisor) < 0) {
        log_error(NULL, "no memory");
        return -1;
    }
    if (is_hopeless(supervisor)) {
        log_error(NULL,
                  "the configuration %s cannot be read: %s; name a directory or a file with "
                  "--config or FPROXY_CONFIG_PATH",
                  supervisor->config_path, strerror(-supervisor->path_error_at_start));
        return -1;
    }
    supervisor->settings = *config_set_settings(supervisor->set);
    return live_settings_log(supervisor) < 0 || live_settings_seal(supervisor) < 0 ? -1 : 0;
}

/* ---- all of it ---- */

static void
tell_summary(struct supervisor *supervisor)
{
    char state[256];

    log_info(NULL,
             "fproxy %s, pid %d: configuration %s; state in %s/fproxy.db, admin socket "
             "%s/admin.sock, %" PRIu64 " descriptors",
             FPROXY_VERSION, (int)getpid(), supervisor->config_path, supervisor->state_dir,
             supervisor->runtime_dir, supervisor->descriptors_max);
    if (!store_state(supervisor->store, state, sizeof state))
        log_warn(NULL, "the database: %s", state);
}

static int
start_with(struct supervisor *supervisor)
{
    int rc;

    if (open_directories(supervisor) < 0 || open_store(supervisor) < 0 ||
        decide(supervisor) < 0)
        return -1;
    adopt_children(supervisor, supervisor->upgraded && !guard_went_back());
    if (tell_running(supervisor) < 0)
        return -1;
    upgrade_take_sockets(supervisor);
    read_seed(supervisor);
    rc = admin_open(supervisor);
    if (rc < 0) {
        log_error(NULL, "%s/admin.sock cannot be opened: %s", supervisor->runtime_dir,
                  strerror(-rc));
        return -1;
    }
    tell_summary(supervisor);
    return 0;
}

int
start_supervisor(struct supervisor *supervisor)
{
    struct places places;
    int rc;

    supervisor->state_fd = supervisor->runtime_fd = -1;
    supervisor->settings_fd = supervisor->seed_fd = supervisor->store_notify_fd = -1;
    take_standard_descriptors();
    raise_descriptor_limit(supervisor);
    rc = places_find(&supervisor->options, &places);
    if (rc < 0) {
        log_error(NULL, "no place for state or runtime files is known (%s): name them with "
                        "--state-dir and --runtime-dir", strerror(-rc));
        return -1;
    }
    supervisor->set = places.set;
    supervisor->path_error_at_start = places.config_error;
    supervisor->settings = places.settings;
    memcpy(supervisor->config_path, places.config_path, PATH_BYTES);
    memcpy(supervisor->state_dir, places.state_dir, PATH_BYTES);
    memcpy(supervisor->runtime_dir, places.runtime_dir, PATH_BYTES);
    if (live_settings_log(supervisor) < 0)
        return -1;
    upgrade_inherit(supervisor);
    return start_with(supervisor);
}

void
start_undo(struct supervisor *supervisor)
{
    admin_close(supervisor);
    reloads_free(supervisor);
    upgrade_free(supervisor);
    apps_free(supervisor);
    workers_free(supervisor);
    spare_ports_close(supervisor);
    config_set_destroy(supervisor->set);
    if (supervisor->store_event != NULL)
        event_free(supervisor->store_event);
    if (supervisor->store != NULL) {
        admin_overrides_forget(supervisor);
        overrides_late_free(supervisor);
        pins_free(supervisor);
    }
    overrides_free(supervisor);
    if (supervisor->store != NULL)
        store_close(supervisor->store, STORE_CLOSE_MS);
    known_free(&supervisor->known);
    numbers_free(&supervisor->numbers);
    standing_errors_free(&supervisor->standing);
    if (supervisor->store_notify_fd >= 0)
        close(supervisor->store_notify_fd);
    if (supervisor->settings_fd >= 0)
        close(supervisor->settings_fd);
    if (supervisor->seed_fd >= 0)
        close(supervisor->seed_fd);
    /* Both locked means that both are ours; the names go before the locks. */
    if (supervisor->state_fd >= 0) {
        lock_unsign(supervisor->state_fd);
        lock_unsign(supervisor->runtime_fd);
        close(supervisor->state_fd);
    }
    if (supervisor->runtime_fd >= 0)
        close(supervisor->runtime_fd);
}
