#include "proxy/supervisor/workers.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/leaving.h"
#include "proxy/supervisor/serve.h"
#include "proxy/supervisor/shutdown.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/text.h"
#include "proxy/supervisor/upgrade.h"
#include "proxy/supervisor/worker_link.h"

enum {
    STARTING_A_CORE = 2,            /* workers at once */
    PING_IDLE_A_WORKER_MS = 60,     /* between pings of one that idles, for each that there is */
    PING_IDLE_MAX_MS = 60000,
    SHARED_GENERATIONS = 8,         /* one with more is not looked through at each turn ... */
    MANY_PORTS = 64,                /* ... nor is one with an app of more ports */
};

static void start(struct worker *worker);
static void started(struct worker *worker);
static void leave_queue(struct worker *worker);

/* ---- which there are ---- */

/* The same app comes to the same worker whatever else is configured. FNV-1a, whose low bits alone
 * would put all names that end alike together. */
static uint32_t
hash_name(const char *name)
{
    uint32_t hash = 2166136261u;

    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    hash = (hash ^ hash >> 16) * 0x7feb352du;
    return hash ^ hash >> 15;
}

void
workers_name(const struct supervisor *supervisor, const struct app_config *config, char *name)
{
    uint32_t pool = supervisor->settings.worker_pool;

    if (config->worker[0] != '\0')
        text_copy(name, APP_NAME_BYTES, config->worker);
    else if (pool > 0)
        snprintf(name, APP_NAME_BYTES, "pool-%u", hash_name(config->name) % pool + 1);
    else
        text_copy(name, APP_NAME_BYTES, config->name);
}

static void
on_timer(evutil_socket_t fd, short what, void *context)
{
    start(context);
}

static struct worker *
create(struct supervisor *supervisor, const char *name)
{
    struct worker *worker = calloc(1, sizeof *worker);

    if (worker == NULL)
        return NULL;
    text_copy(worker->name, sizeof worker->name, name);
    worker->supervisor = supervisor;
    LIST_INIT(&worker->generations);
    TAILQ_INIT(&worker->to_load);
    worker->timer = evtimer_new(supervisor->base, on_timer, worker);
    if (worker->timer == NULL) {
        free(worker);
        return NULL;
    }
    return worker;
}

static uint32_t
threads_of(const struct supervisor *supervisor, const struct app_generation *generation,
           const char *name)
{
    char its[APP_NAME_BYTES];

    if (generation == NULL)
        return 0;
    workers_name(supervisor, &generation->config, its);
    return strcmp(its, name) != 0 ? 0
                                  : supervisor_threads(supervisor, generation->config.threads);
}

uint32_t
workers_threads(const struct supervisor *supervisor, const char *name)
{
    uint32_t most = 0;

    for (const struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        most = MAX(most, threads_of(supervisor, app->current, name));
        most = MAX(most, threads_of(supervisor, app->next, name));
        if (app->current == NULL)
            most = MAX(most, threads_of(supervisor, app->wanted, name));
    }
    return most;
}

/* Without a pool and the key `worker` each app has its own. */
static uint32_t
threads_to_start(struct supervisor *supervisor, const char *name)
{
    const struct app *app = app_find(supervisor, name);
    const struct app_generation *generation;

    if (supervisor->settings.worker_pool > 0 || supervisor->named_workers > 0 || app == NULL)
        return workers_threads(supervisor, name);
    generation = app->current != NULL ? app->current : app->next;
    return generation == NULL ? 0 : supervisor_threads(supervisor, generation->config.threads);
}

/* One that takes orders. What one of another protocol serves is handed over to a new one. */
static struct worker *
find_that_speaks(struct supervisor *supervisor, const char *name)
{
    struct worker *worker;

    HASH_FIND_STR(supervisor->workers, name, worker);
    if (worker == NULL || worker->child == NULL || child_speaks(worker->child))
        return worker;
    worker_retire(worker);
    supervisor->workers_unsettled = true;
    return NULL;
}

