#include "proxy/supervisor/boot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/supervisor/text.h"

static const struct store_config *
last_good(const struct store_config *known, size_t known_count, const char *app)
{
    for (size_t i = 0; i < known_count; i++) {
        if (known[i].config != NULL && strcmp(known[i].app, app) == 0)
            return &known[i];
    }
    return NULL;
}

uint32_t
boot_generation(const struct store_config *known, size_t known_count, const char *app,
                const char *hash)
{
    const struct store_config *good = last_good(known, known_count, app);
    uint32_t highest = 0;

    if (good != NULL && strcmp(good->hash, hash) == 0)
        return good->generation;
    for (size_t i = 0; i < known_count; i++) {
        if (strcmp(known[i].app, app) == 0 && known[i].generation > highest)
            highest = known[i].generation;
    }
    return highest + 1;
}

bool
boot_is_under(const char *file, const char *path)
{
    size_t bytes = strlen(path);

    while (bytes > 1 && path[bytes - 1] == '/')
        bytes--;
    return strncmp(file, path, bytes) == 0 && (file[bytes] == '\0' || file[bytes] == '/');
}

static struct desired_app *
find(struct desired *desired, const char *name)
{
    for (size_t i = 0; i < desired->app_count; i++) {
        if (strcmp(desired->apps[i].name, name) == 0)
            return &desired->apps[i];
    }
    return NULL;
}

static struct desired_app *
append(struct desired *desired, const char *name)
{
    struct desired_app *app = &desired->apps[desired->app_count++];

    text_copy(app->name, sizeof app->name, name);
    return app;
}

/* An app whose present text is valid. */
static int
plan_valid(struct desired *desired, struct config_app *from, const struct store_config *known,
           size_t known_count)
{
    const struct store_config *good = last_good(known, known_count, from->app.name);
    char *text = app_config_print(&from->app);
    struct desired_app *app;
    char hash[65];

    if (text == NULL)
        return -ENOMEM;
    store_hash(text, hash);
    app = append(desired, from->app.name);
    app->runnable = true;
    app->config = from->app;
    app->text = text;
    app->source = from->source;
    app->generation = boot_generation(known, known_count, app->name, hash);
    if (good != NULL) {
        app->from_generation = good->generation;
        app->recorded = app->generation == good->generation && good->source != NULL &&
                        strcmp(good->source, app->source) == 0;
    }
    from->app = (struct app_config){ 0 };
    from->source = NULL;
    return 0;
}

/* An app that goes on as the database knows it, because of `why` (taken over). */
static int
plan_known(struct desired *desired, const struct store_config *good, char *why)
{
    struct desired_app *app = append(desired, good->app);
    char trouble[DETAIL_BYTES];

    app->held_back = why;
    app->recorded = true;
    app->generation = app->from_generation = good->generation;
    if (why == NULL)
        return -ENOMEM;
    if (app_config_parse(good->config, &app->config, trouble) < 0) {
        char *both;

        if (asprintf(&both, "%s; its last good configuration cannot be used: %s", why,
                     trouble) < 0)
            return -ENOMEM;
        free(why);
        app->held_back = both;
        return 0;
    }
    app->runnable = true;
    app->text = strdup(good->config);
    app->source = strdup(good->source != NULL ? good->source : "");
    return app->text == NULL || app->source == NULL ? -ENOMEM : 0;
}

/* Apps that errors name: their last good one, or only the error. */
static int
plan_invalid(struct desired *desired, const struct config *config,
             const struct store_config *known, size_t known_count)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < config->error_count; i++) {
        const struct config_error *error = &config->errors[i];
        const struct store_config *good = last_good(known, known_count, error->app);

        if (error->app[0] == '\0' || find(desired, error->app) != NULL)
            continue;
        if (good != NULL) {
            rc = plan_known(desired, good, config_error_text(error));
            continue;
        }
        append(desired, error->app)->held_back = config_error_text(error);
    }
    return rc;
}

/* Why nothing could be learnt from a file. */
static char *
opaque_reason(const struct config *config, const char *file)
{
    char *text;

    for (size_t i = 0; i < config->error_count; i++) {
        if (strcmp(config->errors[i].file, file) == 0)
            return config_error_text(&config->errors[i]);
    }
    return asprintf(&text, "%s: cannot be used", file) < 0 ? NULL : text;
}

static bool
is_opaque(const struct config *config, const char *file)
{
    for (size_t i = 0; i < config->opaque_file_count; i++) {
        if (strcmp(config->opaque_files[i], file) == 0)
            return true;
    }
    return false;
}

bool
boot_group_restored(const struct config *config, const struct config_group *group,
                    const char *config_path, const struct store_config *good)
{
    if (good == NULL || good->source == NULL || !boot_is_under(good->source, config_path))
        return false;
    return config == NULL || group->broken ||
           (group->source == NULL && is_opaque(config, good->source));
}

/* Apps that are known but stand nowhere in what could be read. */
static int
plan_absent(struct desired *desired, const struct config *config, const char *config_path,
            const struct store_config *known, size_t known_count)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < known_count; i++) {
        const struct store_config *good = &known[i];
        const char *source = good->source != NULL ? good->source : "";

        if (good->config == NULL || find(desired, good->app) != NULL)
            continue;
        if (is_opaque(config, source))
            rc = plan_known(desired, good, opaque_reason(config, source));
        else if (boot_is_under(source, config_path))
            text_copy(desired->forgotten[desired->forgotten_count++], APP_NAME_BYTES,
                      good->app);
    }
    return rc;
}

static int
plan_without_config(struct desired *desired, const char *config_path, int path_error,
                    const struct store_config *known, size_t known_count)
{
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < known_count; i++) {
        char *why;

        if (known[i].config == NULL || known[i].source == NULL ||
            !boot_is_under(known[i].source, config_path))
            continue;
        if (asprintf(&why, "%s: cannot be read: %s", config_path, strerror(-path_error)) < 0)
            return -ENOMEM;
        rc = plan_known(desired, &known[i], why);
    }
    return rc;
}

int
boot_plan(struct config *config, const char *config_path, int path_error,
          const struct store_config *known, size_t known_count, struct desired **out)
{
    struct desired *desired = calloc(1, sizeof *desired);
    size_t apps_max = known_count + 1;
    int rc = 0;

    if (config != NULL)
        apps_max += config->app_count + config->error_count;
    if (desired == NULL)
        return -ENOMEM;
    desired->apps = calloc(apps_max, sizeof *desired->apps);
    desired->forgotten = calloc(known_count + 1, sizeof *desired->forgotten);
    if (desired->apps == NULL || desired->forgotten == NULL)
        rc = -ENOMEM;
    for (size_t i = 0; rc == 0 && config != NULL && i < config->app_count; i++)
        rc = plan_valid(desired, &config->apps[i], known, known_count);
    if (rc == 0 && config != NULL)
        rc = plan_invalid(desired, config, known, known_count);
    if (rc == 0 && config != NULL)
        rc = plan_absent(desired, config, config_path, known, known_count);
    if (rc == 0 && config == NULL)
        rc = plan_without_config(desired, config_path, path_error, known, known_count);
    if (rc < 0) {
        desired_free(desired);
        return rc;
    }
    *out = desired;
    return 0;
}

void
desired_free(struct desired *desired)
{
    if (desired == NULL)
        return;
    for (size_t i = 0; i < desired->app_count; i++) {
        app_config_fini(&desired->apps[i].config);
        free(desired->apps[i].text);
        free(desired->apps[i].source);
        free(desired->apps[i].held_back);
    }
    free(desired->apps);
    free(desired->forgotten);
    free(desired);
}
