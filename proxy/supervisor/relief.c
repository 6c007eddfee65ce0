#include "proxy/supervisor/relief.h"

#include <event2/event.h>

#include "base/clock.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/rollout.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/upgrade.h"
#include "proxy/supervisor/worker_link.h"
#include "proxy/supervisor/workers.h"

enum {
    LOOK_MS = 100,          /* a signal to all processes has reached this one, too, until then */
    RETRY_MS = 1000,        /* doubling */
    RETRY_MAX_MS = 30000,
};

static void
look_later(struct supervisor *supervisor)
{
    static const struct timeval wait = { .tv_usec = LOOK_MS * 1000 };

    evtimer_add(supervisor->relief_again, &wait);
}

static bool
serves(const struct worker *worker)
{
    const struct app_generation *generation;

    LIST_FOREACH(generation, &worker->generations, of_worker) {
        if (!generation->leaving)
            return true;
    }
    return false;
}

static uint32_t
longest_drain_ms(const struct worker *worker)
{
    const struct app_generation *generation;
    uint32_t longest_ms = 1;

    LIST_FOREACH(generation, &worker->generations, of_worker)
        longest_ms = MAX(longest_ms, generation->config.drain_timeout_ms);
    return longest_ms;
}

/* One that is to stop anyway is told so again: it may have been a signal that told it first. */
void
relief_asked(struct worker *worker)
{
    if (worker->supervisor->shutdown != NULL || worker->ending) {
        worker_link_stop(worker, longest_drain_ms(worker));
        return;
    }
    if (worker->relief.state != RELIEF_NONE && serves(worker))
        return;                     /* that is under way */
    worker->relief = (struct relief){ .state = RELIEF_ASKED, .served = serves(worker),
                                      .retry_ms = RETRY_MS };
    look_later(worker->supervisor);
}

/* ---- one that has old connections only ---- */

static void
end(struct worker *worker)
{
    const struct app *app = worker_only_app(worker);
    uint32_t drain_ms = longest_drain_ms(worker);

    event_write(worker->supervisor, LOG_WARN, app != NULL ? app->name : NULL,
                "worker_told_to_end",
                "worker %s (pid %d), which takes no clients, was told to end (SIGTERM): its last "
                "connections have up to %u ms",
                worker->name, (int)worker->child->pid, drain_ms);
    if (!worker->retired)
        worker_retire(worker);      /* an app that comes gets another one */
    worker_link_stop(worker, drain_ms);
}

/* ---- one that serves ---- */

static void
tell(struct worker *worker)
{
    const struct app *app = worker_only_app(worker);

    event_write(worker->supervisor, LOG_WARN, app != NULL ? app->name : NULL,
                "worker_told_to_end",
                "worker %s (pid %d) was told to end (SIGTERM): another one takes over",
                worker->name, (int)worker->child->pid);
}

/* An app of it that can be handed over now; NULL: none. */
static struct app *
next_app(const struct worker *worker)
{
    const struct app_generation *generation;

    LIST_FOREACH(generation, &worker->generations, of_worker) {
        struct app *app = generation->app;

        if (generation == app->current && app->state == APP_SERVING && !app->unsettled &&
            generation->pages_next == NULL && generation->pages_old == NULL)
            return app;
    }
    return NULL;
}

/* Each app that is begun with is unsettled, or has failed and waits for the next look. */
static void
hand_over_all(struct worker *worker)
{
    struct app_generation *generation, *next;

    for (generation = LIST_FIRST(&worker->generations); generation != NULL;
         generation = next) {
        next = LIST_NEXT(generation, of_worker);
        if (!generation->leaving && generation == generation->app->current &&
            !generation->app->unsettled)
            rollout_hand_over(generation->app);
    }
}

static void
hand_over(struct worker *worker, uint64_t now_ms)
{
    const struct app *app = next_app(worker);
    struct relief *relief = &worker->relief;

    relief->look_at_ms = now_ms + LOOK_MS;
    if (app == NULL || !worker->supervisor->first_change_applied)
        return;
    relief->look_at_ms = now_ms + relief->retry_ms;
    relief->retry_ms = MIN(2 * relief->retry_ms, RETRY_MAX_MS);
    if (worker->retired)
        hand_over_all(worker);
    else
        upgrade_replace(worker, app);
}

/* ---- all of them ---- */

static void
look(struct worker *worker, uint64_t now_ms)
{
    struct relief *relief = &worker->relief;
    bool asked = relief->state == RELIEF_ASKED, serving = serves(worker);

    if (worker->ending) {           /* it was told to stop meanwhile */
        *relief = (struct relief){ 0 };
        return;
    }
    if (asked && !serving && !relief->served) {
        *relief = (struct relief){ 0 };
        end(worker);
        return;
    }
    if (asked)
        tell(worker);
    relief->state = serving ? RELIEF_UNDER_WAY : RELIEF_NONE;
    if (serving)
        hand_over(worker, now_ms);
}

struct search {
    uint64_t now_ms;
    struct worker *due;
    bool more;
};

static void
consider(struct worker *worker, void *context)
{
    struct search *search = context;

    if (worker->relief.state == RELIEF_NONE || !worker->there)
        return;
    if (worker->relief.look_at_ms <= search->now_ms)
        search->due = worker;
    else
        search->more = true;
}

/* One by one, and from the beginning each time: what is begun may end workers. */
void
relief_look(struct supervisor *supervisor)
{
    struct search search = { .now_ms = clock_monotonic_ms() };

    do {
        search.due = NULL;
        if (supervisor->shutdown != NULL)
            return;
        workers_each(supervisor, consider, &search);
        if (search.due != NULL)
            look(search.due, search.now_ms);
    } while (search.due != NULL);
    if (search.more)
        look_later(supervisor);
}