struct worker *
workers_get(struct supervisor *supervisor, const char *name)
{
    struct worker *worker = find_that_speaks(supervisor, name);

    if (worker == NULL) {
        worker = create(supervisor, name);
        if (worker == NULL)
            return NULL;
        worker->threads = MAX(threads_to_start(supervisor, name), 1);
        HASH_ADD_STR(supervisor->workers, name, worker);
        start(worker);
    }
    return worker;
}

static void
destroy(struct worker *worker)
{
    assert(LIST_EMPTY(&worker->generations));
    assert(worker->child == NULL);
    if (worker->retired)
        LIST_REMOVE(worker, of_retired);
    else
        HASH_DEL(worker->supervisor->workers, worker);
    leave_queue(worker);
    event_free(worker->timer);
    free(worker);
}

void
worker_retire(struct worker *worker)
{
    struct supervisor *supervisor = worker->supervisor;

    assert(!worker->retired);
    HASH_DEL(supervisor->workers, worker);
    worker->retired = true;
    LIST_INSERT_HEAD(&supervisor->retired, worker, of_retired);
}

void
worker_release(struct worker *worker)
{
    struct supervisor *supervisor = worker->supervisor;

    if (!LIST_EMPTY(&worker->generations) || supervisor->shutdown != NULL ||
        worker == supervisor->worker_ending)
        return;
    if (worker->child == NULL) {
        destroy(worker);
        return;
    }
    if (!worker->retired)
        worker_retire(worker);      /* an app that comes back gets another one */
    if (worker->there && !worker->ending)
        worker_link_stop(worker, 0);
}

void
workers_free(struct supervisor *supervisor)
{
    struct worker *worker, *next;

    HASH_ITER(hh, supervisor->workers, worker, next)
        destroy(worker);
    while ((worker = LIST_FIRST(&supervisor->retired)) != NULL)
        destroy(worker);
}

void
workers_each(struct supervisor *supervisor, workers_visit_fn *visit, void *context)
{
    struct worker *worker, *next;

    HASH_ITER(hh, supervisor->workers, worker, next) {
        if (worker->child != NULL)
            visit(worker, context);
    }
    for (worker = LIST_FIRST(&supervisor->retired); worker != NULL; worker = next) {
        next = LIST_NEXT(worker, of_retired);
        if (worker->child != NULL)
            visit(worker, context);
    }
}

const struct app *
worker_only_app(const struct worker *worker)
{
    const struct app_generation *generation;
    const struct app *app = NULL;

    LIST_FOREACH(generation, &worker->generations, of_worker) {
        if (app != NULL && generation->app != app)
            return NULL;
        app = generation->app;
    }
    return app;
}

/* ---- their lives ---- */

static void
restart_later(struct worker *worker, uint32_t delay_ms)
{
    const struct timeval wait = {
        .tv_sec = (time_t)(delay_ms / 1000),
        .tv_usec = (suseconds_t)(delay_ms % 1000) * 1000,
    };

    evtimer_add(worker->timer, &wait);
}

/* Its apps lose their process; what was leaving has left. */
static void
lose_generations(struct worker *worker, const char *why)
{
    struct app_generation *generation, *next;

    for (generation = LIST_FIRST(&worker->generations); generation != NULL;
         generation = next) {
        bool was_sent = generation->load >= LOAD_SENT;

        next = LIST_NEXT(generation, of_worker);
        worker_link_forget(generation);
        generation->load = LOAD_NONE;
        if (!generation->leaving)
            serve_worker_lost(generation, was_sent, why);
    }
    for (generation = LIST_FIRST(&worker->generations); generation != NULL;
         generation = next) {
        next = LIST_NEXT(generation, of_worker);
        if (generation->leaving)
            leaving_lost(generation);
    }
}

