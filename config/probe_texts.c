/*
 * Readers of one value of a probe.
 */
#include <ctype.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "config/probe_read_priv.h"

struct app_probe_more *
more_of(struct reader *reader, void *into)
{
    struct app_probe_more *more = app_probe_make_more(into);

    reader->out_of_memory = reader->out_of_memory || more == NULL;
    return more;
}

void
set_text(struct reader *reader, void *into, uint32_t which, const char *text)
{
    struct app_probe_more *more = more_of(reader, into);
    char *copy = more == NULL ? NULL : strdup(text);

    if (copy == NULL) {
        reader->out_of_memory = true;
        return;
    }
    free(more->texts[which]);
    more->texts[which] = copy;
}

static bool
is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if (iscntrl((unsigned char)*text))
            return false;
    }
    return true;
}

/* A text of one line that is not empty, or NULL; the latter was told. */
const char *
line_of(struct reader *reader, const struct key *key, const struct config_setting_t *setting)
{
    const char *text = setting->value.sval;

    if (setting->type != CONFIG_TYPE_STRING)
        key_problem(reader, setting, key->name, "is %s; it must be a string in double quotes",
                    key_type_name(setting));
    else if (text == NULL || *text == '\0')
        key_problem(reader, setting, key->name, "is empty");
    else if (strlen(text) > PROBE_TEXT_BYTES_MAX)
        key_problem(reader, setting, key->name, "is %zu bytes long; at most %d are allowed",
                    strlen(text), PROBE_TEXT_BYTES_MAX);
    else if (!is_printable(text))
        key_problem(reader, setting, key->name, "has a line end or another control character");
    else
        return text;
    return NULL;
}

/* key->key_count: which text. */
void
text_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
          void *into)
{
    const char *text = line_of(reader, key, setting);

    if (text == NULL)
        return;
    if (key->key_count == PROBE_PATH && text[0] != '/')
        key_problem(reader, setting, key->name, "must begin with \"/\", such as \"/health\"");
    else
        set_text(reader, into, key->key_count, text);
}

/* key->key_count: the offset in struct app_probe_more, as in the next. */
void
more_duration_read(struct reader *reader, const struct key *key,
                   const struct config_setting_t *setting, void *into)
{
    struct app_probe_more *more = more_of(reader, into);

    if (more != NULL)
        key_read_duration(reader, key, setting, (char *)more + key->key_count);
}

/* key->words: one of these. */
void
word_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
          void *into)
{
    unsigned none = UINT32_MAX, which = none;

    key_read_choice(reader, key, setting, &which);
    if (which != none)
        set_text(reader, into, key->key_count, key->words[which]);
}

void
flag_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
          void *into)
{
    struct app_probe_more *more;

    if (setting->type != CONFIG_TYPE_BOOL) {
        key_problem(reader, setting, key->name, "is %s; write true or false",
                    key_type_name(setting));
        return;
    }
    more = more_of(reader, into);
    if (more != NULL)
        *(uint32_t *)((char *)more + key->key_count) = setting->value.ival != 0;
}

/* key->words: one of these. */
void
choice_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
            void *into)
{
    struct app_probe_more *more = more_of(reader, into);

    if (more != NULL)
        key_read_choice(reader, key, setting, (char *)more + key->key_count);
}
