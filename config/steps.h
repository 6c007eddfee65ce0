/*
 * steps - what a probe says on a connection, and what it expects to hear.
 *
 *   send, expect            one of each, text
 *   steps = ( { send }, { expect_hex }, { expect_regex }, ... )
 *   preset = "redis"        steps that are known by a name
 *
 * All of these are read into the same list, and the canonical text knows only `steps`.
 */
#ifndef FPROXY_CONFIG_STEPS_H
#define FPROXY_CONFIG_STEPS_H

#include <stdbool.h>
#include <stdint.h>

struct print;

enum {
    STEPS_MAX = 16,
    STEP_BYTES_MAX = 1024,          /* of one; a probe is no benchmark */
};

enum app_step_kind {
    STEP_SEND,
    STEP_EXPECT,                    /* these bytes, anywhere in what came since the last match */
    STEP_EXPECT_REGEX,              /* an extended regular expression (regex(7)) */
};

struct app_step {
    enum app_step_kind kind;
    uint32_t length;
    char *bytes;                    /* owned; ended by NUL as well */
};

struct app_steps {
    struct app_step *list;          /* owned; NULL: none */
    uint32_t count;
};

void steps_fini(struct app_steps *steps);

/* A copy with bytes of its own. 0 or -ENOMEM. */
int steps_copy(const struct app_steps *from, struct app_steps *to);

bool steps_equal(const struct app_steps *a, const struct app_steps *b);

/* `steps = ( ... );` on one line, as every key of a canonical text; nothing when there are none. */
void steps_print(struct print *print, int indent, const struct app_steps *steps);

#endif
