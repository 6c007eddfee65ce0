/*
 * entry - one queued write: which one (writes.h) and its arguments, packed.
 *
 * As small as its texts are, so that tens of thousands may wait while a database cannot be
 * written. Made by the caller's thread, bound to SQL by the store's. Texts are copied.
 */
#ifndef FPROXY_STORE_ENTRY_H
#define FPROXY_STORE_ENTRY_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/util.h"
#include "store/writes.h"

enum value_kind { VALUE_NULL, VALUE_INTEGER, VALUE_REAL, VALUE_TIME, VALUE_TEXT };

struct value {
    enum value_kind kind;
    size_t bytes;           /* of the text, without NUL */
    union {
        int64_t integer;    /* VALUE_TIME: wall ms, written as UTC text */
        double real;
        const char *text;   /* borrowed until entry_create() returns */
    } of;
};

static inline struct value
value_integer(int64_t integer)
{
    return (struct value){ .kind = VALUE_INTEGER, .of.integer = integer };
}

static inline struct value
value_real(double real)
{
    return (struct value){ .kind = VALUE_REAL, .of.real = real };
}

static inline struct value
value_time(int64_t wall_ms)
{
    return (struct value){ .kind = VALUE_TIME, .of.integer = wall_ms };
}

static inline struct value
value_null(void)
{
    return (struct value){ .kind = VALUE_NULL };
}

/* At most `bytes_max` bytes of it; unless that is SIZE_MAX, the last character is whole. */
struct value value_text(const char *text, size_t bytes_max);

/* The same, but NULL for "". */
struct value value_text_or_null(const char *text, size_t bytes_max);

/* Of a field in a record: it need not end with NUL. */
#define VALUE_FIELD(array) value_text(array, sizeof(array))

struct entry {
    STAILQ_ENTRY(entry) link;
    uint32_t bytes;         /* of all of it */
    uint8_t write;          /* enum write_kind */
    uint8_t count;          /* of arguments */
    char data[];
};
STAILQ_HEAD(entry_list, entry);

/* On the heap, or NULL. */
struct entry *entry_create(enum write_kind write, const struct value *values, size_t count);

#define ENTRY(write, ...)                                                                      \
    entry_create(write, (const struct value[]){ __VA_ARGS__ },                                 \
                 ARRAY_SIZE(((const struct value[]){ __VA_ARGS__ })))

void entry_list_free(struct entry_list *list);

/* The first argument, which must be a text: the app's name in most writes. */
const char *entry_key(const struct entry *entry);

/* How many bytes of `data` the first `count` arguments take, all of them texts: equal ones
 * have equal bytes. */
size_t entry_key_bytes(const struct entry *entry, uint32_t count);

/* Argument `number` (from 0), which must be of that kind; the text is the entry's. */
int64_t entry_integer(const struct entry *entry, uint32_t number);
const char *entry_text(const struct entry *entry, uint32_t number);

/* Binds arguments 1.. as far as the statement has parameters; texts are borrowed from the
 * entry. SQLITE_OK or the error. */
int entry_bind(const struct entry *entry, sqlite3_stmt *statement);

#endif
