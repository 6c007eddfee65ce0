#include "proxy/supervisor/apps.h"

#include <assert.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/shared_text.h"
#include "proxy/supervisor/attention.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/rollout.h"
#include "proxy/supervisor/serve.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/text.h"
#include "proxy/supervisor/workers.h"

static void
on_timer(evutil_socket_t fd, short what, void *context)
{
    serve_timer(context);
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
    LIST_INIT(&app->leaving);
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

/* What it asks for is what `generation` does; NULL: nothing. */
static void
count_asked(struct app *app, const struct app_generation *generation)
{
    struct supervisor *supervisor = app->supervisor;
    uint32_t ports = generation != NULL ? generation->config.port_count : 0;
    bool named = generation != NULL && generation->config.worker[0] != '\0';

    supervisor->port_count += ports;
    supervisor->port_count -= app->ports_counted;
    supervisor->named_workers += named;
    supervisor->named_workers -= app->named_counted;
    app->ports_counted = ports;
    app->named_counted = named;
}

static const struct app_generation *
newest(const struct app *app)
{
    if (app->wanted != NULL)
        return app->wanted;
    return app->next != NULL ? app->next : app->current;
}

static void
destroy_generation(struct app_generation *generation)
{
    if (generation != NULL)
        generation_destroy(generation);
}

void
app_drop(struct app *app)
{
    struct supervisor *supervisor = app->supervisor;
    struct app_generation *leaving;

    assert(app->rolling == NULL);
    assert(!app->pending);
    HASH_DEL(supervisor->apps, app);
    attention_forget(app);
    count_asked(app, NULL);
    destroy_generation(app->current);
    destroy_generation(app->next);
    destroy_generation(app->wanted);
    while ((leaving = LIST_FIRST(&app->leaving)) != NULL) {
        LIST_REMOVE(leaving, of_app);
        generation_destroy(leaving);
    }
    if (app->unsettled)
        supervisor->unsettled--;
    event_free(app->timer);
    app_forget_refused(app);
    app_rollout_fini(&app->rollout);
    free(app->pin);
    free(app->config_error);
    free(app);
}

void
apps_free(struct supervisor *supervisor)
{
    struct app *app, *next;

    HASH_ITER(hh, supervisor->apps, app, next)
        app_drop(app);
}

static int
name_order(const struct app *a, const struct app *b)
{
    return strcmp(a->name, b->name);
}

void
apps_sort(struct supervisor *supervisor)
{
    HASH_SRT(hh, supervisor->apps, name_order);
}

void
app_enter(struct app *app, enum app_state next)
{
    assert(app_state_allows(app->state, next));
    assert(next != APP_LOADING || app->current != NULL);
    assert(next != APP_SERVING || app->current->load == LOAD_ACCEPTING);

    log_debug(app->name, "%s -> %s", app_state_name(app->state), app_state_name(next));
    app_disarm(app);                /* it was meant for the state that ends */
    if (app->state == APP_LOADING && next != APP_LOADING)
        rollouts_loaded(app->supervisor);
    if (app->state != APP_LOADING && next == APP_LOADING)
        app->supervisor->loading++;
    app->state = next;
    if (next == APP_FAILED)
        attention_to(app);
    app_settle(app);
}

/* It serves, or it is known that it cannot at present; and nothing is being rolled out. */
static bool
is_settled(const struct app *app)
{
    const struct app_generation *leaving;

    if (app->next != NULL || app->pending || app->rolling != NULL)
        return false;
    LIST_FOREACH(leaving, &app->leaving, of_app) {
        if (leaving->ports != NULL)
            return false;           /* its worker has not closed those that are no longer ours */
    }
    switch (app->state) {
    case APP_NEW:
    case APP_LOADING:
    case APP_WAITING:
        return app->served || app->failure != 0;
    case APP_FAILED:
        return app->failure != 0;   /* else it tries again within moments */
    default:
        return true;
    }
}

void
app_settle(struct app *app)
{
    struct supervisor *supervisor = app->supervisor;
    bool unsettled = !is_settled(app);

    count_asked(app, newest(app));
    if (unsettled == app->unsettled)
        return;
    app->unsettled = unsettled;
    supervisor->unsettled += unsettled ? 1 : -1;
    if (supervisor->unsettled == 0)
        supervisor_settled(supervisor);
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
    return app->state == APP_SERVING && app->current != NULL &&
           readiness_reached(&app->health, app->current->config.ready_min_available);
}

void
app_set_error(struct app *app, const char *reason)
{
    free(app->config_error);
    app->config_error = reason == NULL ? NULL : strdup(reason);
    if (reason != NULL)
        attention_to(app);
}

void
app_forget_refused(struct app *app)
{
    shared_text_unref(app->refused.text);
    free(app->refused.source);
    app->refused = (struct refused){ 0 };
}

void
app_set_pin(struct app *app, const char *hash)
{
    free(app->pin);
    app->pin = hash == NULL ? NULL : strdup(hash);
}

uint64_t
app_connections(const struct app *app)
{
    const struct app_generation *leaving;
    uint64_t sum = 0;

    if (app->current != NULL)
        sum = pages_connections(app->current->pages) +
              pages_connections(app->current->pages_old);
    LIST_FOREACH(leaving, &app->leaving, of_app)
        sum += pages_connections(leaving->pages);
    return sum;
}

static const struct worker *
worker_of(const struct app *app)
{
    return app->current == NULL ? NULL : app->current->worker;
}

/* The one that keeps ending: its own, or the one that is to take over from that; else its own. */
static const struct worker *
troubled_worker(const struct app *app, uint64_t now_ms)
{
    const struct worker *next = app->next == NULL ? NULL : app->next->worker;

    return next != NULL && restart_looping(&next->restart, now_ms) ? next : worker_of(app);
}

static const char *
rollback_word(const struct app *app)
{
    if (!app->refused.pinned || app->pending || app->rolling != NULL)
        return NULL;
    return app->refused.presumed ? "unknown" : "holds";
}

void
app_status(const struct app *app, uint64_t now_ms, struct app_status *status)
{
    const struct app_generation *generation = app->current;
    const struct worker *worker = worker_of(app), *troubled = troubled_worker(app, now_ms);
    bool looping = troubled != NULL && restart_looping(&troubled->restart, now_ms);

    *status = (struct app_status){
        .name = app->name,
        .state = readiness_word(app->state, &app->health, app->config_error != NULL,
                                looping, app->next != NULL),
        .ready = app_ready(app),
        .worker = worker != NULL ? worker->name : app->name,
        .outdated = app->state == APP_SERVING && app->next == NULL && worker != NULL &&
                    worker->retired,
        .process = { .pid = worker != NULL && worker->child != NULL ? worker->child->pid : 0,
                     .looping = looping,
                     .last_end = troubled != NULL ? troubled->last_end : NULL },
        .connections = app_connections(app),
        .available = app->health.available,
        .total = app->health.total,
        .panics = app->health.panics,
        .rollback = rollback_word(app),
        .rollout = &app->rollout,
        .config_error = app->config_error,
    };
    if (generation == NULL)
        return;
    status->generation = generation->number;
    status->ports = generation->config.ports;
    status->port_count = generation->config.port_count;
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
