/*
 * app_rollout - the last rollout of an app: a row of `rollouts' (store.h), of which thousands are
 * kept, mostly without a reason.
 */
#ifndef FPROXY_SUPERVISOR_APP_ROLLOUT_H
#define FPROXY_SUPERVISOR_APP_ROLLOUT_H

#include <stdbool.h>
#include <stdint.h>

struct store_rollout;

struct app_rollout {
    uint32_t from_generation, to_generation;
    int64_t started_at_ms, finished_at_ms;      /* started 0: there was none */
    char outcome[16];               /* as in store_rollout; "" while it is open */
    char *reason;                   /* owned; NULL: none, or no memory for it */
};

/* Never NULL. */
const char *app_rollout_reason(const struct app_rollout *rollout);
bool app_rollout_is_open(const struct app_rollout *rollout);

/* Takes copies; what was there before is freed. */
void app_rollout_set(struct app_rollout *rollout, const struct store_rollout *row);
void app_rollout_fini(struct app_rollout *rollout);

#endif
