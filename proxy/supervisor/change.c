#include "proxy/supervisor/change_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/shared_text.h"
#include "proxy/supervisor/attention.h"
#include "proxy/supervisor/holds.h"
#include "proxy/supervisor/journal.h"
#include "proxy/supervisor/known.h"
#include "proxy/supervisor/live_settings.h"
#include "proxy/supervisor/pins.h"
#include "proxy/supervisor/reload.h"
#include "proxy/supervisor/rollout.h"
#include "proxy/supervisor/serve.h"
#include "proxy/supervisor/supervisor.h"

static const char rollback_action[] = "rollback";

/* ---- apps ---- */

/* An app that was not there until now, with what the database knows of it. */
static struct app *
add(struct supervisor *supervisor, const char *name)
{
    const struct known *known = &supervisor->known;
    const struct store_config *good = known_good(known, name);
    const struct store_rollout *rollout = known_rollout(known, name);
    struct app *app = app_add(supervisor, name);
    struct store_rollout last;

    if (app == NULL) {
        log_error(name, "no memory for this app");
        return NULL;
    }
    app->good_generation = good != NULL ? good->generation : 0;
    app->generation_last = supervisor->first_change_applied
                               ? numbers_highest(&supervisor->numbers, name)
                               : known_highest(known, name);
    app_set_pin(app, known_rolled_back(known, name));
    if (rollout != NULL) {
        last = *rollout;
        known_end(&last);
        app_rollout_set(&app->rollout, &last);
    }
    return app;
}

static struct app *
find_or_add(struct supervisor *supervisor, const char *name)
{
    struct app *app = app_find(supervisor, name);

    return app != NULL ? app : add(supervisor, name);
}

/* `source` is copied. NULL when it cannot be used, which is told. */
static struct app_generation *
make_generation(struct app *app, uint32_t number, struct shared_text *text,
                const char *source)
{
    struct app_generation *generation = NULL;
    char *source_copy = strdup(source != NULL ? source : "");
    char why[DETAIL_BYTES] = "no memory";

    if (text != NULL && source_copy != NULL &&
        generation_create(app, number, text, source_copy, &generation, why) == 0)
        return generation;
    log_error(app->name, "generation %u cannot be used: %s", number, why);
    free(source_copy);
    return NULL;
}

static void
drop_wanted(struct app *app)
{
    if (app->wanted == NULL)
        return;
    generation_destroy(app->wanted);
    app->wanted = NULL;
}

static void
stop_waiting(struct app *app)
{
    if (!app->pending)
        return;
    TAILQ_REMOVE(&app->supervisor->pending, app, of_pending);
    app->pending = false;
    app_settle(app);
}

void
change_cancel(struct app *app)
{
    rollout_abort(app);
    drop_wanted(app);
    stop_waiting(app);
}

/* Nothing runs yet, but something is known to have worked: that first. True when it did. */
static bool
begin_good(struct app *app)
{
    const struct store_config *good = known_good(&app->supervisor->known, app->name);
    struct app_generation *generation;
    struct shared_text *text;

    if (app->current != NULL || good == NULL)
        return false;
    text = shared_text_create(good->config);
    generation = make_generation(app, good->generation, text, good->source);
    shared_text_unref(text);
    if (generation == NULL)
        return false;
    generation->recorded = true;
    app->current = generation;
    if (app->state != APP_NEW)
        app_enter(app, APP_NEW);
    serve_begin(app);
    return true;
}

/* The same configuration: also when an earlier version wrote the text, with fewer keys. */
static bool
is_same(const char *old, const char *new)
{
    struct app_config config;
    char why[DETAIL_BYTES];
    char *again;
    bool same;

    if (strcmp(old, new) == 0)
        return true;
    if (app_config_parse(old, &config, why) < 0)
        return false;
    again = app_config_print(&config);
    app_config_fini(&config);
    same = again != NULL && strcmp(again, new) == 0;
    free(again);
    return same;
}

/* ---- CONFIG_SET ---- */

