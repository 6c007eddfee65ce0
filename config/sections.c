#include "config/sections.h"

#include <libconfig.h>
#include <string.h>

#include "config/keys.h"

static void
group_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
           void *into)
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
    key_problem(reader, setting, key->name, "is %s; write a list of groups: %s",
                key_type_name(setting),
                strcmp(key->name, "apps") == 0 ? "apps = ( { ... } );" : "\"Apps\": [{...}]");
}

static const struct key our_keys[] = {
    { .name = "daemon", .read = group_read, .offset = offsetof(struct sections, daemon) },
    { .name = "defaults", .read = group_read, .offset = offsetof(struct sections, defaults) },
    { .name = "apps", .read = apps_read },
};
static const struct key fly_keys[] = { { .name = "Apps", .read = apps_read } };

void
sections_read(struct document *document, enum syntax syntax, struct problems *problems,
              struct sections *sections)
{
    struct reader reader = { .problems = problems, .prefix = "" };
    bool fly = syntax == SYNTAX_FLY;

    *sections = (struct sections){ 0 };
    keys_read(&reader, document_root(document), fly ? fly_keys : our_keys,
              fly ? ARRAY_SIZE(fly_keys) : ARRAY_SIZE(our_keys), sections);
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
