#include "proxy/supervisor/supervisor.h"

#include <assert.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "base/memory.h"
#include "config/source.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/change.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/guard.h"
#include "proxy/supervisor/live_settings.h"
#include "proxy/supervisor/notify.h"
#include "proxy/supervisor/prober_link.h"
#include "proxy/supervisor/relief.h"
#include "proxy/supervisor/reload.h"
#include "proxy/supervisor/shutdown.h"
#include "proxy/supervisor/spare_ports.h"
#include "proxy/supervisor/start.h"
#include "proxy/supervisor/upgrade.h"
#include "proxy/supervisor/workers.h"

#define CONFIG_SOURCE "file"        /* as long as there is one kind only */

enum {
    EXIT_CANNOT_START = 2,
    THREADS_MOST = 4,           /* of a worker, unless configured */
};

uint32_t
supervisor_threads(const struct supervisor *supervisor, uint32_t configured)
{
    if (configured > 0)
        return configured;
    if (supervisor->settings.threads > 0)
        return supervisor->settings.threads;
    return MAX(MIN(supervisor->cores, THREADS_MOST), 1);
}

static void
announce(struct supervisor *supervisor)
{
    unsigned ready = 0, serving = 0, apps = 0;

    if (supervisor->announced && !notify_is_wanted())
        return;
    for (const struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        apps++;
        serving += app->state == APP_SERVING;
        ready += app_ready(app);
    }
    notify_send("%sSTATUS=%u of %u apps serve, %u are ready",
                supervisor->announced ? "" : "READY=1\n", serving, apps, ready);
    if (supervisor->announced)
        return;
    log_info(NULL, "%u of %u apps serve, %u are ready", serving, apps, ready);
    supervisor->announced = true;
    memory_trim();              /* what reading thousands of files has left */
}

void
supervisor_settled(struct supervisor *supervisor)
{
    if (supervisor->unsettled > 0 || supervisor->hushed > 0 || !supervisor->first_change_applied ||
        supervisor->applying || supervisor->starting_rollouts || supervisor->shutdown != NULL)
        return;
    spare_ports_close(supervisor);
    live_settings_settle_workers(supervisor);
    if (supervisor->unsettled > 0)
        return;
    announce(supervisor);
    reload_settled(supervisor);
    upgrade_continue(supervisor);
}

void
supervisor_hush(struct supervisor *supervisor)
{
    supervisor->hushed++;
}

void
supervisor_speak(struct supervisor *supervisor)
{
    if (--supervisor->hushed == 0)
        supervisor_settled(supervisor);
}

/* ---- signals ---- */

struct search {
    pid_t pid;
    bool found;
};

static void
compare_pid(struct worker *worker, void *context)
{
    struct search *search = context;

    search->found = search->found || worker->child->pid == search->pid;
}

static bool
is_child(void *context, pid_t pid)
{
    struct supervisor *supervisor = context;
    struct search search = { .pid = pid };

    if (supervisor->prober != NULL && supervisor->prober->pid == pid)
        return true;
    if (upgrade_is_trial(supervisor, pid))
        return true;
    workers_each(supervisor, compare_pid, &search);
    return search.found;
}

static void
reap(evutil_socket_t fd, short what, void *context)
{
    const struct timeval soon = { .tv_usec = 10 * 1000 };
    struct supervisor *supervisor = context;

    if (!children_reap_strangers(is_child, supervisor))
        event_base_once(supervisor->base, -1, EV_TIMEOUT, reap, supervisor, &soon);
}

static void
on_signal(evutil_socket_t signal, short what, void *context)
{
    struct supervisor *supervisor = context;

    if (!supervisor->running) {         /* children are being adopted: what it finds has to stop */
        supervisor->stop_asked |= signal == SIGTERM || signal == SIGINT;
        supervisor->reload_asked |= signal == SIGHUP;
        return;
    }
    switch (signal) {
    case SIGTERM:
        shutdown_begin(supervisor, false);
        break;
    case SIGINT:
        shutdown_begin(supervisor, true);
        break;
    case SIGHUP:
        log_info(NULL, "SIGHUP: the configuration is read again");
        if (supervisor->source != NULL)
            reload_begin(supervisor, NULL, NULL);
        break;
    case SIGUSR2:
        log_info(NULL, "SIGUSR2: the installed binary is to take over");
        upgrade_begin(supervisor, NULL, NULL);
        break;
    case SIGCHLD:
        reap(-1, EV_SIGNAL, supervisor);
        break;
    }
}

static const int watched[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGCHLD };

void
supervisor_hold_signals(bool hold)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_SIZE(watched); i++)
        sigaddset(&set, watched[i]);
    sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
}

static int
watch_signals(struct supervisor *supervisor)
{
    _Static_assert(ARRAY_SIZE(watched) == ARRAY_SIZE(supervisor->signals), "one event each");

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_SIZE(watched); i++) {
        supervisor->signals[i] = evsignal_new(supervisor->base, watched[i], on_signal,
                                              supervisor);
        if (supervisor->signals[i] == NULL || event_add(supervisor->signals[i], NULL) < 0)
            return -1;
    }
    supervisor_hold_signals(false);
    return 0;
}

