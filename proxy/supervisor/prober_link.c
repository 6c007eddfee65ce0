#include "proxy/supervisor/prober_link.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/rollout.h"
#include "proxy/supervisor/shutdown.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/worker_link.h"

static int
send_app(struct app *app, enum control_type type, const struct pages *pages, const int *fds,
         size_t fd_count)
{
    struct control_message message;

    control_app_message(&message, type, app->name, app->current->number);
    message.body.app.board_number = pages->number;
    return child_send(app->supervisor->prober, &message, fds, fd_count);
}

static void
send_board(struct app *app, const struct pages *pages)
{
    const int fds[] = { pages->board_fd, pages->traffic_reader_fd };

    send_app(app, CONTROL_APP_BOARD, pages, fds, ARRAY_SIZE(fds));
}

void
prober_link_load(struct app *app)
{
    const struct pages *pages = app->current->pages;
    int fds[3];

    if (app->supervisor->prober == NULL)
        return;                     /* it gets all apps when it starts */
    fds[0] = generation_text_fd(app->current);
    fds[1] = pages->board_fd;
    fds[2] = pages->traffic_reader_fd;
    if (fds[0] < 0)
        rollout_prober_refused(app, strerror(-fds[0]));
    else
        send_app(app, CONTROL_APP_LOAD, pages, fds, ARRAY_SIZE(fds));
}

void
prober_link_unload(struct app *app)
{
    if (app->supervisor->prober != NULL && app->current->pages != NULL)
        send_app(app, CONTROL_APP_UNLOAD, app->current->pages, NULL, 0);
}

/* ---- larger boards ---- */

void
prober_link_grow(struct app *app)
{
    struct app_generation *generation = app->current;
    uint32_t slots;
    int rc;

    if (app->grow_to == 0 || generation->pages == NULL || generation->pages_next != NULL ||
        generation->pages_old != NULL || app->supervisor->prober == NULL)
        return;
    slots = generation_slots_grown(&generation->config, generation->pages->slots, app->grow_to);
    app->grow_to = 0;
    if (slots == 0) {
        log_warn(app->name, "%u endpoints are the most it may have (endpoints_max): more are "
                            "not used", generation->pages->slots);
        return;
    }
    rc = pages_create(app->supervisor->runtime_fd, generation, ++app->pages_last, slots,
                      &generation->pages_next);
    if (rc < 0) {
        log_error(app->name, "no larger board can be made in %s: %s",
                  app->supervisor->runtime_dir, strerror(-rc));
        return;
    }
    log_info(app->name, "its board grows from %u to %u endpoints", generation->pages->slots,
             slots);
    send_board(app, generation->pages_next);
}

void
prober_link_traffic(struct app *app)
{
    const struct app_generation *generation = app->current;

    /* One that fills a larger board reads that one's page, which no worker had yet. */
    if (app->supervisor->prober != NULL && generation->pages_next == NULL)
        send_board(app, generation->pages);
}

/* The prober uses the larger board: now the worker gets it. */
static void
on_board_filled(struct app *app)
{
    struct app_generation *generation = app->current;

    assert(generation->pages_old == NULL);
    generation->pages_old = generation->pages;
    generation->pages = generation->pages_next;
    generation->pages_next = NULL;
    switch (app->state) {
    case APP_WAITING:
    case APP_SERVING:
        worker_link_send_board(app);
        break;
    case APP_LOADING:
        break;                      /* it gets the new one as soon as it has loaded */
    default:                        /* no worker has the old one */
        pages_destroy(app->supervisor->runtime_fd, generation->pages_old);
        generation->pages_old = NULL;
    }
}

/* ---- what it says ---- */

static void
on_loaded(struct app *app, const struct control_app *answer)
{
    const struct pages *next = app->current->pages_next;

    if (answer->result < 0)
        rollout_prober_refused(app, answer->detail[0] != '\0' ? answer->detail
                                                              : strerror(-answer->result));
    else if (next != NULL && answer->board_number == next->number)
        on_board_filled(app);
}