static uint32_t
number_for(struct app *app, const char *text)
{
    const struct store_config *good = known_good(&app->supervisor->known, app->name);

    if (app->refused.text != NULL && strcmp(app->refused.text->bytes, text) == 0)
        return app->refused.number;
    if (app->current != NULL && !app->served && is_same(app->current->text->bytes, text))
        return app->current->number;
    if (good != NULL && good->generation != 0 && is_same(good->config, text))
        return good->generation;
    return ++app->generation_last;
}

void
change_end_pin(struct app *app)
{
    if (app->refused.pinned || app->pin != NULL)
        store_forget_override(app->supervisor->store, app->name, "");
    app_set_pin(app, NULL);
    journal_settle(app);
}

static void
unpin(struct app *app)
{
    change_end_pin(app);
    app_forget_refused(app);
}

bool
change_set_aside(struct app *app, struct shared_text *text, const char *source)
{
    struct refused refused = { .text = shared_text_ref(text), .source = strdup(source),
                               .pinned = true };

    app_forget_refused(app);
    app->refused = refused;
    attention_to(app);
    app_set_pin(app, NULL);
    if (refused.text != NULL && refused.source != NULL)
        return true;
    app_forget_refused(app);
    return false;
}

/* Whether an operator went back from it cannot be read yet: what was adopted goes on, for now. */
static bool
presume(struct app *app, const struct config_item *item)
{
    struct supervisor *supervisor = app->supervisor;

    if (!pins_unknown(supervisor) || supervisor->first_change_applied || app->current == NULL ||
        is_same(app->current->text->bytes, item->text->bytes) ||
        !change_set_aside(app, item->text, item->source))
        return false;
    app->refused.presumed = true;
    pins_await(supervisor);
    event_write(supervisor, LOG_WARN, app->name, "rollback_unknown",
                "goes on with generation %u, which runs, though its file says otherwise: whether "
                "an operator went back from that cannot be read from the database yet; it waits "
                "for that, up to a minute", app->current->number);
    return true;
}

/* It runs that text, or has nothing else to begin with: the way back did not come to its end. */
static bool
runs_text(const struct app *app, const char *hash)
{
    const struct store_config *good = known_good(&app->supervisor->known, app->name);

    if (app->current != NULL)
        return strcmp(app->current->hash, hash) == 0;
    return good != NULL && strcmp(good->hash, hash) == 0;
}

/* The operator went back from this text, and it still is the configured one. */
static bool
is_pinned(struct app *app, const struct config_item *item)
{
    char hash[65];

    if (app->refused.pinned)
        return strcmp(app->refused.text->bytes, item->text->bytes) == 0;
    if (app->pin == NULL)
        return presume(app, item);
    store_hash(item->text->bytes, hash);
    if (strcmp(hash, app->pin) != 0) {
        change_end_pin(app);
        return false;
    }
    if (!runs_text(app, hash))
        return change_set_aside(app, item->text, item->source);
    pins_step_back(app);
    return true;
}

/* It was adopted with a text of its own: one copy is enough. */
static void
share_text(struct app_generation *generation, struct shared_text *text)
{
    if (strcmp(generation->text->bytes, text->bytes) != 0)
        return;
    shared_text_unref(generation->text);
    generation->text = shared_text_ref(text);
}

static void
tell_mended(struct app *app, const char *how, const char *what)
{
    event_write(app->supervisor, LOG_INFO, app->name, "config_mended",
                "its configuration is %s, and %s", how, what);
    app->begun_at_ms = clock_monotonic_ms();
    journal_open(app, app->current->number);
    journal_close(app, "done", "");
}

/* What it has not served with yet is what is configured: its failures are told anew, and it takes
 * part where ports move. */
static void
keep_trying(struct app *app, const struct config_item *item, const char *how)
{
    event_write(app->supervisor, LOG_INFO, app->name, "config_mended",
                "its configuration is %s; it has not served with it yet: it goes on trying", how);
    if (app->state == APP_FAILED)
        change_want(app, item);
    else
        journal_open(app, app->current->number);
}

static void
set_source(struct app_generation *generation, const char *source)
{
    char *copy = strdup(source);

    if (copy == NULL)
        return;
    free(generation->source);
    generation->source = copy;
    generation->recorded = false;
}

