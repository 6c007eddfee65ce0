#include "ftest/values.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

#define DURATION_MAX_NS (24 * 3600e9)
#define SIZE_MAX_BYTES  ((double)(1 << 30))
#define RATE_MAX        10e6

struct unit {
    const char *name;
    double factor;
};

/* Digits with at most one point, then a unit of the table; strtod() alone would also take
 * "inf", "0x10", " 5" and "-1". */
static int
parse_number(const char *text, const struct unit *units, size_t unit_count, double *number)
{
    size_t digits = strspn(text, "0123456789");
    size_t length = digits;
    double value;

    if (digits == 0)
        return -EINVAL;
    if (text[length] == '.') {
        size_t fraction = strspn(text + length + 1, "0123456789");

        if (fraction == 0)
            return -EINVAL;
        length += 1 + fraction;
    }
    value = strtod(text, NULL);
    for (size_t i = 0; i < unit_count; i++) {
        if (strcasecmp(text + length, units[i].name) == 0) {
            *number = value * units[i].factor;
            return 0;
        }
    }
    return -EINVAL;
}

int
value_duration(const char *text, uint64_t *duration_ns)
{
    static const struct unit units[] = {
        { "", 1e6 }, { "us", 1e3 }, { "ms", 1e6 },
        { "s", 1e9 },      { "m", 60e9 }, { "h", 3600e9 },
    };
    double number;

    if (parse_number(text, units, ARRAY_SIZE(units), &number) < 0)
        return -EINVAL;
    if (number > DURATION_MAX_NS)
        return -ERANGE;
    *duration_ns = (uint64_t)number;
    return 0;
}

int
value_size(const char *text, size_t *bytes)
{
    static const struct unit units[] = {
        { "", 1 }, { "b", 1 }, { "k", 1 << 10 }, { "m", 1 << 20 }, { "g", 1 << 30 },
    };
    double number;

    if (parse_number(text, units, ARRAY_SIZE(units), &number) < 0)
        return -EINVAL;
    if (number > SIZE_MAX_BYTES)
        return -ERANGE;
    *bytes = (size_t)number;
    return 0;
}

int
value_count(const char *text, uint64_t max, uint64_t *count)
{
    size_t digits = strspn(text, "0123456789");
    uint64_t number;

    if (digits == 0 || text[digits] != '\0')
        return -EINVAL;
    errno = 0;
    number = strtoull(text, NULL, 10);
    if (errno == ERANGE || number > max)
        return -ERANGE;
    if (number == 0)
        return -EINVAL;
    *count = number;
    return 0;
}

int
value_rate(const char *text, double *per_second)
{
    static const struct unit units[] = { { "", 1 }, { "/s", 1 }, { "k", 1e3 } };
    double number;

    if (parse_number(text, units, ARRAY_SIZE(units), &number) < 0 || number <= 0)
        return -EINVAL;
    if (number > RATE_MAX)
        return -ERANGE;
    *per_second = number;
    return 0;
}

/* Copies the item at `*text` without its backslashes and moves past it and its comma. */
static char *
next_item(const char **text)
{
    const char *from = *text;
    char *item = malloc(strlen(from) + 1);
    char *to = item;

    if (item == NULL)
        return NULL;
    while (*from != '\0' && *from != ',') {
        if (*from == '\\' && (from[1] == ',' || from[1] == '\\'))
            from++;
        *to++ = *from++;
    }
    *to = '\0';
    *text = *from == ',' ? from + 1 : NULL;
    return item;
}

int
value_list_parse(const char *text, struct value_list *list)
{
    struct value_list found = { 0 };
    int rc = -ENOMEM;

    /* As many items as commas and one more, at most. */
    found.items = calloc(strlen(text) + 1, sizeof found.items[0]);
    if (found.items == NULL)
        return -ENOMEM;
    while (text != NULL) {
        char *item = next_item(&text);

        if (item == NULL)
            goto fail;
        found.items[found.count++] = item;
        rc = -EINVAL;
        if (item[0] == '\0')
            goto fail;
    }
    *list = found;
    return 0;

fail:
    value_list_free(&found);
    return rc;
}

void
value_list_free(struct value_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    list->items = NULL;
    list->count = 0;
}

const char *
value_printable(const char *data, size_t bytes, char *text, size_t text_bytes)
{
    enum { ESCAPE_BYTES = 4, DOTS_BYTES = 4 };
    size_t used = 0;

    for (size_t i = 0; i < bytes; i++) {
        unsigned char byte = (unsigned char)data[i];

        if (used + ESCAPE_BYTES + DOTS_BYTES > text_bytes) {
            snprintf(text + used, text_bytes - used, "...");
            return text;
        }
        if (byte == '\\')
            text[used++] = '\\';
        if (byte < 0x80 && isprint(byte))
            text[used++] = (char)byte;
        else
            used += (size_t)snprintf(text + used, text_bytes - used, "\\x%02x", byte);
    }
    text[used] = '\0';
    return text;
}
