/* set_take - the difference to what was taken before.
 *
 * First the change is made, which may fail for want of memory; then what it says becomes what
 * was taken. A copy that fails there only means that the same is said once more. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/shared_text.h"
#include "config/set_priv.h"

static bool
same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Where it stands; for one that cannot be read now: where it stood. */
static const char *
source_of(const struct set_entry *entry)
{
    return entry->file != NULL ? entry->file->path : entry->source;
}

static bool
differs(const struct set_entry *entry)
{
    if (entry->now == NOW_BROKEN)
        return entry->taken != TAKEN_BROKEN || !same(entry->reason, entry->taken_reason) ||
               !same(source_of(entry), entry->source);
    return entry->taken != TAKEN_SET || entry->held == NULL ||
           !app_facts_same(entry->app->facts, entry->held) ||
           !same(source_of(entry), entry->source);
}

/* NULL stays NULL; false without memory. */
static bool
copy(char **to, const char *from)
{
    *to = from != NULL ? strdup(from) : NULL;
    return from == NULL || *to != NULL;
}

static int
add_item(struct config_change *change, const struct set_entry *entry)
{
    struct config_item *item = &change->items[change->item_count++];
    bool valid = entry->now == NOW_VALID, absent = entry->now == NOW_ABSENT;

    item->op = absent ? CONFIG_REMOVE : valid ? CONFIG_SET : CONFIG_BROKEN;
    memcpy(item->app, entry->name, sizeof item->app);
    item->text = shared_text_ref(valid ? entry->app->facts->text : NULL);
    if (!copy(&item->source, absent ? NULL : source_of(entry)) ||
        !copy(&item->reason, valid || absent ? NULL : entry->reason))
        return -ENOMEM;
    return 0;
}

/* As in set->order. */
static int
text_place_order(const void *a, const void *b)
{
    const struct set_entry *one = *(struct set_entry *const *)a;
    const struct set_entry *other = *(struct set_entry *const *)b;

    if (one->file != other->file)
        return strcmp(one->file->path, other->file->path);
    return one->app < other->app ? -1 : one->app > other->app;
}

/* Of those that were adopted; nothing else has changed. */
static int
add_adopted(struct config_set *set, struct config_change *change)
{
    int rc = 0;

    if (set->adopted_count == 0)
        return 0;
    qsort(set->adopted, set->adopted_count, sizeof(struct set_entry *), text_place_order);
    change->items = calloc(set->adopted_count, sizeof *change->items);
    if (change->items == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < set->adopted_count && rc == 0; i++)
        if (differs(set->adopted[i]))
            rc = add_item(change, set->adopted[i]);
    return rc;
}

static int
add_items(const struct config_set *set, struct config_change *change)
{
    struct set_entry *entry, *next;
    size_t count = 0;
    int rc = 0;

    HASH_ITER(hh, set->entries, entry, next)
    count += entry->now != NOW_ABSENT ? differs(entry) : entry->taken != TAKEN_NEVER;
    if (count == 0)
        return 0;
    change->items = calloc(count, sizeof *change->items);
    if (change->items == NULL)
        return -ENOMEM;
    HASH_ITER(hh, set->entries, entry, next)
    {
        if (entry->now == NOW_ABSENT && entry->taken != TAKEN_NEVER && rc == 0)
            rc = add_item(change, entry);
    }
    for (size_t i = 0; i < set->order_count && rc == 0; i++)
        if (differs(set->order[i]))
            rc = add_item(change, set->order[i]);
    return rc;
}

static int
add_group(const struct config_set *set, const struct set_group *group,
          struct config_group_item *item)
{
    item->broken = group->broken;
    item->replaced = group->replaced;
    item->changed = set->takes == 0 || group->broken != group->taken_broken ||
                    group->replaced != group->taken_replaced ||
                    !same(group->text, group->taken_text) ||
                    !same(group->source, group->taken_source);
    return copy(&item->text, group->text) && copy(&item->source, group->source) ? 0 : -ENOMEM;
}

