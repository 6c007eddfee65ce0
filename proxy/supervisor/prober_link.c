#include "proxy/supervisor/prober_link.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/control.h"
#include "proxy/supervisor/admin_overrides.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/overrides.h"
#include "proxy/supervisor/rollout.h"
#include "proxy/supervisor/serve.h"
#include "proxy/supervisor/shutdown.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/text.h"
#include "proxy/supervisor/upgrade.h"
#include "proxy/supervisor/worker_link.h"

enum { PROBER_STOP_MS = 5000 };     /* for one that is not pinged to end */

static int
send_about(const struct app_generation *generation, enum control_type type,
           const struct pages *pages, const int *fds, size_t fd_count)
{
    struct control_message message;

    control_app_message(&message, type, generation->app->name, generation->number);
    message.body.app.board_number = pages->board->number;
    return child_send(generation->app->supervisor->prober, &message, fds, fd_count);
}

static void
close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
}

static int
send_board(const struct app_generation *generation, const struct pages *pages)
{
    int runtime_fd = generation->app->supervisor->runtime_fd;
    const int fds[] = { pages_open_board(runtime_fd, pages, true),
                        pages_open_traffic(runtime_fd, pages, false) };
    int rc = MIN(MIN(fds[0], fds[1]), 0);

    if (rc == 0)
        rc = send_about(generation, CONTROL_APP_BOARD, pages, fds, ARRAY_SIZE(fds));
    else
        log_error(generation->app->name, "its board cannot be opened again: %s",
                  strerror(-rc));
    close_all(fds, ARRAY_SIZE(fds));
    return rc;
}

/* Before the app itself: what is drained must not be published for a moment. */
static int
send_overrides(const struct app *app)
{
    size_t count;

    overrides_of(app->supervisor, app->name, &count);
    if (count == 0 && !app->supervisor->prober_adopted)
        return 0;                   /* an adopted one may have some that are over */
    return overrides_send(app->supervisor, app->name, 0);
}

static int
send_load(struct app_generation *generation)
{
    int runtime_fd = generation->app->supervisor->runtime_fd;
    int rc;
    const int fds[] = { generation_text_fd(generation),
                        pages_open_board(runtime_fd, generation->pages, true),
                        pages_open_traffic(runtime_fd, generation->pages, false) };

    rc = MIN(MIN(fds[0], MIN(fds[1], fds[2])), 0);
    if (rc == 0)
        rc = send_overrides(generation->app);
    if (rc == 0)
        rc = send_about(generation, CONTROL_APP_LOAD, generation->pages, fds, ARRAY_SIZE(fds));
    else
        log_error(generation->app->name, "cannot be given to the prober: %s; it is tried again",
                  strerror(-rc));
    if (fds[0] >= 0)
        generation_leave_text_fd(generation, fds[0], generation->load == LOAD_NONE);
    close_all(fds + 1, 2);
    return rc;
}

void
prober_link_forget(struct app_generation *generation)
{
    if (!generation->for_prober)
        return;
    generation->for_prober = false;
    TAILQ_REMOVE(&generation->app->supervisor->to_prober, generation, to_prober);
}

static void
queue_load(struct app_generation *generation)
{
    generation->for_prober = true;
    TAILQ_INSERT_TAIL(&generation->app->supervisor->to_prober, generation, to_prober);
}

/* As many as it takes now: what would be queued holds its descriptors. */
static void
send_waiting(struct supervisor *supervisor)
{
    static const struct timeval soon = { .tv_sec = 1 };
    struct app_generation *generation;

    while (supervisor->prober_there && child_takes(supervisor->prober) &&
           (generation = TAILQ_FIRST(&supervisor->to_prober)) != NULL) {
        prober_link_forget(generation);
        if (send_load(generation) < 0 && supervisor->prober_there) {
            queue_load(generation);     /* no descriptor: not for long */
            evtimer_add(supervisor->prober_again, &soon);
            return;
        }
    }
}

