/* change_late - what an operator went back from, where the database could tell it only after the
 * first change (pins.h). */
#include <stdlib.h>
#include <string.h>

#include "base/shared_text.h"
#include "proxy/supervisor/change_priv.h"
#include "proxy/supervisor/holds.h"
#include "proxy/supervisor/live_settings.h"
#include "proxy/supervisor/rollout.h"
#include "proxy/supervisor/supervisor.h"

static bool
is_text_of(const char *hash, const struct shared_text *text)
{
    char own[65];

    store_hash(text->bytes, own);
    return strcmp(own, hash) == 0;
}

static void
hold(struct app *app)
{
    app->refused.pinned = true;
    app->refused.presumed = false;
    app_set_pin(app, NULL);
    holds_tell(app);
    event_write(app->supervisor, LOG_INFO, app->name, "rollback_held",
                "an operator went back from what is configured: it stays with what it runs");
}

/* It does not run yet, and something else does. */
static void
take_back(struct app *app, const struct app_generation *coming)
{
    struct shared_text *text = shared_text_ref(coming->text);
    char *source = strdup(coming->source);

    change_cancel(app);             /* `coming` is gone */
    if (source != NULL && change_set_aside(app, text, source))
        hold(app);
    shared_text_unref(text);
    free(source);
}

void
change_pin(struct app *app)
{
    const struct app_generation *coming = app->wanted != NULL ? app->wanted : app->next;
    const struct shared_text *configured = coming != NULL ? coming->text
                                           : app->refused.text != NULL ? app->refused.text
                                           : app->current != NULL      ? app->current->text
                                                                       : NULL;

    if (configured == NULL)
        return;
    if (!is_text_of(app->pin, configured))
        change_end_pin(app);
    else if (app->current == NULL || is_text_of(app->pin, app->current->text))
        return;
    else if (coming != NULL)
        take_back(app, coming);
    else
        hold(app);
}

/* Its file has its way. */
static void
release(struct app *app)
{
    struct refused aside = app->refused;
    const struct config_item item = { .text = aside.text, .source = aside.source };

    app->refused = (struct refused){ 0 };
    if (app->config_error == NULL)
        change_want(app, &item);
    shared_text_unref(aside.text);
    free(aside.source);
}

void
change_stop_waiting(struct supervisor *supervisor)
{
    if (supervisor->shutdown != NULL)
        return;
    supervisor->applying = true;
    for (struct app *app = supervisor->apps; app != NULL; app = app->hh.next) {
        if (app->refused.presumed)
            release(app);
    }
    change_ask_holders(supervisor);
    supervisor->applying = false;
    rollouts_start(supervisor);
    live_settings_settle_workers(supervisor);
}
