#include "proxy/supervisor/follow.h"

#include <string.h>

#include "proxy/supervisor/acquire.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/children.h"
#include "proxy/supervisor/leaving.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/worker_link.h"

/* Its worker keeps it, serves the app no more, and does not know yet what is configured now. */
static bool
is_behind(const struct app_generation *generation, const struct app_generation *current)
{
    const struct worker *worker = generation->worker;

    return generation->stays && generation->number != current->number &&
           generation->followed_by != current->number && worker != current->worker &&
           worker->there && !worker->ending && child_speaks(worker->child);
}

static void
follow_in(struct app *app, struct worker *worker)
{
    struct app_generation *follower = generation_clone(app->current), *leaving;
    char why[APP_REASON_BYTES] = "no memory";

    LIST_FOREACH(leaving, &app->leaving, of_app) {
        if (leaving->worker == worker)
            leaving->followed_by = app->current->number;
    }
    if (follower == NULL || acquire_shared_pages(follower, app->current, worker, why) < 0) {
        log_error(app->name, "worker %s (pid %d) is not told of generation %u: %s; connections "
                  "that it keeps have the time of the hand-over", worker->name,
                  (int)worker->child->pid, app->current->number, why);
        if (follower != NULL)
            generation_destroy(follower);
        return;
    }
    leaving_begin(follower);
    follower->stays = true;
    worker_link_queue(follower);
    app->supervisor->followers_queued = true;
}

void
follow_current(struct app *app)
{
    struct app_generation *leaving;

    if (app->current == NULL || app->current->pages == NULL)
        return;
    LIST_FOREACH(leaving, &app->leaving, of_app) {      /* followers are put in before it */
        if (is_behind(leaving, app->current))
            follow_in(app, leaving->worker);
    }
}

static void
send_to(struct worker *worker, void *context)
{
    worker_link_drained(worker);
}

void
follow_send(struct supervisor *supervisor)
{
    if (!supervisor->followers_queued)
        return;
    supervisor->followers_queued = false;
    workers_each(supervisor, send_to, NULL);
}
