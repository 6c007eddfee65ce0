#include "config/keys.h"

#include <errno.h>
#include <libconfig.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/duration.h"

#define DURATION_FORMS "\"250ms\", \"5s\", \"1m\", \"1h\", \"1d\" or a number of milliseconds"

_Static_assert(sizeof(unsigned) == 4, "key_read_choice() writes enums as unsigned");

void
key_problem(struct reader *reader, const struct config_setting_t *setting, const char *name,
            const char *format, ...)
{
    char key[PROBLEM_KEY_BYTES], message[PROBLEM_BYTES];
    va_list arguments;

    snprintf(key, sizeof key, "%s%s", reader->prefix, name);
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    problem_tell(reader->problems, setting->line, key, "%s", message);
}

const char *
key_type_name(const struct config_setting_t *setting)
{
    switch (setting->type) {
    case CONFIG_TYPE_GROUP:
        return "a group { }";
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        return "a whole number";
    case CONFIG_TYPE_FLOAT:
        return "a number with a fraction";
    case CONFIG_TYPE_STRING:
        return "a string";
    case CONFIG_TYPE_BOOL:
        return "true or false";
    case CONFIG_TYPE_ARRAY:
        return "an array [ ]";
    default:
        return "a list ( )";
    }
}

int
key_integer(const struct config_setting_t *setting, int64_t *number)
{
    if (setting->type == CONFIG_TYPE_INT)
        *number = setting->value.ival;
    else if (setting->type == CONFIG_TYPE_INT64)
        *number = setting->value.llval;
    else
        return -EINVAL;
    return 0;
}

/* A string or NULL; the latter was told. */
static const char *
text_of(struct reader *reader, const struct key *key, const struct config_setting_t *setting)
{
    if (setting->type == CONFIG_TYPE_STRING)
        return setting->value.sval == NULL ? "" : setting->value.sval;
    key_problem(reader, setting, key->name, "is %s; it must be a string in double quotes",
                key_type_name(setting));
    return NULL;
}

void
key_read_number(struct reader *reader, const struct key *key,
                const struct config_setting_t *setting, void *into)
{
    int64_t number;

    if (key_integer(setting, &number) < 0)
        key_problem(reader, setting, key->name,
                    "is %s; it must be a whole number, %u to %u, without quotes",
                    key_type_name(setting), key->min, key->max);
    else if (number < key->min || number > key->max)
        key_problem(reader, setting, key->name, "%lld is out of range; allowed is %u to %u",
                    (long long)number, key->min, key->max);
    else
        *(uint32_t *)into = (uint32_t)number;
}

void
key_read_duration(struct reader *reader, const struct key *key,
                  const struct config_setting_t *setting, void *into)
{
    char quoted[QUOTE_BYTES], min[DURATION_TEXT_BYTES], max[DURATION_TEXT_BYTES];
    int64_t ms;

    if (setting->type == CONFIG_TYPE_STRING) {
        problem_quote(setting->value.sval == NULL ? "" : setting->value.sval, quoted);
        if (setting->value.sval == NULL || duration_parse(setting->value.sval, &ms) < 0) {
            key_problem(reader, setting, key->name, "%s is no duration; write " DURATION_FORMS,
                        quoted);
            return;
        }
    } else if (key_integer(setting, &ms) == 0) {
        snprintf(quoted, sizeof quoted, "%lld (ms)", (long long)ms);
    } else {
        key_problem(reader, setting, key->name, "is %s; write a duration: " DURATION_FORMS,
                    key_type_name(setting));
        return;
    }
    if (ms < key->min || ms > key->max)
        key_problem(reader, setting, key->name, "%s is out of range; allowed is %s to %s",
                    quoted, duration_format(key->min, min), duration_format(key->max, max));
    else
        *(uint32_t *)into = (uint32_t)ms;
}

