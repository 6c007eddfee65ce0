#include "proxy/supervisor/pins.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/change.h"
#include "proxy/supervisor/journal.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/text.h"

enum {
    AWAIT_S = 60,               /* a file that changed is not kept from applying for ever */
    AGAIN_S = 1,                /* something was under way with it, or nothing could be asked */
};

/* An app that has to step back from what it runs. */
struct stepping {
    LIST_ENTRY(stepping) link;
    struct pins *pins;
    char app[APP_NAME_BYTES];
    bool asked;
};

struct pins {
    struct supervisor *supervisor;
    bool unknown;
    struct event *awaiting;     /* owned: how long adopted apps wait */
    struct event *again;        /* owned: those that could not step back yet */
    LIST_HEAD(, stepping) stepping;     /* owned */
};

/* ---- apps that wait ---- */

static void
on_awaited(evutil_socket_t fd, short what, void *context)
{
    change_stop_waiting(context);
}

void
pins_await(struct supervisor *supervisor)
{
    static const struct timeval wait = { .tv_sec = AWAIT_S };

    if (!evtimer_pending(supervisor->pins->awaiting, NULL))
        evtimer_add(supervisor->pins->awaiting, &wait);
}

/* ---- stepping back ---- */

static void
drop(struct stepping *stepping)
{
    store_cancel(stepping->pins->supervisor->store, stepping);
    LIST_REMOVE(stepping, link);
    free(stepping);
}

static void
look_again(struct pins *pins)
{
    static const struct timeval wait = { .tv_sec = AGAIN_S };

    evtimer_add(pins->again, &wait);
}

static bool
runs_pinned(const struct app *app)
{
    return app->pin != NULL && app->current != NULL &&
           strcmp(app->current->hash, app->pin) == 0;
}

/* It runs what an operator went back from, or is about to. */
static bool
has_to_step(const struct app *app)
{
    return app != NULL && app->pin != NULL && (app->current == NULL || runs_pinned(app));
}

static void
give_up(struct app *app, const char *why)
{
    event_write(app->supervisor, LOG_WARN, app->name, "rollback_lost",
                "an operator went back from what it runs (generation %u), but it cannot go back "
                "again: %s; it goes on with it",
                app->current->number, why);
    store_forget_override(app->supervisor->store, app->name, "");
    app_set_pin(app, NULL);
    journal_settle(app);
}

static store_config_fn on_previous;

static void
ask(struct stepping *stepping, const struct app *app, uint32_t before_generation)
{
    stepping->asked = store_find_previous(stepping->pins->supervisor->store, app->name,
                                          before_generation, on_previous, stepping) == 0;
    if (!stepping->asked)
        look_again(stepping->pins);
}

/* False: not now. */
static bool
step_back(struct app *app, const struct store_config *config)
{
    char why[DETAIL_BYTES];
    int rc = change_step_back(app, config, why);

    if (rc == -EBUSY)
        return false;
    if (rc < 0)
        give_up(app, why);
    else
        app_set_pin(app, NULL);         /* from now on it is what was refused */
    return true;
}

/* False: it is to be looked at again. */
static bool
take_previous(struct app *app, int rc, const struct store_config *config)
{
    if (rc == 0)
        return step_back(app, config);
    if (rc != -ENOENT)
        return false;
    give_up(app, "no generation before is known to have worked");
    return true;
}

static void
on_previous(void *context, int rc, struct store_config *config)
{
    struct stepping *stepping = context;
    struct app *app = app_find(stepping->pins->supervisor, stepping->app);

    stepping->asked = false;
    if (app == NULL || !runs_pinned(app) || app->supervisor->shutdown != NULL)
        drop(stepping);                 /* its file has changed meanwhile */
    else if (rc == 0 && strcmp(config->hash, app->pin) == 0)
        ask(stepping, app, config->generation);     /* that rollback had not come to its end */
    else if (take_previous(app, rc, config))
        drop(stepping);
    else
        look_again(stepping->pins);
}

