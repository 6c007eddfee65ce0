#include "proxy/supervisor/app_rollout.h"

#include <stdlib.h>
#include <string.h>

#include "store/store.h"

const char *
app_rollout_reason(const struct app_rollout *rollout)
{
    return rollout->reason != NULL ? rollout->reason : "";
}

bool
app_rollout_is_open(const struct app_rollout *rollout)
{
    return rollout->outcome[0] == '\0' && rollout->started_at_ms != 0;
}

void
app_rollout_set(struct app_rollout *rollout, const struct store_rollout *row)
{
    app_rollout_fini(rollout);
    *rollout = (struct app_rollout){
        .from_generation = row->from_generation,
        .to_generation = row->to_generation,
        .started_at_ms = row->started_at_ms,
        .finished_at_ms = row->finished_at_ms,
        .reason = row->reason[0] != '\0' ? strdup(row->reason) : NULL,
    };
    memcpy(rollout->outcome, row->outcome, sizeof rollout->outcome);
}

void
app_rollout_fini(struct app_rollout *rollout)
{
    free(rollout->reason);
    *rollout = (struct app_rollout){ 0 };
}
