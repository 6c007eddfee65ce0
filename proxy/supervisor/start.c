#include "proxy/supervisor/start.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dirs.h"
#include "base/log.h"
#include "base/shared_file.h"
#include "config/config.h"
#include "proxy/supervisor/admin.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/boot.h"
#include "proxy/supervisor/groups.h"
#include "proxy/supervisor/leftovers.h"
#include "proxy/supervisor/lock.h"
#include "proxy/supervisor/places.h"
#include "proxy/supervisor/rollout.h"
#include "store/store.h"

enum {
    LEFTOVER_PATIENCE_MS = 2000,
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

static bool
same_directory(int fd, const char *path)
{
    struct stat a, b;

    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* A full or read-only disk is no reason not to serve. */
static void
sign(int dir_fd, const char *path)
{
    int rc = lock_sign(dir_fd);

    if (rc < 0)
        log_warn(NULL, "%s cannot be written: %s", path, strerror(-rc));
}

static int
open_directories(struct supervisor *supervisor)
{
    supervisor->runtime_fd = open_locked(supervisor->runtime_dir, 0750, "runtime",
                                         "--runtime-dir");
    if (supervisor->runtime_fd < 0)
        return -1;
    if (same_directory(supervisor->runtime_fd, supervisor->state_dir))
        supervisor->state_fd = fcntl(supervisor->runtime_fd, F_DUPFD_CLOEXEC, 0);
    else
        supervisor->state_fd = open_locked(supervisor->state_dir, 0750, "state",
                                           "--state-dir");
    if (supervisor->state_fd < 0)
        return -1;
    sign(supervisor->runtime_fd, supervisor->runtime_dir);
    sign(supervisor->state_fd, supervisor->state_dir);
    leftovers_end_children(supervisor->runtime_fd, LEFTOVER_PATIENCE_MS);
    leftovers_unlink(supervisor->runtime_fd);
    return 0;
}

/* ---- what the children get ---- */

static int
seal_settings(struct supervisor *supervisor)
{
    char *text;
    int fd = -ENOMEM;

    /* What holds here holds in the children: options and environment included. */
    supervisor->settings.log_level = log_get_level();
    supervisor->settings.log_level_set = true;
    supervisor->settings.log_format = log_get_format();
    /* They have it from their first line on, before their settings arrive. */
    setenv("FPROXY_LOG", log_level_name(log_get_level()), 1);
    text = settings_print(&supervisor->settings);
    if (text != NULL)
        fd = sealed_text_create("settings", text, strlen(text));
    free(text);
    supervisor->settings_fd = fd;
    if (fd < 0)
        log_error(NULL, "no memory can be shared with children: %s", strerror(-fd));
    return MIN(fd, 0);
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

/* ---- apps ---- */

static void
tell_config_errors(struct supervisor *supervisor, const struct config *config)
{
    for (size_t i = 0; config != NULL && i < config->error_count; i++) {
        const struct config_error *error = &config->errors[i];
        char *text = config_error_text(error);

        if (text == NULL)
            return;
        log_error(NULL, "%s", text);
        event_store(supervisor, LOG_ERROR, error->app, "config_error", text);
        free(text);
    }
    if (config != NULL && config->errors_dropped > 0)
        log_error(NULL, "and %zu more errors", config->errors_dropped);
}

static int
add_app(struct supervisor *supervisor, struct desired_app *desired)
{
    struct app *app = app_add(supervisor, desired->name);

    if (app == NULL)
        return -ENOMEM;
    app->from_generation = desired->from_generation;
    app->recorded = desired->recorded;
    if (desired->runnable) {
        app->current = generation_create(desired->generation, &desired->config, desired->text,
                                         desired->source);
        if (app->current == NULL)
            return -ENOMEM;
        desired->text = desired->source = NULL;
        supervisor->port_count += app->current->config.port_count;
    }
    if (desired->held_back == NULL)
        return 0;
    rollout_hold_back(app, desired->held_back);
    if (app->held_back)
        event_write(supervisor, LOG_WARN, app->name, "held_back",
                    "runs on its last good configuration, generation %u of %s",
                    app->current->number, app->current->source);
    return 0;
}

static int
add_apps(struct supervisor *supervisor, struct desired *desired)
{
    for (size_t i = 0; i < desired->forgotten_count; i++) {
        event_write(supervisor, LOG_INFO, desired->forgotten[i], "app_removed",
                    "is no longer configured: it is forgotten");
        store_forget_app(supervisor->store, desired->forgotten[i], clock_wall_ms());
    }
    for (size_t i = 0; i < desired->app_count; i++) {
        if (add_app(supervisor, &desired->apps[i]) < 0) {
            log_error(NULL, "no memory for %zu apps", desired->app_count);
            return -1;
        }
    }
    return 0;
}

/* Puts configuration and database together. */
static int
plan(struct supervisor *supervisor, struct config *config, int path_error)
{
    struct store_config *known = NULL;
    struct desired *desired;
    size_t known_count = 0;
    int rc;

    if (store_read_configs(supervisor->store, &known, &known_count) < 0)
        known_count = 0;
    rc = boot_plan(config, supervisor->config_path, path_error, known, known_count, &desired);
    store_configs_free(known, known_count);
    if (rc < 0) {
        log_error(NULL, "the configuration cannot be worked out: %s", strerror(-rc));
        return -1;
    }
    if (config == NULL && desired->app_count == 0) {
        log_error(NULL,
                  "the configuration %s cannot be read: %s; name a directory or a file with "
                  "--config or FPROXY_CONFIG_PATH",
                  supervisor->config_path, strerror(-path_error));
        rc = -1;
    }
    if (rc == 0 && config == NULL)
        event_write(supervisor, LOG_ERROR, NULL, "config_unreadable",
                    "the configuration %s cannot be read: %s; running on the last good "
                    "configurations in %s/fproxy.db",
                    supervisor->config_path, strerror(-path_error), supervisor->state_dir);
    if (rc == 0)
        rc = add_apps(supervisor, desired);
    desired_free(desired);
    return rc;
}

/* ---- all of it ---- */

static void
tell_summary(const struct supervisor *supervisor, const struct config *config)
{
    char state[256];

    log_info(NULL,
             "fproxy %s, pid %d: configuration %s, %zu files, %u apps, %" PRIu64
             " ports; state in %s/fproxy.db, admin socket %s/admin.sock, %" PRIu64
             " descriptors",
             FPROXY_VERSION, (int)getpid(), supervisor->config_path,
             config != NULL ? config->file_count : 0, HASH_COUNT(supervisor->apps),
             supervisor->port_count, supervisor->state_dir, supervisor->runtime_dir,
             supervisor->descriptors_max);
    if (supervisor->apps == NULL)
        log_warn(NULL, "no app is configured: nothing is served; put a file into %s",
                 supervisor->config_path);
    if (!store_state(supervisor->store, state, sizeof state))
        log_warn(NULL, "the database: %s", state);
}

/* Configuration and database together say what runs, and how. */
static int
decide(struct supervisor *supervisor, const struct supervisor_options *options,
       struct places *places)
{
    groups_settle(supervisor, places);
    supervisor->settings = places->settings;
    if (places_set_log(options, places) < 0)
        return -1;
    tell_config_errors(supervisor, places->config);
    return plan(supervisor, places->config, places->config_error);
}

static int
start_with(struct supervisor *supervisor, const struct supervisor_options *options,
           struct places *places)
{
    int rc;

    if (open_directories(supervisor) < 0)
        return -1;
    rc = store_open(supervisor->state_dir, &supervisor->store);
    if (rc < 0) {
        log_error(NULL, "no store can be opened in %s: %s", supervisor->state_dir,
                  strerror(-rc));
        return -1;
    }
    if (decide(supervisor, options, places) < 0)
        return -1;
    read_seed(supervisor);
    if (seal_settings(supervisor) < 0)
        return -1;
    rc = admin_open(supervisor);
    if (rc < 0) {
        log_error(NULL, "%s/admin.sock cannot be opened: %s", supervisor->runtime_dir,
                  strerror(-rc));
        return -1;
    }
    tell_summary(supervisor, places->config);
    return 0;
}

int
start_supervisor(struct supervisor *supervisor, const struct supervisor_options *options)
{
    struct places places;
    int rc;

    supervisor->state_fd = supervisor->runtime_fd = -1;
    supervisor->settings_fd = supervisor->seed_fd = -1;
    take_standard_descriptors();
    raise_descriptor_limit(supervisor);
    rc = places_find(options, &places);
    if (rc < 0) {
        log_error(NULL, "no place for state or runtime files is known (%s): name them with "
                        "--state-dir and --runtime-dir", strerror(-rc));
        return -1;
    }
    memcpy(supervisor->config_path, places.config_path, PATH_BYTES);
    memcpy(supervisor->state_dir, places.state_dir, PATH_BYTES);
    memcpy(supervisor->runtime_dir, places.runtime_dir, PATH_BYTES);
    rc = places_set_log(options, &places);
    if (rc == 0)
        rc = start_with(supervisor, options, &places);
    config_free(places.config);
    return rc;
}

void
start_undo(struct supervisor *supervisor)
{
    admin_close(supervisor);
    apps_free(supervisor);
    if (supervisor->store != NULL)
        store_close(supervisor->store, STORE_CLOSE_MS);
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
