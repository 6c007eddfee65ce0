/* set_adopt - the usual change, an app among thousands that gets another text.
 *
 * Who has a name or a port depends on the names, the ports and the order of all apps, and on
 * which of them are valid. Where none of that changes, and nothing was in dispute before,
 * nothing is now: the new texts take the place of the old ones, and the other apps are not
 * looked at. That is a millisecond per thousand apps less (docs/bench.md). */
#include <string.h>

#include "config/set_priv.h"

static bool
is_plain(const struct content *content)
{
    for (int i = 0; i < GROUPS; i++)
        if (content->groups[i] != NULL)
            return false;
    return content->errors.count == 0;
}

static bool
same_ports(const struct app_facts *one, const struct app_facts *other)
{
    if (one->span_count != other->span_count)
        return false;
    for (uint32_t i = 0; i < one->span_count; i++)
        if (!address_equal(&one->spans[i].address, &other->spans[i].address) ||
            one->spans[i].last != other->spans[i].last)
            return false;
    return true;
}

static bool
same_claims(const struct content *old, const struct content *new)
{
    if (old->app_count != new->app_count)
        return false;
    for (uint32_t i = 0; i < old->app_count; i++)
        if (strcmp(old->apps[i].name, new->apps[i].name) != 0 ||
            new->apps[i].facts->text == NULL ||
            !same_ports(old->apps[i].facts, new->apps[i].facts))
            return false;
    return true;
}

static void
note(struct config_set *set, struct set_entry *entry)
{
    if (entry->adopted || set->compare_all)
        return;
    if (set->adopted_count == ADOPTED_MAX) {
        set->compare_all = true;
        return;
    }
    entry->adopted = true;
    set->adopted[set->adopted_count++] = entry;
}

bool
set_adopt(struct config_set *set, struct set_file *file, const struct content *content)
{
    const struct content *old = &file->content;

    if (set->dirty || !set->undisputed)
        return false;       /* ... and `old` may not have been compared yet */
    if (!is_plain(old) || !is_plain(content) || !same_claims(old, content))
        return false;
    for (uint32_t i = 0; i < old->app_count; i++) {
        struct set_entry *entry = old->apps[i].entry;

        content->apps[i].entry = entry;
        entry->app = &content->apps[i];
        note(set, entry);
    }
    set->adopted_some = true;
    return true;
}
