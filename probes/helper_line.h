/*
 * helper_line - what a probe's helper is asked, and what it answers: one line of JSON each.
 *
 *   {"id": 7, "app": "shop", "target": "db.example:5432", "address": "10.0.0.7:5432",
 *    "timeout_ms": 2000}
 *   {"id": 7, "ok": true, "degraded": false, "warning": false, "detail": "12 replicas",
 *    "duration_ms": 1.2}
 *
 * Of an answer `id` and `ok` must be there; other keys than these are for later versions, and
 * passed over. Pure.
 */
#ifndef FPROXY_PROBES_HELPER_LINE_H
#define FPROXY_PROBES_HELPER_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/names.h"

struct probe;

enum { HELPER_LINE_BYTES = 4096 };      /* the longest of either, with its newline */

struct helper_answer {
    uint64_t id;
    bool ok, degraded, warning;
    double duration_ms;                 /* below 0: not told */
    char detail[DETAIL_BYTES];          /* made plain; "" when there is none */
};

/* The line with its newline and a NUL. Its length, or -ENOMEM, -E2BIG. */
int helper_line_ask(const struct probe *probe, uint64_t id, char *line);

/* A line without its newline. 0; -EBADMSG: no JSON; -EINVAL: no answer, though it is JSON. Both
 * with the reason in `why` (DETAIL_BYTES). */
int helper_line_read(const char *line, size_t length, struct helper_answer *answer, char *why);

#endif
