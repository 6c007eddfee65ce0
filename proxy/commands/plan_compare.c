#include "proxy/commands/plan_compare.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "store/store.h"

static const char *const op_names[] = { "unchanged", "create", "update", "delete", "held back" };
_Static_assert(ARRAY_SIZE(op_names) == PLAN_OPS, "name every op");

typedef int order_fn(const void *a, const void *b);

const char *
plan_op_name(enum plan_op op)
{
    assert(op < PLAN_OPS);
    return op_names[op];
}

/* ---- lists ---- */

static int
port_order(const void *a, const void *b)
{
    const struct address *left = &((const struct app_listen *)a)->address;
    const struct address *right = &((const struct app_listen *)b)->address;

    if (left->port != right->port)
        return left->port < right->port ? -1 : 1;
    return memcmp(left, right, sizeof *left);
}

static int
target_order(const void *a, const void *b)
{
    return strcmp(((const struct app_target *)a)->name, ((const struct app_target *)b)->name);
}

/* The items of `list` that are not in `without`, in their order, on the heap. 0 or -ENOMEM. */
static int
subtract(const void *list, size_t count, const void *without, size_t without_count,
         size_t item_bytes, order_fn *order, void **rest, uint32_t *rest_count)
{
    char *sorted = calloc(without_count + 1, item_bytes);
    char *kept = calloc(count + 1, item_bytes);

    *rest = kept;
    *rest_count = 0;
    if (sorted == NULL || kept == NULL) {
        free(sorted);
        return -ENOMEM;
    }
    if (without_count > 0)
        memcpy(sorted, without, without_count * item_bytes);
    qsort(sorted, without_count, item_bytes, order);
    for (size_t i = 0; i < count; i++) {
        const char *item = (const char *)list + i * item_bytes;

        if (bsearch(item, sorted, without_count, item_bytes, order) == NULL)
            memcpy(kept + (*rest_count)++ * item_bytes, item, item_bytes);
    }
    free(sorted);
    return 0;
}

static int
subtract_ports(const struct app_config *of, const struct app_config *without,
               struct app_listen **ports, uint32_t *count)
{
    void *rest;
    int rc = subtract(of->ports, of->port_count, without->ports, without->port_count,
                      sizeof *of->ports, port_order, &rest, count);

    *ports = rest;
    return rc;
}

static int
subtract_targets(const struct app_config *of, const struct app_config *without,
                 struct plan_target **targets, uint32_t *count)
{
    struct app_target *list;
    void *rest;
    int rc = subtract(of->targets, of->target_count, without->targets, without->target_count,
                      sizeof *of->targets, target_order, &rest, count);

    list = rest;
    *targets = rc < 0 ? NULL : calloc(*count + 1, sizeof **targets);
    for (uint32_t i = 0; *targets != NULL && i < *count; i++)
        snprintf((*targets)[i].name, sizeof (*targets)[i].name, "%s", list[i].name);
    free(rest);     /* the names are still those of `of` */
    return *targets == NULL ? -ENOMEM : 0;
}

/* ---- one app ---- */

static uint64_t
connections_to(const struct plan_running *running, const char *target)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < running->target_count; i++)
        if (strcmp(running->targets[i].name, target) == 0)
            sum += running->targets[i].connections;
    return sum;
}

/* Those that came through ports that are removed; false: not known. */
static bool
count_port_clients(struct plan_app *app, const struct plan_running *running)
{
    app->port_clients = 0;
    for (uint32_t i = 0; i < app->port_removed_count; i++) {
        uint64_t count;

        if (!plan_clients_of(running->clients, &app->ports_removed[i], &count))
            return false;
        app->port_clients += count;
    }
    return app->port_removed_count > 0;
}

/* All of a port and all of a target: some may be of both. */
static void
bound_drain(struct plan_app *app, uint64_t of_targets, uint64_t all)
{
    uint64_t of_ports = app->port_clients_known ? app->port_clients : 0;

    app->drain_least = MIN(MAX(of_targets, of_ports), all);
    app->drain_most = MIN(of_targets + of_ports, all);
    if (app->port_removed_count > 0 && !app->port_clients_known)
        app->drain_most = all;
}

