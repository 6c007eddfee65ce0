#include "proxy/supervisor/supervisor.h"

#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/notify.h"
#include "proxy/supervisor/prober_link.h"
#include "proxy/supervisor/rollout.h"
#include "proxy/supervisor/shutdown.h"
#include "proxy/supervisor/start.h"

enum {
    EXIT_CANNOT_START = 2,
    THREADS_MOST = 4,           /* of a worker, unless configured */
};

uint32_t
supervisor_threads(const struct supervisor *supervisor, uint32_t configured)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);

    if (configured > 0)
        return configured;
    if (supervisor->settings.threads > 0)
        return supervisor->settings.threads;
    return (uint32_t)MAX(MIN(cores, THREADS_MOST), 1);
}

/* It serves, or it is known that it cannot at present. */
static bool
is_settled(const struct app *app)
{
    return app->state == APP_HELD || app->served || app->failure != 0 || app->restart.ends > 0;
}

void
supervisor_announce(struct supervisor *supervisor)
{
    unsigned ready = 0, serving = 0, apps = 0;

    for (const struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        if (!is_settled(app))
            return;
        apps++;
        serving += app->state == APP_SERVING;
        ready += app_ready(app);
    }
    if (supervisor->shutdown != NULL)
        return;
    notify_send("%sSTATUS=%u of %u apps serve, %u are ready",
                supervisor->announced ? "" : "READY=1\n", serving, apps, ready);
    if (!supervisor->announced)
        log_info(NULL, "%u of %u apps serve, %u are ready", serving, apps, ready);
    supervisor->announced = true;
}

/* ---- signals ---- */

static bool
is_child(void *context, pid_t pid)
{
    struct supervisor *supervisor = context;

    if (supervisor->prober != NULL && supervisor->prober->pid == pid)
        return true;
    for (struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        if (app->worker != NULL && app->worker->pid == pid)
            return true;
    }
    return false;
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

    switch (signal) {
    case SIGTERM:
        shutdown_begin(supervisor, false);
        break;
    case SIGINT:
        shutdown_begin(supervisor, true);
        break;
    case SIGHUP:
        log_info(NULL, "SIGHUP: the configuration is read at start only");
        break;
    case SIGCHLD:
        reap(-1, EV_SIGNAL, supervisor);
        break;
    }
}

static int
watch_signals(struct supervisor *supervisor)
{
    static const int watched[] = { SIGTERM, SIGINT, SIGHUP, SIGCHLD };
    _Static_assert(ARRAY_SIZE(watched) == ARRAY_SIZE(supervisor->signals), "one event each");

    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_SIZE(watched); i++) {
        supervisor->signals[i] = evsignal_new(supervisor->base, watched[i], on_signal,
                                              supervisor);
        if (supervisor->signals[i] == NULL || event_add(supervisor->signals[i], NULL) < 0)
            return -1;
    }
    return 0;
}

/* ---- life ---- */

static void
on_prober_timer(evutil_socket_t fd, short what, void *context)
{
    prober_link_start(context);
}

/* Apps that are valid now go first: they win over one that is held back when a port moved
 * from the one to the other. */
static void
begin_apps(struct supervisor *supervisor)
{
    prober_link_start(supervisor);
    for (int held_back = 0; held_back <= 1; held_back++) {
        for (struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
            if (app->current != NULL && app->held_back == held_back)
                rollout_begin(app);
        }
    }
    supervisor_announce(supervisor);
}

static int
run(struct supervisor *supervisor, const struct supervisor_options *options)
{
    supervisor->prober_timer = evtimer_new(supervisor->base, on_prober_timer, supervisor);
    if (supervisor->prober_timer == NULL || watch_signals(supervisor) < 0) {
        log_error(NULL, "no memory");
        return EXIT_CANNOT_START;
    }
    if (start_supervisor(supervisor, options) < 0)
        return EXIT_CANNOT_START;
    begin_apps(supervisor);
    event_base_dispatch(supervisor->base);
    return 0;
}

int
supervisor_run(const struct supervisor_options *options)
{
    struct supervisor *supervisor = calloc(1, sizeof *supervisor);
    int status = EXIT_CANNOT_START;

    log_init("supervisor");
    notify_init();
    if (supervisor == NULL)
        return status;
    supervisor->started_at_ms = clock_monotonic_ms();
    supervisor->base = event_base_new();
    if (supervisor->base != NULL)
        status = run(supervisor, options);
    start_undo(supervisor);
    if (status == 0)
        log_info(NULL, "stopped");
    shutdown_free(supervisor);
    for (size_t i = 0; i < ARRAY_SIZE(supervisor->signals); i++) {
        if (supervisor->signals[i] != NULL)
            event_free(supervisor->signals[i]);
    }
    if (supervisor->prober_timer != NULL)
        event_free(supervisor->prober_timer);
    if (supervisor->base != NULL)
        event_base_free(supervisor->base);
    free(supervisor);
    return status;
}
