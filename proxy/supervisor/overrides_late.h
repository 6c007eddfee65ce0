/*
 * overrides_late - what operators said of targets, when the database could not be read at the
 * start: it is read as soon as it can be.
 *
 *   overrides_late_begin() --asks, when the store is well--> rows
 *   overrides_late_note(): what operators say meanwhile       `--> rows, then what was said since,
 *                                                                  in its order; to the prober
 *
 * So a newer word is never overwritten by an older one. An adopted prober, which was told the older
 * ones, is told the newer ones alone meanwhile. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_OVERRIDES_LATE_H
#define FPROXY_SUPERVISOR_OVERRIDES_LATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/override.h"

struct overrides_late;
struct supervisor;

/* Sets supervisor->overrides_unknown until they are read. Without memory they stay so. */
void overrides_late_begin(struct supervisor *supervisor);

/* For one more word; when nothing is unknown it is not needed. 0, -ENOMEM, or -ENOSPC. */
int overrides_late_make_room(struct supervisor *supervisor);
/* That word, once it holds. */
void overrides_late_note(struct supervisor *supervisor, const char *app, const char *broader,
                         const struct override *override);

/* What was said of the app meanwhile, in its order: an array on the heap, NULL if there is nothing.
 * False: nothing is unknown, or no memory. */
bool overrides_late_said(const struct supervisor *supervisor, const char *app,
                         struct override **list, size_t *count);

/* Before the store goes. */
void overrides_late_free(struct supervisor *supervisor);

#endif
