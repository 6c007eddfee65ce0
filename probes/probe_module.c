#include "probes/probe_module.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/beside.h"
#include "base/names.h"
#include "config/app_probe.h"

static const struct probe_module *loaded;       /* there is one file so far */

void
probe_module_linked(const struct probe_module *module)
{
    loaded = module;
}

static bool
same_layout(const struct probe_module *module)
{
    return module->layout == PROBE_MODULE_LAYOUT && module->probe_bytes == sizeof(struct probe) &&
           module->ops_bytes == sizeof(struct probe_ops) &&
           module->config_bytes == sizeof(struct app_probe) &&
           module->more_bytes == sizeof(struct app_probe_more);
}

/* Without the path before it: "undefined symbol: x". */
static const char *
reason_of(const char *error)
{
    const char *slash = strrchr(error, '/'), *colon = slash != NULL ? strchr(slash, ':') : NULL;

    return colon != NULL ? colon + strspn(colon, ": ") : error;
}

/* Tried again for the next app: somebody may have put the file there. */
static const struct probe_module *
load(const char *file, char *why)
{
    const struct probe_module *module;
    char path[PATH_BYTES];
    void *handle;

    if (beside_find(file, R_OK, path) < 0) {
        snprintf(why, DETAIL_BYTES, "%.50s is missing beside %.50s: install fproxy again", file,
                 program_invocation_short_name);
        return NULL;
    }
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL) {
        snprintf(why, DETAIL_BYTES, "%.40s cannot be loaded; if it is of another version, run "
                 "`fproxy upgrade': %.48s", file, reason_of(dlerror()));
        return NULL;
    }
    module = dlsym(handle, PROBE_MODULE_SYMBOL);
    if (module != NULL && same_layout(module))
        return module;
    snprintf(why, DETAIL_BYTES, "%.60s is of another version: run `fproxy upgrade'", file);
    dlclose(handle);
    return NULL;
}

const struct probe_ops *
probe_module_kind(const char *file, const char *name, char *why)
{
    if (loaded == NULL)
        loaded = load(file, why);
    if (loaded == NULL)
        return NULL;
    for (size_t i = 0; loaded->kinds[i] != NULL; i++) {
        if (strcmp(loaded->kinds[i]->name, name) == 0)
            return loaded->kinds[i];
    }
    snprintf(why, DETAIL_BYTES, "%s has no probe of kind \"%s\"", file, name);
    return NULL;
}
