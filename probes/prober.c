/* The process: its loop. */
#include "probes/admin.h"
#include "probes/prober.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/util.h"
#include "probes/beat.h"
#include "probes/board_writer.h"
#include "probes/child.h"
#include "probes/endpoint.h"
#include "probes/endpoint_records.h"
#include "probes/evidence.h"
#include "probes/prober_app.h"
#include "probes/prober_peer.h"
#include "probes/prober_priv.h"

enum {
    BEAT_S = 3,                         /* INSPECT_FRESH_MS is three of them */
    MINUTE_S = 20,                      /* how often it looks whether a minute is over */
    LOADS_TRIM = 256,                   /* after so many apps their loading's memory goes back */
};

void
prober_event(struct prober *prober, const char *app, const char *kind, enum log_level level,
             const char *message)
{
    struct record record = { .kind = RECORD_EVENT, .at_ms = clock_wall_ms() };
    struct record_event *row = &record.of.event;

    snprintf(record.app, sizeof record.app, "%s", app == NULL ? "" : app);
    snprintf(row->kind, sizeof row->kind, "%s", kind);
    snprintf(row->level, sizeof row->level, "%s", log_level_name(level));
    snprintf(row->message, sizeof row->message, "%s", message);
    history_send(prober->history, &record);
}

/* Loading thousands of apps leaves holes in the heap: they are given back when the last has been
 * loaded and what there was to tell is told. */
static void
trim(struct prober *prober)
{
    bool loading = prober->loads != prober->loads_beat;

    prober->loads_beat = prober->loads;
    if (loading || prober->loads - prober->loads_trimmed < LOADS_TRIM ||
        history_kept(prober->history) > 0)
        return;
    prober->loads_trimmed = prober->loads;
    memory_trim();
}

static void
on_beat(evutil_socket_t fd, short what, void *context)
{
    struct prober *prober = context;
    uint64_t now_ms = clock_monotonic_ms();

    lag_read(&prober->lag, now_ms, &prober->lag_shown);
    beat_all(prober, now_ms);
    trim(prober);
}

static void
tell_lag(struct prober *prober)
{
    char message[256];

    if (prober->lagging == 0)
        return;
    snprintf(message, sizeof message,
             "%" PRIu32 " probes started late, by up to %.1f s: raise probe_concurrency or "
             "the intervals",
             prober->lagging, prober->lag_max_ms / 1000.0);
    log_warn(NULL, "%s", message);
    prober_event(prober, NULL, "probe_overrun", LOG_WARN, message);
    prober->lagging = prober->lag_max_ms = 0;
}

static void
on_minute(evutil_socket_t fd, short what, void *context)
{
    struct prober *prober = context;
    int64_t wall_ms = clock_wall_ms();
    struct endpoint *endpoint;
    struct prober_app *app;

    TAILQ_FOREACH (app, &prober->apps, link) {
        board_writer_minute(app, wall_ms);
        for (uint32_t i = 0; i < app->config.target_count; i++) {
            TAILQ_FOREACH (endpoint, &app->targets[i].endpoints, link)
                endpoint_minute(endpoint, wall_ms);
        }
    }
    tell_lag(prober);
}

static void
on_terminate(evutil_socket_t fd, short what, void *context)
{
    struct prober *prober = context;

    event_base_loopbreak(prober->base);
}

static void
raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_warn(NULL, "the descriptor limit cannot be raised: %s", strerror(errno));
}

static struct event_base *
make_base(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;

    if (config == NULL)
        return NULL;
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    base = event_base_new_with_config(config);
    event_config_free(config);
    return base;
}

static void
start_timers(struct prober *prober)
{
    static const struct timeval beat = { .tv_sec = BEAT_S }, minute = { .tv_sec = MINUTE_S };

    event_assign(&prober->beat, prober->base, -1, EV_PERSIST, on_beat, prober);
    event_add(&prober->beat, &beat);
    event_assign(&prober->minute, prober->base, -1, EV_PERSIST, on_minute, prober);
    event_add(&prober->minute, &minute);
    event_assign(&prober->terminate, prober->base, SIGTERM, EV_SIGNAL | EV_PERSIST,
                 on_terminate, prober);
    event_add(&prober->terminate, NULL);
    evidence_init(prober);
}

static void
prober_fini(struct prober *prober)
{
    while (!TAILQ_EMPTY(&prober->apps))
        prober_app_destroy(TAILQ_FIRST(&prober->apps));
    admin_fini(prober);
    if (prober->history != NULL)
        prober_peer_fini(prober);
    if (prober->resolver != NULL)
        resolver_destroy(prober->resolver);
    if (prober->gate != NULL)
        gate_destroy(prober->gate);
    if (prober->shares != NULL)
        shares_destroy(prober->shares);
    if (prober->seeds != NULL)
        seeds_destroy(prober->seeds);
    if (prober->history != NULL)
        history_destroy(prober->history);
    free(prober->scratch);
    free(prober->beats.list);
    free(prober->marks.list);
    if (prober->base == NULL)
        return;
    event_del(&prober->beat);
    event_del(&prober->minute);
    event_del(&prober->look);
    event_del(&prober->terminate);
    child_end_all();
    event_base_free(prober->base);
}

/* 0 or -ENOMEM; prober_fini() either way. */
static int
prober_init(struct prober *prober, int control, int listener)
{
    TAILQ_INIT(&prober->apps);
    settings_defaults(&prober->settings);
    if (getrandom(&prober->random, sizeof prober->random, GRND_NONBLOCK) < 0)
        prober->random = clock_monotonic_us();
    prober->random |= 1;
    prober->base = make_base();
    if (prober->base == NULL)
        return -ENOMEM;
    start_timers(prober);
    prober->history = history_create(prober->base);
    prober->seeds = seeds_create();
    prober->shares = shares_create();
    prober->gate = gate_create(prober->settings.probe_concurrency,
                               prober->settings.probe_concurrency_per_destination,
                               check_gate_open);
    if (prober->history == NULL || prober->seeds == NULL || prober->gate == NULL ||
        prober->shares == NULL)
        return -ENOMEM;
    return prober_peer_init(prober, control, listener);
}

int
prober_run(int control, int listener)
{
    struct prober prober = { .peer = { .listener = -1 } };
    int status = EXIT_FAILURE;

    raise_descriptor_limit();
    if (prober_init(&prober, control, listener) == 0) {
        if (event_base_dispatch(prober.base) == 0)
            status = EXIT_SUCCESS;
    } else {
        log_error(NULL, "the prober cannot start: no memory");
    }
    prober_fini(&prober);
    return status;
}
