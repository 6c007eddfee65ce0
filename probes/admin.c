#include "probes/admin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "probes/board_writer.h"
#include "probes/endpoint.h"
#include "probes/prober_priv.h"
#include "probes/standing.h"

struct app_overrides {
    UT_hash_handle hh;
    struct override *list;          /* owned */
    size_t count;
    char app[APP_NAME_BYTES];
};

static struct app_overrides *
find(const struct prober *prober, const char *app)
{
    struct app_overrides *overrides;

    HASH_FIND_STR(prober->overrides, app, overrides);
    return overrides;
}

static void
drop(struct prober *prober, struct app_overrides *overrides)
{
    HASH_DEL(prober->overrides, overrides);
    free(overrides->list);
    free(overrides);
}

void
admin_fini(struct prober *prober)
{
    while (prober->overrides != NULL)
        drop(prober, prober->overrides);
}

/* 0 or -ENOMEM. */
static int
remember(struct prober *prober, const char *app, struct override *list, size_t count)
{
    struct app_overrides *overrides = find(prober, app);

    if (overrides != NULL) {
        free(overrides->list);
        overrides->list = list;
        overrides->count = count;
        return 0;
    }
    overrides = calloc(1, sizeof *overrides);
    if (overrides == NULL) {
        free(list);
        return -ENOMEM;
    }
    overrides->list = list;
    overrides->count = count;
    snprintf(overrides->app, sizeof overrides->app, "%s", app);
    HASH_ADD_STR(prober->overrides, app, overrides);
    return 0;
}

/* What was said of this endpoint; NULL: nothing. */
static const struct override *
about(const struct endpoint *endpoint)
{
    const struct prober_app *app = endpoint->target->app;
    const struct app_overrides *overrides = find(app->prober, app->config.name);
    char address[ADDRESS_TEXT_BYTES];

    if (overrides == NULL)
        return NULL;
    return override_find(overrides->list, overrides->count, endpoint->target->config->name,
                         address_format(&endpoint->address, address));
}

static void
take(struct endpoint *endpoint, const struct override *override)
{
    free(endpoint->admin.note);
    endpoint->admin.note = NULL;
    endpoint->admin.action = OVERRIDE_NONE;
    if (override == NULL)
        return;
    endpoint->admin.action = (enum override_action)override->action;
    if (override->note[0] != '\0')
        endpoint->admin.note = strdup(override->note);  /* no memory: no note */
}

void
admin_begin(struct endpoint *endpoint)
{
    const struct override *override = about(endpoint);

    take(endpoint, override);
    if (override != NULL && endpoint->address.family != 0)
        endpoint->since_ms = override->since_ms;
}

static void
obey(struct endpoint *endpoint)
{
    const struct override *override = about(endpoint);
    enum override_action before = endpoint->admin.action;
    char detail[DETAIL_BYTES];

    take(endpoint, override);
    if (before != OVERRIDE_MAINTAIN && endpoint->admin.action == OVERRIDE_MAINTAIN) {
        endpoint_pause(endpoint);
    } else if (before == OVERRIDE_MAINTAIN && endpoint->admin.action != OVERRIDE_MAINTAIN) {
        endpoint_resume(endpoint);
    }
    snprintf(detail, sizeof detail, "%s",
             override == NULL ? "an operator made it ready" : override->note);
    endpoint_judge_because(endpoint, REASON_ADMIN, detail);
}

static void
obey_all(struct prober_app *app)
{
    struct endpoint *endpoint;

    for (uint32_t i = 0; i < app->config.target_count; i++) {
        TAILQ_FOREACH (endpoint, &app->targets[i].endpoints, link)
            obey(endpoint);
    }
    board_writer_publish(app);
    board_writer_changed(app);
}

int
admin_set(struct prober *prober, const char *name, struct override *list, size_t count)
{
    struct app_overrides *known = find(prober, name);
    struct prober_app *app;
    int rc = 0;

    if (known != NULL && count == 0)
        drop(prober, known);
    else if (count > 0)
        rc = remember(prober, name, list, count);
    if (count == 0)
        free(list);
    if (rc < 0 || (known == NULL && count == 0))
        return rc;
    TAILQ_FOREACH (app, &prober->apps, link) {
        if (strcmp(app->config.name, name) == 0)
            obey_all(app);
    }
    return 0;
}

int
admin_say(struct prober *prober, const char *name, struct override *list, size_t count)
{
    const struct app_overrides *known = find(prober, name);
    size_t all = known != NULL ? known->count : 0;
    struct override *merged = reallocarray(NULL, all + count + 1, sizeof *merged);

    for (size_t i = 0; merged != NULL && i < all; i++)
        merged[i] = known->list[i];
    for (size_t i = 0; merged != NULL && i < count; i++)
        override_say(merged, &all, &list[i]);
    free(list);
    if (merged == NULL)
        return -ENOMEM;
    if (all > OVERRIDES_MAX) {
        free(merged);
        return -ENOSPC;
    }
    return admin_set(prober, name, merged, all);
}
