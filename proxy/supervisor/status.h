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

enum { PROCESS_END_BYTES = 64 };

/* Of a worker, or the prober. */
struct process_status {
    pid_t pid;                          /* 0: none runs */
    bool looping;                       /* it keeps ending (restart.h) */
    const char *last_end;               /* how the last one ended unasked; "" or NULL: none did */
};

struct app_status {
    const char *name, *state;
    bool ready;
    uint32_t generation;                /* 0: none runs */
    const struct app_listen *ports;
    uint32_t port_count;
    const char *worker;                 /* its name */
    bool outdated;                      /* another one was to take over from it, and could not */
    struct process_status process;      /* of it; looping: also the one that is to take over */
    uint64_t connections;
    uint32_t available, total;          /* endpoints */
    uint32_t panics;                    /* times that nothing was eligible and all was tried */
    const char *rollback;               /* NULL; "holds": an operator went back from what is
                                         * configured; "unknown": the database cannot tell yet */
    json_t *overrides;                  /* an array, taken over; NULL: none */
    const struct app_rollout *rollout;
    const char *config_error;           /* for which it is held back, whatever was rolled out since
                                         * (a rollback); NULL: it is not */
};

/* One element of "apps"; NULL without memory. The caller owns it. */
json_t *status_app_json(const struct app_status *status);

/* The whole; `probe_lag`, `config_errors` and `apps` (arrays) are taken over, also on failure.
 * `prober_ready`: it takes orders. A pid of 0 becomes null. */
json_t *status_json(const char *version, pid_t supervisor_pid, uint64_t uptime_s,
                    const struct process_status *prober, bool prober_ready, json_t *probe_lag,
                    json_t *config_errors, json_t *apps);

#endif
