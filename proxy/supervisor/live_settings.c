#include "proxy/supervisor/live_settings.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/shared_file.h"
#include "config/source.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/prober_link.h"
#include "proxy/supervisor/rollout.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/worker_link.h"

int
live_settings_log(const struct supervisor *supervisor)
{
    const char *environment = getenv("FPROXY_LOG");
    const char *option = supervisor->options.log_level;
    const char *text = option != NULL ? option : environment;
    enum log_level level = LOG_INFO;

    log_set_format(supervisor->settings.log_format);
    if (supervisor->settings.log_level_set)
        level = supervisor->settings.log_level;
    if (text != NULL && text[0] != '\0' && log_level_parse(text, &level) < 0) {
        log_error(NULL, "the log level \"%s\" is none: it is error, warn, info or debug (%s)",
                  text, option != NULL ? "--log-level" : "FPROXY_LOG");
        return -1;
    }
    log_set_level(level);
    return 0;
}

int
live_settings_seal(struct supervisor *supervisor)
{
    struct settings settings = supervisor->settings;
    char *text;
    int fd = -1;

    /* What holds here holds in the children: options and environment included. */
    settings.log_level = log_get_level();
    settings.log_level_set = true;
    settings.log_format = log_get_format();
    text = settings_print(&settings);
    if (text != NULL)
        fd = sealed_text_create("settings", text, strlen(text));
    free(text);
    if (fd < 0) {
        log_error(NULL, "no memory can be shared with children");
        return -1;
    }
    if (supervisor->settings_fd >= 0)
        close(supervisor->settings_fd);
    supervisor->settings_fd = fd;
    return 0;
}

/* ---- recording ---- */

static void
record(struct supervisor *supervisor, const char *name, const struct config_group_item *group)
{
    char hash[65];

    if (!group->changed)
        return;
    if (group->replaced)
        event_write(supervisor, LOG_WARN, NULL, "held_back",
                    "the last good `%s'%s%s holds, for all apps: the present one cannot be used",
                    name, group->source != NULL ? " of " : "",
                    group->source != NULL ? group->source : "");
    if (group->broken || group->replaced)
        return;
    if (group->source == NULL) {
        store_forget_group(supervisor->store, name);
        return;
    }
    store_hash(group->text, hash);
    store_write_group(supervisor->store, name, group->source, group->text, hash,
                      clock_wall_ms());
}

/* ---- what changes ---- */

static void
tell_fixed(const struct supervisor *supervisor, const struct settings *new)
{
    const struct settings *old = &supervisor->settings;

    if (strcmp(old->state_dir, new->state_dir) != 0)
        log_warn(NULL, "daemon.state_dir has changed: it holds from the next start on");
    if (strcmp(old->runtime_dir, new->runtime_dir) != 0)
        log_warn(NULL, "daemon.runtime_dir has changed: it holds from the next start on");
}

static void
send_to_worker(struct worker *worker, void *context)
{
    if (worker->there)
        worker_link_settings(worker);
}

static void
use(struct supervisor *supervisor, const struct settings *new)
{
    struct settings before = supervisor->settings;

    tell_fixed(supervisor, new);
    supervisor->settings = *new;
    live_settings_log(supervisor);
    if (live_settings_seal(supervisor) < 0)
        return;
    prober_link_settings(supervisor);
    workers_each(supervisor, send_to_worker, NULL);
    if (before.worker_pool != new->worker_pool || before.threads != new->threads)
        supervisor->workers_unsettled = true;
}

void
live_settings_apply(struct supervisor *supervisor, const struct config_change *change)
{
    struct settings settings;
    char why[DETAIL_BYTES];

    record(supervisor, "daemon", &change->daemon);
    record(supervisor, "defaults", &change->defaults);
    if (!change->daemon.changed || !supervisor->first_change_applied)
        return;                     /* the first one holds since the start */
    if (settings_parse(change->daemon.text, &settings, why) < 0) {
        log_error(NULL, "the settings cannot be used: %s", why);
        return;
    }
    use(supervisor, &settings);
}

/* ---- workers ---- */

static void
retire_if_changed(struct worker *worker, void *context)
{
    uint32_t wanted = workers_threads(worker->supervisor, worker->name);

    if (worker->retired || wanted == 0 || wanted == worker->threads)
        return;
    log_info(NULL, "worker %s has %u threads, %u are configured: another one takes over",
             worker->name, worker->threads, wanted);
    worker_retire(worker);
}

void
live_settings_settle_workers(struct supervisor *supervisor)
{
    if (!supervisor->first_change_applied || supervisor->applying)
        return;
    if (!supervisor->workers_unsettled)
        return;
    supervisor->workers_unsettled = false;
    workers_each(supervisor, retire_if_changed, NULL);
    for (struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        if (app->current != NULL && !rollout_hand_over(app))
            supervisor->workers_unsettled = true;       /* something is under way with it */
    }
}
