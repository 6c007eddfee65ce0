/*
 * inspect_print - a view as a table or as JSON.
 */
#ifndef FPROXY_PROBES_INSPECT_PRINT_H
#define FPROXY_PROBES_INSPECT_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "probes/inspect.h"

enum { INSPECT_AGE_BYTES = 32 };

/* "now", "45s", "3m 12s", "2h 5m", "4d 3h" into INSPECT_AGE_BYTES; returns text. */
const char *inspect_age(int64_t age_ms, char *text);

/* "ok 0.4 ms 2s ago", a failure with its detail behind it, or "-" into `text`; returns it. */
const char *inspect_probe_text(const struct inspect_probe *probe, int64_t now_wall_ms,
                               char *text, size_t text_bytes);

/* The contract's object; the caller owns the reference. NULL without memory. */
json_t *inspect_json(const struct inspect_view *view);

/* Which apps get a line of their own behind the table. */
enum inspect_apps { INSPECT_APPS_NONE, INSPECT_APPS_IN_TROUBLE, INSPECT_APPS_ALL };

/* A table with a line an endpoint, then the lines of `apps` (in trouble: not ready or in
 * panic). 0 or -errno. */
int inspect_print_table(FILE *out, const struct inspect_view *view, int64_t now_wall_ms,
                        bool colours, enum inspect_apps apps);

#endif