static void
record_crash(struct worker *worker, const struct child_end *end, int pid, uint32_t delay_ms)
{
    struct supervisor *supervisor = worker->supervisor;
    const struct app *app = worker_only_app(worker);

    event_write(supervisor, LOG_ERROR, app != NULL ? app->name : NULL, "worker_ended",
                "worker %s (pid %d) ended with %s; another starts in %u ms", worker->name, pid,
                worker->last_end, delay_ms);
    store_write_crash(supervisor->store, clock_wall_ms(), "worker",
                      app != NULL ? app->name : NULL, pid, end->signal, end->exit_code,
                      delay_ms);
}

/* How long to wait for the next start, and an event if that was one end too many. */
static uint32_t
count_end(struct worker *worker, uint64_t started_at_ms, const char *how)
{
    const struct app *app = worker_only_app(worker);
    uint64_t now_ms = clock_monotonic_ms();
    bool was_looping = restart_looping(&worker->restart, now_ms);
    uint32_t delay_ms = restart_delay(&worker->restart, started_at_ms, now_ms);

    text_copy(worker->last_end, sizeof worker->last_end, how);
    if (!was_looping && restart_looping(&worker->restart, now_ms))
        event_write(worker->supervisor, LOG_ERROR, app != NULL ? app->name : NULL, "crash_loop",
                    "worker %s keeps ending: %d times within a minute, now with %s; it is started "
                    "again, later each time; what it logs before that tells why",
                    worker->name, RESTART_LOOP_ENDS, how);
    return delay_ms;
}

/* One that was told to end, or that is not needed any more. */
static bool
end_is_wanted(struct worker *worker, const struct child_end *end, int pid)
{
    char text[64];
    const struct app_generation *generation;

    LIST_FOREACH(generation, &worker->generations, of_worker) {
        if (!generation->leaving && worker->supervisor->shutdown == NULL)
            return false;           /* it was needed */
    }
    if (!worker->ending && !worker->retired && worker->supervisor->shutdown == NULL)
        return false;
    if (end->exit_code > 0 || end->signal >= 0)
        log_warn(NULL, "worker %s (pid %d) ended with %s", worker->name, pid,
                 child_end_text(end, text, sizeof text));
    return true;
}

static void
on_ended(void *context, const struct child_end *end)
{
    struct worker *worker = context;
    struct supervisor *supervisor = worker->supervisor;
    int pid = (int)worker->child->pid;
    uint64_t started_at_ms = worker->child->started_at_ms;
    bool wanted = end_is_wanted(worker, end, pid);
    char text[64], why[APP_REASON_BYTES];
    uint32_t delay_ms = 0;

    worker->child = NULL;
    worker->there = worker->ending = worker->outdated = false;
    worker->relief = (struct relief){ 0 };
    started(worker);
    if (!wanted) {
        delay_ms = count_end(worker, started_at_ms, child_end_text(end, text, sizeof text));
        record_crash(worker, end, pid, delay_ms);
        restart_later(worker, delay_ms);
    }
    snprintf(why, sizeof why, "the worker ended before it served: %s",
             child_end_text(end, text, sizeof text));
    supervisor->worker_ending = worker;         /* not freed under our hands */
    lose_generations(worker, why);
    supervisor->worker_ending = NULL;
    if (LIST_EMPTY(&worker->generations))
        destroy(worker);
    if (supervisor->shutdown != NULL)
        shutdown_continue(supervisor);
    upgrade_continue(supervisor);
}

static void
on_message(void *context, const struct control_message *message, const int *fds,
           size_t fd_count)
{
    struct worker *worker = context;

    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);              /* only a report brings some: adopt.c takes those */
    if (message->type == CONTROL_REPORT_END && !worker->there) {
        worker->there = true;
        started(worker);
        if (worker->supervisor->shutdown != NULL)
            return;                 /* it has been told to stop */
        log_debug(NULL, "worker %s (pid %d) is there", worker->name, (int)worker->child->pid);
        worker_link_greet(worker);
        if (LIST_EMPTY(&worker->generations))
            worker_release(worker);
        return;
    }
    worker_link_message(worker, message);
}

static void
on_drained(void *context)
{
    worker_link_drained(context);
}

