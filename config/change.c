#include <stdlib.h>

#include "base/shared_text.h"
#include "config/source.h"

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
    for (size_t i = 0; i < change->error_count; i++)
        free(change->errors[i].text);
    free(change->daemon.text);
    free(change->daemon.source);
    free(change->defaults.text);
    free(change->defaults.source);
    free(change->items);
    free(change->errors);
    free(change);
}
