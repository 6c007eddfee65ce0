#include "proxy/commands/plan_keys.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum { WORD_BYTES_MAX = 60, KEY_NAME_BYTES = 2 * WORD_BYTES_MAX + 8 };

/* A place in a canonical text: one key a line. */
struct reader {
    const char *at;
    char group[KEY_NAME_BYTES];         /* "probe." within one, else "" */
};

/* Its value is borrowed from the text. */
struct entry {
    char name[KEY_NAME_BYTES];
    const char *value;
    size_t value_bytes;
};

static bool
is_compared_otherwise(const char *name)
{
    return strcmp(name, "name") == 0 || strcmp(name, "ports") == 0 ||
           strcmp(name, "targets") == 0;
}

/* `KEY = VALUE;`, `KEY = {` or `};`; everything else is within a list. True: an entry. */
static bool
read_line(struct reader *reader, const char *line, size_t bytes, struct entry *entry)
{
    const char *equals = memmem(line, bytes, " = ", 3);
    int word = equals == NULL ? 0 : (int)MIN(equals - line, WORD_BYTES_MAX);

    if (bytes >= 2 && memcmp(line, "};", 2) == 0)
        reader->group[0] = '\0';
    if (equals == NULL)
        return false;
    entry->value = equals + 3;
    entry->value_bytes = bytes - (size_t)(entry->value - line);
    if (entry->value_bytes == 1 && entry->value[0] == '{') {
        snprintf(reader->group, sizeof reader->group, "%.*s.", word, line);
        return false;
    }
    if (entry->value_bytes == 0 || entry->value[entry->value_bytes - 1] != ';')
        return false;
    entry->value_bytes--;
    snprintf(entry->name, sizeof entry->name, "%.*s%.*s", WORD_BYTES_MAX + 1,
             reader->group, word, line);
    return !is_compared_otherwise(entry->name);
}

static bool
next_entry(struct reader *reader, struct entry *entry)
{
    while (*reader->at != '\0') {
        const char *line = reader->at + strspn(reader->at, " ");
        size_t bytes = strcspn(line, "\n");

        reader->at = line + bytes + (line[bytes] == '\n');
        if (read_line(reader, line, bytes, entry))
            return true;
    }
    return false;
}

static bool
find(const char *text, const char *name, struct entry *entry)
{
    struct reader reader = { .at = text };

    while (next_entry(&reader, entry)) {
        if (strcmp(entry->name, name) == 0)
            return true;
    }
    return false;
}

static char *
copy_value(const struct entry *entry)
{
    return entry == NULL ? strdup("") : strndup(entry->value, entry->value_bytes);
}

/* One of `before` and `after` may be NULL. */
static int
add(struct plan_key **keys, size_t *count, const struct entry *before, const struct entry *after)
{
    struct plan_key *grown = reallocarray(*keys, *count + 1, sizeof *grown), *key;

    if (grown == NULL)
        return -ENOMEM;
    *keys = grown;
    key = &grown[(*count)++];
    *key = (struct plan_key){ .name = strdup(after != NULL ? after->name : before->name),
                              .before = copy_value(before), .after = copy_value(after) };
    return key->name == NULL || key->before == NULL || key->after == NULL ? -ENOMEM : 0;
}

static bool
same(const struct entry *a, const struct entry *b)
{
    return a->value_bytes == b->value_bytes && memcmp(a->value, b->value, a->value_bytes) == 0;
}

int
plan_keys_compare(const char *before, const char *after, struct plan_key **keys, size_t *count)
{
    struct reader reader = { .at = after };
    struct entry now, then;
    int rc = 0;

    *keys = NULL;
    *count = 0;
    while (rc == 0 && next_entry(&reader, &now)) {
        bool was = find(before, now.name, &then);

        if (!was || !same(&now, &then))
            rc = add(keys, count, was ? &then : NULL, &now);
    }
    reader = (struct reader){ .at = before };
    while (rc == 0 && next_entry(&reader, &then)) {
        if (!find(after, then.name, &now))
            rc = add(keys, count, &then, NULL);
    }
    if (rc < 0) {
        plan_keys_free(*keys, *count);
        *keys = NULL;
        *count = 0;
    }
    return rc;
}

void
plan_keys_free(struct plan_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(keys[i].name);
        free(keys[i].before);
        free(keys[i].after);
    }
    free(keys);
}