/* What was told first stays first where file and line are the same. */
struct told_error {
    const struct config_error *error;
    size_t at;
};

static int
told_order(const void *a, const void *b)
{
    const struct told_error *one = a, *other = b;
    int order = strcmp(one->error->file, other->error->file);

    if (order != 0)
        return order;
    if (one->error->line != other->error->line)
        return one->error->line < other->error->line ? -1 : 1;
    return one->at < other->at ? -1 : 1;
}

static void
append_errors(struct told_error *all, size_t *count, const struct error_list *list)
{
    for (size_t i = 0; i < list->count; i++, (*count)++)
        all[*count] = (struct told_error){ &list->errors[i], *count };
}

/* All lists there are; NULL for `all`: counts only. */
static void
collect_errors(const struct config_set *set, struct told_error *all, size_t *count)
{
    const struct error_list none = { 0 };

    *count = 0;
    for (size_t i = 0; i < set->file_count + GROUPS + 1; i++) {
        const struct error_list *list = &none;
        size_t group = i - set->file_count;

        if (i < set->file_count)
            list = &set->files[i]->content.errors;
        else if (group == GROUPS)
            list = &set->errors;
        else if (set->groups[group].file != NULL)
            list = &set->groups[group].file->content.groups[group]->errors;
        if (all != NULL)
            append_errors(all, count, list);
        else
            *count += list->count;
    }
}

const struct config_error **
set_errors(const struct config_set *set, size_t *count)
{
    const struct config_error **errors;
    struct told_error *all;

    collect_errors(set, NULL, count);
    errors = calloc(*count + 1, sizeof(*errors));
    all = calloc(*count + 1, sizeof *all);
    if (errors == NULL || all == NULL) {
        free(errors);
        free(all);
        return NULL;
    }
    collect_errors(set, all, count);
    qsort(all, *count, sizeof *all, told_order);
    for (size_t i = 0; i < *count; i++)
        errors[i] = all[i].error;
    free(all);
    return errors;
}

static int
text_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool
was_told(const struct config_set *set, const char *text)
{
    return set->told_count > 0 &&
           bsearch(&text, set->told, set->told_count, sizeof *set->told, text_order) != NULL;
}

static int
append_error(struct config_error_item **items, size_t *count, const char *app, const char *text)
{
    struct config_error_item *grown = reallocarray(*items, *count + 1, sizeof *grown);
    struct config_error_item *item;

    if (grown == NULL)
        return -ENOMEM;
    *items = grown;
    item = &grown[*count];
    snprintf(item->app, sizeof item->app, "%s", app);
    item->text = strdup(text);
    *count += item->text != NULL;
    return item->text != NULL ? 0 : -ENOMEM;
}

static int
add_error(const struct config_set *set, struct config_change *change, const char *app,
          const char *text)
{
    int rc = append_error(&change->standing, &change->standing_count, app, text);

    if (rc < 0 || was_told(set, text))
        return rc;
    return append_error(&change->errors, &change->error_count, app, text);
}

/* The texts of all errors into `told` and the change, those that are new into its `errors`. */
static int
add_errors(const struct config_set *set, struct config_change *change, char **told,
           size_t *told_count)
{
    const struct config_error **all;
    size_t count;
    int rc = 0;

    if (set->path_error < 0) {
        told[*told_count] = set_path_error_text(set);
        rc = told[*told_count] == NULL ? -ENOMEM
                                       : add_error(set, change, "", told[(*told_count)++]);
    }
    all = set_errors(set, &count);
    if (all == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < count && *told_count < CONFIG_ERRORS_MAX && rc == 0; i++) {
        char *text = config_error_text(all[i]);

        if (text == NULL)
            rc = -ENOMEM;
        else
            rc = add_error(set, change, all[i]->app, told[(*told_count)++] = text);
    }
    free(all);
    return rc;
}

