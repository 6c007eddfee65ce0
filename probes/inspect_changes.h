/*
 * inspect_changes - what became other between two views.
 */
#ifndef FPROXY_PROBES_INSPECT_CHANGES_H
#define FPROXY_PROBES_INSPECT_CHANGES_H

#include "probes/inspect.h"

/* One change. `endpoint` NULL: of the app. `before` or `after` NULL: it is new, or gone. All
 * point into the views. */
struct inspect_change {
    const struct inspect_app *app_before, *app_after;
    const struct inspect_endpoint *before, *after;
};

typedef void inspect_change_fn(const struct inspect_change *change, void *context);

/* Calls `tell` for every app that is new, gone, or other in ready, panic or generation, and for
 * every endpoint that is new, gone, or other in state or reason. Each endpoint of `after` gets
 * the time of its last change: `now_wall_ms`, or the one it had. Apps are sorted by name. */
void inspect_changes(const struct inspect_view *before, struct inspect_view *after,
                     int64_t now_wall_ms, inspect_change_fn *tell, void *context);

#endif
