#include "config/load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/app_read.h"
#include "config/claims.h"
#include "config/errors.h"
#include "config/files.h"
#include "config/json.h"
#include "config/sections.h"
#include "config/settings_read.h"

struct loaded_file {
    char *path; /* owned */
    enum syntax syntax;
    struct document *document; /* owned; NULL: it does not parse */
    struct sections sections;
};

/* Apps can be read only when all files are parsed: any of them may hold `defaults`. */
struct loader {
    struct config *config;     /* owned until loader_finish() */
    struct loaded_file *files; /* owned */
    size_t file_count, files_max;
    const struct loaded_file *daemon_file, *defaults_file;
    struct app_draft defaults;
    struct config_groups groups; /* borrowed texts */
    struct claims *claims; /* owned */
    size_t apps_max;
};

/* The error list and the problems that go into it, of one file. */
struct sink {
    struct file_errors errors;
    struct problems problems;
};

static void
sink_init(struct sink *sink, struct loader *loader, const char *path)
{
    sink->errors = (struct file_errors){ .config = loader->config, .file = path, .app = "" };
    sink->problems = (struct problems){ .report = errors_add, .context = &sink->errors };
}

static int
sink_result(const struct sink *sink, int rc)
{
    return sink->errors.out_of_memory ? -ENOMEM : rc;
}

struct loader *
loader_create(void)
{
    struct loader *loader = calloc(1, sizeof *loader);

    if (loader == NULL)
        return NULL;
    loader->config = calloc(1, sizeof *loader->config);
    loader->claims = claims_create();
    if (loader->config == NULL || loader->claims == NULL) {
        loader_destroy(loader);
        return NULL;
    }
    settings_defaults(&loader->config->settings);
    app_draft_init(&loader->defaults);
    return loader;
}

void
loader_destroy(struct loader *loader)
{
    for (size_t i = 0; i < loader->file_count; i++) {
        document_destroy(loader->files[i].document);
        free(loader->files[i].path);
    }
    free(loader->files);
    claims_destroy(loader->claims);
    config_free(loader->config);
    free(loader);
}

/* A place for the next file; NULL without memory. */
static struct loaded_file *
next_file(struct loader *loader, const char *path)
{
    struct loaded_file *file;

    if (loader->file_count == loader->files_max) {
        size_t max = loader->files_max == 0 ? 16 : loader->files_max * 2;

        file = reallocarray(loader->files, max, sizeof *file);
        if (file == NULL)
            return NULL;
        loader->files = file;
        loader->files_max = max;
    }
    file = &loader->files[loader->file_count];
    *file = (struct loaded_file){ .path = strdup(path),
                                  .syntax = file_is_json(path) ? SYNTAX_FLY : SYNTAX_OURS };
    if (file->path == NULL)
        return NULL;
    loader->file_count++;
    loader->config->file_count++;
    return file;
}

int
loader_add_unreadable(struct loader *loader, const char *path, const char *why)
{
    struct loaded_file *file = next_file(loader, path);
    struct sink sink;

    if (file == NULL)
        return -ENOMEM;
    sink_init(&sink, loader, file->path);
    problem_tell(&sink.problems, 0, "", "%s", why);
    return sink_result(&sink, errors_mark_opaque(loader->config, file->path));
}

/* What some editors put before UTF-8; neither parser knows it. */
static const char byte_order_mark[] = "\xef\xbb\xbf";

