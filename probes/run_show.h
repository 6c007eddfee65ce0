/*
 * run_show - what one run of a probe did, step by step: as text while it happens, or as JSON.
 */
#ifndef FPROXY_PROBES_RUN_SHOW_H
#define FPROXY_PROBES_RUN_SHOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct probe_result;

enum { RUN_STEPS_MAX = 256, RUN_SHOWN_BYTES = 256 };    /* of one run, of one step */

struct run_show {
    bool json;
    json_t *results;                /* owned array; with `json` */
    json_t *steps;                  /* borrowed: of the present run */
    uint64_t started_us;
    uint32_t count;                 /* steps of it */
};

/* A run begins. */
void run_show_begin(struct run_show *show, const char *app, const char *target, const char *address,
                    const char *probe, const char *kind);
/* Something happened (probe_trace_fn). */
void run_show_step(struct run_show *show, const char *what, const void *bytes, size_t length);
/* It ended. `outcome` as in the database. */
void run_show_end(struct run_show *show, const char *outcome, double duration_ms,
                  const char *detail);

#endif