/* ---- life ---- */

static void
on_prober_timer(evutil_socket_t fd, short what, void *context)
{
    prober_link_start(context);
}

static void
on_prober_again(evutil_socket_t fd, short what, void *context)
{
    prober_link_again(context);
}

static void
on_unresponsive_again(evutil_socket_t fd, short what, void *context)
{
    prober_link_unresponsive(context);
}

static void
on_relief_again(evutil_socket_t fd, short what, void *context)
{
    relief_look(context);
}

static void
on_resume(evutil_socket_t fd, short what, void *context)
{
    rollouts_start(context);
}

/* The first change follows on the loop. */
static int
start_source(struct supervisor *supervisor)
{
    const struct config_source_options options = {
        .base = supervisor->base,
        .path = supervisor->config_path,
        .set = supervisor->set,
        .on_change = change_apply,
        .context = supervisor,
    };
    int rc;

    supervisor->source_ops = config_source_find(CONFIG_SOURCE);
    assert(supervisor->source_ops != NULL);
    rc = supervisor->source_ops->start(&options, &supervisor->source);
    supervisor->set = NULL;
    if (rc < 0)
        log_error(NULL, "the configuration cannot be watched: %s", strerror(-rc));
    return rc;
}

static int
run(struct supervisor *supervisor)
{
    supervisor->prober_timer = evtimer_new(supervisor->base, on_prober_timer, supervisor);
    supervisor->prober_again = evtimer_new(supervisor->base, on_prober_again, supervisor);
    supervisor->resume_rollouts = evtimer_new(supervisor->base, on_resume, supervisor);
    supervisor->unresponsive_again = evtimer_new(supervisor->base, on_unresponsive_again,
                                                 supervisor);
    supervisor->relief_again = evtimer_new(supervisor->base, on_relief_again, supervisor);
    if (supervisor->prober_timer == NULL || supervisor->prober_again == NULL ||
        supervisor->resume_rollouts == NULL || supervisor->unresponsive_again == NULL ||
        supervisor->relief_again == NULL || watch_signals(supervisor) < 0) {
        log_error(NULL, "no memory");
        return EXIT_CANNOT_START;
    }
    if (start_supervisor(supervisor) < 0 || start_source(supervisor) < 0)
        return EXIT_CANNOT_START;
    supervisor->running = true;
    guard_came_up();
    prober_link_start(supervisor);
    if (supervisor->stop_asked)
        shutdown_begin(supervisor, false);
    else if (supervisor->reload_asked)
        reload_begin(supervisor, NULL, NULL);
    event_base_dispatch(supervisor->base);
    return 0;
}

static void
free_events(struct supervisor *supervisor)
{
    struct event *others[] = { supervisor->prober_timer, supervisor->prober_again,
                               supervisor->resume_rollouts,
                               supervisor->unresponsive_again, supervisor->relief_again };

    supervisor_hold_signals(true);      /* one more Ctrl-C is no death by a signal */
    for (size_t i = 0; i < ARRAY_SIZE(supervisor->signals); i++) {
        if (supervisor->signals[i] != NULL)
            event_free(supervisor->signals[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        if (others[i] != NULL)
            event_free(others[i]);
    }
}

int
supervisor_run(const struct supervisor_options *options)
{
    struct supervisor *supervisor = calloc(1, sizeof *supervisor);
    int status = EXIT_CANNOT_START;

    supervisor_hold_signals(true);
    memory_settle();
    log_init("supervisor");
    crash_handler_install("supervisor");
    notify_init();
    if (supervisor == NULL)
        return status;
    supervisor->options = *options;
    supervisor->started_at_ms = clock_monotonic_ms();
    supervisor->cores = (uint32_t)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1);
    TAILQ_INIT(&supervisor->pending);
    TAILQ_INIT(&supervisor->attention);
    LIST_INIT(&supervisor->retired);
    TAILQ_INIT(&supervisor->start_queue);
    TAILQ_INIT(&supervisor->to_prober);
    LIST_INIT(&supervisor->reloads);
    supervisor->base = event_base_new();
    if (supervisor->base != NULL)
        status = run(supervisor);
    if (status != 0) {
        upgrade_go_back(supervisor);    /* the old binary goes on, if this one is an upgrade */
        if (supervisor->apps != NULL || supervisor->workers != NULL)
            return status;              /* children serve on: nothing of theirs is taken away */
    }
    if (supervisor->source != NULL)
        supervisor->source_ops->stop(supervisor->source);
    start_undo(supervisor);
    if (status == 0)
        log_info(NULL, "stopped");
    shutdown_free(supervisor);
    free_events(supervisor);
    if (supervisor->base != NULL)
        event_base_free(supervisor->base);
    free(supervisor);
    return status;
}