static void
count_drain(struct plan_app *app, const struct plan_running *running,
            const struct app_config *was)
{
    bool all = app->port_removed_count == was->port_count ||
               app->target_removed_count == was->target_count;
    uint64_t of_targets = 0;

    for (uint32_t i = 0; i < app->target_removed_count; i++) {
        struct plan_target *target = &app->targets_removed[i];

        target->connections = connections_to(running, target->name);
        of_targets += target->connections;
    }
    app->port_clients_known = count_port_clients(app, running);
    bound_drain(app, of_targets, running->connections);
    if (all)
        app->drain_least = app->drain_most = running->connections;
}

/* Either side may be one that has nothing. */
static int
compare_lists(struct plan_app *app, const struct app_config *was, const struct app_config *will)
{
    int rc = subtract_ports(will, was, &app->ports_added, &app->port_added_count);

    if (rc == 0)
        rc = subtract_ports(was, will, &app->ports_removed, &app->port_removed_count);
    if (rc == 0)
        rc = subtract_targets(will, was, &app->targets_added, &app->target_added_count);
    if (rc == 0)
        rc = subtract_targets(was, will, &app->targets_removed, &app->target_removed_count);
    return rc;
}

/* A text that is NULL says nothing. */
static int
parse(const char *text, struct app_config *config)
{
    char why[DETAIL_BYTES];

    *config = (struct app_config){ 0 };
    return text == NULL ? 0 : app_config_parse(text, config, why);
}

static int
compare_texts(struct plan_app *app, const struct plan_running *running, const char *text)
{
    const char *running_text = running != NULL ? running->text : NULL;
    struct app_config was, will;
    int rc = parse(running_text, &was);

    if (rc < 0)
        return rc;
    rc = parse(text, &will);
    if (rc == 0) {
        rc = compare_lists(app, &was, &will);
        app_config_fini(&will);
    }
    if (rc == 0 && running != NULL)
        count_drain(app, running, &was);
    if (rc == 0 && running != NULL && text != NULL)
        rc = plan_keys_compare(running_text, text, &app->keys, &app->key_count);
    app_config_fini(&was);
    return rc;
}

static bool
is_gone_back_from(const struct plan_running *running, const char *text)
{
    char hash[65];

    if (running == NULL || running->gone_back_from == NULL)
        return false;
    store_hash(text, hash);
    return strcmp(hash, running->gone_back_from) == 0;
}

static enum plan_op
op_of(const struct config_item *item, const struct plan_running *running, bool pinned)
{
    switch (item->op) {
    case CONFIG_BROKEN:
        return PLAN_HELD_BACK;
    case CONFIG_REMOVE:
        return PLAN_DELETE;
    case CONFIG_SET:
        break;
    }
    if (running == NULL)
        return PLAN_CREATE;
    if (strcmp(running->text, item->text->bytes) == 0)
        return PLAN_UNCHANGED;
    return pinned ? PLAN_HELD_BACK : PLAN_UPDATE;
}

static int
copy_text(char **to, const char *text)
{
    *to = text != NULL ? strdup(text) : NULL;
    return text != NULL && *to == NULL ? -ENOMEM : 0;
}

static int
compare_app(struct plan_app *app, const struct config_item *item,
            const struct plan_running *running)
{
    int rc;

    app->pinned = item->op == CONFIG_SET && is_gone_back_from(running, item->text->bytes);
    app->op = op_of(item, running, app->pinned);
    if (app->op == PLAN_UNCHANGED)
        return 0;
    app->runs = running != NULL;
    memcpy(app->name, item->app, sizeof app->name);
    rc = copy_text(&app->source, item->source);
    if (rc == 0)
        rc = copy_text(&app->reason,
                       app->pinned ? "an operator went back from this (fproxy rollback); it "
                                     "stays so until its configuration changes"
                                   : item->reason);
    if (rc == 0 && app->op != PLAN_HELD_BACK)
        rc = compare_texts(app, running, app->op == PLAN_DELETE ? NULL : item->text->bytes);
    return rc;
}

static void
app_fini(struct plan_app *app)
{
    free(app->source);
    free(app->reason);
    free(app->ports_added);
    free(app->ports_removed);
    free(app->targets_added);
    free(app->targets_removed);
    plan_keys_free(app->keys, app->key_count);
}

/* ---- all apps ---- */

static int
running_order(const void *a, const void *b)
{
    return strcmp((*(const struct plan_running *const *)a)->name,
                  (*(const struct plan_running *const *)b)->name);
}

