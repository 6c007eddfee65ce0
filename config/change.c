#include <stdlib.h>

#include "base/shared_text.h"
#include "config/source.h"

void
config_error_items_free(struct config_error_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(items[i].text);
    free(items);
}

void
config_change_free(struct config_change *change)
{
    if (change == NULL)
        return;
    for (size_t i = 0; i < change->item_count; i++) {
        shared_text_unref(change->items[i].text);
        free(change->items[i].source);
        free(change->items[i].reason);
    }
    config_error_items_free(change->errors, change->error_count);
    config_error_items_free(change->standing, change->standing_count);
    free(change->daemon.text);
    free(change->daemon.source);
    free(change->defaults.text);
    free(change->defaults.source);
    free(change->items);
    free(change);
}
