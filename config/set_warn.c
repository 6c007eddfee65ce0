/* set_warn - whether the commands that probes run are there: told once, when the app is taken.
 *
 * It is a warning and no error: the app can serve without them, and they may come later. A file of
 * `ca` is not looked at here, for the prober refuses what it cannot read, and says so. */
#include <stdio.h>
#include <stdlib.h>

#include "config/command_file.h"
#include "config/set_priv.h"

static void
warn_of_app(const struct set_entry *entry, config_warning_fn *warn, void *context)
{
    const struct file_uses *files = &entry->app->files;
    char why[PROBLEM_BYTES], *text;

    for (uint32_t i = 0; i < files->count; i++) {
        const struct file_use *use = &files->list[i];

        if (use->kind == FILE_USE_CA || command_file_look(use, why))
            continue;
        if (asprintf(&text, "%s:%u: %s: %s", entry->file->path, use->line, use->key, why) < 0)
            continue;
        warn(context, entry->name, text);
        free(text);
    }
}

void
config_set_warn(struct config_set *set, config_warning_fn *warn, void *context)
{
    for (size_t i = 0; i < set->order_count; i++) {
        struct set_entry *entry = set->order[i];

        if (!entry->look_at_files)
            continue;
        entry->look_at_files = false;
        if (entry->now == NOW_VALID && entry->file != NULL)
            warn_of_app(entry, warn, context);
    }
}