static void
on_health(struct app *app, const struct control_health *health)
{
    bool was_panic = app->health.panic != 0;

    app->health = *health;
    /* The prober logs it; the row is ours to write. */
    if (health->panic != 0 && !was_panic)
        event_store(app->supervisor, LOG_WARN, app->name, "panic_begin",
                    "no endpoint is available: every one is tried (panic = \"all\")");
    else if (health->panic == 0 && was_panic)
        event_store(app->supervisor, LOG_INFO, app->name, "panic_end",
                    "an endpoint is available again");
    rollout_health(app);
}

/* The app a message is about, when it is about the present generation. */
static struct app *
subject(struct supervisor *supervisor, const char *name, uint32_t generation)
{
    struct app *app = app_find(supervisor, name);

    if (app == NULL || app->current == NULL || app->current->pages == NULL ||
        app->current->number != generation)
        return NULL;
    return app;
}

static void
on_message(void *context, const struct control_message *message)
{
    struct supervisor *supervisor = context;
    const struct control_app *about = &message->body.app;
    const struct control_health *health = &message->body.health;
    struct app *app;

    switch (message->type) {
    case CONTROL_HELLO:
        log_debug(NULL, "prober %d (%s) is there", message->body.hello.pid,
                  message->body.hello.version);
        break;
    case CONTROL_RECORD:
        store_write_record(supervisor->store, &message->body.record);
        break;
    case CONTROL_APP_HEALTH:
        app = subject(supervisor, health->app, health->generation);
        if (app != NULL)
            on_health(app, health);
        break;
    case CONTROL_APP_LOADED:
        app = subject(supervisor, about->app, about->generation);
        if (app != NULL)
            on_loaded(app, about);
        break;
    case CONTROL_APP_GROW:
        app = subject(supervisor, about->app, about->generation);
        if (app != NULL) {
            app->grow_to = about->count;
            prober_link_grow(app);
        }
        break;
    default:
        break;
    }
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

static void
on_ended(void *context, const struct child_end *end)
{
    struct supervisor *supervisor = context;
    int pid = (int)supervisor->prober->pid;
    uint64_t started_at_ms = supervisor->prober->started_at_ms;
    char text[64];
    uint32_t delay_ms;

    supervisor->prober = NULL;
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
    delay_ms = restart_delay(&supervisor->prober_restart, started_at_ms, clock_monotonic_ms());
    event_write(supervisor, LOG_ERROR, NULL, "prober_ended",
                "the prober (pid %d) ended with %s; another starts in %u ms", pid,
                child_end_text(end, text, sizeof text), delay_ms);
    store_write_crash(supervisor->store, clock_wall_ms(), "prober", "", pid, end->signal,
                      end->exit_code, delay_ms);
    restart_later(supervisor, delay_ms);
}

static void
send_start(struct supervisor *supervisor)
{
    struct control_message message = { .magic = CONTROL_MAGIC, .type = CONTROL_SETTINGS };

    child_send(supervisor->prober, &message, &supervisor->settings_fd, 1);
    message.type = CONTROL_SEED;
    if (supervisor->seed_fd >= 0)
        child_send(supervisor->prober, &message, &supervisor->seed_fd, 1);
    for (struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        if (app->current != NULL && app->current->pages != NULL)
            prober_link_load(app);
    }
}

void
prober_link_start(struct supervisor *supervisor)
{
    int rc;

    assert(supervisor->prober == NULL);
    rc = child_start(supervisor->base, supervisor->runtime_fd, CONTROL_PROBER, "prober",
                     on_message, on_ended, supervisor, &supervisor->prober);
    if (rc == 0) {
        send_start(supervisor);
        return;
    }
    log_error(NULL, "no prober can be started: %s", strerror(-rc));
    restart_later(supervisor, restart_delay(&supervisor->prober_restart, clock_monotonic_ms(),
                                            clock_monotonic_ms()));
}

void
prober_link_stop(struct supervisor *supervisor)
{
    const struct control_message message = { .magic = CONTROL_MAGIC, .type = CONTROL_STOP };

    if (child_send(supervisor->prober, &message, NULL, 0) < 0)
        child_signal(supervisor->prober, SIGTERM);
}