/* It stands in another file than before, or its file is in order again. */
static void
keep_running(struct app *app, const struct config_item *item, bool had_error)
{
    const char *how = had_error ? "valid again" : "as it was before";
    struct app_generation *current = app->current;
    bool was_refused = app->refused.text != NULL;

    change_cancel(app);
    unpin(app);
    share_text(current, item->text);
    if (strcmp(current->source, item->source) != 0)
        set_source(current, item->source);
    if (app->served && (!current->recorded || app->good_generation != current->number))
        journal_good(app);
    if (!had_error && !was_refused)
        return;
    if (!app->served) {
        keep_trying(app, item, how);
        return;
    }
    tell_mended(app, how, "is what it runs");
}

void
change_want(struct app *app, const struct config_item *item)
{
    struct app_generation *generation =
        make_generation(app, number_for(app, item->text->bytes), item->text, item->source);
    const struct store_config *good = known_good(&app->supervisor->known, app->name);

    if (generation == NULL)
        return;
    generation->recorded = good != NULL && good->generation == generation->number &&
                           strcmp(good->config, item->text->bytes) == 0 && good->source != NULL &&
                           strcmp(good->source, item->source) == 0;
    if (good != NULL && good->generation != generation->number)
        begin_good(app);
    unpin(app);
    drop_wanted(app);
    app->wanted = generation;
    rollout_want(app);
}

static void
apply_set(struct supervisor *supervisor, const struct config_item *item)
{
    struct app *app = find_or_add(supervisor, item->app);
    bool had_error;

    if (app == NULL)
        return;
    had_error = app->config_error != NULL;
    app->seen = true;
    app->removed = false;
    app_set_error(app, NULL);
    if (is_pinned(app, item)) {
        if (had_error && app->current != NULL && app->served && app->refused.pinned &&
            !app->refused.presumed)
            tell_mended(app, "valid again",
                        "is what an operator went back from: it stays as it is");
        if (app->current != NULL || begin_good(app))
            return;
        unpin(app);                 /* rather what is configured than nothing */
    }
    if (app->next != NULL && strcmp(app->next->text->bytes, item->text->bytes) == 0)
        return;                     /* it is on its way already */
    if (app->current != NULL && is_same(app->current->text->bytes, item->text->bytes)) {
        keep_running(app, item, had_error);
        return;
    }
    change_cancel(app);
    change_want(app, item);
}

/* ---- CONFIG_BROKEN, CONFIG_REMOVE ---- */

/* It was adopted, and the database has lost it: what runs is what the next start begins with. */
static void
record_adopted(struct app *app, const char *source)
{
    if (app->current->source[0] == '\0' && source != NULL)
        set_source(app->current, source);
    if (app->served && app->good_generation != app->current->number)
        journal_good(app);
}

static void
tell_held_back(const struct app *app)
{
    const struct app_generation *current = app->current;
    bool good = app->served || current->number == app->good_generation;

    event_write(app->supervisor, LOG_WARN, app->name, "held_back",
                good ? "goes on with its last good configuration, generation %u of %s"
                     : "has not served yet: it goes on trying what was valid last, generation "
                       "%u of %s", current->number, current->source);
}

static void
apply_broken(struct supervisor *supervisor, const struct config_item *item)
{
    struct app *app = find_or_add(supervisor, item->app);

    if (app == NULL)
        return;
    app->seen = true;
    app->removed = false;
    change_cancel(app);
    app_set_error(app, item->reason);
    /* What is no configuration gets no number. */
    journal_failed(app, 0, "", item->source != NULL ? item->source : "", item->reason);
    if (app->current == NULL)
        begin_good(app);
    else
        record_adopted(app, item->source);
    journal_held_back(app, item->reason);
    if (app->current != NULL)
        tell_held_back(app);
    else if (app->state != APP_HELD)
        app_enter(app, APP_HELD);
}

static void
remove_app(struct app *app)
{
    change_cancel(app);
    unpin(app);
    app_set_error(app, NULL);
    app->removed = true;
    attention_to(app);
    if (app->state != APP_STOPPING)
        rollout_want(app);
    else
        serve_left(app);            /* it may be gone now */
}