static void
on_again(evutil_socket_t fd, short what, void *context)
{
    struct pins *pins = context;
    struct stepping *stepping, *next;

    for (stepping = LIST_FIRST(&pins->stepping); stepping != NULL; stepping = next) {
        struct app *app = app_find(pins->supervisor, stepping->app);

        next = LIST_NEXT(stepping, link);
        if (!has_to_step(app) || pins->supervisor->shutdown != NULL)
            drop(stepping);
        else if (app->current == NULL)
            look_again(pins);
        else if (!stepping->asked)
            ask(stepping, app, app->current->number);
    }
}

void
pins_ask_again(struct supervisor *supervisor)
{
    struct stepping *stepping;

    if (supervisor->pins == NULL)
        return;
    LIST_FOREACH(stepping, &supervisor->pins->stepping, link)
        stepping->asked = false;
    look_again(supervisor->pins);
}

static void
begin_stepping(struct pins *pins, struct app *app)
{
    struct stepping *stepping = calloc(1, sizeof *stepping);

    if (stepping == NULL) {
        log_error(app->name, "no memory to step back");
        return;
    }
    stepping->pins = pins;
    text_copy(stepping->app, sizeof stepping->app, app->name);
    LIST_INSERT_HEAD(&pins->stepping, stepping, link);
    if (app->current != NULL)
        ask(stepping, app, app->current->number);
    else
        look_again(pins);
}

/* ---- what is learned ---- */

static void
learn(struct pins *pins, struct app *app, const char *hash)
{
    if (app->removed || (app->refused.pinned && !app->refused.presumed))
        return;                         /* what was said since is newer */
    app_set_pin(app, hash);
    if (app->pin == NULL || app->config_error != NULL)
        return;                         /* it is compared with what its file says when mended */
    change_pin(app);
    if (has_to_step(app))
        begin_stepping(pins, app);
}

void
pins_take(struct supervisor *supervisor, const struct store_override *rows, size_t count)
{
    struct pins *pins = supervisor->pins;

    if (pins == NULL || supervisor->shutdown != NULL)
        return;
    pins->unknown = false;
    evtimer_del(pins->awaiting);
    supervisor->applying = true;        /* change_stop_waiting() ends it */
    for (size_t i = 0; i < count; i++) {
        struct app *app = app_find(supervisor, rows[i].app);

        if (app != NULL && rows[i].target[0] == '\0' && strcmp(rows[i].action, "rollback") == 0)
            learn(pins, app, rows[i].note);
    }
    for (struct app *app = supervisor->apps; app != NULL; app = app->hh.next)
        journal_settle(app);
    change_stop_waiting(supervisor);
}

bool
pins_unknown(const struct supervisor *supervisor)
{
    return supervisor->pins != NULL && supervisor->pins->unknown;
}

/* ---- its life ---- */

static struct pins *
pins_get(struct supervisor *supervisor)
{
    struct pins *pins = supervisor->pins;

    if (pins != NULL)
        return pins;
    pins = calloc(1, sizeof *pins);
    if (pins == NULL)
        return NULL;
    LIST_INIT(&pins->stepping);
    pins->supervisor = supervisor;
    supervisor->pins = pins;
    pins->awaiting = evtimer_new(supervisor->base, on_awaited, supervisor);
    pins->again = evtimer_new(supervisor->base, on_again, pins);
    if (pins->awaiting == NULL || pins->again == NULL)
        pins_free(supervisor);
    return supervisor->pins;
}

void
pins_begin(struct supervisor *supervisor)
{
    struct pins *pins = pins_get(supervisor);

    if (pins != NULL)
        pins->unknown = true;
}

void
pins_step_back(struct app *app)
{
    struct pins *pins = pins_get(app->supervisor);
    const struct stepping *stepping;

    if (pins == NULL)
        return;
    LIST_FOREACH(stepping, &pins->stepping, link) {
        if (strcmp(stepping->app, app->name) == 0)
            return;
    }
    begin_stepping(pins, app);
}

void
pins_free(struct supervisor *supervisor)
{
    struct pins *pins = supervisor->pins;

    if (pins == NULL)
        return;
    supervisor->pins = NULL;
    while (!LIST_EMPTY(&pins->stepping))
        drop(LIST_FIRST(&pins->stepping));
    if (pins->awaiting != NULL)
        event_free(pins->awaiting);
    if (pins->again != NULL)
        event_free(pins->again);
    free(pins);
}
