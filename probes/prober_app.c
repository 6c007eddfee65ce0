/*
 * Loading and unloading apps. A newer generation of an app is loaded beside the one that
 * runs, and takes over what that one knows; both keep probing and publishing until one is
 * unloaded, for a rollout that fails must find the old one untouched. Only the newest one
 * tells the history.
 */
#include "probes/prober_app.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "probes/board_writer.h"
#include "probes/endpoint.h"
#include "probes/evidence.h"
#include "probes/prober_priv.h"
#include "probes/prober_target.h"
#include "probes/recall.h"

struct prober_app *
prober_app_find(struct prober *prober, const char *name, uint32_t generation)
{
    struct prober_app *app;

    TAILQ_FOREACH (app, &prober->apps, link) {
        if (app->generation == generation && strcmp(app->config.name, name) == 0)
            return app;
    }
    return NULL;
}

static const struct endpoint *
target_find(const struct target *target, const struct target *like,
            const struct address *address)
{
    const struct endpoint *endpoint;

    if (strcmp(target->config->name, like->config->name) != 0)
        return NULL;
    TAILQ_FOREACH (endpoint, &target->endpoints, link) {
        if (address_equal(&endpoint->address, address))
            return endpoint;
    }
    return NULL;
}

static const struct endpoint *
app_find_endpoint(const struct prober_app *app, const struct target *like, uint32_t index,
                  const struct address *address)
{
    const struct endpoint *found = NULL;

    /* Most edits leave most targets where they were. */
    if (index < app->config.target_count)
        found = target_find(&app->targets[index], like, address);
    for (uint32_t i = 0; found == NULL && i < app->config.target_count; i++)
        found = target_find(&app->targets[i], like, address);
    return found;
}

const struct endpoint *
prober_app_twin(const struct prober_app *app, const struct target *target,
                const struct address *address)
{
    uint32_t index = (uint32_t)(target - app->targets);
    const struct prober_app *other;
    const struct endpoint *found;

    TAILQ_FOREACH (other, &app->prober->apps, link) {
        if (other == app || strcmp(other->config.name, app->config.name) != 0)
            continue;
        found = app_find_endpoint(other, target, index, address);
        if (found != NULL)
            return found;
    }
    return NULL;
}

static struct prober_app *
newest(struct prober *prober, const char *name)
{
    struct prober_app *app;

    TAILQ_FOREACH (app, &prober->apps, link) {
        if (strcmp(app->config.name, name) == 0)
            return app;
    }
    return NULL;
}

/* Ids go on where those of an older generation are, so that none means two endpoints. */
static uint32_t
first_id(struct prober *prober, const char *name)
{
    struct prober_app *app;
    uint32_t id = 1;

    TAILQ_FOREACH (app, &prober->apps, link) {
        if (strcmp(app->config.name, name) == 0)
            id = MAX(id, app->next_id);
    }
    return id;
}

/* Newest first; the newest alone tells the history. */
static void
insert(struct prober *prober, struct prober_app *app)
{
    struct prober_app *other;

    TAILQ_FOREACH (other, &prober->apps, link) {
        if (strcmp(other->config.name, app->config.name) == 0 &&
            other->generation <= app->generation)
            break;
    }
    if (other != NULL)
        TAILQ_INSERT_BEFORE(other, app, link);
    else
        TAILQ_INSERT_TAIL(&prober->apps, app, link);
    TAILQ_FOREACH (other, &prober->apps, link) {
        if (strcmp(other->config.name, app->config.name) == 0)
            other->shadowed = other != newest(prober, app->config.name);
    }
}

static int
start_targets(struct prober_app *app)
{
    int rc = 0;

    app->targets = calloc(MAX(app->config.target_count, 1), sizeof *app->targets);
    if (app->targets == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < app->config.target_count; i++)
        target_init(&app->targets[i], app, i);
    for (uint32_t i = 0; rc == 0 && i < app->config.target_count; i++)
        rc = target_start(&app->targets[i]);
    return rc;
}