static void
apply_remove(struct supervisor *supervisor, const struct config_item *item)
{
    struct app *app = app_find(supervisor, item->app);

    if (app != NULL) {
        remove_app(app);
        return;
    }
    event_write(supervisor, LOG_INFO, item->app, "app_removed",
                "is no longer configured: it is forgotten");
    store_forget_app(supervisor->store, item->app, clock_wall_ms());
}

/* What was refused is wanted again. True when there is something. Not while its file is broken:
 * then it stands nowhere, and has never worked. */
static bool
want_refused(struct app *app)
{
    const struct refused *refused = &app->refused;

    if (refused->text == NULL || refused->pinned || app->config_error != NULL ||
        app->rolling != NULL || app->pending)
        return false;
    app->wanted = make_generation(app, refused->number, refused->text, refused->source);
    if (app->wanted == NULL)
        return false;
    rollout_want(app);
    return true;
}

/* ---- all of it ---- */

static void
tell_errors(struct supervisor *supervisor, struct config_change *change)
{
    for (size_t i = 0; i < change->error_count; i++) {
        const struct config_error_item *error = &change->errors[i];

        log_error(NULL, "%s", error->text);
        event_store(supervisor, LOG_ERROR, error->app, "config_error", error->text);
    }
    if (change->path_error != 0 && change->path_error != supervisor->path_error)
        event_write(supervisor, LOG_ERROR, NULL, "config_unreadable",
                    "the configuration %s cannot be read: %s; everything stays as it is",
                    supervisor->config_path, strerror(-change->path_error));
    supervisor->path_error = change->path_error;
    standing_errors_keep(supervisor, change);
}

/* Adopted apps of which the first change, which holds everything, says nothing: the configuration
 * knows of all that serve, these have only connections left. */
static void
remove_unseen(struct supervisor *supervisor, const struct config_change *change)
{
    struct app *app, *next;

    if (supervisor->unseen_removed || change->path_error != 0)
        return;
    supervisor->unseen_removed = true;
    HASH_ITER(hh, supervisor->apps, app, next) {
        if (!app->seen)
            remove_app(app);
    }
}

static void
apply_items(struct supervisor *supervisor, const struct config_change *change)
{
    static void (*const apply[])(struct supervisor *, const struct config_item *) = {
        [CONFIG_SET] = apply_set,
        [CONFIG_BROKEN] = apply_broken,
        [CONFIG_REMOVE] = apply_remove,
    };

    for (size_t i = 0; i < change->item_count; i++)
        apply[change->items[i].op](supervisor, &change->items[i]);
}

/* Of those that go on as they are; the others tell when they are through. */
static void
tell_holds(struct supervisor *supervisor, const struct config_change *change)
{
    for (size_t i = 0; i < change->item_count; i++) {
        struct app *app = app_find(supervisor, change->items[i].app);

        if (app != NULL)
            holds_tell(app);
    }
}

/* Who has a port that another app is to get now, and would have given it up in a change that
 * failed: it takes part again. True when one was found. */
static bool
ask_holder(struct app *app, const struct listen_port *port)
{
    struct app *holder = port == NULL ? NULL : (struct app *)port->holder;

    if (holder == NULL || holder == app || holder->pending || holder->rolling != NULL)
        return false;
    if (holder->removed && holder->current != NULL) {
        rollout_want(holder);
        return true;
    }
    return want_refused(holder);
}

void
change_ask_holders(struct supervisor *supervisor)
{
    struct app *app;

    /* Those that are found come to the end of the list, and are asked for in their turn. */
    TAILQ_FOREACH (app, &supervisor->pending, of_pending) {
        const struct app_generation *wanted = app->wanted;

        for (uint32_t i = 0; wanted != NULL && i < wanted->config.port_count; i++)
            ask_holder(app, listeners_overlap(&supervisor->listeners,
                                              &wanted->config.ports[i].address));
    }
}

