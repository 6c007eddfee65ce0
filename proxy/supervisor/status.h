/*
 * status - the JSON behind `fproxy status --json` and /v1/status. Pure.
 */
#ifndef FPROXY_SUPERVISOR_STATUS_H
#define FPROXY_SUPERVISOR_STATUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/app.h"
#include "proxy/supervisor/app_rollout.h"

struct app_status {
    const char *name, *state;
    bool ready;
    uint32_t generation;                /* 0: none runs */
    const struct app_listen *ports;
    uint32_t port_count;
    const char *worker;
    pid_t worker_pid;                   /* 0: none runs */
    uint64_t connections;
    uint32_t available, total;          /* endpoints */
    uint32_t panics;                    /* times that nothing was eligible and all was tried */
    const char *rollback;               /* NULL; "holds": an operator went back from what is
                                         * configured; "unknown": the database cannot tell yet */
    json_t *overrides;                  /* an array, taken over; NULL: none */
    const struct app_rollout *rollout;
};

/* One element of "apps"; NULL without memory. The caller owns it. */
json_t *status_app_json(const struct app_status *status);

/* The whole; `probe_lag`, `config_errors` and `apps` (arrays) are taken over, also on failure. A
 * pid of 0 becomes null. */
json_t *status_json(const char *version, pid_t supervisor_pid, uint64_t uptime_s,
                    pid_t prober_pid, json_t *probe_lag, json_t *config_errors, json_t *apps);

#endif
