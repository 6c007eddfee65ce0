/*
 * Readers of several values of a probe: the status that pass, headers, a command.
 */
#include <ctype.h>
#include <libconfig.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/probe_read_priv.h"

/* ---- status ---- */

#define STATUS_FORMS "write \"200-399\", \"200,204\" or [ 200, 204 ]"

/* "200" or "200-299" at `*at`, which moves behind it. */
static bool
status_range(const char **at)
{
    char *end;
    unsigned long from = strtoul(*at, &end, 10), to = from;

    if (!isdigit((unsigned char)**at))
        return false;
    if (*end == '-') {
        *at = end + 1;
        if (!isdigit((unsigned char)**at))
            return false;
        to = strtoul(*at, &end, 10);
    }
    *at = end;
    return from >= 100 && to <= 599 && from <= to;
}

static bool
is_status(const char *text)
{
    do {
        if (!status_range(&text))
            return false;
    } while (*text++ == ',');
    return text[-1] == '\0';
}

/* The elements of a list, as text without spaces. */
static bool
status_join(const struct config_setting_t *list, char *text, size_t room)
{
    size_t at = 0;

    for (int i = 0; i < config_setting_length(list) && at < room; i++) {
        const config_setting_t *element = config_setting_get_elem(list, (unsigned)i);
        const char *comma = i > 0 ? "," : "";
        int64_t number;

        if (key_integer(element, &number) == 0)
            at += (size_t)snprintf(text + at, room - at, "%s%lld", comma, (long long)number);
        else if (element->type == CONFIG_TYPE_STRING && element->value.sval != NULL)
            at += (size_t)snprintf(text + at, room - at, "%s%s", comma, element->value.sval);
        else
            return false;
    }
    return at > 0 && at < room;
}

static void
squeeze(char *text)
{
    char *to = text;

    for (; *text != '\0'; text++) {
        if (*text != ' ')
            *to++ = *text;
    }
    *to = '\0';
}

void
status_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
            void *into)
{
    char text[PROBE_TEXT_BYTES_MAX] = "", quoted[QUOTE_BYTES];
    int64_t number;
    bool told = true;

    if (setting->type == CONFIG_TYPE_LIST || setting->type == CONFIG_TYPE_ARRAY)
        told = status_join(setting, text, sizeof text);
    else if (key_integer(setting, &number) == 0)
        snprintf(text, sizeof text, "%lld", (long long)number);
    else if (setting->type == CONFIG_TYPE_STRING && setting->value.sval != NULL)
        snprintf(text, sizeof text, "%s", setting->value.sval);
    squeeze(text);
    if (!told || !is_status(text))
        key_problem(reader, setting, key->name,
                    "%s is no status of HTTP, which are 100 to 599; " STATUS_FORMS,
                    problem_quote(text, quoted));
    else
        set_text(reader, into, PROBE_STATUS, text);
}

/* ---- lists ---- */

static bool
list_add(struct app_list *list, const char *text)
{
    char **grown = reallocarray(list->items, list->count + 1, sizeof *grown);

    if (grown == NULL)
        return false;
    list->items = grown;
    grown[list->count] = strdup(text);
    if (grown[list->count] == NULL)
        return false;
    list->count++;
    return true;
}

void
list_clear(struct app_list *list)
{
    for (uint32_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct app_list){ 0 };
}

static bool
is_header(const char *text)
{
    size_t name = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789!#$%&'*+-.^_`|~");

    return name > 0 && text[name] == ':';       /* RFC 9110, 5.6.2 */
}

/* key->key_count: which list. A single text stands for a command line, which the shell takes
 * apart. */
void
list_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
          void *into)
{
    struct app_probe_more *more = more_of(reader, into);
    struct app_list *list = more == NULL ? NULL : &more->lists[key->key_count];
    bool one = setting->type == CONFIG_TYPE_STRING, whole = list != NULL;
    int count = one ? 1 : config_setting_length(setting);

    if (list == NULL)
        return;
    list_clear(list);
    if (!one && setting->type != CONFIG_TYPE_LIST && setting->type != CONFIG_TYPE_ARRAY) {
        key_problem(reader, setting, key->name,
                    "is %s; write a list of strings: ( \"...\", \"...\" )",
                    key_type_name(setting));
        return;
    }
    if (count == 0 || count > PROBE_LIST_MAX) {
        key_problem(reader, setting, key->name, "has %d texts; 1 to %d are allowed", count,
                    PROBE_LIST_MAX);
        return;
    }
    if (one && key->key_count == PROBE_COMMAND)
        whole = list_add(list, "/bin/sh") && list_add(list, "-c");
    for (int i = 0; i < count && whole; i++) {
        const config_setting_t *element =
            one ? setting : config_setting_get_elem(setting, (unsigned)i);
        const char *text = line_of(reader, key, element);

        if (text == NULL)
            return;
        if (key->key_count == PROBE_HEADERS && !is_header(text)) {
            key_problem(reader, element, key->name, "is no header; write \"Name: value\"");
            return;
        }
        whole = list_add(list, text);
    }
    reader->out_of_memory = reader->out_of_memory || !whole;
}