/* Of what the database knew, the numbers of those that may come back are all that stays. */
static void
forget_known(struct supervisor *supervisor)
{
    struct known *known = &supervisor->known;

    supervisor->numbers.incomplete = known->configs_unknown;
    for (size_t i = 0; i < known->config_count; i++) {
        const struct store_config *row = &known->configs[i];

        if (app_find(supervisor, row->app) == NULL)
            numbers_keep(&supervisor->numbers, row->app, row->generation);
    }
    known_free(known);
}

static size_t
count_removed(const struct config_change *change)
{
    size_t count = 0;

    for (size_t i = 0; i < change->item_count; i++)
        count += change->items[i].op == CONFIG_REMOVE;
    return count;
}

static void
tell_change(const struct supervisor *supervisor, const struct config_change *change)
{
    size_t removed = count_removed(change);

    if (!supervisor->first_change_applied && change->item_count == 0 && change->path_error == 0)
        log_warn(NULL, "no app is configured: nothing is served; put a file into %s",
                 supervisor->config_path);
    else if (supervisor->first_change_applied && change->item_count > 0)
        log_info(NULL,
                 "the configuration has changed: %zu of %zu apps are new or differ, %zu are held "
                 "back; %zu more are removed", change->item_count - removed, change->app_count,
                 change->broken_count, removed);
}

void
change_apply(void *context, struct config_change *change)
{
    struct supervisor *supervisor = context;

    if (supervisor->shutdown != NULL) {
        config_change_free(change);
        return;
    }
    supervisor->applying = true;            /* nothing is settled before all of it is */
    live_settings_apply(supervisor, change);
    tell_errors(supervisor, change);
    tell_change(supervisor, change);
    apply_items(supervisor, change);
    remove_unseen(supervisor, change);
    if (!supervisor->first_change_applied) {
        forget_known(supervisor);
        supervisor->first_change_applied = true;
    }
    change_ask_holders(supervisor);
    tell_holds(supervisor, change);
    reload_heard(supervisor, change);
    supervisor->applying = false;
    config_change_free(change);
    rollouts_start(supervisor);
    live_settings_settle_workers(supervisor);
}

/* ---- what was not used ---- */

void
change_retry_refused(struct supervisor *supervisor, change_retried_fn *retried)
{
    struct app *next;

    for (struct app *app = attention_first(supervisor); app != NULL; app = next) {
        next = attention_next(app);
        if (app->removed && app->current != NULL && app->state != APP_STOPPING)
            rollout_want(app);
        if (want_refused(app) || serve_retry(app))
            retried(app);
    }
}

static int
put_aside(struct app *app)
{
    struct refused *refused = &app->refused;

    refused->stepping_back = refused->text == NULL;
    if (refused->text == NULL) {
        refused->text = shared_text_ref(app->current->text);
        refused->source = strdup(app->current->source);
        refused->number = app->current->number;
    }
    if (refused->text == NULL || refused->source == NULL) {
        app_forget_refused(app);
        return -ENOMEM;
    }
    refused->pinned = true;
    refused->presumed = false;
    attention_to(app);
    return 0;
}

/* ---- what an operator goes back from ---- */

int
change_step_back(struct app *app, const struct store_config *config, char *why)
{
    struct app_generation *generation;
    struct shared_text *text;
    char hash[65];

    if (app->rolling != NULL || app->pending || app->current == NULL) {
        snprintf(why, DETAIL_BYTES, "something is being rolled out: wait for its end");
        return -EBUSY;
    }
    text = shared_text_create(config->config);
    generation = make_generation(app, config->generation, text, config->source);
    shared_text_unref(text);
    if (generation == NULL || put_aside(app) < 0) {
        if (generation != NULL)
            generation_destroy(generation);
        snprintf(why, DETAIL_BYTES, "generation %u cannot be used", config->generation);
        return -EINVAL;
    }
    store_hash(app->refused.text->bytes, hash);
    store_write_override(app->supervisor->store, app->name, "", rollback_action, hash,
                         clock_wall_ms());
    event_write(app->supervisor, LOG_WARN, app->name, "rollback",
                "goes back from generation %u to %u, as told; it stays there until its "
                "configuration changes",
                app->current->number, generation->number);
    app->wanted = generation;
    rollout_want(app);
    rollouts_start(app->supervisor);
    return 0;
}