static int
app_order(const void *a, const void *b)
{
    return strcmp(((const struct plan_app *)a)->name, ((const struct plan_app *)b)->name);
}

static const struct plan_running *
find_running(const struct plan_running *const *by_name, size_t count, const char *name)
{
    const struct plan_running key = { .name = name }, *wanted = &key;
    const struct plan_running *const *found =
        bsearch(&wanted, by_name, count, sizeof *by_name, running_order);

    return found != NULL ? *found : NULL;
}

static int
compare_apps(struct plan *plan, const struct plan_running *const *by_name, size_t running_count,
             const struct config_change *change)
{
    for (size_t i = 0; i < change->item_count; i++) {
        const struct config_item *item = &change->items[i];
        const struct plan_running *running = find_running(by_name, running_count, item->app);
        struct plan_app *app = &plan->apps[plan->app_count];
        int rc;

        if (item->op == CONFIG_REMOVE && running == NULL)
            continue;
        plan->app_count++;
        rc = compare_app(app, item, running);
        if (rc < 0)
            return rc;
        plan->counts[app->op]++;
        if (app->op == PLAN_UNCHANGED)
            plan->app_count--;          /* nothing of it was filled in */
        plan->drain_least += app->drain_least;
        plan->drain_most += app->drain_most;
    }
    qsort(plan->apps, plan->app_count, sizeof *plan->apps, app_order);
    return 0;
}

/* ---- ports that move ---- */

static int
move_order(const void *a, const void *b)
{
    return port_order(&((const struct plan_move *)a)->port, &((const struct plan_move *)b)->port);
}

/* Every port that some app loses, with who loses it. */
static struct plan_move *
lost_ports(const struct plan *plan, size_t *count)
{
    struct plan_move *lost;
    size_t room = 1;

    for (size_t i = 0; i < plan->app_count; i++)
        room += plan->apps[i].port_removed_count;
    lost = calloc(room, sizeof *lost);
    *count = 0;
    for (size_t i = 0; lost != NULL && i < plan->app_count; i++) {
        const struct plan_app *app = &plan->apps[i];

        for (uint32_t k = 0; k < app->port_removed_count; k++)
            lost[(*count)++] = (struct plan_move){ .port = app->ports_removed[k],
                                                   .from = app->name };
    }
    if (lost != NULL)
        qsort(lost, *count, sizeof *lost, move_order);
    return lost;
}

static int
find_moves(struct plan *plan)
{
    size_t lost_count, kept = 0;
    struct plan_move *lost = lost_ports(plan, &lost_count);

    if (lost == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < plan->app_count; i++) {
        const struct plan_app *app = &plan->apps[i];

        for (uint32_t k = 0; k < app->port_added_count; k++) {
            struct plan_move key = { .port = app->ports_added[k] }, *move;

            move = bsearch(&key, lost, lost_count, sizeof *lost, move_order);
            if (move != NULL)
                move->to = app->name;
        }
    }
    for (size_t i = 0; i < lost_count; i++)
        if (lost[i].to != NULL)
            lost[kept++] = lost[i];
    plan->moves = lost;
    plan->move_count = kept;
    return 0;
}

/* ---- */

int
plan_compare(const struct plan_running *running, size_t running_count,
             const struct config_change *change, struct plan **out)
{
    const struct plan_running **by_name = calloc(running_count + 1, sizeof *by_name);
    struct plan *plan = calloc(1, sizeof *plan);
    int rc = -ENOMEM;

    if (plan != NULL)
        plan->apps = calloc(change->item_count + 1, sizeof *plan->apps);
    if (by_name != NULL && plan != NULL && plan->apps != NULL) {
        for (size_t i = 0; i < running_count; i++)
            by_name[i] = &running[i];
        qsort(by_name, running_count, sizeof *by_name, running_order);
        rc = compare_apps(plan, by_name, running_count, change);
    }
    if (rc == 0)
        rc = find_moves(plan);
    free(by_name);
    if (rc == 0)
        *out = plan;
    else
        plan_free(plan);
    return rc;
}

void
plan_free(struct plan *plan)
{
    if (plan == NULL)
        return;
    for (size_t i = 0; i < plan->app_count; i++)
        app_fini(&plan->apps[i]);
    free(plan->apps);
    free(plan->moves);
    free(plan);
}
