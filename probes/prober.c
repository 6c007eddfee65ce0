/* The process: its loop, and what the supervisor says to it. */
#include "probes/prober.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/shared_file.h"
#include "base/util.h"
#include "probes/board_writer.h"
#include "probes/endpoint.h"
#include "probes/evidence.h"
#include "probes/prober_app.h"
#include "probes/prober_priv.h"

enum {
    BEAT_S = 1,
    MINUTE_S = 20,                      /* how often it looks whether a minute is over */
    DESCRIPTORS_RESERVED = 64,          /* not for probes */
    SEED_BYTES_MAX = 256 << 20,
};

typedef void message_fn(struct prober *prober, const struct control_message *message,
                        const int *fds, size_t fd_count);

void
prober_tell(struct prober *prober, const struct control_message *message)
{
    int rc = prober->peer == NULL ? 0 : control_peer_send(prober->peer, message, NULL, 0);

    if (rc < 0 && rc != -EPIPE)
        log_error(NULL, "cannot tell the supervisor something: %s", strerror(-rc));
}

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

static void
on_dns_record(void *context, const struct record *record)
{
    struct prober *prober = context;

    history_send(prober->history, record);
}

/* ---- settings and seed ---- */

/* Every probe needs a descriptor. */
static uint32_t
concurrency(const struct settings *settings)
{
    struct rlimit limit;
    rlim_t usable;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return settings->probe_concurrency;
    usable = limit.rlim_cur > 2 * DESCRIPTORS_RESERVED ? limit.rlim_cur - DESCRIPTORS_RESERVED
                                                       : limit.rlim_cur / 2;
    return (uint32_t)MIN((rlim_t)settings->probe_concurrency, MAX(usable, 1));
}

static void
use_settings(struct prober *prober)
{
    const struct settings *settings = &prober->settings;
    const struct resolver_options options = { .on_record = on_dns_record, .context = prober };

    log_set_level(settings->log_level);
    log_set_format(settings->log_format);
    gate_set_limits(prober->gate, concurrency(settings),
                    settings->probe_concurrency_per_destination);
    if (prober->resolver != NULL)
        resolver_set_settings(prober->resolver, settings);
    else
        prober->resolver = resolver_create(prober->base, settings, &options);
}

static void
on_settings(struct prober *prober, const struct control_message *message, const int *fds,
            size_t fd_count)
{
    struct settings settings;
    char why[DETAIL_BYTES] = "no text came with them";
    char *text = NULL;
    size_t bytes;
    int rc = fd_count == 1 ? sealed_text_read(fds[0], APP_TEXT_BYTES_MAX, &text, &bytes)
                           : -EPROTO;

    if (rc == 0)
        rc = settings_parse(text, &settings, why);
    free(text);
    if (rc < 0) {
        log_error(NULL, "the settings cannot be used: %s", why);
        return;
    }
    prober->settings = settings;
    use_settings(prober);
}

/* Names need the resolver, which needs settings: without any the defaults do. */
static void
ensure_resolver(struct prober *prober)
{
    if (prober->resolver == NULL)
        use_settings(prober);
}

static void
on_seed(struct prober *prober, const struct control_message *message, const int *fds,
        size_t fd_count)
{
    struct record *records = NULL;
    size_t bytes = 0;
    int rc = fd_count == 1
                 ? sealed_text_read(fds[0], SEED_BYTES_MAX, (char **)&records, &bytes)
                 : -EPROTO;

    ensure_resolver(prober);
    if (rc < 0)
        log_warn(NULL, "what the database knows cannot be read: %s", strerror(-rc));
    for (size_t i = 0; rc == 0 && i < bytes / sizeof *records; i++) {
        const struct record *record = &records[i];

        if (record->kind == RECORD_ENDPOINT)
            seeds_add(prober->seeds, record);
        else if (record->kind == RECORD_DNS && prober->resolver != NULL)
            resolver_seed(prober->resolver, record);
    }
    free(records);
}

/* ---- apps ---- */

static void
answer_loaded(struct prober *prober, const struct control_app *asked, uint32_t board_number,
              int result, const char *detail)
{
    struct control_message message;

    control_app_message(&message, CONTROL_APP_LOADED, asked->app, asked->generation);
    message.body.app.board_number = board_number;
    message.body.app.result = result;
    snprintf(message.body.app.detail, sizeof message.body.app.detail, "%s", detail);
    prober_tell(prober, &message);
}

static int
load(struct prober *prober, const struct control_app *asked, const int *fds, size_t fd_count,
     char *why)
{
    struct board *board = NULL;
    char *text = NULL;
    size_t bytes;
    int rc = -EPROTO;

    if (fd_count == 2 || fd_count == 3)
        rc = sealed_text_read(fds[0], APP_TEXT_BYTES_MAX, &text, &bytes);
    if (rc < 0) {
        snprintf(why, DETAIL_BYTES, "the configuration did not arrive: %s", strerror(-rc));
        return rc;
    }
    ensure_resolver(prober);
    rc = prober->resolver == NULL ? -ENOMEM : board_open(fds[1], true, &board);
    if (rc < 0)
        snprintf(why, DETAIL_BYTES, "the board cannot be used: %s", strerror(-rc));
    else
        rc = prober_app_load(prober, text, asked->generation, board, why);
    if (rc == 0)
        evidence_use(prober_app_find(prober, asked->app, asked->generation),
                     fd_count == 3 ? fds[2] : -1);
    free(text);
    return rc;
}