static void
on_drained(void *context)
{
    send_waiting(context);
}

void
prober_link_load(struct app_generation *generation)
{
    struct supervisor *supervisor = generation->app->supervisor;

    if (supervisor->prober == NULL || !supervisor->prober_there || generation->for_prober)
        return;                     /* it gets all apps when it is there */
    queue_load(generation);
    send_waiting(supervisor);
}

void
prober_link_again(struct supervisor *supervisor)
{
    send_waiting(supervisor);
}

void
prober_link_unload_number(struct supervisor *supervisor, const char *app, uint32_t number)
{
    struct control_message message;

    if (supervisor->prober == NULL)
        return;
    control_app_message(&message, CONTROL_APP_UNLOAD, app, number);
    child_send(supervisor->prober, &message, NULL, 0);
}

void
prober_link_unload(struct app_generation *generation)
{
    if (generation->for_prober)
        prober_link_forget(generation);     /* it never had it */
    else if (generation->pages != NULL)
        prober_link_unload_number(generation->app->supervisor, generation->app->name,
                                  generation->number);
}

/* ---- larger boards ---- */

void
prober_link_grow(struct app *app)
{
    struct app_generation *generation = app->current;
    struct pages_owner owner;
    uint32_t slots;
    int rc;

    if (app->grow_to == 0 || generation == NULL || generation->pages == NULL ||
        generation->pages_next != NULL || generation->pages_old != NULL || app->next != NULL ||
        app->supervisor->prober == NULL ||
        (generation->worker->child != NULL && !child_speaks(generation->worker->child)))
        return;
    slots = generation_slots_grown(&generation->config, generation->pages->board->slots,
                                   app->grow_to);
    app->grow_to = 0;
    if (slots == 0) {
        log_warn(app->name, "%u endpoints are the most it may have (endpoints_max): more are "
                            "not used", generation->pages->board->slots);
        return;
    }
    owner = generation_pages_owner(generation);
    rc = pages_create(&owner, generation->number, slots, generation->worker->threads,
                      &generation->pages_next);
    if (rc < 0) {
        log_error(app->name, "no larger board can be made in %s: %s",
                  app->supervisor->runtime_dir, strerror(-rc));
        return;
    }
    log_info(app->name, "its board grows from %u to %u endpoints",
             generation->pages->board->slots, slots);
    if (send_board(generation, generation->pages_next) == 0)
        return;
    pages_destroy(app->supervisor->runtime_fd, generation->pages_next);
    generation->pages_next = NULL;
}

void
prober_link_traffic(struct app_generation *generation)
{
    /* One that fills a larger board reads that one's page, which no worker had yet. */
    if (generation->app->supervisor->prober_there && generation->pages_next == NULL &&
        !generation->for_prober)
        send_board(generation, generation->pages);
}

/* The prober uses the larger board: now the worker gets it. */
static void
on_board_filled(struct app_generation *generation)
{
    assert(generation->pages_old == NULL);
    generation->pages_old = generation->pages;
    generation->pages = generation->pages_next;
    generation->pages_next = NULL;
    switch (generation->load) {
    case LOAD_DONE:
    case LOAD_ACCEPTING:
        worker_link_board(generation);
        break;
    case LOAD_SENT:
        break;                      /* it gets the new one as soon as it has loaded */
    case LOAD_NONE:                 /* no worker has the old one */
        pages_destroy(generation->app->supervisor->runtime_fd, generation->pages_old);
        generation->pages_old = NULL;
    }
}

/* ---- what it says ---- */

static void
on_loaded(struct app_generation *generation, const struct control_app *answer)
{
    const struct pages *next = generation->pages_next;

    if (answer->result < 0)
        serve_prober_refused(generation, answer->detail[0] != '\0'
                                             ? answer->detail
                                             : strerror(-answer->result));
    else if (next != NULL && answer->board_number == next->board->number)
        on_board_filled(generation);
}

