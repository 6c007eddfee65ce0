/*
 * shutdown - the way out: workers drain, the prober ends last, nothing is left.
 *
 * It bounds itself: what has not ended some seconds after the longest drain_timeout is
 * killed.
 */
#ifndef FPROXY_SUPERVISOR_SHUTDOWN_H
#define FPROXY_SUPERVISOR_SHUTDOWN_H

#include <stdbool.h>

struct supervisor;

/* The first call drains; a further call with `at_once` ends what is left. */
void shutdown_begin(struct supervisor *supervisor, bool at_once);

/* A child ended: the next step, if that was the last of its kind. */
void shutdown_continue(struct supervisor *supervisor);

void shutdown_free(struct supervisor *supervisor);

#endif
