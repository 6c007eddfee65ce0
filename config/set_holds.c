/* set_holds - what apps hold in fact, when a change did not come to its end.
 *
 * A change that is taken is taken for done: its ports may move on in the next one. When it failed,
 * the supervisor tells what the app runs instead, so that nobody is given its ports, and nobody
 * who never got one keeps it. */
#include <errno.h>
#include <string.h>

#include "config/set_priv.h"

const struct app_facts *
set_entry_holds(const struct set_entry *entry)
{
    switch (entry->holds) {
    case CONFIG_HOLDS_TEXT:
        return entry->runs;
    case CONFIG_HOLDS_NOTHING:
        return NULL;
    default:
        return entry->held;
    }
}

void
set_entry_forget_holds(struct set_entry *entry)
{
    app_facts_unref(entry->runs);
    entry->runs = NULL;
    entry->holds = CONFIG_HOLDS_CONFIGURED;
}

static bool
says(const struct app_facts *facts, const char *text)
{
    return facts != NULL && facts->text != NULL && strcmp(facts->text->bytes, text) == 0;
}

/* A text that was not taken last. */
static int
hold_text(struct set_entry *entry, const char *text)
{
    struct app_facts *facts = NULL;

    if (app_facts_parse(text, &facts) == -ENOMEM)
        return -ENOMEM;
    set_entry_forget_holds(entry);
    if (facts != NULL) {
        entry->holds = CONFIG_HOLDS_TEXT;
        entry->runs = facts;
    }
    return 0;
}

int
config_set_holds(struct config_set *set, const char *app, enum config_holds holds,
                 const char *text)
{
    struct set_entry *entry;

    HASH_FIND_STR(set->entries, app, entry);
    if (entry == NULL || entry->held == NULL)
        return 0;
    if (holds == CONFIG_HOLDS_TEXT && says(entry->held, text))
        holds = CONFIG_HOLDS_CONFIGURED;
    if (entry->holds == holds && (holds != CONFIG_HOLDS_TEXT || says(entry->runs, text)))
        return 0;
    set->dirty = true;
    if (holds == CONFIG_HOLDS_TEXT)
        return hold_text(entry, text);
    set_entry_forget_holds(entry);
    entry->holds = holds;
    return 0;
}
