/*
 * inspect_watch - fproxy-probe inspect --watch: a table that is alive, or a line a change.
 */
#ifndef FPROXY_PROBES_INSPECT_WATCH_H
#define FPROXY_PROBES_INSPECT_WATCH_H

#include <stdbool.h>

#include "probes/inspect_places.h"

/* Shows all apps, one (`app`), or one target of it until SIGINT or SIGTERM; returns the exit
 * status. On a terminal a table, drawn anew when something of it is other; else, or with `json`,
 * each change is one line. */
int inspect_watch(const char *command, struct inspect_places *places, const char *app,
                  const char *target, bool json);

#endif
