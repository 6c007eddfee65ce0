/*
 * keys - groups of settings as tables: name, reader, destination, range.
 *
 * A new key is one row in a table (app_read.c, settings.c) and one line in the canonical
 * text. Every reader checks type and range and tells what is wrong and what is allowed.
 */
#ifndef FPROXY_CONFIG_KEYS_H
#define FPROXY_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/problem.h"

struct config_setting_t;
struct key;

/* What is being read; one group at a time. */
struct reader {
    struct problems *problems;
    const char *prefix;         /* of keys in messages: "probe." */
    bool out_of_memory;
};

/* `into` is what `key->offset` points to. */
typedef void key_read_fn(struct reader *reader, const struct key *key,
                         const struct config_setting_t *setting, void *into);

struct key {
    const char *name;
    key_read_fn *read;
    size_t offset;              /* in the struct that keys_read() fills */
    uint32_t min, max;          /* of numbers and durations; `max` also of a text, in bytes */
    const char *const *words;   /* of choices, ended by NULL */
    const struct key *keys;     /* of a group; its offsets count from `offset` */
    uint32_t key_count;
};

/* Reads the settings of `group` into `into`; a key that is not in the table is a problem,
 * one that is wrong leaves `into` as it was. */
void keys_read(struct reader *reader, const struct config_setting_t *group,
               const struct key *keys, size_t key_count, void *into);

/* The readers: of uint32_t, uint32_t in ms, char[max], char[max] out of `words`, unsigned (or
 * an enum: the index in `words`), and a group. */
key_read_fn key_read_number, key_read_duration, key_read_text, key_read_word, key_read_choice,
    key_read_group;

/* Tells a problem of `setting`, which has (or lies in the value of) key `name`. */
void key_problem(struct reader *reader, const struct config_setting_t *setting,
                 const char *name, const char *format, ...) PRINTF_LIKE(4, 5);

/* How `setting` is named in a message: "a number", "a group"... */
const char *key_type_name(const struct config_setting_t *setting);

/* 0 and the integer; -EINVAL when it is none. */
int key_integer(const struct config_setting_t *setting, int64_t *number);

#endif
