/*
 * plan_keys - which keys of a canonical text differ from those of another one. Pure.
 *
 *   probe = {                       name "probe.interval",
 *     interval = "5s";       -->    before "5s" (with its quotes),
 *   };                              after  "1s"
 */
#ifndef FPROXY_COMMANDS_PLAN_KEYS_H
#define FPROXY_COMMANDS_PLAN_KEYS_H

#include <stddef.h>

struct plan_key {
    char *name, *before, *after;    /* owned; a value "": it is not there */
};

/* In the order of `after`; then those which that does not have. `name`, `ports` and `targets` are
 * left out: they are compared by what they mean. 0 or -ENOMEM (then there is nothing to free). */
int plan_keys_compare(const char *before, const char *after, struct plan_key **keys,
                      size_t *count);
void plan_keys_free(struct plan_key *keys, size_t count);

#endif