int
loader_add_text(struct loader *loader, const char *path, const char *text, size_t length)
{
    struct loaded_file *file = next_file(loader, path);
    struct sink sink;
    int rc;

    if (file == NULL)
        return -ENOMEM;
    if (length >= strlen(byte_order_mark) &&
        memcmp(text, byte_order_mark, strlen(byte_order_mark)) == 0) {
        text += strlen(byte_order_mark);
        length -= strlen(byte_order_mark);
    }
    sink_init(&sink, loader, file->path);
    rc = (file->syntax == SYNTAX_FLY ? json_parse : document_parse)(
        text, length, &sink.problems, &file->document);
    if (rc == -EINVAL)
        rc = errors_mark_opaque(loader->config, file->path);
    else if (rc == 0)
        sections_read(file->document, file->syntax, &sink.problems, &file->sections);
    if (rc == 0 && sink.problems.count > 0) /* `app = (...)` may have been meant as apps */
        rc = errors_mark_opaque(loader->config, file->path);
    return sink_result(&sink, rc);
}

/* Is this the only file with such a section? The later one is the error. */
static bool
is_first(struct loader *loader, struct sink *sink, const struct config_setting_t *section,
         const char *name, const struct config_setting_t *first_section,
         const struct loaded_file *first)
{
    if (first == NULL)
        return true;
    problem_tell(&sink->problems, section_line(section), name,
                 "may stand in one file only; it stands at %s:%u too", first->path,
                 section_line(first_section));
    return false;
}

static int
read_common(struct loader *loader, const struct loaded_file *file)
{
    const struct sections *sections = &file->sections;
    const struct loaded_file *first;
    struct sink sink;
    int rc = 0;

    sink_init(&sink, loader, file->path);
    first = loader->daemon_file;
    if (sections->daemon != NULL &&
        is_first(loader, &sink, sections->daemon, "daemon",
                 first != NULL ? first->sections.daemon : NULL, first)) {
        unsigned before = sink.problems.count;

        loader->daemon_file = file;
        rc = settings_read(sections->daemon, "daemon.", &sink.problems,
                           &loader->config->settings);
        loader->config->daemon.broken = sink.problems.count > before;
    }
    first = loader->defaults_file;
    if (rc == 0 && sections->defaults != NULL &&
        is_first(loader, &sink, sections->defaults, "defaults",
                 first != NULL ? first->sections.defaults : NULL, first)) {
        unsigned before = sink.problems.count;

        loader->defaults_file = file;
        rc = app_read_defaults(sections->defaults, &sink.problems, &loader->defaults);
        loader->config->defaults.broken = sink.problems.count > before;
    }
    return sink_result(&sink, rc);
}

static int
name_source(struct config_group *group, const struct loaded_file *file)
{
    if (file != NULL)
        group->source = strdup(file->path);
    return group->text == NULL || (file != NULL && group->source == NULL) ? -ENOMEM : 0;
}

/* What holds for all: the caller's groups, or what was read. */
static int
settle_groups(struct loader *loader)
{
    struct config *config = loader->config;
    const struct config_groups *groups = &loader->groups;
    char why[DETAIL_BYTES];
    int rc = 0;

    if (groups->daemon != NULL) {
        rc = settings_parse(groups->daemon, &config->settings, why);
        config->daemon.replaced = rc == 0;
    }
    if (groups->defaults != NULL && rc != -ENOMEM) {
        rc = app_defaults_parse(groups->defaults, &loader->defaults, why);
        config->defaults.replaced = rc == 0;
    }
    if (rc == -ENOMEM)
        return rc;
    config->daemon.text = settings_print(&config->settings);
    config->defaults.text = app_defaults_print(&loader->defaults);
    rc = name_source(&config->daemon, loader->daemon_file);
    return rc == 0 ? name_source(&config->defaults, loader->defaults_file) : rc;
}

/* Moves a draft without errors into the result. */
static int
keep_app(struct loader *loader, const struct loaded_file *file, struct app_draft *draft)
{
    struct config *config = loader->config;
    struct config_app *app;

    if (config->app_count == loader->apps_max) {
        size_t max = loader->apps_max == 0 ? 16 : loader->apps_max * 2;

        app = reallocarray(config->apps, max, sizeof *app);
        if (app == NULL)
            return -ENOMEM;
        config->apps = app;
        loader->apps_max = max;
    }
    app = &config->apps[config->app_count];
    app->source = strdup(file->path);
    if (app->source == NULL)
        return -ENOMEM;
    app->line = draft->line;
    app->app = draft->app;
    draft->app.ports = NULL; /* the result's now */
    draft->app.targets = NULL;
    config->app_count++;
    return 0;
}