/* It has clients, or some that it has not accepted, or a rollout waits for it. */
static bool
has_clients(const struct worker *worker)
{
    const struct app_generation *generation;
    uint32_t count = 0;

    LIST_FOREACH(generation, &worker->generations, of_worker) {
        if (++count > SHARED_GENERATIONS || generation->load == LOAD_SENT ||
            generation->config.port_count > MANY_PORTS ||
            pages_connections(generation->pages) > 0)
            return true;
        for (uint32_t i = 0; generation->ports != NULL && i < generation->config.port_count;
             i++) {
            if (listen_port_waits(generation->ports[i]))
                return true;
        }
    }
    return false;
}

static bool
ping_due(void *context, uint64_t since_ms)
{
    const struct worker *worker = context;
    uint64_t idle_ms = (uint64_t)HASH_COUNT(worker->supervisor->workers) *
                       PING_IDLE_A_WORKER_MS;

    return since_ms >= MIN(idle_ms, PING_IDLE_MAX_MS) || has_clients(worker);
}

static void
spawn(struct worker *worker)
{
    struct supervisor *supervisor = worker->supervisor;
    uint64_t now_ms = clock_monotonic_ms();
    char why[APP_REASON_BYTES];
    int rc;

    worker->threads = MAX(threads_to_start(supervisor, worker->name), 1);
    rc = child_start(supervisor->base, supervisor->runtime_fd, CONTROL_WORKER,
                         worker->name, on_message, on_ended, worker, &worker->child);

    if (rc == 0) {
        worker->child->on_drained = on_drained;
        worker->child->ping_due = ping_due;
        worker->starting = true;
        supervisor->workers_starting++;
        return;
    }
    snprintf(why, sizeof why, "worker %s cannot be started: %s", worker->name, strerror(-rc));
    log_error(NULL, "%s", why);
    restart_later(worker, count_end(worker, now_ms, strerror(-rc)));
    lose_generations(worker, why);
}

static void
start(struct worker *worker)
{
    struct supervisor *supervisor = worker->supervisor;

    assert(worker->child == NULL);
    if (supervisor->shutdown != NULL || worker->queued)
        return;
    if (supervisor->workers_starting < STARTING_A_CORE * supervisor->cores) {
        spawn(worker);
        return;
    }
    worker->queued = true;
    TAILQ_INSERT_TAIL(&supervisor->start_queue, worker, of_queue);
}

static void
leave_queue(struct worker *worker)
{
    if (!worker->queued)
        return;
    worker->queued = false;
    TAILQ_REMOVE(&worker->supervisor->start_queue, worker, of_queue);
}

/* It is there, or has ended before: another one may start. */
static void
started(struct worker *worker)
{
    struct supervisor *supervisor = worker->supervisor;
    struct worker *next = TAILQ_FIRST(&supervisor->start_queue);

    if (!worker->starting)
        return;
    worker->starting = false;
    supervisor->workers_starting--;
    if (next == NULL)
        return;
    leave_queue(next);
    start(next);
}

struct worker *
workers_adopt(struct supervisor *supervisor, struct child *child, bool retired)
{
    struct worker *worker = create(supervisor, child->name), *same;

    if (worker == NULL)
        return NULL;
    worker->child = child;
    worker->there = true;
    worker->threads = child->threads > 0 ? child->threads : supervisor_threads(supervisor, 0);
    child->on_message = on_message;
    child->on_ended = on_ended;
    child->on_drained = on_drained;
    child->ping_due = ping_due;
    child->context = worker;
    HASH_FIND_STR(supervisor->workers, worker->name, same);
    if (same != NULL) {             /* a hand-over between the two was not finished */
        worker->retired = true;
        LIST_INSERT_HEAD(&supervisor->retired, worker, of_retired);
        supervisor->workers_unsettled = true;
        return worker;
    }
    HASH_ADD_STR(supervisor->workers, name, worker);
    if (retired)
        worker_retire(worker);
    return worker;
}
