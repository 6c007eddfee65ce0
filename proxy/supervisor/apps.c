#include "proxy/supervisor/apps.h"

#include <assert.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/rollout.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/text.h"

static void
on_timer(evutil_socket_t fd, short what, void *context)
{
    rollout_timer(context);
}

struct app *
app_add(struct supervisor *supervisor, const char *name)
{
    struct app *app = calloc(1, sizeof *app);

    if (app == NULL)
        return NULL;
    assert(app_find(supervisor, name) == NULL);
    text_copy(app->name, sizeof app->name, name);
    app->supervisor = supervisor;
    app->timer = evtimer_new(supervisor->base, on_timer, app);
    if (app->timer == NULL) {
        free(app);
        return NULL;
    }
    HASH_ADD_STR(supervisor->apps, name, app);
    return app;
}

struct app *
app_find(struct supervisor *supervisor, const char *name)
{
    struct app *app;

    HASH_FIND_STR(supervisor->apps, name, app);
    return app;
}

void
apps_free(struct supervisor *supervisor)
{
    struct app *app, *next;

    HASH_ITER(hh, supervisor->apps, app, next) {
        assert(app->worker == NULL);
        HASH_DEL(supervisor->apps, app);
        event_free(app->timer);
        if (app->current != NULL)
            generation_destroy(app->current, supervisor->runtime_fd);
        free(app);
    }
}

void
app_enter(struct app *app, enum app_state next)
{
    assert(app_state_allows(app->state, next));
    assert(next != APP_LOADING || app->worker != NULL);
    assert(next != APP_WAITING || app->worker != NULL);
    assert(next != APP_SERVING || app->worker != NULL);
    assert(next != APP_STOPPED || app->worker == NULL);

    log_debug(app->name, "%s -> %s", app_state_name(app->state), app_state_name(next));
    app_disarm(app);                /* it was meant for the state that ends */
    app->state = next;
}

void
app_arm(struct app *app, uint64_t wait_ms)
{
    const struct timeval wait = {
        .tv_sec = (time_t)(wait_ms / 1000),
        .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000,
    };

    evtimer_add(app->timer, &wait);
}

void
app_disarm(struct app *app)
{
    evtimer_del(app->timer);
}

bool
app_ready(const struct app *app)
{
    return app->state == APP_SERVING &&
           readiness_reached(&app->health, app->current->config.ready_min_available);
}

void
app_status(const struct app *app, uint64_t now_ms, struct app_status *status)
{
    const struct app_generation *generation = app->current;

    *status = (struct app_status){
        .name = app->name,
        .state = readiness_word(app->state, &app->health, app->held_back,
                                restart_looping(&app->restart, now_ms)),
        .ready = app_ready(app),
        .worker = app->name,
        .worker_pid = app->worker != NULL ? app->worker->pid : 0,
        .available = app->health.available,
        .total = app->health.total,
        .rollout = &app->rollout,
    };
    if (generation == NULL)
        return;
    status->generation = generation->number;
    status->ports = generation->config.ports;
    status->port_count = generation->config.port_count;
    status->connections = generation_connections(generation);
    if (status->total == 0)         /* the prober has not counted yet */
        status->total = generation->config.target_count;
}

void
event_store(struct supervisor *supervisor, enum log_level level, const char *app,
            const char *kind, const char *message)
{
    struct record record = { .kind = RECORD_EVENT, .at_ms = clock_wall_ms() };
    struct record_event *event = &record.of.event;

    if (supervisor->store == NULL)
        return;
    text_copy(record.app, sizeof record.app, app != NULL ? app : "");
    text_copy(event->kind, sizeof event->kind, kind);
    text_copy(event->level, sizeof event->level, log_level_name(level));
    text_copy(event->message, sizeof event->message, message);
    store_write_record(supervisor->store, &record);     /* what is lost, the store counts */
}

void
event_write(struct supervisor *supervisor, enum log_level level, const char *app,
            const char *kind, const char *format, ...)
{
    char message[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    log_write(level, app, "%s", message);
    event_store(supervisor, level, app, kind, message);
}
