#include "proxy/supervisor/reload.h"

#include <errno.h>
#include <event2/event.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/util.h"
#include "config/source.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/attention.h"
#include "proxy/supervisor/change.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/text.h"

static const char *const group_names[] = { "daemon", "defaults" };

struct changed {
    char app[APP_NAME_BYTES];
    enum config_op op;
    bool existed;
    bool retried;                   /* its configuration is the same as before */
};

struct reload {
    struct supervisor *supervisor;
    uint64_t token;
    bool heard;
    struct changed *changed;        /* owned: what the changes since then said */
    size_t changed_count;
    bool groups_changed[ARRAY_SIZE(group_names)];
    reload_done_fn *done;
    void *context;
    struct event *patience;         /* owned */
    LIST_ENTRY(reload) link;
};

static void
reload_free(struct reload *reload)
{
    LIST_REMOVE(reload, link);
    event_free(reload->patience);
    free(reload->changed);
    free(reload);
}

/* ---- the answer ---- */

static const char *
outcome_of(const struct app *app)
{
    if (app == NULL)
        return "done";
    return app->rollout.outcome[0] == '\0' ? "pending" : app->rollout.outcome;
}

static bool
is_failure(const char *outcome)
{
    return strcmp(outcome, "failed") == 0 || strcmp(outcome, "rolled_back") == 0;
}

static json_t *
changed_json(const struct reload *reload, bool *all)
{
    static const char *const ops[] = { [CONFIG_SET] = "update", [CONFIG_BROKEN] = "held_back",
                                       [CONFIG_REMOVE] = "delete" };
    json_t *list = json_array();

    for (size_t i = 0; i < reload->changed_count; i++) {
        const struct changed *changed = &reload->changed[i];
        const struct app *app = app_find(reload->supervisor, changed->app);
        const char *outcome = outcome_of(app);
        bool create = changed->op == CONFIG_SET && !changed->existed;

        if (changed->retried && is_failure(outcome))
            continue;               /* it is held back as before */
        if (strcmp(outcome, "done") != 0)
            *all = false;
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:s}", "app", changed->app, "op",
                            create ? "create" : ops[changed->op], "outcome", outcome, "reason",
                            app != NULL ? app_rollout_reason(&app->rollout) : ""));
    }
    return list;
}

/* NULL: it is as it is configured, as far as that is over. */
static const char *
held_back_reason(const struct app *app)
{
    if (app->config_error != NULL)
        return app->config_error;
    if (app->refused.presumed)
        return "whether an operator went back from what is configured cannot be read from the "
               "database yet: it waits for that, up to a minute";
    if (app->refused.pinned)
        return "an operator went back from what is configured";
    if (app->refused.text != NULL || (app->state == APP_FAILED && !app->removed))
        return app_rollout_reason(&app->rollout);
    return NULL;
}

static json_t *
held_back_json(struct supervisor *supervisor, bool *all)
{
    json_t *list = json_array();

    for (struct app *app = attention_first(supervisor); app != NULL; app = attention_next(app)) {
        const char *reason = held_back_reason(app);

        if (reason == NULL)
            continue;
        if (!app->refused.pinned || app->refused.presumed || app->state == APP_FAILED)
            *all = false;
        json_array_append_new(list, json_pack("{s:s, s:s}", "app", app->name, "reason",
                                              reason));
    }
    return list;
}

static json_t *
groups_json(const struct reload *reload)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ARRAY_SIZE(group_names); i++) {
        if (reload->groups_changed[i])
            json_array_append_new(list, json_string(group_names[i]));
    }
    return list;
}

/* All that stand, but for those of apps that are held back: these say it themselves. */
static json_t *
errors_json(const struct supervisor *supervisor)
{
    json_t *list = json_array();

    for (size_t i = 0; i < supervisor->standing.count; i++) {
        const struct config_error_item *error = &supervisor->standing.items[i];
        const struct app *app = app_find((struct supervisor *)supervisor, error->app);

        if (app == NULL || app->config_error == NULL)
            json_array_append_new(list, json_string(error->text));
    }
    return list;
}

static json_t *
result_json(const struct reload *reload)
{
    bool all = reload->supervisor->standing.count == 0;
    json_t *changed = changed_json(reload, &all);
    json_t *held_back = held_back_json(reload->supervisor, &all);

    return json_pack("{s:b, s:o, s:o, s:o, s:o}", "applied", all, "changed", changed, "groups",
                     groups_json(reload), "held_back", held_back, "errors",
                     errors_json(reload->supervisor));
}

