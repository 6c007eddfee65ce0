#include "probes/inspect_changes.h"

#include <string.h>

struct comparing {
    int64_t now_wall_ms;
    inspect_change_fn *tell;
    void *context;
};

static bool
same_endpoint(const struct inspect_endpoint *a, const struct inspect_endpoint *b)
{
    return strcmp(a->target, b->target) == 0 && strcmp(a->address, b->address) == 0;
}

/* Most often it is where it was. */
static const struct inspect_endpoint *
find_endpoint(const struct inspect_app *app, const struct inspect_endpoint *wanted, size_t hint)
{
    if (hint < app->count && same_endpoint(&app->endpoints[hint], wanted))
        return &app->endpoints[hint];
    for (size_t i = 0; i < app->count; i++) {
        if (same_endpoint(&app->endpoints[i], wanted))
            return &app->endpoints[i];
    }
    return NULL;
}

static void
compare_endpoints(const struct comparing *comparing, const struct inspect_app *before,
                  struct inspect_app *after)
{
    struct inspect_change change = { .app_before = before, .app_after = after };

    for (size_t i = 0; i < after->count; i++) {
        struct inspect_endpoint *endpoint = &after->endpoints[i];

        change.before = find_endpoint(before, endpoint, i);
        change.after = endpoint;
        if (change.before != NULL && strcmp(change.before->state, endpoint->state) == 0 &&
            strcmp(change.before->reason, endpoint->reason) == 0) {
            endpoint->changed_ms = change.before->changed_ms;
            continue;
        }
        endpoint->changed_ms = comparing->now_wall_ms;
        comparing->tell(&change, comparing->context);
    }
    change.after = NULL;
    for (size_t i = 0; i < before->count; i++) {
        change.before = &before->endpoints[i];
        if (find_endpoint(after, change.before, i) == NULL)
            comparing->tell(&change, comparing->context);
    }
}

static void
compare_apps(const struct comparing *comparing, const struct inspect_app *before,
             struct inspect_app *after)
{
    static const struct inspect_app none;
    const struct inspect_change change = { .app_before = before, .app_after = after };

    if (before == NULL || after == NULL || before->ready != after->ready ||
        before->panic != after->panic || before->generation != after->generation)
        comparing->tell(&change, comparing->context);
    if (after != NULL)
        compare_endpoints(comparing, before != NULL ? before : &none, after);
}

void
inspect_changes(const struct inspect_view *before, struct inspect_view *after,
                int64_t now_wall_ms, inspect_change_fn *tell, void *context)
{
    const struct comparing comparing = { now_wall_ms, tell, context };
    size_t i = 0, j = 0;

    while (i < before->count || j < after->count) {
        int order = i == before->count  ? 1
                    : j == after->count ? -1
                                        : strcmp(before->apps[i].name, after->apps[j].name);

        compare_apps(&comparing, order <= 0 ? &before->apps[i] : NULL,
                     order >= 0 ? &after->apps[j] : NULL);
        i += order <= 0;
        j += order >= 0;
    }
}
