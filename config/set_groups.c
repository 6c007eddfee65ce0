/* set_groups - which `daemon` and which `defaults` hold: those that stand in a file, unless
 * they have errors or their file cannot be read; then the last good ones. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/set_priv.h"

void
set_groups_free(struct config_set *set)
{
    for (int i = 0; i < GROUPS; i++) {
        struct set_group *group = &set->groups[i];

        free(group->text);
        free(group->source);
        free(group->good_text);
        free(group->good_source);
        free(group->taken_text);
        free(group->taken_source);
    }
}

/* NULL stays NULL. 0 or -ENOMEM. */
static int
assign(char **to, const char *text)
{
    char *copy = NULL;

    if (*to != NULL && text != NULL && strcmp(*to, text) == 0)
        return 0;
    if (text != NULL) {
        copy = strdup(text);
        if (copy == NULL)
            return -ENOMEM;
    }
    free(*to);
    *to = copy;
    return 0;
}

static int
tell_second(struct config_set *set, int which, const struct set_file *first,
            const struct set_file *second)
{
    struct error_sink sink = { .list = &set->errors, .file = second->path, .app = "" };
    struct problems problems = { .report = errors_add, .context = &sink };

    problem_tell(&problems, second->content.groups[which]->line, group_names[which],
                 "may stand in one file only; it stands at %s:%u too", first->path,
                 first->content.groups[which]->line);
    return sink.out_of_memory ? -ENOMEM : 0;
}

/* The file whose group it is: the one that had it before, else the first. All others are
 * errors. */
static int
find_file(struct config_set *set, int which)
{
    struct set_group *group = &set->groups[which];
    int rc = 0;

    group->file = NULL;
    for (size_t i = 0; i < set->file_count; i++) {
        const struct set_file *file = set->files[i];

        if (file->content.groups[which] == NULL)
            continue;
        if (group->file == NULL ||
            (group->good_source != NULL && strcmp(file->path, group->good_source) == 0))
            group->file = file;
    }
    for (size_t i = 0; i < set->file_count && rc == 0; i++)
        if (set->files[i]->content.groups[which] != NULL && set->files[i] != group->file)
            rc = tell_second(set, which, group->file, set->files[i]);
    return rc;
}

/* Does the file that had the group refuse to say what has become of it? */
static bool
cannot_be_known(const struct config_set *set, const struct set_group *group)
{
    const struct set_file *file;

    if (group->file != NULL || group->good_source == NULL)
        return false;
    if (set->path_error < 0)
        return true;
    file = set_files_find(set, group->good_source);
    return file != NULL && file->content.opaque;
}

static char *
built_in(int which)
{
    struct settings settings;
    struct app_draft draft;

    if (which == GROUP_DAEMON) {
        settings_defaults(&settings);
        return settings_print(&settings);
    }
    app_draft_init(&draft);
    return app_defaults_print(&draft);
}

/* It is as it should be: what holds is the last good one from here on. */
static int
hold(struct set_group *group, const char *text, const char *source)
{
    int rc = assign(&group->text, text);

    if (rc == 0)
        rc = assign(&group->source, source);
    if (rc == 0)
        rc = assign(&group->good_text, source != NULL ? text : NULL);
    return rc == 0 ? assign(&group->good_source, source) : rc;
}

static int
hold_built_in(struct set_group *group, int which)
{
    char *text = built_in(which);
    int rc = text == NULL ? -ENOMEM : hold(group, text, NULL);

    free(text);
    return rc;
}

static int
hold_instead(struct set_group *group, const char *text, const char *source)
{
    int rc = assign(&group->text, text);

    return rc == 0 ? assign(&group->source, source) : rc;
}

static int
decide(struct config_set *set, int which)
{
    struct set_group *group = &set->groups[which];
    const struct file_group *said;

    if (set->path_error < 0 && group->good_text == NULL && group->text != NULL) {
        group->broken = group->source != NULL; /* what there is of it goes on */
        return 0;
    }
    said = group->file != NULL ? group->file->content.groups[which] : NULL;
    group->broken = said != NULL ? said->broken : cannot_be_known(set, group);
    group->replaced = group->forced != NULL || (group->broken && group->good_text != NULL);
    if (group->forced != NULL)
        return hold_instead(group, group->forced, said != NULL ? group->file->path : NULL);
    if (group->replaced)
        return hold_instead(group, group->good_text, group->good_source);
    if (said == NULL)
        return hold_built_in(group, which);
    if (said->broken)
        return hold_instead(group, said->text, group->file->path);
    return hold(group, said->text, group->file->path);
}

/* Into the structs, when the text is another one. */
static int
apply(struct config_set *set, int which, const char *before)
{
    const char *text = set->groups[which].text;
    struct app_draft defaults;
    char why[DETAIL_BYTES];
    int rc;

    if (before != NULL && strcmp(before, text) == 0)
        return 0;
    if (which == GROUP_DAEMON)
        return settings_parse(text, &set->settings, why) == -ENOMEM ? -ENOMEM : 0;
    rc = app_defaults_parse(text, &defaults, why);
    if (rc < 0)
        return rc == -ENOMEM ? rc : 0;
    app_draft_fini(&set->defaults);
    set->defaults = defaults;
    if (before != NULL)
        set->defaults_version++;
    return 0;
}

static int
settle(struct config_set *set, int which)
{
    struct set_group *group = &set->groups[which];
    char *before = NULL;
    int rc = 0;

    if (set->path_error == 0)
        rc = find_file(set, which);
    else
        group->file = NULL;
    if (rc == 0 && group->text != NULL && (before = strdup(group->text)) == NULL)
        rc = -ENOMEM;
    if (rc == 0)
        rc = decide(set, which);
    if (rc == 0)
        rc = apply(set, which, before);
    free(before);
    return rc;
}

int
set_groups_settle(struct config_set *set)
{
    int rc = settle(set, GROUP_DAEMON);

    return rc == 0 ? settle(set, GROUP_DEFAULTS) : rc;
}
