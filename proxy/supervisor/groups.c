#include "proxy/supervisor/groups.h"

#include <string.h>

#include "base/clock.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/boot.h"

static const char daemon_name[] = "daemon", defaults_name[] = "defaults";

static const struct store_config *
find(const struct store_config *known, size_t known_count, const char *name)
{
    for (size_t i = 0; i < known_count; i++) {
        if (known[i].config != NULL && strcmp(known[i].app, name) == 0)
            return &known[i];
    }
    return NULL;
}

static void
tell_restored(struct supervisor *supervisor, const struct store_config *good)
{
    event_write(supervisor, LOG_WARN, NULL, "held_back",
                "the last good `%s' of %s holds, for all apps: the present one cannot be used",
                good->app, good->source);
}

/* What cannot be read a second time keeps what the first time gave. */
static void
read_again(struct places *places, const struct config_groups *groups)
{
    struct config *again;

    if (config_load_with(places->config_path, groups, &again) < 0)
        return;
    config_free(places->config);
    places->config = again;
    places->settings = again->settings;
}

static void
restore(struct supervisor *supervisor, struct places *places, const struct store_config *daemon,
        const struct store_config *defaults)
{
    const struct config_groups groups = {
        .daemon = daemon != NULL ? daemon->config : NULL,
        .defaults = defaults != NULL ? defaults->config : NULL,
    };
    char why[DETAIL_BYTES];

    if (places->config == NULL) {
        if (daemon != NULL && settings_parse(daemon->config, &places->settings, why) == 0)
            tell_restored(supervisor, daemon);
        return;
    }
    if (daemon != NULL || defaults != NULL)
        read_again(places, &groups);
    if (places->config->daemon.replaced)
        tell_restored(supervisor, daemon);
    if (places->config->defaults.replaced)
        tell_restored(supervisor, defaults);
}

static void
record(struct supervisor *supervisor, const char *name, const struct config_group *group,
       const struct store_config *good)
{
    char hash[65];

    if (group->broken || group->replaced)
        return;
    if (group->source == NULL) {
        if (good != NULL && good->source != NULL &&
            boot_is_under(good->source, supervisor->config_path))
            store_forget_group(supervisor->store, name);
        return;
    }
    store_hash(group->text, hash);
    if (good == NULL || good->source == NULL || strcmp(good->hash, hash) != 0 ||
        strcmp(good->source, group->source) != 0)
        store_write_group(supervisor->store, name, group->source, group->text, hash,
                          clock_wall_ms());
}

void
groups_settle(struct supervisor *supervisor, struct places *places)
{
    const struct config *config = places->config;
    const struct store_config *daemon, *defaults;
    struct store_config *known = NULL;
    bool restore_daemon, restore_defaults;
    size_t count = 0;

    if (store_read_groups(supervisor->store, &known, &count) < 0)
        count = 0;
    daemon = find(known, count, daemon_name);
    defaults = find(known, count, defaults_name);
    restore_daemon = boot_group_restored(config, config != NULL ? &config->daemon : NULL,
                                         places->config_path, daemon);
    restore_defaults = boot_group_restored(config, config != NULL ? &config->defaults : NULL,
                                           places->config_path, defaults);
    restore(supervisor, places, restore_daemon ? daemon : NULL,
            restore_defaults ? defaults : NULL);
    if (places->config != NULL) {
        record(supervisor, daemon_name, &places->config->daemon, daemon);
        record(supervisor, defaults_name, &places->config->defaults, defaults);
    }
    store_configs_free(known, count);
}
