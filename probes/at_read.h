/*
 * at_read - what the database knows of an instant, as a view.
 */
#ifndef FPROXY_PROBES_AT_READ_H
#define FPROXY_PROBES_AT_READ_H

#include "probes/inspect.h"

struct at_past {
    int64_t at_ms;
    struct inspect_view view;           /* owned; generation 0: not known */
    int64_t history_from_ms;            /* the oldest transition; 0: there is none */
    int64_t probed_before_ms, probed_after_ms;  /* results of any endpoint next to the instant */
};

/* Endpoints that are there now, of which nothing is known then, are counted by their app. Reads
 * `past->view` and the rest for `past->at_ms` from the database. As sqlite_file_read();
 * at_past_free() in any case. */
int at_read(const char *path, struct at_past *past, char *why);

void at_past_free(struct at_past *past);

#endif