/* The prober logs it; the row is ours to write. */
static void
tell_panic(struct app *app, const struct control_health *health)
{
    bool was_panic = app->health.panic != 0;

    if (health->panic != 0 && !was_panic)
        event_store(app->supervisor, LOG_WARN, app->name, "panic_begin",
                    health->panic == CONTROL_PANIC_LAST_GOOD
                        ? "no endpoint is available: every one is tried, those first that "
                          "worked within panic_hold (panic = \"all\")"
                        : "no endpoint is available: every one is tried (panic = \"all\")");
    else if (health->panic == 0 && was_panic)
        event_store(app->supervisor, LOG_INFO, app->name, "panic_end",
                    health->eligible > 0 ? "an endpoint is available again"
                                         : "no endpoint is left that may be tried");
}

/* Nothing may be tried: panic = "fail", or operators took all out. */
static bool
is_out(const struct control_health *health)
{
    return health->total > 0 && health->eligible == 0 && health->panic == 0;
}

static void
tell_outage(struct app *app, const struct control_health *health)
{
    if (is_out(health) && !is_out(&app->health))
        event_store(app->supervisor, LOG_WARN, app->name, "unavailable_begin",
                    "no endpoint may be tried: clients are reset at once");
    else if (!is_out(health) && is_out(&app->health))
        event_store(app->supervisor, LOG_INFO, app->name, "unavailable_end",
                    "clients are served again, or may be");
}

static void
on_health(struct supervisor *supervisor, const struct control_health *health)
{
    struct app *app = app_find(supervisor, health->app);

    if (app == NULL)
        return;
    if (app->current != NULL && app->current->number == health->generation) {
        tell_panic(app, health);
        tell_outage(app, health);
        app->health = *health;
        serve_health(app);
    } else if (app->next != NULL && app->next->number == health->generation) {
        app->next_health = *health;
    }
    rollout_advance(app);
}

/* The generation a message is about; NULL: one that is no longer there. */
static struct app_generation *
subject(struct supervisor *supervisor, const struct control_app *about)
{
    struct app *app = app_find(supervisor, about->app);

    if (app == NULL)
        return NULL;
    if (app->current != NULL && app->current->pages != NULL &&
        app->current->number == about->generation)
        return app->current;
    if (app->next != NULL && app->next->pages != NULL && app->next->number == about->generation)
        return app->next;
    return NULL;
}

/* Between two looks whether its own rollout is over. */
static const struct timeval unresponsive_wait = { .tv_usec = 250 * 1000 };

/* A worker that answers us but not its clients: another one takes over, as in an upgrade, but
 * whatever other apps are about. */
static void
on_unresponsive(struct app_generation *generation, const struct control_app *told)
{
    struct supervisor *supervisor = generation->app->supervisor;
    struct worker *worker = generation->worker;

    if (worker == NULL || worker->child == NULL || !worker->there ||
        generation->load != LOAD_ACCEPTING || supervisor->shutdown != NULL)
        return;
    /* What failed before this process began was another one's. */
    if (clock_monotonic_ms() < worker->child->started_at_ms + told->count)
        return;
    if (worker->retired) {              /* the last hand-over failed: it is tried again */
        supervisor->workers_unsettled = true;
        return;
    }
    event_write(supervisor, LOG_ERROR, generation->app->name, "unresponsive",
                "its port does not serve clients though a target is available (%s): a new worker "
                "takes over from worker %s (pid %d)", told->detail, worker->name,
                (int)worker->child->pid);
    if (upgrade_replace(worker, generation->app))
        return;
    generation->app->unresponsive = worker->child->pid;
    evtimer_add(supervisor->unresponsive_again, &unresponsive_wait);
}

/* Is it over? False: it is to be looked at again. */
static bool
replace_unresponsive(struct app *app)
{
    struct worker *worker = app->current != NULL ? app->current->worker : NULL;

    return worker == NULL || worker->child == NULL || worker->child->pid != app->unresponsive ||
           worker->retired || upgrade_replace(worker, app);
}

