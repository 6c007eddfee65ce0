/* The rules that stand in inspect_at.h. */
#include <stdio.h>
#include <string.h>

#include "probes/inspect_at.h"
#include "strategy/endpoint_state.h"

static void
set(struct inspect_endpoint *endpoint, const char *state, const char *reason, int64_t since_ms)
{
    snprintf(endpoint->state, sizeof endpoint->state, "%s", state);
    snprintf(endpoint->reason, sizeof endpoint->reason, "%s", reason);
    endpoint->since_ms = since_ms;
}

/* The last transition of an address that left its name. */
static bool
has_left(const struct at_evidence *evidence)
{
    return strcmp(evidence->before_to, endpoint_state_name(ENDPOINT_UNRESOLVED)) == 0 &&
           strcmp(evidence->before_reason, reason_name(REASON_TTL_EXPIRED)) == 0;
}

static bool
was_new(const struct at_evidence *evidence)
{
    return strcmp(evidence->after_from, endpoint_state_name(ENDPOINT_UNKNOWN)) == 0;
}

enum at_verdict
at_judge(const struct at_evidence *evidence, int64_t at_ms, struct inspect_endpoint *endpoint)
{
    if (evidence->before_ms != 0) {
        if (has_left(evidence))
            return AT_NOT_THERE;
        set(endpoint, evidence->before_to, evidence->before_reason, evidence->before_ms);
        snprintf(endpoint->probe.detail, sizeof endpoint->probe.detail, "%s",
                 evidence->before_detail);
        return AT_KNOWN;
    }
    if (evidence->after_ms != 0) {
        if (was_new(evidence))
            return AT_NOT_THERE;
        if (evidence->first_probe_ms == 0 || evidence->first_probe_ms > at_ms)
            return AT_NOT_KNOWN;
        set(endpoint, evidence->after_from, "", 0);
        return AT_KNOWN;
    }
    if (evidence->row_since_ms == 0 || evidence->row_since_ms > at_ms)
        return AT_NOT_KNOWN;
    set(endpoint, evidence->row_state, evidence->row_reason, evidence->row_since_ms);
    return AT_KNOWN;
}
