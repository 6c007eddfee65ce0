/* load - a configuration once, as structs and errors: a set (set.h) that nobody takes from. */
#include "config/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/set_priv.h"

struct loader {
    struct config_set *set; /* owned */
};

struct loader *
loader_create(void)
{
    struct loader *loader = calloc(1, sizeof *loader);

    if (loader == NULL)
        return NULL;
    loader->set = config_set_create("");
    if (loader->set == NULL) {
        free(loader);
        return NULL;
    }
    return loader;
}

void
loader_destroy(struct loader *loader)
{
    config_set_destroy(loader->set);
    free(loader);
}

int
loader_add_text(struct loader *loader, const char *path, const char *text, size_t length)
{
    char *copy = malloc(length + 1);

    if (copy == NULL)
        return -ENOMEM;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return set_files_add(loader->set, path, copy, length);
}

void
loader_replace(struct loader *loader, const struct config_groups *groups)
{
    struct settings settings;
    struct app_draft draft;
    char why[DETAIL_BYTES];

    if (groups->daemon != NULL && settings_parse(groups->daemon, &settings, why) == 0)
        loader->set->groups[GROUP_DAEMON].forced = groups->daemon;
    if (groups->defaults != NULL && app_defaults_parse(groups->defaults, &draft, why) == 0) {
        loader->set->groups[GROUP_DEFAULTS].forced = groups->defaults;
        app_draft_fini(&draft);
    }
}

/* Notes the file as one whose apps are not all known. */
static int
mark_opaque(struct config *config, const char *file)
{
    size_t count = config->opaque_file_count;
    char **files;

    for (size_t i = 0; i < count; i++)
        if (strcmp(config->opaque_files[i], file) == 0)
            return 0;
    files = reallocarray(config->opaque_files, count + 1, sizeof *files);
    if (files == NULL)
        return -ENOMEM;
    config->opaque_files = files;
    files[count] = strdup(file);
    if (files[count] == NULL)
        return -ENOMEM;
    config->opaque_file_count++;
    return 0;
}

static int
give_files(const struct config_set *set, struct config *config)
{
    int rc = 0;

    config->file_count = set->file_count;
    for (size_t i = 0; i < set->file_count && rc == 0; i++) {
        const struct content *content = &set->files[i]->content;

        config->errors_dropped += content->errors.dropped;
        if (content->opaque)
            rc = mark_opaque(config, set->files[i]->path);
    }
    return rc;
}

/* The first ones in the order of files; what is beyond is counted. */
static int
give_errors(const struct config_set *set, struct config *config)
{
    struct error_list list = { 0 };
    const struct config_error **all;
    size_t count;
    int rc = 0;

    all = set_errors(set, &count);
    if (all == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count && rc == 0; i++) {
        rc = error_list_copy(&list, all[i]);
        if (rc == 0 && list.dropped > 0)
            rc = mark_opaque(config, all[i]->file);
    }
    free(all);
    config->errors = list.errors;
    config->error_count = list.count;
    config->errors_dropped += list.dropped + set->errors.dropped;
    return rc;
}

static int
give_apps(const struct config_set *set, struct config *config)
{
    char why[DETAIL_BYTES];

    if (set->order_count == 0)
        return 0;
    config->apps = calloc(set->order_count, sizeof *config->apps);
    if (config->apps == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < set->order_count; i++) {
        const struct set_entry *entry = set->order[i];
        struct config_app *app = &config->apps[config->app_count];
        int rc;

        if (entry->now != NOW_VALID)
            continue;
        rc = app_config_parse(entry->app->facts->text->bytes, &app->app, why);
        if (rc < 0)
            return rc;
        config->app_count++;
        rc = file_uses_copy(&entry->app->files, &app->files);
        if (rc < 0)
            return rc;
        app->line = entry->app->line;
        app->source = strdup(entry->file->path);
        if (app->source == NULL)
            return -ENOMEM;
    }
    return 0;
}

static int
give_group(const struct set_group *group, struct config_group *into)
{
    into->broken = group->broken;
    into->replaced = group->replaced;
    into->text = strdup(group->text);
    if (group->file != NULL)
        into->source = strdup(group->file->path);
    return into->text == NULL || (group->file != NULL && into->source == NULL) ? -ENOMEM : 0;
}

int
loader_finish(struct loader *loader, struct config **out)
{
    struct config_set *set = loader->set;
    struct config *config = calloc(1, sizeof *config);
    int rc = config == NULL ? -ENOMEM : set_settle(set);

    if (rc == 0)
        rc = give_files(set, config);
    if (rc == 0)
        rc = give_errors(set, config);
    if (rc == 0)
        rc = give_apps(set, config);
    if (rc == 0)
        rc = give_group(&set->groups[GROUP_DAEMON], &config->daemon);
    if (rc == 0)
        rc = give_group(&set->groups[GROUP_DEFAULTS], &config->defaults);
    if (rc == 0) {
        config->settings = set->settings;
        *out = config;
    } else {
        config_free(config);
    }
    loader_destroy(loader);
    return rc;
}

int
config_load_with(const char *path, const struct config_groups *groups, struct config **config)
{
    struct loader loader = { config_set_create(path) }, *finished;
    int rc = loader.set == NULL ? -ENOMEM : config_set_look(loader.set);

    finished = rc == 0 ? malloc(sizeof *finished) : NULL;
    if (finished == NULL) {
        config_set_destroy(loader.set);
        return rc < 0 ? rc : -ENOMEM;
    }
    *finished = loader;
    loader_replace(finished, groups);
    return loader_finish(finished, config);
}

int
config_load(const char *path, struct config **config)
{
    return config_load_with(path, &(struct config_groups){ 0 }, config);
}

static void
group_fini(struct config_group *group)
{
    free(group->source);
    free(group->text);
}

void
config_free(struct config *config)
{
    struct error_list errors;

    if (config == NULL)
        return;
    group_fini(&config->daemon);
    group_fini(&config->defaults);
    for (size_t i = 0; i < config->app_count; i++) {
        app_config_fini(&config->apps[i].app);
        file_uses_fini(&config->apps[i].files);
        free(config->apps[i].source);
    }
    errors = (struct error_list){ .errors = config->errors, .count = config->error_count };
    error_list_fini(&errors);
    for (size_t i = 0; i < config->opaque_file_count; i++)
        free(config->opaque_files[i]);
    free(config->apps);
    free(config->opaque_files);
    free(config);
}