void
prober_link_unresponsive(struct supervisor *supervisor)
{
    struct app *app;

    for (app = supervisor->apps; app != NULL; app = app->hh.next) {
        if (app->unresponsive == 0 || supervisor->shutdown != NULL)
            continue;
        if (replace_unresponsive(app))
            app->unresponsive = 0;
        else
            evtimer_add(supervisor->unresponsive_again, &unresponsive_wait);
    }
}

void
prober_link_message(struct supervisor *supervisor, const struct control_message *message)
{
    struct app_generation *generation;

    switch (message->type) {
    case CONTROL_RECORD:
        store_write_record(supervisor->store, &message->body.record);
        break;
    case CONTROL_APP_HEALTH:
        on_health(supervisor, &message->body.health);
        break;
    case CONTROL_APP_LOADED:
        generation = subject(supervisor, &message->body.app);
        if (generation != NULL)
            on_loaded(generation, &message->body.app);
        break;
    case CONTROL_APP_OVERRIDES:
    case CONTROL_APP_OVERRIDES_MORE:
        admin_override_obeyed(supervisor, message->body.app.count, message->body.app.result);
        break;
    case CONTROL_APP_GROW:
        generation = subject(supervisor, &message->body.app);
        if (generation != NULL && generation == generation->app->current) {
            generation->app->grow_to = message->body.app.count;
            prober_link_grow(generation->app);
        }
        break;
    case CONTROL_APP_UNRESPONSIVE:
        generation = subject(supervisor, &message->body.app);
        if (generation != NULL && generation == generation->app->current)
            on_unresponsive(generation, &message->body.app);
        break;
    default:
        break;
    }
}

static void
on_message(void *context, const struct control_message *message, const int *fds,
           size_t fd_count)
{
    struct supervisor *supervisor = context;

    close_all(fds, fd_count);       /* only a report brings some: adopt.c takes those */
    if (message->type == CONTROL_REPORT_END && !supervisor->prober_there) {
        supervisor->prober_there = true;
        prober_link_greet(supervisor);
        upgrade_continue(supervisor);
        return;
    }
    prober_link_message(supervisor, message);
}

/* ---- its life ---- */

static void
restart_later(struct supervisor *supervisor, uint32_t delay_ms)
{
    const struct timeval wait = {
        .tv_sec = (time_t)(delay_ms / 1000),
        .tv_usec = (suseconds_t)(delay_ms % 1000) * 1000,
    };

    evtimer_add(supervisor->prober_timer, &wait);
}

/* How long to wait for the next start, and an event if that was one end too many. */
static uint32_t
count_end(struct supervisor *supervisor, uint64_t started_at_ms, const char *how)
{
    uint64_t now_ms = clock_monotonic_ms();
    bool was_looping = restart_looping(&supervisor->prober_restart, now_ms);
    uint32_t delay_ms = restart_delay(&supervisor->prober_restart, started_at_ms, now_ms);

    text_copy(supervisor->prober_last_end, sizeof supervisor->prober_last_end, how);
    if (!was_looping && restart_looping(&supervisor->prober_restart, now_ms))
        event_write(supervisor, LOG_ERROR, NULL, "crash_loop",
                    "the prober keeps ending: %d times within a minute, now with %s; it is started "
                    "again, later each time, and availability stays as it was last known",
                    RESTART_LOOP_ENDS, how);
    return delay_ms;
}