void
key_read_text(struct reader *reader, const struct key *key,
              const struct config_setting_t *setting, void *into)
{
    const char *text = text_of(reader, key, setting);

    if (text == NULL)
        return;
    if (strlen(text) >= key->max)
        key_problem(reader, setting, key->name, "is %zu bytes long; at most %u are allowed",
                    strlen(text), key->max - 1);
    else
        strcpy(into, text);
}

static size_t
count_words(const char *const *words)
{
    size_t count = 0;

    while (words[count] != NULL)
        count++;
    return count;
}

/* The index of the setting's text in the words of the key; -1: none, which was told. */
static int
word_of(struct reader *reader, const struct key *key, const struct config_setting_t *setting)
{
    const char *text = text_of(reader, key, setting), *nearest;
    char allowed[PROBLEM_BYTES / 2] = "", quoted[QUOTE_BYTES];
    size_t count = count_words(key->words), at = 0;

    if (text == NULL)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(text, key->words[i]) == 0)
            return (int)i;
        if (at < sizeof allowed)
            at += (size_t)snprintf(allowed + at, sizeof allowed - at, "%s\"%s\"",
                                   i > 0 ? ", " : "", key->words[i]);
    }
    nearest = problem_nearest(text, key->words, count, sizeof *key->words);
    key_problem(reader, setting, key->name, "%s is not known; allowed is %s%s%s%s",
                problem_quote(text, quoted), allowed,
                nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
                nearest != NULL ? "\"?" : "");
    return -1;
}

void
key_read_word(struct reader *reader, const struct key *key,
              const struct config_setting_t *setting, void *into)
{
    int index = word_of(reader, key, setting);

    if (index >= 0)
        snprintf(into, key->max, "%s", key->words[index]);
}

void
key_read_choice(struct reader *reader, const struct key *key,
                const struct config_setting_t *setting, void *into)
{
    int index = word_of(reader, key, setting);

    if (index >= 0)
        *(unsigned *)into = (unsigned)index;
}

void
key_read_group(struct reader *reader, const struct key *key,
               const struct config_setting_t *setting, void *into)
{
    char prefix[PROBLEM_KEY_BYTES];
    const char *outer = reader->prefix;

    if (setting->type != CONFIG_TYPE_GROUP) {
        key_problem(reader, setting, key->name, "is %s; write a group: %s = { %s = ...; };",
                    key_type_name(setting), key->name, key->keys[0].name);
        return;
    }
    snprintf(prefix, sizeof prefix, "%s%s.", outer, key->name);
    reader->prefix = prefix;
    keys_read(reader, setting, key->keys, key->key_count, into);
    reader->prefix = outer;
}

static void
unknown_key(struct reader *reader, const struct config_setting_t *setting,
            const struct key *keys, size_t key_count)
{
    const char *nearest =
        problem_nearest(setting->name, &keys[0].name, key_count, sizeof keys[0]);
    char known[PROBLEM_BYTES * 3 / 4] = "", name[PROBLEM_KEY_BYTES / 2];
    size_t at = 0;

    snprintf(name, sizeof name, "%s", setting->name);
    if (nearest != NULL) {
        key_problem(reader, setting, name, "unknown key; did you mean %s?", nearest);
        return;
    }
    for (size_t i = 0; i < key_count && at < sizeof known; i++)
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i > 0 ? ", " : "",
                               keys[i].name);
    key_problem(reader, setting, name, "unknown key; known here: %s", known);
}

void
keys_read(struct reader *reader, const struct config_setting_t *group, const struct key *keys,
          size_t key_count, void *into)
{
    int count = config_setting_length(group);

    for (int i = 0; i < count; i++) {
        const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
        const struct key *key = NULL;

        for (size_t j = 0; j < key_count && key == NULL; j++)
            if (strcmp(setting->name, keys[j].name) == 0)
                key = &keys[j];
        if (key == NULL)
            unknown_key(reader, setting, keys, key_count);
        else
            key->read(reader, key, setting, (char *)into + key->offset);
    }
}
