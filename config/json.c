#include "config/json.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <jansson.h>
#include <libconfig.h>
#include <stdbool.h>
#include <string.h>

#include "config/json_lines.h"

enum {
    KEY_NAME_BYTES = 64,
    MEMBERS_MAX = 100, /* of an object that are looked at; only three can be right */
};

/* Walks the values in the order of the text, so that each takes the next line. */
struct builder {
    struct json_lines lines;
    bool out_of_memory;
};

static unsigned
next_line(struct builder *builder)
{
    assert(builder->lines.next < builder->lines.count);
    return builder->lines.lines[builder->lines.next++];
}

/* Passes over a value that is not used, with all that is in it. */
static void
skip(struct builder *builder, const json_t *value)
{
    const char *key;
    json_t *inner;
    size_t i;

    next_line(builder);
    if (json_is_array(value))
        json_array_foreach(value, i, inner) skip(builder, inner);
    else if (json_is_object(value))
        json_object_foreach((json_t *)value, key, inner) skip(builder, inner);
}

static int
setting_type(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return CONFIG_TYPE_STRING;
    case JSON_INTEGER:
        return CONFIG_TYPE_INT64;
    case JSON_REAL:
        return CONFIG_TYPE_FLOAT;
    case JSON_TRUE:
    case JSON_FALSE:
        return CONFIG_TYPE_BOOL;
    case JSON_ARRAY:
        return CONFIG_TYPE_LIST;
    default:
        return CONFIG_TYPE_GROUP; /* an object; null fits nowhere just as well */
    }
}

/* A value, and the elements of a list; what is deeper fits no key and stays out. */
static void
add_value(struct builder *builder, config_setting_t *parent, const char *name,
          const json_t *value, int depth)
{
    config_setting_t *setting = config_setting_add(parent, name, setting_type(value));
    json_t *element;
    size_t i;

    if (setting == NULL) {
        builder->out_of_memory = true;
        return;
    }
    setting->line = builder->lines.lines[builder->lines.next];
    if (json_is_string(value))
        config_setting_set_string(setting, json_string_value(value));
    else if (json_is_integer(value))
        config_setting_set_int64(setting, json_integer_value(value));
    if (!json_is_array(value) || depth > 0) {
        skip(builder, value);
        return;
    }
    next_line(builder);
    json_array_foreach(value, i, element) add_value(builder, setting, NULL, element, depth + 1);
}

/* libconfig takes letters, digits, "-", "_" and "*" in a name. What is not such a name is no
 * known key either, so that its other bytes need not be told apart. */
static const char *
setting_name(const char *key, char *name)
{
    size_t length = 0;

    for (; *key != '\0' && length < KEY_NAME_BYTES - 1; key++) {
        unsigned char byte = (unsigned char)*key;
        bool fits =
            isascii(byte) &&
            (isalpha(byte) || (length > 0 && (isdigit(byte) || byte == '-' || byte == '_')));

        name[length++] = fits ? *key : '*';
    }
    if (length == 0)
        name[length++] = '*';
    name[length] = '\0';
    return name;
}

static void
add_member(struct builder *builder, config_setting_t *group, const char *key,
           const json_t *value)
{
    char name[KEY_NAME_BYTES];

    setting_name(key, name);
    if (config_setting_length(group) == MEMBERS_MAX ||
        config_setting_get_member(group, name) != NULL)
        skip(builder, value); /* enough is told as unknown already */
    else
        add_value(builder, group, name, value, 0);
}

static void
add_app(struct builder *builder, config_setting_t *apps, const json_t *object)
{
    config_setting_t *app;
    const char *key;
    json_t *value;

    if (!json_is_object(object)) {
        add_value(builder, apps, NULL, object, 1);
        return;
    }
    app = config_setting_add(apps, NULL, CONFIG_TYPE_GROUP);
    if (app == NULL) {
        builder->out_of_memory = true;
        return;
    }
    app->line = next_line(builder);
    json_object_foreach((json_t *)object, key, value)
    {
        if (builder->out_of_memory)
            return;
        add_member(builder, app, key, value);
    }
}

static void
add_apps(struct builder *builder, config_setting_t *root, const json_t *array)
{
    config_setting_t *apps = config_setting_add(root, "Apps", CONFIG_TYPE_LIST);
    json_t *object;
    size_t i;

    if (apps == NULL) {
        builder->out_of_memory = true;
        return;
    }
    apps->line = next_line(builder);
    json_array_foreach(array, i, object)
    {
        if (builder->out_of_memory)
            return;
        add_app(builder, apps, object);
    }
}

static void
add_root(struct builder *builder, config_setting_t *root, const json_t *json)
{
    const char *key;
    json_t *value;

    next_line(builder);
    json_object_foreach((json_t *)json, key, value)
    {
        if (builder->out_of_memory)
            return;
        if (strcmp(key, "Apps") == 0 && json_is_array(value))
            add_apps(builder, root, value);
        else
            add_member(builder, root, key, value);
    }
}

static int
build(struct builder *builder, const json_t *json, const char *text, size_t length,
      struct document **document)
{
    struct document *made = document_create();
    int rc = made == NULL ? -ENOMEM : json_lines_init(&builder->lines, text, length);

    if (rc == 0)
        add_root(builder, document_root(made), json);
    json_lines_fini(&builder->lines);
    if (rc == 0 && builder->out_of_memory)
        rc = -ENOMEM;
    if (rc < 0)
        document_destroy(made);
    else
        *document = made;
    return rc;
}

int
json_parse(const char *text, size_t length, struct problems *problems,
           struct document **document)
{
    struct builder builder = { 0 };
    json_error_t error;
    json_t *json = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
    int rc;

    if (json == NULL) {
        if (json_error_code(&error) == json_error_out_of_memory)
            return -ENOMEM;
        problem_tell(problems, error.line > 0 ? (unsigned)error.line : 1, "",
                     "syntax error: %s", error.text);
        return -EINVAL;
    }
    if (json_is_object(json)) {
        rc = build(&builder, json, text, length, document);
    } else {
        problem_tell(problems, 1, "", "must be an object: {\"Apps\": [...]}");
        rc = -EINVAL;
    }
    json_decref(json);
    return rc;
}