static void
on_ended(void *context, const struct child_end *end)
{
    struct supervisor *supervisor = context;
    int pid = (int)supervisor->prober->pid;
    uint64_t started_at_ms = supervisor->prober->started_at_ms;
    char text[PROCESS_END_BYTES];
    uint32_t delay_ms;

    supervisor->prober = NULL;
    supervisor->prober_there = supervisor->prober_outdated = false;
    while (!TAILQ_EMPTY(&supervisor->to_prober))
        prober_link_forget(TAILQ_FIRST(&supervisor->to_prober));
    for (struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        app->grow_to = 0;           /* the next one asks again */
        if (app->current == NULL)
            continue;
        pages_destroy(supervisor->runtime_fd, app->current->pages_next);
        app->current->pages_next = NULL;
    }
    if (supervisor->shutdown != NULL) {
        shutdown_continue(supervisor);
        return;
    }
    if (supervisor->prober_replaced) {
        supervisor->prober_replaced = false;
        restart_later(supervisor, 0);
        return;
    }
    delay_ms = count_end(supervisor, started_at_ms, child_end_text(end, text, sizeof text));
    event_write(supervisor, LOG_ERROR, NULL, "prober_ended",
                "the prober (pid %d) ended with %s; another starts in %u ms", pid,
                text, delay_ms);
    store_write_crash(supervisor->store, clock_wall_ms(), "prober", "", pid, end->signal,
                      end->exit_code, delay_ms);
    restart_later(supervisor, delay_ms);
}

void
prober_link_settings(struct supervisor *supervisor)
{
    const struct control_message message = { .magic = CONTROL_MAGIC,
                                             .type = CONTROL_SETTINGS };

    if (supervisor->prober != NULL)
        child_send(supervisor->prober, &message, &supervisor->settings_fd, 1);
}

void
prober_link_greet(struct supervisor *supervisor)
{
    const struct control_message seed = { .magic = CONTROL_MAGIC, .type = CONTROL_SEED };

    prober_link_settings(supervisor);
    if (supervisor->seed_fd >= 0)
        child_send(supervisor->prober, &seed, &supervisor->seed_fd, 1);
    for (struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        if (app->current != NULL && app->current->pages != NULL)
            prober_link_load(app->current);
        if (app->next != NULL && app->next->pages != NULL &&
            (app->current == NULL || app->current->number != app->next->number))
            prober_link_load(app->next);
    }
}

void
prober_link_start(struct supervisor *supervisor)
{
    uint64_t now_ms = clock_monotonic_ms();
    int rc;

    if (supervisor->prober != NULL || supervisor->shutdown != NULL)
        return;
    rc = child_start(supervisor->base, supervisor->runtime_fd, CONTROL_PROBER, "prober",
                     on_message, on_ended, supervisor, &supervisor->prober);
    if (rc == 0) {
        supervisor->prober->on_drained = on_drained;
        supervisor->prober_adopted = false;
        return;
    }
    log_error(NULL, "no prober can be started: %s", strerror(-rc));
    restart_later(supervisor, count_end(supervisor, now_ms, strerror(-rc)));
}

void
prober_link_adopt(struct supervisor *supervisor, struct child *prober)
{
    supervisor->prober = prober;
    supervisor->prober_there = supervisor->prober_adopted = true;
    prober->on_message = on_message;
    prober->on_ended = on_ended;
    prober->on_drained = on_drained;
    prober->context = supervisor;
}

void
prober_link_succeed(struct supervisor *supervisor)
{
    supervisor->prober_there = false;
    supervisor->prober_replaced = true;
    prober_link_stop(supervisor);
    child_end_within(supervisor->prober, PROBER_STOP_MS);
}

int
prober_link_report(struct supervisor *supervisor, const struct control_target_report *report)
{
    const struct control_message message = { .magic = CONTROL_MAGIC,
                                             .type = CONTROL_TARGET_REPORT,
                                             .body.report = *report };

    if (supervisor->prober == NULL || !supervisor->prober_there)
        return -EAGAIN;
    return child_send(supervisor->prober, &message, NULL, 0);
}

void
prober_link_stop(struct supervisor *supervisor)
{
    const struct control_message message = { .magic = CONTROL_MAGIC, .type = CONTROL_STOP };

    if (child_send(supervisor->prober, &message, NULL, 0) < 0)
        child_signal(supervisor->prober, SIGTERM);
}
