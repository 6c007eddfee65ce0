#include "config/sections.h"

#include <libconfig.h>

#include "config/keys.h"

static void
group_read(struct reader *reader, const struct key *key,
           const struct config_setting_t *setting, void *into)
{
    if (setting->type == CONFIG_TYPE_GROUP)
        *(const struct config_setting_t **)into = setting;
    else
        key_problem(reader, setting, key->name, "is %s; write a group: %s = { ... };",
                    key_type_name(setting), key->name);
}

static void
apps_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
          void *into)
{
    struct sections *sections = into;

    if (setting->type == CONFIG_TYPE_LIST) {
        sections->apps = setting;
        return;
    }
    sections->apps_unknown = true;
    key_problem(reader, setting, key->name, "is %s; write a list of groups: apps = ( { ... } );",
                key_type_name(setting));
}

void
sections_read(struct document *document, struct problems *problems, struct sections *sections)
{
    static const struct key keys[] = {
        {.name = "daemon", .read = group_read, .offset = offsetof(struct sections, daemon)},
        {.name = "defaults", .read = group_read, .offset = offsetof(struct sections, defaults)},
        {.name = "apps", .read = apps_read},
    };
    struct reader reader = {.problems = problems, .prefix = ""};

    *sections = (struct sections){0};
    keys_read(&reader, document_root(document), keys, ARRAY_SIZE(keys), sections);
}

unsigned
section_line(const struct config_setting_t *section)
{
    return section->line;
}

unsigned
section_app_count(const struct sections *sections)
{
    return sections->apps == NULL ? 0 : (unsigned)config_setting_length(sections->apps);
}

const struct config_setting_t *
section_app(const struct sections *sections, unsigned index)
{
    return config_setting_get_elem(sections->apps, index);
}
