/*
 * problem - where the readers of the configuration say what is wrong.
 *
 * One reader exists for files and for canonical texts; who calls it decides what becomes
 * of a problem: collected (config_load), or only the first kept (app_config_parse).
 */
#ifndef FPROXY_CONFIG_PROBLEM_H
#define FPROXY_CONFIG_PROBLEM_H

#include <stddef.h>

#include "base/util.h"

enum {
    PROBLEM_BYTES = 512,        /* a message; what is longer is cut */
    PROBLEM_KEY_BYTES = 128,
    QUOTE_BYTES = 96,           /* room for problem_quote() */
};

/* `key` and `message` are the caller's and are gone afterwards. */
typedef void problem_fn(void *context, unsigned line, const char *key, const char *message);

struct problems {
    problem_fn *report;
    void *context;              /* the owner's */
    unsigned count;             /* told so far */
};

/* `line` 0: the whole file; `key` "": no key is concerned. */
void problem_tell(struct problems *problems, unsigned line, const char *key,
                  const char *format, ...) PRINTF_LIKE(4, 5);

/* `text` in double quotes, cut to what reads well, with bytes that a terminal should not
 * see as \xNN; into `quoted` (QUOTE_BYTES), which is returned. */
const char *problem_quote(const char *text, char *quoted);

/* The word of `words` (`count` of them, `stride` bytes from one pointer to the next) that
 * `text` most likely meant, by edit distance; NULL when none is near. */
const char *problem_nearest(const char *text, const char *const *words, size_t count,
                            size_t stride);

#endif
