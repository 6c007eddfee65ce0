/*
 * plan_print - a plan for people and for scripts.
 */
#ifndef FPROXY_COMMANDS_PLAN_PRINT_H
#define FPROXY_COMMANDS_PLAN_PRINT_H

#include <jansson.h>

#include "proxy/commands/plan_compare.h"
#include "proxy/commands/plan_ports.h"

/* Everything is borrowed. */
struct plan_view {
    const char *path;                       /* of the configuration */
    const char *compared_with;              /* "running", "last_good" or "nothing" */
    const char *database;                   /* its path */
    const struct plan *plan;
    const struct plan_key *daemon_keys;     /* of `daemon`, that change */
    size_t daemon_key_count;
    const struct plan_refusal *refusals;
    size_t refusal_count;
    const struct config_change *change;     /* whose errors are told */
    bool valid;
};

/* 0, or -errno: it could not be printed. */
int plan_print(const struct plan_view *view);
/* NULL without memory; the caller's. */
json_t *plan_json(const struct plan_view *view);

#endif
