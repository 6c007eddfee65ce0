#include "probes/inspect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "strategy/endpoint_state.h"

enum { FIRST_ROOM = 8, NEAR_EDITS_MAX = 3 };

void *
inspect_add(void **elements, size_t *count, size_t *room, size_t bytes)
{
    void *element;

    if (*count == *room) {
        size_t wanted = *room == 0 ? FIRST_ROOM : *room * 2;
        void *grown = reallocarray(*elements, wanted, bytes);

        if (grown == NULL)
            return NULL;
        *elements = grown;
        *room = wanted;
    }
    element = (char *)*elements + *count * bytes;
    memset(element, 0, bytes);
    (*count)++;
    return element;
}

struct inspect_app *
inspect_add_app(struct inspect_view *view, const char *name)
{
    void *apps = view->apps;
    struct inspect_app *app = inspect_add(&apps, &view->count, &view->room, sizeof *app);

    view->apps = apps;
    if (app != NULL)
        snprintf(app->name, sizeof app->name, "%s", name);
    return app;
}

struct inspect_endpoint *
inspect_add_endpoint(struct inspect_app *app)
{
    void *endpoints = app->endpoints;
    struct inspect_endpoint *endpoint = inspect_add(&endpoints, &app->count, &app->room,
                                                    sizeof *endpoint);

    app->endpoints = endpoints;
    return endpoint;
}

void
inspect_view_free(struct inspect_view *view)
{
    for (size_t i = 0; i < view->count; i++)
        free(view->apps[i].endpoints);
    free(view->apps);
    *view = (struct inspect_view){ 0 };
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(((const struct inspect_app *)a)->name, ((const struct inspect_app *)b)->name);
}

void
inspect_sort(struct inspect_view *view)
{
    if (view->count > 0)
        qsort(view->apps, view->count, sizeof view->apps[0], compare_names);
}

/* Edits (insert, delete, replace a byte) that make `a` of `b`. */
static unsigned
edit_distance(const char *a, const char *b)
{
    unsigned row[TARGET_NAME_BYTES];
    size_t columns = strnlen(b, ARRAY_SIZE(row) - 1);

    for (unsigned j = 0; j <= columns; j++)
        row[j] = j;
    for (unsigned i = 0; a[i] != '\0'; i++) {
        unsigned diagonal = row[0];

        row[0] = i + 1;
        for (unsigned j = 1; j <= columns; j++) {
            unsigned replaced = diagonal + (a[i] != b[j - 1]);

            diagonal = row[j];
            row[j] = MIN(replaced, MIN(diagonal, row[j - 1]) + 1);
        }
    }
    return row[columns];
}

/* Remembers `name` when it is nearer to `wanted` than what was seen before. */
static void
consider(const char *wanted, const char *name, const char **nearest, unsigned *distance)
{
    unsigned edits = edit_distance(wanted, name);

    if (edits <= NEAR_EDITS_MAX && edits < *distance && edits < strlen(name)) {
        *nearest = name;
        *distance = edits;
    }
}

int
inspect_keep_app(struct inspect_view *view, const char *name, const char **nearest)
{
    unsigned distance = UINT32_MAX;

    *nearest = NULL;
    for (size_t i = 0; i < view->count; i++) {
        struct inspect_app kept = view->apps[i];

        if (strcmp(kept.name, name) != 0) {
            consider(name, view->apps[i].name, nearest, &distance);
            continue;
        }
        view->apps[i] = view->apps[0];
        view->apps[0] = kept;
        while (view->count > 1)
            free(view->apps[--view->count].endpoints);
        return 0;
    }
    return -ENOENT;
}

int
inspect_keep_target(struct inspect_app *app, const char *target, const char **nearest)
{
    unsigned distance = UINT32_MAX;
    size_t kept = 0;

    *nearest = NULL;
    for (size_t i = 0; i < app->count; i++) {
        const struct inspect_endpoint *endpoint = &app->endpoints[i];

        if (strcmp(endpoint->target, target) == 0 || strcmp(endpoint->address, target) == 0)
            kept++;
        consider(target, endpoint->target, nearest, &distance);
        consider(target, endpoint->address, nearest, &distance);
    }
    if (kept == 0)
        return -ENOENT;
    kept = 0;
    for (size_t i = 0; i < app->count; i++) {
        struct inspect_endpoint *endpoint = &app->endpoints[i];

        if (strcmp(endpoint->target, target) == 0 || strcmp(endpoint->address, target) == 0)
            app->endpoints[kept++] = *endpoint;
    }
    app->count = kept;
    *nearest = NULL;
    return 0;
}

bool
inspect_any_eligible(const struct inspect_app *app)
{
    for (size_t i = 0; i < app->count; i++) {
        enum endpoint_state state;

        if (endpoint_state_parse(app->endpoints[i].state, &state) &&
            endpoint_state_eligible(state))
            return true;
    }
    return false;
}
