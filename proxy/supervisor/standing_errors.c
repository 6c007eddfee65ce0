#include "proxy/supervisor/standing_errors.h"

#include "config/source.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/supervisor.h"

void
standing_errors_keep(struct supervisor *supervisor, struct config_change *change)
{
    struct standing_errors *errors = &supervisor->standing;

    if (errors->count > 0 && change->standing_count == 0)
        event_write(supervisor, LOG_INFO, NULL, "config_valid",
                    "the configuration is valid again: no error of before is left");
    standing_errors_free(errors);
    *errors = (struct standing_errors){ change->standing, change->standing_count };
    change->standing = NULL;
    change->standing_count = 0;
}

json_t *
standing_errors_json(const struct supervisor *supervisor)
{
    const struct standing_errors *errors = &supervisor->standing;
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < errors->count; i++) {
        if (json_array_append_new(list, json_pack("{s:s, s:s}", "app", errors->items[i].app,
                                                  "error", errors->items[i].text)) < 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

void
standing_errors_free(struct standing_errors *errors)
{
    config_error_items_free(errors->items, errors->count);
    *errors = (struct standing_errors){ 0 };
}