static int
configure(struct prober_app *app, const char *text, char *why)
{
    const struct app_probe *probe = &app->config.probe;
    int rc = app_config_parse(text, &app->config, why);

    if (rc < 0)
        return rc;
    app->ops = probe_find(probe->kind);
    if (app->ops == NULL && strcmp(probe->kind, "none") != 0) {
        snprintf(why, DETAIL_BYTES, "there is no probe of kind \"%s\"", probe->kind);
        app_config_fini(&app->config);
        return -EINVAL;
    }
    app->policy = (struct health_policy){
        .rise = MAX(probe->rise, 1),
        .fall = MAX(probe->fall, 1),
        .interval_ms = MAX(probe->interval_ms, 1),
    };
    return 0;
}

int
prober_app_load(struct prober *prober, const char *text, uint32_t generation,
                struct board *board, char *why)
{
    struct prober_app *app = calloc(1, sizeof *app);
    struct prober_app *same;
    int rc = -ENOMEM;

    snprintf(why, DETAIL_BYTES, "no memory");
    if (app == NULL)
        goto fail_board;
    app->prober = prober;
    app->generation = generation;
    rc = configure(app, text, why);
    if (rc < 0)
        goto fail;
    if (strcmp(board_app(board), app->config.name) != 0) {
        snprintf(why, DETAIL_BYTES, "the board is that of another app");
        rc = -EINVAL;
        goto fail_configured;
    }
    rc = board_writer_init(app, board);
    if (rc < 0)
        goto fail_configured;
    app->next_id = first_id(prober, app->config.name);
    same = prober_app_find(prober, app->config.name, generation);
    if (same == NULL)
        recall_board(app);
    insert(prober, app);
    rc = start_targets(app);
    if (rc < 0) {
        prober_app_destroy(app);    /* closes the board as well */
        return rc;
    }
    if (same != NULL)
        prober_app_destroy(same);
    board_writer_publish(app);
    why[0] = '\0';
    return 0;

fail_configured:
    app_config_fini(&app->config);
fail:
    free(app);
fail_board:
    board_close(board);
    return rc;
}

void
prober_app_destroy(struct prober_app *app)
{
    struct prober *prober = app->prober;

    for (uint32_t i = 0; app->targets != NULL && i < app->config.target_count; i++)
        target_fini(&app->targets[i]);
    assert(app->endpoint_count == 0);
    free(app->targets);
    TAILQ_REMOVE(&prober->apps, app, link);
    evidence_fini(app);
    board_writer_fini(app);
    app_config_fini(&app->config);
    free(app);
}

/* Of what only this generation had, the database keeps no row. */
static void
record_gone(struct prober_app *app)
{
    bool shadowed = app->shadowed;
    struct endpoint *endpoint;

    app->shadowed = false;
    for (uint32_t i = 0; i < app->config.target_count; i++) {
        TAILQ_FOREACH (endpoint, &app->targets[i].endpoints, link) {
            if (prober_app_twin(app, &app->targets[i], &endpoint->address) == NULL)
                endpoint_record_gone(endpoint);
        }
    }
    app->shadowed = shadowed;
}

/* The history goes on with this generation, after what a newer one told. */
static void
unshadow(struct prober_app *app)
{
    struct endpoint *endpoint;

    if (!app->shadowed)
        return;
    app->shadowed = false;
    for (uint32_t i = 0; i < app->config.target_count; i++) {
        TAILQ_FOREACH (endpoint, &app->targets[i].endpoints, link)
            endpoint_record(endpoint);
    }
}

void
prober_app_unload(struct prober *prober, const char *name, uint32_t generation)
{
    struct prober_app *app, *next;

    for (app = TAILQ_FIRST(&prober->apps); app != NULL; app = next) {
        next = TAILQ_NEXT(app, link);
        if (strcmp(app->config.name, name) != 0 ||
            (generation != 0 && app->generation != generation))
            continue;
        record_gone(app);
        prober_app_destroy(app);
    }
    app = newest(prober, name);
    if (app != NULL)
        unshadow(app);
}
