#include "probes/liveness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/control.h"
#include "base/log.h"
#include "base/util.h"
#include "probes/prober_peer.h"
#include "probes/prober_priv.h"

enum {
    WAIT_MS = 60 * 1000,
    DOUBLINGS_MAX = 5,
    CALM_MS = 10 * 60 * 1000,       /* passing so long: what was told before is forgotten */
};

struct live {
    struct prober_app *app;
    struct app_check of;
    struct check check;
    uint32_t told;                  /* times in a row */
    uint64_t told_ms;               /* CLOCK_MONOTONIC; 0: never */
    uint64_t failing_ms;            /* likewise: start of the first that failed of those in a row */
};

struct liveness {
    uint32_t count;
    struct live list[];
};

uint32_t
liveness_wait_ms(uint32_t times)
{
    return times == 0 ? 0 : (uint32_t)WAIT_MS << MIN(times - 1, DOUBLINGS_MAX);
}

static void
record(const struct live *live, const struct probe_result *result)
{
    struct record record = { .kind = RECORD_PROBE_RESULT, .at_ms = clock_wall_ms() };
    struct record_probe_result *row = &record.of.result;

    snprintf(record.app, sizeof record.app, "%s", live->app->config.name);
    address_format(&live->check.probe.address, record.address);
    snprintf(row->probe, sizeof row->probe, "%s", app_probe_title(live->of.config));
    snprintf(row->outcome, sizeof row->outcome, "%s", reason_name(result->outcome));
    row->duration_us = result->duration_us;
    memcpy(row->detail, result->detail, sizeof row->detail);
    history_send(live->app->prober->history, &record);
}

/* Clients would be served if the worker did its part. Also by a generation that a newer one is
 * about to follow: until then it is the one that serves. */
static bool
should_work(const struct prober_app *app)
{
    const struct board_summary *summary = &app->writer.summary;

    return summary->ready && summary->available > 0 && !summary->panic;
}

static void
tell(struct live *live, const char *detail)
{
    const struct prober_app *app = live->app;
    struct control_message message;

    control_app_message(&message, CONTROL_APP_UNRESPONSIVE, app->config.name, app->generation);
    snprintf(message.body.app.detail, sizeof message.body.app.detail, "%s", detail);
    live->told++;
    live->told_ms = clock_monotonic_ms();
    message.body.app.count = (uint32_t)MIN(live->told_ms - live->failing_ms, UINT32_MAX);
    prober_tell(app->prober, &message);
}

static void
on_result(struct check *check, const struct probe_result *result, uint64_t started_ms)
{
    struct live *live = check->owner;
    uint64_t now_ms = clock_monotonic_ms();

    if (probe_log_keep(&check->log, result->outcome, clock_wall_ms()) && !live->app->shadowed)
        record(live, result);
    if (check->health.failures == 1)
        live->failing_ms = started_ms;
    if (result->outcome == REASON_OK && now_ms - live->told_ms >= CALM_MS)
        live->told = 0;
    if (check->health.state != ENDPOINT_UNAVAILABLE)
        return;
    if (should_work(live->app) &&
        (live->told == 0 || now_ms - live->told_ms >= liveness_wait_ms(live->told)))
        tell(live, result->detail);
    /* What follows has to fail as often again. */
    health_init(&check->health, ENDPOINT_AVAILABLE, result->outcome, now_ms);
}

static void
on_start(struct check *check)
{
}

static void
start_one(struct prober_app *app, const struct app_probe *probe, const struct address *where)
{
    struct live *live = &app->liveness->list[app->liveness->count];
    char why[DETAIL_BYTES] = "no memory";

    live->app = app;
    if (app_check_init(&live->of, probe, app->prober->base, why) < 0) {
        log_error(app->config.name, "its probe %s cannot run: %s", app_probe_title(probe), why);
        return;
    }
    live->of.digest = 0;            /* another app's port is another one */
    live->check.owner = live;
    live->check.on_start = on_start;
    live->check.on_result = on_result;
    check_init(&live->check, app->prober, &live->of, where, app->config.name, app->config.name);
    health_init(&live->check.health, ENDPOINT_AVAILABLE, REASON_NONE, clock_monotonic_ms());
    app->liveness->count++;
    check_arm(&live->check, probe->interval_ms);
}

/* The app's first port; one that listens everywhere is asked on the loopback. */
static void
find_port(const struct prober_app *app, struct address *where)
{
    *where = app->config.ports[0].address;
    if (where->family == 0)
        address_parse_ip("127.0.0.1", where->port, where);
}

void
liveness_start(struct prober_app *app)
{
    uint32_t count;
    const struct app_probe *probes = app_config_probes(&app->config, &count);
    struct address where;
    uint32_t live = 0;

    for (uint32_t i = 0; i < count; i++)
        live += probes[i].role == PROBE_LIVENESS;
    if (live == 0 || app->liveness != NULL)
        return;
    app->liveness = calloc(1, sizeof *app->liveness + live * sizeof app->liveness->list[0]);
    if (app->liveness == NULL) {
        log_error(app->config.name, "no memory for its liveness probes");
        return;
    }
    find_port(app, &where);
    for (uint32_t i = 0; i < count; i++) {
        if (probes[i].role == PROBE_LIVENESS)
            start_one(app, &probes[i], &where);
    }
}

void
liveness_stop(struct prober_app *app)
{
    for (uint32_t i = 0; app->liveness != NULL && i < app->liveness->count; i++) {
        struct live *live = &app->liveness->list[i];

        check_fini(&live->check);
        app_check_fini(&live->of);
    }
    free(app->liveness);
    app->liveness = NULL;
}
