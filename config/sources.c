/* sources - every kind of source; see source.h. */
#include <string.h>

#include "base/util.h"
#include "config/source.h"

static const struct config_source_ops *const sources[] = {
    &config_source_file,
};

const struct config_source_ops *
config_source_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
        if (strcmp(sources[i]->name, name) == 0)
            return sources[i];
    }
    return NULL;
}
