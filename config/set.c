#include "config/set_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Files that are read again may bring other defaults, and so on: an end to that. */
enum { REFRESHES_MAX = 8 };

struct config_set *
config_set_create(const char *path)
{
    struct config_set *set = calloc(1, sizeof *set);
    size_t bytes = strlen(path);

    if (set == NULL)
        return NULL;
    while (bytes > 1 && path[bytes - 1] == '/')
        bytes--;
    settings_defaults(&set->settings);
    app_draft_init(&set->defaults);
    set->path = strndup(path, bytes);
    set->held = claims_create();
    set->wanted = claims_create();
    if (set->path == NULL || set->held == NULL || set->wanted == NULL ||
        set_groups_settle(set) < 0) {
        config_set_destroy(set);
        return NULL;
    }
    return set;
}

void
config_set_destroy(struct config_set *set)
{
    struct set_entry *entry, *next;

    if (set == NULL)
        return;
    HASH_ITER(hh, set->entries, entry, next)
    set_entry_free(set, entry);
    set_files_free(set);
    set_groups_free(set);
    error_list_fini(&set->errors);
    claims_destroy(set->held);
    claims_destroy(set->wanted);
    for (size_t i = 0; i < set->told_count; i++)
        free(set->told[i]);
    free(set->told);
    app_draft_fini(&set->defaults);
    free(set->order);
    free(set->path);
    free(set);
}

int
set_settle(struct config_set *set)
{
    int rc = 1;

    set->settled = false;
    for (int i = 0; i < REFRESHES_MAX && rc == 1; i++) {
        error_list_fini(&set->errors);
        rc = set_groups_settle(set);
        if (rc == 0 && set->path_error == 0)
            rc = set_files_refresh(set);
    }
    if (rc >= 0)
        rc = set_contest(set);
    set->settled = rc == 0;
    return rc;
}

/* After files were looked at with the result `rc`. */
static int
settle_look(struct config_set *set, int rc)
{
    if (rc != set->path_error) {
        set->path_error = rc;
        set->dirty = true;
    }
    if (!set->dirty && set->settled) {
        set->revision += set->adopted_some;
        set->adopted_some = false;
        return rc;
    }
    set->revision++;
    if (set_settle(set) < 0)
        return -ENOMEM;
    return set->path_error;
}

int
config_set_look(struct config_set *set)
{
    return settle_look(set, set_files_look(set));
}

int
config_set_look_at(struct config_set *set, const char *const *names, size_t count)
{
    if (set->path_error < 0)
        return config_set_look(set);
    return settle_look(set, set_files_look_at(set, names, count));
}

int
config_set_look_young(struct config_set *set, uint64_t now_ms)
{
    if (set->path_error < 0)
        return config_set_look(set);
    return settle_look(set, set_files_look_young(set, now_ms));
}

const struct settings *
config_set_settings(const struct config_set *set)
{
    return &set->settings;
}

uint64_t
config_set_look_again_ms(const struct config_set *set)
{
    /* Nothing can be read now; who looks at all when the path is back reads them as well. */
    return set->path_error < 0 ? 0 : set->again_at_ms;
}

uint64_t
config_set_revision(const struct config_set *set)
{
    return set->revision;
}

const char *
config_set_link(const struct config_set *set, size_t *at)
{
    while (*at < set->file_count) {
        const struct set_file *file = set->files[(*at)++];

        if (file->is_link)
            return file->path;
    }
    return NULL;
}

bool
set_is_under(const struct config_set *set, const char *file)
{
    size_t bytes = strlen(set->path);

    if (strcmp(set->path, "/") == 0)
        return file[0] == '/';
    return strncmp(file, set->path, bytes) == 0 && (file[bytes] == '\0' || file[bytes] == '/');
}

char *
set_path_error_text(const struct config_set *set)
{
    char *text;

    if (asprintf(&text, "%s: cannot be read: %s", set->path, strerror(-set->path_error)) < 0)
        return NULL;
    return text;
}

/* A text that is the present one is not read a second time. */
static int
know_text(struct set_entry *entry, const struct config_known *known, const char *known_source)
{
    struct app_facts *facts = NULL;
    char *source;
    int rc = 0;

    if (entry->app != NULL && entry->app->facts->text != NULL && known->text != NULL &&
        strcmp(entry->app->facts->text->bytes, known->text) == 0)
        facts = app_facts_ref(entry->app->facts);
    else if (known->text != NULL)
        rc = app_facts_parse(known->text, &facts);
    source = known_source != NULL ? strdup(known_source) : NULL;
    if (rc == -ENOMEM || (source == NULL && known_source != NULL)) {
        app_facts_unref(facts);
        free(source);
        return -ENOMEM;
    }
    app_facts_unref(entry->held);
    free(entry->source);
    entry->held = facts;
    entry->source = source;
    entry->taken = TAKEN_KNOWN;
    return 0;
}

/* An app that worked before. */
static int
know_app(struct config_set *set, const struct config_known *known)
{
    struct set_entry *entry = set_entry_get(set, known->name);

    return entry == NULL ? -ENOMEM : know_text(entry, known, known->source);
}

static bool
is_canonical(int which, const char *text)
{
    struct settings settings;
    struct app_draft draft;
    char why[DETAIL_BYTES];

    if (which == GROUP_DAEMON)
        return settings_parse(text, &settings, why) == 0;
    if (app_defaults_parse(text, &draft, why) < 0)
        return false;
    app_draft_fini(&draft);
    return true;
}

static int
know_group(struct config_set *set, const struct config_known *known)
{
    for (int i = 0; i < GROUPS; i++) {
        struct set_group *group = &set->groups[i];
        char *text, *source;

        if (strcmp(known->name, group_names[i]) != 0 || known->text == NULL ||
            !is_canonical(i, known->text))
            continue;
        text = strdup(known->text);
        source = strdup(known->source);
        if (text == NULL || source == NULL) {
            free(text);
            free(source);
            return -ENOMEM;
        }
        free(group->good_text);
        free(group->good_source);
        group->good_text = text;
        group->good_source = source;
    }
    return 0;
}

int
config_set_know(struct config_set *set, const struct config_known *apps, size_t app_count,
                const struct config_known *groups, size_t group_count)
{
    int rc = 0;

    for (size_t i = 0; i < app_count && rc == 0; i++)
        if (apps[i].source != NULL && set_is_under(set, apps[i].source))
            rc = know_app(set, &apps[i]);
    for (size_t i = 0; i < group_count && rc == 0; i++)
        if (groups[i].source != NULL && set_is_under(set, groups[i].source))
            rc = know_group(set, &groups[i]);
    return rc == 0 ? set_settle(set) : rc;
}

int
config_set_know_running(struct config_set *set, const struct config_known *apps, size_t count)
{
    bool any = false;

    for (size_t i = 0; i < count; i++) {
        struct set_entry *entry = set_entry_get(set, apps[i].name);
        int rc = 0;

        if (entry != NULL && (entry->app != NULL || entry->taken != TAKEN_NEVER))
            continue;
        rc = entry == NULL ? -ENOMEM : know_text(entry, &apps[i], NULL);
        if (rc < 0)
            return rc;
        entry->stray = any = true;
    }
    return any ? set_settle(set) : 0;
}