static void
on_app_load(struct prober *prober, const struct control_message *message, const int *fds,
            size_t fd_count)
{
    const struct control_app *asked = &message->body.app;
    char why[DETAIL_BYTES] = "";
    int rc = load(prober, asked, fds, fd_count, why);

    if (rc < 0)
        log_error(asked->app, "generation %" PRIu32 " cannot be loaded: %s", asked->generation,
                  why);
    answer_loaded(prober, asked, asked->board_number, rc, why);
}

/* The present board again: only its traffic page is another one, that of a new worker. */
static int
use_board(struct prober *prober, const struct control_app *asked, const int *fds,
          size_t fd_count)
{
    struct prober_app *app = prober_app_find(prober, asked->app, asked->generation);
    struct board *board = NULL;
    int rc = 0;

    if (app == NULL)
        return -ENOENT;
    if (fd_count < 1 || fd_count > 2)
        return -EPROTO;
    if (asked->board_number != board_number(app->writer.board)) {
        rc = board_open(fds[0], true, &board);
        if (rc == 0)
            rc = board_writer_move(app, board);
    }
    if (rc < 0)
        board_close(board);
    else
        evidence_use(app, fd_count == 2 ? fds[1] : -1);
    return rc;
}

static void
on_app_board(struct prober *prober, const struct control_message *message, const int *fds,
             size_t fd_count)
{
    const struct control_app *asked = &message->body.app;
    const char *why = "";
    int rc = use_board(prober, asked, fds, fd_count);

    if (rc < 0) {
        why = strerror(-rc);
        log_error(asked->app, "board %" PRIu32 " cannot be used: %s", asked->board_number, why);
    }
    answer_loaded(prober, asked, asked->board_number, rc, why);
}

static void
on_app_unload(struct prober *prober, const struct control_message *message, const int *fds,
              size_t fd_count)
{
    prober_app_unload(prober, message->body.app.app, message->body.app.generation);
}

static void
on_stop(struct prober *prober, const struct control_message *message, const int *fds,
        size_t fd_count)
{
    event_base_loopbreak(prober->base);
}

static void
on_ping(struct prober *prober, const struct control_message *message, const int *fds,
        size_t fd_count)
{
    const struct control_message pong = { .magic = CONTROL_MAGIC, .type = CONTROL_PONG };

    prober_tell(prober, &pong);
}

static message_fn *const handlers[CONTROL_TYPES] = {
    [CONTROL_SETTINGS] = on_settings,
    [CONTROL_SEED] = on_seed,
    [CONTROL_APP_LOAD] = on_app_load,
    [CONTROL_APP_BOARD] = on_app_board,
    [CONTROL_APP_UNLOAD] = on_app_unload,
    [CONTROL_STOP] = on_stop,
    [CONTROL_PING] = on_ping,
};

static void
on_message(void *context, const struct control_message *message, const int *fds,
           size_t fd_count)
{
    struct prober *prober = context;

    if (message->type < CONTROL_TYPES && handlers[message->type] != NULL)
        handlers[message->type](prober, message, fds, fd_count);
    else
        log_debug(NULL, "a message of type %" PRIu32 " is not for the prober", message->type);
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
}

static void
on_closed(void *context)
{
    struct prober *prober = context;

    log_warn(NULL, "the supervisor is gone: probing goes on without it");
    history_detach(prober->history);
    control_peer_destroy(prober->peer);
    prober->peer = NULL;
}

/* ---- the loop ---- */

static void
on_beat(evutil_socket_t fd, short what, void *context)
{
    struct prober *prober = context;
    uint64_t now_ms = clock_monotonic_ms();
    struct prober_app *app;

    TAILQ_FOREACH (app, &prober->apps, link)
        board_beat(app->writer.board, now_ms);
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

static void
say_hello(struct prober *prober)
{
    struct control_message message = { .magic = CONTROL_MAGIC, .type = CONTROL_HELLO };

    message.body.hello.role = CONTROL_PROBER;
    message.body.hello.pid = getpid();
    snprintf(message.body.hello.version, sizeof message.body.hello.version, "%s",
             FPROXY_VERSION);
    prober_tell(prober, &message);
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
    if (prober->resolver != NULL)
        resolver_destroy(prober->resolver);
    if (prober->gate != NULL)
        gate_destroy(prober->gate);
    if (prober->seeds != NULL)
        seeds_destroy(prober->seeds);
    if (prober->history != NULL)
        history_destroy(prober->history);
    control_peer_destroy(prober->peer);
    if (prober->base == NULL)
        return;
    event_del(&prober->beat);
    event_del(&prober->minute);
    event_del(&prober->look);
    event_del(&prober->terminate);
    event_base_free(prober->base);
}

/* 0 or -ENOMEM; prober_fini() either way. */
static int
prober_init(struct prober *prober, int control)
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
    prober->history = history_create();
    prober->seeds = seeds_create();
    prober->gate = gate_create(prober->settings.probe_concurrency,
                               prober->settings.probe_concurrency_per_destination,
                               endpoint_gate_open);
    if (prober->history == NULL || prober->seeds == NULL || prober->gate == NULL)
        return -ENOMEM;
    prober->peer = control_peer_create(prober->base, control, on_message, on_closed, prober);
    if (prober->peer == NULL)
        return -ENOMEM;
    history_attach(prober->history, prober->peer);
    return 0;
}

int
prober_run(int control)
{
    struct prober prober = { 0 };
    int status = EXIT_FAILURE;

    raise_descriptor_limit();
    if (prober_init(&prober, control) == 0) {
        say_hello(&prober);
        if (event_base_dispatch(prober.base) == 0)
            status = EXIT_SUCCESS;
    } else {
        log_error(NULL, "the prober cannot start: no memory");
    }
    prober_fini(&prober);
    return status;
}