static void
finish(struct reload *reload)
{
    reload_done_fn *done = reload->done;
    void *context = reload->context;
    json_t *result = done == NULL ? NULL : result_json(reload);

    reload_free(reload);
    if (done != NULL)
        done(context, result);
}

static void
on_impatience(evutil_socket_t fd, short what, void *context)
{
    finish(context);
}

/* ---- its way ---- */

int
reload_begin(struct supervisor *supervisor, reload_done_fn *done, void *context)
{
    static const struct timeval patience = { .tv_sec = RELOAD_PATIENCE_MS / 1000 };
    struct reload *reload = calloc(1, sizeof *reload);

    if (reload == NULL)
        return -ENOMEM;
    reload->supervisor = supervisor;
    reload->token = ++supervisor->reload_token;
    reload->done = done;
    reload->context = context;
    reload->patience = evtimer_new(supervisor->base, on_impatience, reload);
    LIST_INSERT_HEAD(&supervisor->reloads, reload, link);
    if (reload->patience == NULL) {
        reload_free(reload);
        return -ENOMEM;
    }
    evtimer_add(reload->patience, &patience);
    supervisor->source_ops->look(supervisor->source, reload->token);
    return 0;
}

void
reload_forget(struct supervisor *supervisor, void *context)
{
    struct reload *reload;

    LIST_FOREACH(reload, &supervisor->reloads, link) {
        if (reload->context == context)
            reload->done = NULL;
    }
}

/* A change of theirs may touch no app, or some: then these are told as well. */
static void
note_groups(struct reload *reload, const struct config_change *change)
{
    const struct config_group_item *groups[] = { &change->daemon, &change->defaults };

    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        if (groups[i]->changed && !groups[i]->broken && !groups[i]->replaced)
            reload->groups_changed[i] = true;
    }
}

/* Called before what changed begins: an app with a generation existed before. */
static void
note_items(struct reload *reload, const struct config_change *change)
{
    struct changed *grown = reallocarray(reload->changed,
                                         reload->changed_count + change->item_count + 1,
                                         sizeof *grown);

    note_groups(reload, change);
    if (grown == NULL)
        return;
    reload->changed = grown;
    for (size_t i = 0; i < change->item_count; i++) {
        struct changed *changed = &grown[reload->changed_count++];
        const struct app *app = app_find(reload->supervisor, change->items[i].app);

        text_copy(changed->app, sizeof changed->app, change->items[i].app);
        changed->op = change->items[i].op;
        changed->existed = app != NULL && app->current != NULL;
        changed->retried = false;
    }
}

static bool
is_noted(const struct reload *reload, const char *app)
{
    for (size_t i = 0; i < reload->changed_count; i++) {
        if (strcmp(reload->changed[i].app, app) == 0)
            return true;
    }
    return false;
}

static void
note_retried(struct reload *reload, const struct app *app)
{
    struct changed *grown;

    if (is_noted(reload, app->name))
        return;
    grown = reallocarray(reload->changed, reload->changed_count + 1, sizeof *grown);
    if (grown == NULL)
        return;
    reload->changed = grown;
    grown[reload->changed_count] = (struct changed){ .op = CONFIG_SET, .retried = true,
                                                     .existed = app->current != NULL &&
                                                                app->state != APP_FAILED };
    text_copy(grown[reload->changed_count++].app, APP_NAME_BYTES, app->name);
}

/* Whoever has been heard waits for the end of this, too. */
static void
on_retried(const struct app *app)
{
    struct reload *reload;

    LIST_FOREACH(reload, &app->supervisor->reloads, link) {
        if (reload->heard)
            note_retried(reload, app);
    }
}

void
reload_heard(struct supervisor *supervisor, const struct config_change *change)
{
    struct reload *reload;
    bool retry = false;

    LIST_FOREACH(reload, &supervisor->reloads, link) {
        if (reload->heard)
            continue;
        note_items(reload, change);
        reload->heard = change->token >= reload->token;
        retry = retry || reload->heard;
    }
    if (retry)
        change_retry_refused(supervisor, on_retried);
}

void
reload_settled(struct supervisor *supervisor)
{
    struct reload *reload = LIST_FIRST(&supervisor->reloads);

    while (reload != NULL) {
        struct reload *next = LIST_NEXT(reload, link);

        if (reload->heard)
            finish(reload);
        reload = next;
    }
}

void
reloads_free(struct supervisor *supervisor)
{
    while (!LIST_EMPTY(&supervisor->reloads)) {
        struct reload *reload = LIST_FIRST(&supervisor->reloads);
        reload_done_fn *done = reload->done;
        void *context = reload->context;

        reload_free(reload);
        if (done != NULL)
            done(context, NULL);
    }
}
