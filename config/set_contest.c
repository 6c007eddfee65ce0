/* set_contest - apps against each other: who has a name. Who holds it now keeps it, else the
 * order of files and their text decides; "now" is what the last take said. Ports: set_ports.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/set_priv.h"

struct set_entry *
set_entry_get(struct config_set *set, const char *name)
{
    struct set_entry *entry;

    HASH_FIND_STR(set->entries, name, entry);
    if (entry != NULL)
        return entry;
    entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    snprintf(entry->name, sizeof entry->name, "%s", name);
    HASH_ADD_STR(set->entries, name, entry);
    return entry;
}

void
set_entry_free(struct config_set *set, struct set_entry *entry)
{
    HASH_DEL(set->entries, entry);
    app_facts_unref(entry->held);
    app_facts_unref(entry->runs);
    free(entry->reason);
    free(entry->source);
    free(entry->taken_reason);
    free(entry);
}

static void
begin(struct config_set *set)
{
    struct set_entry *entry, *next;

    HASH_ITER(hh, set->entries, entry, next)
    {
        entry->now = NOW_ABSENT;
        entry->lost = false;
        entry->file = NULL;
        entry->app = NULL;
        entry->waiters = 0;
        free(entry->reason);
        entry->reason = NULL;
    }
    set->order_count = 0;
}

static int
append(struct config_set *set, struct set_entry *entry)
{
    size_t room = set->order_room == 0 ? 16 : set->order_room * 2;
    struct set_entry **order;

    if (set->order_count == set->order_room) {
        order = reallocarray(set->order, room, sizeof *order);
        if (order == NULL)
            return -ENOMEM;
        set->order = order;
        set->order_room = room;
    }
    set->order[set->order_count++] = entry;
    return 0;
}

static bool
stands_in(const struct set_entry *entry, const struct set_file *file)
{
    return entry->source != NULL && strcmp(entry->source, file->path) == 0;
}

/* Who has each name. */
static int
find_names(struct config_set *set)
{
    for (size_t i = 0; i < set->file_count; i++) {
        struct set_file *file = set->files[i];

        for (uint32_t j = 0; j < file->content.app_count; j++) {
            struct file_app *app = &file->content.apps[j];
            struct set_entry *entry = set_entry_get(set, app->name);

            if (entry == NULL)
                return -ENOMEM;
            app->entry = entry;
            if (entry->app != NULL &&
                (stands_in(entry, entry->file) || !stands_in(entry, file)))
                continue;
            entry->app = app;
            entry->file = file;
        }
    }
    return 0;
}

static int
tell_name(struct config_set *set, const struct set_file *file, const struct file_app *app)
{
    struct error_sink sink = { .list = &set->errors, .file = file->path, .app = app->name };
    struct problems problems = { .report = errors_add, .context = &sink };

    problem_tell(&problems, app->line, file->content.syntax == SYNTAX_FLY ? "Name" : "name",
                 "\"%s\" is taken: an app of this name stands at %s:%u", app->name,
                 app->entry->file->path, app->entry->app->line);
    return sink.out_of_memory ? -ENOMEM : 0;
}

int
set_entry_break(struct set_entry *entry, char *reason)
{
    entry->now = NOW_BROKEN;
    entry->reason = reason;
    return reason == NULL ? -ENOMEM : 0;
}

/* Those that stand in a file, in order; valid as far as the file alone says. */
static int
enter_present(struct config_set *set)
{
    int rc = 0;

    for (size_t i = 0; i < set->file_count; i++) {
        struct set_file *file = set->files[i];

        for (uint32_t j = 0; j < file->content.app_count && rc == 0; j++) {
            struct file_app *app = &file->content.apps[j];

            if (app->entry->app != app) {
                rc = tell_name(set, file, app);
                continue;
            }
            rc = append(set, app->entry);
            app->entry->now = NOW_VALID;
            if (rc == 0 && app->facts->text == NULL)
                rc = set_entry_break(
                    app->entry, config_error_text(&file->content.errors.errors[app->error]));
        }
    }
    return rc;
}

static bool
is_opaque(const struct config_set *set, const char *path)
{
    const struct set_file *file = path != NULL ? set_files_find(set, path) : NULL;

    return file != NULL && file->content.opaque;
}

/* It may stand in any file that cannot be read: in one of them until that can be. 0 or -ENOMEM. */
static int
place_stray(const struct config_set *set, struct set_entry *entry)
{
    if (is_opaque(set, entry->source))
        return 0;
    for (size_t i = 0; i < set->file_count; i++) {
        char *source;

        if (!set->files[i]->content.opaque)
            continue;
        source = strdup(set->files[i]->path);
        if (source == NULL)
            return -ENOMEM;
        free(entry->source);
        entry->source = source;
        return 0;
    }
    return 0;
}

/* Those that were there, and of which no file says anything now. */
static int
enter_absent(struct config_set *set)
{
    struct set_entry *entry, *next;
    int rc = 0;

    HASH_ITER(hh, set->entries, entry, next)
    {
        struct set_file *file;

        if (entry->app != NULL || entry->taken == TAKEN_NEVER || rc < 0)
            continue;
        rc = entry->stray ? place_stray(set, entry) : 0;
        if (rc < 0)
            return rc;
        file = entry->source != NULL ? set_files_find(set, entry->source) : NULL;
        if (set->path_error < 0)
            rc = set_entry_break(entry, set_path_error_text(set));
        else if (file != NULL && file->content.opaque)
            rc = set_entry_break(entry, content_opaque_reason(&file->content, file->path));
        else
            continue; /* its file is gone, or parses without it */
        if (rc == 0)
            rc = append(set, entry);
    }
    return rc;
}

/* What set_adopt.c has to know. */
static void
sum_up(struct config_set *set, int rc)
{
    set->broken_count = 0;
    for (size_t i = 0; i < set->order_count; i++)
        set->broken_count += set->order[i]->now == NOW_BROKEN;
    set->undisputed = rc == 0 && !set->dirty && set->path_error == 0 &&
                      set->broken_count == 0 && set->errors.count == 0;
}

int
set_contest(struct config_set *set)
{
    int rc = 0;

    begin(set);
    set->dirty = false;
    set->adopted_some = false;
    set->compare_all = true;
    if (set->path_error == 0)
        rc = find_names(set);
    if (rc == 0 && set->path_error == 0)
        rc = enter_present(set);
    if (rc == 0)
        rc = enter_absent(set);
    if (rc == 0)
        rc = set_contest_ports(set);
    if (rc < 0)
        set->dirty = true;
    sum_up(set, rc);
    return rc;
}
