/*
 * reload - who asked for the configuration to be read again, and waits until it applies.
 *
 *   reload_begin(): look, token --> reload_heard(): the change that answers it is applied
 *      --> nothing is being rolled out any more, or the patience ends --> the callback
 *
 * The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_RELOAD_H
#define FPROXY_SUPERVISOR_RELOAD_H

#include <jansson.h>
#include <stdbool.h>

struct config_change;
struct supervisor;

enum { RELOAD_PATIENCE_MS = 120000 };

/* `result`, the callee's: {"applied": bool, "changed": [{"app", "op", "outcome", "reason"}],
 * "groups": ["daemon"...], "held_back": [{"app", "reason"}], "errors": [...]}; NULL: no memory, or
 * the supervisor ends. */
typedef void reload_done_fn(void *context, json_t *result);

/* Reads the configuration again at once; `done` may be NULL (SIGHUP). -ENOMEM: it never comes. */
int reload_begin(struct supervisor *supervisor, reload_done_fn *done, void *context);
/* Who asked has gone away: it is not called. */
void reload_forget(struct supervisor *supervisor, void *context);

/* A change has been applied. */
void reload_heard(struct supervisor *supervisor, const struct config_change *change);
/* Nothing is being rolled out. */
void reload_settled(struct supervisor *supervisor);

/* Nobody waits any longer: they get NULL. */
void reloads_free(struct supervisor *supervisor);

#endif
