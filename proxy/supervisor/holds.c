#include "proxy/supervisor/holds.h"

#include "config/source.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/supervisor.h"

static enum config_holds
holds_now(const struct app *app)
{
    if (app->state == APP_FAILED && !app->served && app->failure != 0)
        return CONFIG_HOLDS_NOTHING;
    if (app->served && app->current != NULL &&
        (app->refused.text != NULL || app->config_error != NULL))
        return CONFIG_HOLDS_TEXT;       /* perhaps that is what is configured */
    return CONFIG_HOLDS_CONFIGURED;
}

void
holds_tell(struct app *app)
{
    struct supervisor *supervisor = app->supervisor;
    enum config_holds holds = holds_now(app);

    if (supervisor->source == NULL || app->rolling != NULL || app->pending || app->removed ||
        (holds == CONFIG_HOLDS_CONFIGURED && !app->holds_told))
        return;
    supervisor->source_ops->holds(supervisor->source, app->name, holds,
                                  holds == CONFIG_HOLDS_TEXT ? app->current->text : NULL);
    app->holds_told = holds != CONFIG_HOLDS_CONFIGURED;
}
