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

enum {
    INSPECT_AGE_BYTES = 32,
    INSPECT_MARK_MS = 3000,         /* how long a change stays marked */
};

/* "now", "45s", "3m 12s", "2h 5m", "4d 3h" into INSPECT_AGE_BYTES; returns text. */
const char *inspect_age(int64_t age_ms, char *text);

/* "ok 0.4 ms 2s ago", a failure with its detail behind it, or "-" into `text`; returns it. */
const char *inspect_probe_text(const struct inspect_probe *probe, int64_t now_wall_ms,
                               char *text, size_t text_bytes);

/* A text, "?" when it is no UTF-8; a time of the database's form, null when it is 0. */
json_t *inspect_text_json(const char *text);
json_t *inspect_time_json(int64_t wall_ms);

/* A probe as in the contract, null when there was none. */
json_t *inspect_probe_json(const struct inspect_probe *probe);

/* The contract's object; the caller owns the reference. NULL without memory. */
json_t *inspect_json(const struct inspect_view *view);

/* Which apps get a line of their own behind the table. */
enum inspect_apps { INSPECT_APPS_NONE, INSPECT_APPS_IN_TROUBLE, INSPECT_APPS_ALL };

/* A table with a line an endpoint, then the lines of `apps` (in trouble: not ready or in
 * panic). 0 or -errno. */
int inspect_print_table(FILE *out, const struct inspect_view *view, int64_t now_wall_ms,
                        bool colours, enum inspect_apps apps);

/* The same, no wider than `width` columns, with what changed lately marked: the line is reversed,
 * or without colours a "*" stands behind the state. */
int inspect_draw_table(FILE *out, const struct inspect_view *view, int64_t now_wall_ms,
                       bool colours, enum inspect_apps apps, unsigned width);

/* A line about how late the prober's probes begin; nothing when that is not known. */
void inspect_print_lag(FILE *out, const struct board_lag *lag);

#endif
