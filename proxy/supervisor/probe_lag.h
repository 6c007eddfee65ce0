/*
 * probe_lag - how late the prober's probes begin, as it says on the boards. For /v1/status.
 */
#ifndef FPROXY_SUPERVISOR_PROBE_LAG_H
#define FPROXY_SUPERVISOR_PROBE_LAG_H

#include <jansson.h>

struct supervisor;

/* The caller owns it; null when no prober lives, no app runs, or nothing was probed lately. NULL
 * without memory. */
json_t *probe_lag_json(const struct supervisor *supervisor);

#endif
