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
#include "base/util.h"
#include "probes/board_writer.h"
#include "probes/ejection.h"
#include "probes/endpoint.h"
#include "probes/endpoint_records.h"
#include "probes/evidence.h"
#include "probes/liveness.h"
#include "probes/prober_peer.h"
#include "probes/prober_priv.h"
#include "probes/prober_target.h"
#include "probes/push_reports.h"
#include "probes/recall.h"

static struct prober_family *
family_find(struct prober *prober, const char *name)
{
    struct prober_family *family;

    HASH_FIND_STR(prober->families, name, family);
    return family;
}

/* NULL without memory. */
static struct prober_family *
family_make(struct prober *prober, const char *name)
{
    struct prober_family *family = family_find(prober, name);

    if (family != NULL)
        return family;
    family = calloc(1, sizeof *family);
    if (family == NULL)
        return NULL;
    TAILQ_INIT(&family->generations);
    family->next_id = 1;
    snprintf(family->name, sizeof family->name, "%s", name);
    HASH_ADD_STR(prober->families, name, family);
    return family;
}

/* Newest first; the newest alone tells the history. */
static void
join(struct prober_family *family, struct prober_app *app)
{
    struct prober_app *other;

    TAILQ_FOREACH (other, &family->generations, sibling) {
        if (other->generation <= app->generation)
            break;
    }
    if (other != NULL)
        TAILQ_INSERT_BEFORE(other, app, sibling);
    else
        TAILQ_INSERT_TAIL(&family->generations, app, sibling);
    app->family = family;
    TAILQ_FOREACH (other, &family->generations, sibling)
        other->shadowed = other != TAILQ_FIRST(&family->generations);
}

static void
leave(struct prober_app *app)
{
    struct prober_family *family = app->family;

    TAILQ_REMOVE(&family->generations, app, sibling);
    if (!TAILQ_EMPTY(&family->generations))
        return;
    HASH_DEL(app->prober->families, family);
    push_reports_forget(family->name);
    free(family);
}

