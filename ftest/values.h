/*
 * values - how options are written: durations, sizes, rates, lists.
 *
 * Parsers of the command line; no side effects. All return 0, or -EINVAL (-ERANGE when the
 * form is right but the number is too large), and leave the result alone then.
 */
#ifndef FPROXY_FTEST_VALUES_H
#define FPROXY_FTEST_VALUES_H

#include <stddef.h>
#include <stdint.h>

/* "250ms", "1.5s", "10us", "2m", "1h", or a bare number of milliseconds; at most 24 h. */
int value_duration(const char *text, uint64_t *duration_ns);

/* "512", "64k", "1m", "1g" (powers of 1024); at most 1 GiB. */
int value_size(const char *text, size_t *bytes);

/* A whole number from 1 to `max`. */
int value_count(const char *text, uint64_t max, uint64_t *count);

/* Requests a second: above 0, at most 10 million; "0.5" is one every two seconds. */
int value_rate(const char *text, double *per_second);

/* Items separated by commas. */
struct value_list {
    char **items;       /* owned; value_list_free() */
    size_t count;
};

/* "a,b,c"; a comma or backslash that belongs to an item has a backslash before it. Items are
 * never empty. -ENOMEM too. */
int value_list_parse(const char *text, struct value_list *list);
void value_list_free(struct value_list *list);

/* `bytes` of `data` for people into `text` (of `text_bytes`): what is no printable ASCII
 * becomes \xNN, a backslash two, and an end that does not fit "...". Returns `text`. */
const char *value_printable(const char *data, size_t bytes, char *text, size_t text_bytes);

#endif