static int
read_app(struct loader *loader, const struct loaded_file *file,
         const struct config_setting_t *group)
{
    struct app_draft draft;
    struct sink sink;
    int rc;

    sink_init(&sink, loader, file->path);
    sink.errors.app = app_read_name(group, file->syntax);
    rc = app_read(group, file->syntax, &loader->defaults, &sink.problems, &draft);
    if (rc == 0)
        rc = claims_add(loader->claims, &draft, file->path, file->syntax, &sink.problems);
    if (rc == 0 && sink.errors.app[0] == '\0')
        rc = errors_mark_opaque(loader->config, file->path); /* which one is it? */
    if (rc == 0 && sink.problems.count == 0)
        rc = keep_app(loader, file, &draft);
    app_draft_fini(&draft);
    return sink_result(&sink, rc);
}

static int
read_apps(struct loader *loader, const struct loaded_file *file)
{
    unsigned count = section_app_count(&file->sections);
    int rc = 0;

    if (file->sections.apps_unknown)
        rc = errors_mark_opaque(loader->config, file->path);
    for (unsigned i = 0; i < count && rc == 0; i++)
        rc = read_app(loader, file, section_app(&file->sections, i));
    return rc;
}

int
loader_finish(struct loader *loader, struct config **config)
{
    int rc = 0;

    for (size_t i = 0; i < loader->file_count && rc == 0; i++)
        if (loader->files[i].document != NULL)
            rc = read_common(loader, &loader->files[i]);
    if (rc == 0)
        rc = settle_groups(loader);
    for (size_t i = 0; i < loader->file_count && rc == 0; i++)
        if (loader->files[i].document != NULL)
            rc = read_apps(loader, &loader->files[i]);
    if (rc == 0) {
        errors_sort(loader->config);
        *config = loader->config;
        loader->config = NULL;
    }
    loader_destroy(loader);
    return rc;
}

void
loader_replace(struct loader *loader, const struct config_groups *groups)
{
    loader->groups = *groups;
}

static int
load_file(struct loader *loader, const char *path)
{
    char why[DETAIL_BYTES];
    size_t length;
    char *text = file_read(path, &length, why);
    int rc;

    if (text == NULL)
        return loader_add_unreadable(loader, path, why);
    rc = loader_add_text(loader, path, text, length);
    free(text);
    return rc;
}

int
config_load_with(const char *path, const struct config_groups *groups, struct config **config)
{
    struct file_list list;
    struct loader *loader;
    int rc = files_list(path, &list);

    if (rc < 0)
        return rc;
    loader = loader_create();
    if (loader == NULL)
        rc = -ENOMEM;
    else
        loader_replace(loader, groups);
    for (size_t i = 0; i < list.count && rc == 0; i++)
        rc = load_file(loader, list.paths[i]);
    files_free(&list);
    if (rc == 0)
        return loader_finish(loader, config);
    if (loader != NULL)
        loader_destroy(loader);
    return rc;
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
    if (config == NULL)
        return;
    group_fini(&config->daemon);
    group_fini(&config->defaults);
    for (size_t i = 0; i < config->app_count; i++) {
        app_config_fini(&config->apps[i].app);
        free(config->apps[i].source);
    }
    for (size_t i = 0; i < config->error_count; i++) {
        free(config->errors[i].file);
        free(config->errors[i].key);
        free(config->errors[i].message);
    }
    for (size_t i = 0; i < config->opaque_file_count; i++)
        free(config->opaque_files[i]);
    free(config->apps);
    free(config->errors);
    free(config->opaque_files);
    free(config);
}
