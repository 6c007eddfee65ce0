#include "proxy/supervisor/known.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "proxy/supervisor/numbers.h"

const char known_interrupted[] = "interrupted: the supervisor ended";

/* All begin with the app's name, and are ordered by it. */
static int
by_name(const void *name, const void *row)
{
    return strcmp(name, row);
}

static const void *
find(const char *app, const void *rows, size_t count, size_t bytes)
{
    return rows == NULL ? NULL : bsearch(app, rows, count, bytes, by_name);
}

void
known_end(struct store_rollout *rollout)
{
    if (rollout->outcome[0] != '\0')
        return;
    snprintf(rollout->outcome, sizeof rollout->outcome, "failed");
    snprintf(rollout->reason, sizeof rollout->reason, "%s", known_interrupted);
    rollout->finished_at_ms = clock_wall_ms();
}

void
known_read(struct known *known, struct store *store)
{
    known->configs_unknown =
        store_read_configs(store, &known->configs, &known->config_count) < 0;
    if (known->configs_unknown)
        known->config_count = 0;
    if (store_read_groups(store, &known->groups, &known->group_count) < 0)
        known->group_count = 0;
    if (store_read_rollouts(store, &known->rollouts, &known->rollout_count) < 0)
        known->rollout_count = 0;
    known->overrides_unknown =
        store_read_overrides(store, &known->overrides, &known->override_count) < 0;
    if (known->overrides_unknown)
        known->override_count = 0;
}

void
known_free(struct known *known)
{
    store_configs_free(known->configs, known->config_count);
    store_configs_free(known->groups, known->group_count);
    free(known->rollouts);
    free(known->overrides);
    *known = (struct known){ 0 };
}

/* The rows of one app lie side by side; `*first` gets the first of them. */
static size_t
configs_of(const struct known *known, const char *app, const struct store_config **first)
{
    const struct store_config *found = find(app, known->configs, known->config_count,
                                            sizeof *known->configs);
    const struct store_config *end = known->configs + known->config_count;
    const struct store_config *at = found;
    size_t count = 0;

    if (found == NULL)
        return 0;
    while (at > known->configs && strcmp(at[-1].app, app) == 0)
        at--;
    *first = at;
    while (at + count < end && strcmp(at[count].app, app) == 0)
        count++;
    return count;
}

const struct store_config *
known_good(const struct known *known, const char *app)
{
    const struct store_config *rows = NULL;
    size_t count = configs_of(known, app, &rows);

    for (size_t i = 0; i < count; i++) {
        if (rows[i].config != NULL)
            return &rows[i];
    }
    return NULL;
}

uint32_t
known_highest(const struct known *known, const char *app)
{
    const struct store_config *rows = NULL;
    size_t count = configs_of(known, app, &rows);
    uint32_t highest = 0;

    if (known->configs_unknown)
        return numbers_unknown();
    for (size_t i = 0; i < count; i++)
        highest = MAX(highest, rows[i].generation);
    return highest;
}

/* Is `file` the path itself, or in that directory? */
static bool
is_under(const char *file, const char *path)
{
    size_t bytes = strlen(path);

    while (bytes > 1 && path[bytes - 1] == '/')
        bytes--;
    return strncmp(file, path, bytes) == 0 && (file[bytes] == '\0' || file[bytes] == '/');
}

bool
known_is_empty(const struct known *known, const char *config_path)
{
    for (size_t i = 0; i < known->config_count; i++) {
        const struct store_config *row = &known->configs[i];

        if (row->config != NULL && row->source != NULL && is_under(row->source, config_path))
            return false;
    }
    return true;
}

const struct store_rollout *
known_rollout(const struct known *known, const char *app)
{
    return find(app, known->rollouts, known->rollout_count, sizeof *known->rollouts);
}

const char *
known_rolled_back(const struct known *known, const char *app)
{
    for (size_t i = 0; i < known->override_count; i++) {
        const struct store_override *override = &known->overrides[i];

        if (strcmp(override->app, app) == 0 && override->target[0] == '\0' &&
            strcmp(override->action, "rollback") == 0)
            return override->note;
    }
    return NULL;
}
