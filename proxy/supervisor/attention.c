#include "proxy/supervisor/attention.h"

#include <assert.h>
#include <string.h>

#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/supervisor.h"

bool
app_needs_attention(const struct app *app)
{
    return app->config_error != NULL || app->refused.text != NULL || app->refused.pinned ||
           app->state == APP_FAILED || app->removed;
}

void
attention_to(struct app *app)
{
    struct attention *attention = &app->supervisor->attention;
    struct app *before;

    if (app->attended)
        return;
    app->attended = true;
    TAILQ_FOREACH_REVERSE (before, attention, attention, of_attention) {
        if (strcmp(before->name, app->name) < 0)
            break;
    }
    if (before != NULL)
        TAILQ_INSERT_AFTER(attention, before, app, of_attention);
    else
        TAILQ_INSERT_HEAD(attention, app, of_attention);
}

void
attention_forget(struct app *app)
{
    if (!app->attended)
        return;
    app->attended = false;
    TAILQ_REMOVE(&app->supervisor->attention, app, of_attention);
}

/* Under a sanitizer, in all scenarios: nobody forgot to tell. */
static void
check_all_told(const struct supervisor *supervisor)
{
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
    for (const struct app *app = supervisor->apps; app != NULL; app = app->hh.next)
        assert(app->attended || !app_needs_attention(app));
#endif
}

static struct app *
forget_the_well(struct app *app)
{
    while (app != NULL && !app_needs_attention(app)) {
        struct app *next = TAILQ_NEXT(app, of_attention);

        attention_forget(app);
        app = next;
    }
    return app;
}

struct app *
attention_first(struct supervisor *supervisor)
{
    check_all_told(supervisor);
    return forget_the_well(TAILQ_FIRST(&supervisor->attention));
}

struct app *
attention_next(const struct app *app)
{
    return forget_the_well(TAILQ_NEXT(app, of_attention));
}
