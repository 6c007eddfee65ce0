/* What the supervisor says: each kind of message is one function here. */
#include "base/control.h"
#include "probes/prober_orders.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/override.h"
#include "base/shared_file.h"
#include "base/util.h"
#include "probes/admin.h"
#include "probes/board_writer.h"
#include "probes/evidence.h"
#include "probes/prober_app.h"
#include "probes/prober_peer.h"
#include "probes/prober_priv.h"
#include "probes/push_reports.h"

enum {
    DESCRIPTORS_RESERVED = 64,          /* not for probes */
    SEED_BYTES_MAX = 256 << 20,
};

typedef void message_fn(struct prober *prober, const struct control_message *message,
                        const int *fds, size_t fd_count);

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

/* A supervisor that succeeded another says them again: no name has to be asked for again. */
static bool
is_in_use(const struct prober *prober, const char *text)
{
    char *present = prober->resolver == NULL ? NULL : settings_print(&prober->settings);
    bool same = present != NULL && strcmp(present, text) == 0;

    free(present);
    return same;
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
    if (rc < 0) {
        log_error(NULL, "the settings cannot be used: %s", why);
    } else if (!is_in_use(prober, text)) {
        prober->settings = settings;
        use_settings(prober);
    }
    free(text);
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

/* A supervisor that succeeded another loads what it was told is loaded: nothing changes. */
static bool
is_loaded(struct prober *prober, const struct control_app *asked, const char *text)
{
    const struct prober_app *app = prober_app_find(prober, asked->app, asked->generation);
    char *present;
    bool same;

    if (app == NULL || board_number(app->writer.board) != asked->board_number)
        return false;
    present = app_config_print(&app->config);
    same = present != NULL && strcmp(present, text) == 0;
    free(present);
    return same;
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
    if (!is_loaded(prober, asked, text)) {
        rc = prober->resolver == NULL ? -ENOMEM : board_open(fds[1], true, &board);
        if (rc < 0)
            snprintf(why, DETAIL_BYTES, "the board cannot be used: %s", strerror(-rc));
        else
            rc = prober_app_load(prober, text, asked->generation, board, why);
    }
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

/* Kept under the name that it came with; all endpoints it speaks for look at it now. */
static void
on_target_report(struct prober *prober, const struct control_message *message, const int *fds,
                 size_t fd_count)
{
    const struct control_target_report *report = &message->body.report;
    struct prober_app *app;

    if (push_reports_put(report, clock_monotonic_ms()) < 0) {
        log_error(report->app, "%s: no memory for what it reported", report->target);
        return;
    }
    TAILQ_FOREACH (app, &prober->apps, link) {
        if (strcmp(app->config.name, report->app) == 0)
            prober_app_reported(app, report->target);
    }
}

/* The list, on the heap; NULL: there is none. 0 or -errno. */
static int
read_overrides(const int *fds, size_t fd_count, struct override **list, size_t *count)
{
    size_t bytes = 0;
    int rc = 0;

    *list = NULL;
    if (fd_count == 1)
        rc = sealed_text_read(fds[0], OVERRIDES_MAX * sizeof **list, (char **)list, &bytes);
    *count = bytes / sizeof **list;
    if (rc == 0 && (bytes % sizeof **list != 0 || !override_valid(*list, *count)))
        rc = -EPROTO;
    if (rc < 0) {
        free(*list);
        *list = NULL;
    }
    return rc;
}

static void
on_app_overrides(struct prober *prober, const struct control_message *message, const int *fds,
                 size_t fd_count)
{
    const struct control_app *asked = &message->body.app;
    struct control_message answer = *message;
    struct override *list;
    size_t count;
    int rc = read_overrides(fds, fd_count, &list, &count);

    if (rc == 0 && message->type == CONTROL_APP_OVERRIDES_MORE)
        rc = admin_say(prober, asked->app, list, count);
    else if (rc == 0)
        rc = admin_set(prober, asked->app, list, count);
    if (rc < 0)
        log_error(asked->app, "what an operator said of its targets cannot be used: %s",
                  strerror(-rc));
    answer.body.app.result = rc;
    prober_tell(prober, &answer);
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
    [CONTROL_TARGET_REPORT] = on_target_report,
    [CONTROL_APP_OVERRIDES] = on_app_overrides,
    [CONTROL_APP_OVERRIDES_MORE] = on_app_overrides,
    [CONTROL_STOP] = on_stop,
    [CONTROL_PING] = on_ping,
};

void
prober_on_message(void *context, const struct control_message *message, const int *fds,
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
