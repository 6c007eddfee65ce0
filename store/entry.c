/* entry - see entry.h. An argument is a byte that names its kind, then eight bytes or a text
 * with its NUL; unaligned, hence memcpy. */
#include "store/entry.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"

struct value
value_text(const char *text, size_t bytes_max)
{
    size_t bytes = strnlen(text, bytes_max);

    if (bytes_max != SIZE_MAX)      /* whoever filled the field may have cut it anywhere */
        bytes = utf8_whole(text, bytes);
    return (struct value){ .kind = VALUE_TEXT, .bytes = bytes, .of.text = text };
}

struct value
value_text_or_null(const char *text, size_t bytes_max)
{
    return text[0] == '\0' ? value_null() : value_text(text, bytes_max);
}

static size_t
value_packed_bytes(const struct value *value)
{
    switch (value->kind) {
    case VALUE_NULL:
        return 1;
    case VALUE_TEXT:
        return 1 + value->bytes + 1;
    default:
        return 1 + sizeof value->of.integer;
    }
}

static char *
value_pack(const struct value *value, char *to)
{
    *to++ = (char)value->kind;
    switch (value->kind) {
    case VALUE_NULL:
        return to;
    case VALUE_TEXT:
        memcpy(to, value->of.text, value->bytes);
        to[value->bytes] = '\0';
        return to + value->bytes + 1;
    default:
        memcpy(to, &value->of.integer, sizeof value->of.integer);
        return to + sizeof value->of.integer;
    }
}

struct entry *
entry_create(enum write_kind write, const struct value *values, size_t count)
{
    size_t bytes = offsetof(struct entry, data);
    struct entry *entry;
    char *to;

    assert(count <= UINT8_MAX);
    for (size_t i = 0; i < count; i++)
        bytes += value_packed_bytes(&values[i]);
    if (bytes > UINT32_MAX)
        return NULL;
    entry = malloc(bytes);
    if (entry == NULL)
        return NULL;
    entry->bytes = (uint32_t)bytes;
    entry->write = (uint8_t)write;
    entry->count = (uint8_t)count;
    to = entry->data;
    for (size_t i = 0; i < count; i++)
        to = value_pack(&values[i], to);
    assert(to == (char *)entry + bytes);
    return entry;
}

void
entry_list_free(struct entry_list *list)
{
    struct entry *entry;

    while ((entry = STAILQ_FIRST(list)) != NULL) {
        STAILQ_REMOVE_HEAD(list, link);
        free(entry);
    }
}

const char *
entry_key(const struct entry *entry)
{
    assert(entry->count > 0);
    assert(entry->data[0] == VALUE_TEXT);
    return entry->data + 1;
}

size_t
entry_key_bytes(const struct entry *entry, uint32_t count)
{
    const char *at = entry->data;

    assert(entry->count >= count);
    for (; count > 0; count--) {
        assert(*at == VALUE_TEXT);
        at += 1 + strlen(at + 1) + 1;
    }
    return (size_t)(at - entry->data);
}

/* Where argument `number` lies. */
static const char *
argument_at(const struct entry *entry, uint32_t number)
{
    const char *at = entry->data;

    assert(number < entry->count);
    for (; number > 0; number--) {
        switch ((enum value_kind)(unsigned char)*at++) {
        case VALUE_NULL:
            break;
        case VALUE_TEXT:
            at += strlen(at) + 1;
            break;
        default:
            at += sizeof(int64_t);
        }
    }
    return at;
}

int64_t
entry_integer(const struct entry *entry, uint32_t number)
{
    const char *at = argument_at(entry, number);
    int64_t integer;

    assert(*at == VALUE_INTEGER);
    memcpy(&integer, at + 1, sizeof integer);
    return integer;
}

const char *
entry_text(const struct entry *entry, uint32_t number)
{
    const char *at = argument_at(entry, number);

    assert(*at == VALUE_TEXT);
    return at + 1;
}

/* Binds the argument that lies at `at`; *at moves to the next. */
static int
bind_one(sqlite3_stmt *statement, int number, const char **at)
{
    enum value_kind kind = (enum value_kind)(unsigned char)*(*at)++;
    const char *from = *at;
    char text[TIME_TEXT_BYTES];
    int64_t integer;
    double real;

    if (kind == VALUE_NULL)
        return sqlite3_bind_null(statement, number);
    if (kind == VALUE_TEXT) {
        *at += strlen(from) + 1;
        return sqlite3_bind_text64(statement, number, from, strlen(from), SQLITE_STATIC,
                                   SQLITE_UTF8);
    }
    *at += sizeof integer;
    if (kind == VALUE_REAL) {
        memcpy(&real, from, sizeof real);
        return sqlite3_bind_double(statement, number, real);
    }
    memcpy(&integer, from, sizeof integer);
    if (kind == VALUE_INTEGER)
        return sqlite3_bind_int64(statement, number, integer);
    assert(kind == VALUE_TIME);
    clock_format_utc(integer, text);
    return sqlite3_bind_text(statement, number, text, -1, SQLITE_TRANSIENT);
}

int
entry_bind(const struct entry *entry, sqlite3_stmt *statement)
{
    int parameters = sqlite3_bind_parameter_count(statement);
    const char *at = entry->data;
    int rc = SQLITE_OK;

    assert(parameters <= entry->count);
    for (int number = 1; number <= parameters && rc == SQLITE_OK; number++)
        rc = bind_one(statement, number, &at);
    return rc;
}