/* False without memory: it is said once more. */
static bool
take_entry(struct set_entry *entry)
{
    const char *source = source_of(entry);
    bool changed = differs(entry);

    if (entry->now == NOW_VALID && entry->held != entry->app->facts) {
        if (entry->held != NULL && app_facts_same(entry->held, entry->app->facts))
            app_facts_share_text(entry->app->facts, entry->held);   /* who runs it has it too */
        app_facts_unref(entry->held); /* also when the text is the same: one copy is enough */
        entry->held = app_facts_ref(entry->app->facts);
    }
    entry->adopted = false;
    if (entry->app != NULL)
        entry->stray = false;
    if (!changed)
        return true;
    if (!same(source, entry->source)) {
        char *again = source != NULL ? strdup(source) : NULL;

        free(entry->source);
        entry->source = again;
    }
    free(entry->taken_reason);
    entry->taken_reason = entry->reason != NULL ? strdup(entry->reason) : NULL;
    entry->taken = entry->now == NOW_VALID ? TAKEN_SET : TAKEN_BROKEN;
    if (entry->now == NOW_VALID)
        set_entry_forget_holds(entry);
    return same(source, entry->source) && same(entry->reason, entry->taken_reason);
}

static void
take_group(struct set_group *group)
{
    if (!same(group->text, group->taken_text)) {
        free(group->taken_text);
        group->taken_text = strdup(group->text);
    }
    if (!same(group->source, group->taken_source)) {
        free(group->taken_source);
        group->taken_source = group->source != NULL ? strdup(group->source) : NULL;
    }
    group->taken_broken = group->broken;
    group->taken_replaced = group->replaced;
}

static void
take_entries(struct config_set *set)
{
    struct set_entry *entry, *next;
    bool noted = true;

    if (set->compare_all) {
        HASH_ITER(hh, set->entries, entry, next)
        {
            if (entry->now == NOW_ABSENT)
                set_entry_free(set, entry);
            else
                noted &= take_entry(entry);
        }
    } else {
        for (size_t i = 0; i < set->adopted_count; i++)
            noted &= take_entry(set->adopted[i]);
    }
    set->adopted_count = 0;
    set->compare_all = !noted;
}

/* What the change says is what was taken from now on. */
static void
commit(struct config_set *set, char **told, size_t told_count)
{
    take_entries(set);
    for (int i = 0; i < GROUPS; i++)
        take_group(&set->groups[i]);
    for (size_t i = 0; i < set->told_count; i++)
        free(set->told[i]);
    free(set->told);
    set->told = told;
    set->told_count = told_count;
    if (told_count > 1)
        qsort(told, told_count, sizeof *told, text_order);
    set->takes++;
}

static int
make(struct config_set *set, struct config_change *change, char **told,
     size_t *told_count)
{
    int rc = set->compare_all ? add_items(set, change) : add_adopted(set, change);

    if (rc == 0)
        rc = add_group(set, &set->groups[GROUP_DAEMON], &change->daemon);
    if (rc == 0)
        rc = add_group(set, &set->groups[GROUP_DEFAULTS], &change->defaults);
    if (rc == 0)
        rc = add_errors(set, change, told, told_count);
    change->sequence = set->takes + 1;
    change->path_error = set->path_error;
    change->file_count = set->file_count;
    change->app_count = set->order_count;
    change->broken_count = set->broken_count;
    return rc;
}

int
config_set_take(struct config_set *set, struct config_change **out)
{
    struct config_change *change;
    size_t told_count = 0;
    char **told;
    int rc = -ENOMEM;

    if (!set->settled && set_settle(set) < 0)
        return -ENOMEM; /* it is not known what holds: nothing is said */
    change = calloc(1, sizeof *change);
    told = calloc(CONFIG_ERRORS_MAX + 1, sizeof *told);
    if (change != NULL && told != NULL)
        rc = make(set, change, told, &told_count);
    if (rc == 0) {
        commit(set, told, told_count);
        *out = change;
        return 0;
    }
    for (size_t i = 0; i < told_count; i++)
        free(told[i]);
    free(told);
    config_change_free(change);
    return rc;
}