struct prober_app *
prober_app_find(struct prober *prober, const char *name, uint32_t generation)
{
    struct prober_family *family = family_find(prober, name);
    struct prober_app *app;

    if (family == NULL)
        return NULL;
    TAILQ_FOREACH (app, &family->generations, sibling) {
        if (app->generation == generation)
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

    TAILQ_FOREACH (other, &app->family->generations, sibling) {
        if (other == app)
            continue;
        found = app_find_endpoint(other, target, index, address);
        if (found != NULL)
            return found;
    }
    return NULL;
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

static void
release(struct prober_app *app)
{
    for (uint32_t i = 0; i < app->check_count; i++)
        app_check_fini(&app->checks[i]);
    free(app->checks);
    app->checks = NULL;
    app->check_count = 0;
}

static int
add_check(struct prober_app *app, const struct app_probe *probe, char *why)
{
    int rc;

    if (strcmp(probe->kind, "none") == 0 || strcmp(probe->kind, probe_kind_traffic) == 0)
        return 0;
    rc = app_check_init(&app->checks[app->check_count], probe, app->prober->base, why);
    if (rc == 0)
        app->check_count++;
    return rc;
}

/* Liveness begins when all else has been loaded: whether it can is found out before. */
static int
find_kind_of_liveness(const struct app_config *config, char *why)
{
    uint32_t count;
    const struct app_probe *probes = app_config_probes(config, &count);

    for (uint32_t i = 0; i < count; i++) {
        if (probes[i].role == PROBE_LIVENESS && probe_find(probes[i].kind, why) == NULL)
            return -ENOENT;
    }
    return 0;
}

/* Those of our own proxy say nothing of targets, and those of startup nothing of what comes later:
 * when there is no other, there is also the one that `probe` says, or its defaults. */
static int
prepare(struct prober_app *app, char *why)
{
    const struct app_probe *probes[APP_PROBES_MAX + 1];
    uint32_t count = app_config_target_probes(&app->config, probes);
    int rc;

    rc = find_kind_of_liveness(&app->config, why);
    if (rc < 0)
        return rc;
    app->checks = calloc(count, sizeof *app->checks);
    if (app->checks == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; rc == 0 && i < count; i++)
        rc = add_check(app, probes[i], why);
    return rc;
}

static int
configure(struct prober_app *app, const char *text, char *why)
{
    int rc = app_config_parse(text, &app->config, why);

    if (rc < 0)
        return rc;
    rc = prepare(app, why);
    if (rc < 0) {
        release(app);
        app_config_fini(&app->config);
    }
    return rc;
}

/* Takes `board` over unless it fails. */
static int
place(struct prober_app *app, struct board *board, char *why)
{
    struct prober_family *family;
    int rc;

    if (strcmp(board_app(board), app->config.name) != 0) {
        snprintf(why, DETAIL_BYTES, "the board is that of another app");
        return -EINVAL;
    }
    family = family_make(app->prober, app->config.name);
    if (family == NULL)
        return -ENOMEM;
    join(family, app);
    rc = board_writer_init(app, board);
    if (rc < 0)
        leave(app);
    else
        TAILQ_INSERT_TAIL(&app->prober->apps, app, link);
    return rc;
}

static int
start(struct prober_app *app)
{
    int rc = recall_begin(app);

    if (rc == 0)
        rc = start_targets(app);
    recall_end(app);
    if (rc == 0) {
        board_writer_publish(app);
        liveness_start(app);
    }
    return rc;
}

/* The same generation with another text or board, from a supervisor that lost its database.
 * With the same board that one tells what was known, and both cannot write to it. */
static struct prober_app *
make_way(struct prober *prober, const struct prober_app *app, const struct board *board)
{
    struct prober_app *same = prober_app_find(prober, app->config.name, app->generation);

    if (same == NULL || board_number(same->writer.board) != board_number(board))
        return same;
    prober_app_destroy(same);
    return NULL;
}

static struct prober_app *
create(struct prober *prober, const char *text, uint32_t generation, int *rc, char *why)
{
    struct prober_app *app = calloc(1, sizeof *app);

    *rc = -ENOMEM;
    if (app == NULL)
        return NULL;
    app->prober = prober;
    app->generation = generation;
    *rc = configure(app, text, why);
    if (*rc == 0)
        return app;
    free(app);
    return NULL;
}

int
prober_app_load(struct prober *prober, const char *text, uint32_t generation,
                struct board *board, char *why)
{
    struct prober_app *app, *same;
    int rc;

    snprintf(why, DETAIL_BYTES, "no memory");
    app = create(prober, text, generation, &rc, why);
    if (app == NULL) {
        board_close(board);
        return rc;
    }
    same = make_way(prober, app, board);
    rc = place(app, board, why);
    if (rc < 0) {
        release(app);
        app_config_fini(&app->config);
        free(app);
        board_close(board);
        return rc;
    }
    rc = start(app);
    if (rc < 0) {
        prober_app_destroy(app);    /* closes the board as well */
        return rc;
    }
    if (same != NULL)
        prober_app_destroy(same);
    prober->loads++;
    why[0] = '\0';
    return 0;
}

void
prober_app_destroy(struct prober_app *app)
{
    struct prober *prober = app->prober;

    for (uint32_t i = 0; app->targets != NULL && i < app->config.target_count; i++)
        target_fini(&app->targets[i]);
    assert(app->endpoint_count == 0);
    free(app->targets);
    liveness_stop(app);
    prober_peer_forget(prober, app);
    TAILQ_REMOVE(&prober->apps, app, link);
    evidence_fini(app);
    board_writer_fini(app);
    leave(app);
    release(app);
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
prober_app_reported(struct prober_app *app, const char *target)
{
    uint64_t now_ms = clock_monotonic_ms();
    char address[ADDRESS_TEXT_BYTES];
    struct endpoint *endpoint;

    for (uint32_t i = 0; i < app->config.target_count; i++) {
        bool named = strcmp(app->config.targets[i].name, target) == 0;

        TAILQ_FOREACH (endpoint, &app->targets[i].endpoints, link) {
            if (named || strcmp(address_format(&endpoint->address, address), target) == 0)
                endpoint_reported(endpoint, now_ms);
        }
    }
}

void
prober_app_unload(struct prober *prober, const char *name, uint32_t generation)
{
    struct prober_family *family = family_find(prober, name);
    struct prober_app *app = family == NULL ? NULL : TAILQ_FIRST(&family->generations);
    struct prober_app *next;

    for (; app != NULL; app = next) {
        next = TAILQ_NEXT(app, sibling);
        if (generation != 0 && app->generation != generation)
            continue;
        record_gone(app);
        prober_app_destroy(app);
    }
    family = family_find(prober, name);     /* gone with its last generation */
    if (family != NULL)
        unshadow(TAILQ_FIRST(&family->generations));
}
