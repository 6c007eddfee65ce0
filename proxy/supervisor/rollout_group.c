#include "proxy/supervisor/rollout_group.h"

#include <stdlib.h>

#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/supervisor.h"

bool
rollout_group_frees(const struct app *app, const struct address *address)
{
    const struct app_generation *after = app->wanted != NULL ? app->wanted : app->next;

    if (after == NULL)
        return app->removed;
    return !generation_has_port(after, address);
}

/* ---- disjoint sets ---- */

static struct app *
root(struct app *app)
{
    while (app->group != app) {
        app->group = app->group->group;
        app = app->group;
    }
    return app;
}

/* Who has a port that this app is to get, and is about to give it up? */
static void
join_holders(struct app *app)
{
    const struct app_generation *wanted = app->wanted;

    for (uint32_t i = 0; wanted != NULL && i < wanted->config.port_count; i++) {
        const struct listen_port *port = listeners_overlap(
            &app->supervisor->listeners, &wanted->config.ports[i].address);
        struct app *holder = port == NULL ? NULL : (struct app *)port->holder;

        if (holder != NULL && holder != app && holder->pending &&
            rollout_group_frees(holder, &port->address))
            root(app)->group = root(holder);
    }
}

static void
form_groups(struct supervisor *supervisor)
{
    struct app *app;

    TAILQ_FOREACH (app, &supervisor->pending, of_pending)
        app->group = app;
    TAILQ_FOREACH (app, &supervisor->pending, of_pending)
        join_holders(app);
}

/* Nothing else is under way with it. One that has not served yet is waited for: what it runs
 * may be the last good one. */
static bool
may_start(const struct app *app)
{
    if (app->rolling != NULL || app->next != NULL)
        return false;
    return app->current == NULL || app->served || app->failure != 0 ||
           app->state == APP_FAILED || app->state == APP_NEW;
}

static bool
group_may_start(struct supervisor *supervisor, struct app *of, size_t *count)
{
    struct app *app;

    *count = 0;
    TAILQ_FOREACH (app, &supervisor->pending, of_pending) {
        if (root(app) != root(of))
            continue;
        if (!may_start(app))
            return false;
        (*count)++;
    }
    return true;
}

/* Most apps stand alone, and thousands may be pending at once. */
static bool
stands_alone(struct supervisor *supervisor, struct app *of)
{
    struct app *app;

    if (root(of) != of)
        return false;
    if (!supervisor->groups_exist)
        return true;
    TAILQ_FOREACH (app, &supervisor->pending, of_pending) {
        if (app != of && root(app) == of)
            return false;
    }
    return true;
}

static bool
take(struct supervisor *supervisor, struct app *of, size_t count, struct app ***members)
{
    struct app **list = calloc(count, sizeof(struct app *));
    struct app *app;
    size_t at = 0;

    if (list == NULL)
        return false;
    if (count == 1) {
        list[0] = of;
    } else {
        TAILQ_FOREACH (app, &supervisor->pending, of_pending) {
            if (root(app) == root(of))
                list[at++] = app;
        }
    }
    *members = list;
    return true;
}

static bool
any_group(struct supervisor *supervisor)
{
    struct app *app;

    TAILQ_FOREACH (app, &supervisor->pending, of_pending) {
        if (app->group != app)
            return true;
    }
    return false;
}

bool
rollout_group_next(struct supervisor *supervisor, struct app ***members, size_t *count)
{
    struct app *app;

    if (TAILQ_EMPTY(&supervisor->pending))
        return false;
    if (!supervisor->groups_formed) {
        form_groups(supervisor);
        supervisor->groups_formed = true;
        supervisor->groups_exist = any_group(supervisor);
    }
    TAILQ_FOREACH (app, &supervisor->pending, of_pending) {
        *count = 1;
        if (stands_alone(supervisor, app) ? !may_start(app)
                                          : !group_may_start(supervisor, app, count))
            continue;
        return take(supervisor, app, *count, members);
    }
    return false;
}
