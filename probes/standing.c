#include "probes/standing.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "probes/board_writer.h"
#include "probes/endpoint_records.h"

enum endpoint_state
endpoint_state(const struct endpoint *endpoint)
{
    enum endpoint_state by_probe = endpoint->health.state;

    if (endpoint->address.family == 0)
        return by_probe;
    if (endpoint->admin.action == OVERRIDE_MAINTAIN)
        return ENDPOINT_MAINTENANCE;
    if (endpoint->admin.action == OVERRIDE_DRAIN)
        return ENDPOINT_DRAINING;
    if (endpoint->eject.until_ms != 0 && endpoint_state_eligible(by_probe))
        return ENDPOINT_EJECTED;
    return by_probe;
}

enum reason
endpoint_reason(const struct endpoint *endpoint)
{
    switch (endpoint_state(endpoint)) {
    case ENDPOINT_MAINTENANCE:
    case ENDPOINT_DRAINING:
        return REASON_ADMIN;
    case ENDPOINT_EJECTED:
        return REASON_PASSIVE_CONNECT;
    default:
        return endpoint->health.reason;
    }
}

const char *
endpoint_state_detail(const struct endpoint *endpoint, char *text)
{
    const struct eject *eject = &endpoint->eject;

    text[0] = '\0';
    switch (endpoint_state(endpoint)) {
    case ENDPOINT_MAINTENANCE:
    case ENDPOINT_DRAINING:
        if (endpoint->admin.note != NULL)
            snprintf(text, DETAIL_BYTES, "%s", endpoint->admin.note);
        break;
    case ENDPOINT_EJECTED:
        snprintf(text, DETAIL_BYTES, "%u connections in a row failed; out for %" PRIu64 " s%s",
                 eject->failures, (eject->until_ms - eject->changed_ms + 500) / 1000,
                 eject->flags & EJECT_PROBES_LIE ? ", whatever its probes say" : "");
        break;
    default:
        break;
    }
    return text;
}

bool
endpoint_may_be_tried(const struct endpoint *endpoint)
{
    return endpoint->address.family != 0 && endpoint->admin.action == OVERRIDE_NONE;
}

void
endpoint_moved(struct endpoint *endpoint, enum endpoint_state from, enum reason reason,
               const char *detail)
{
    enum endpoint_state to = endpoint_state(endpoint);

    if (to != from) {
        endpoint->since_ms = clock_wall_ms();
        endpoint_record_transition(endpoint, from, to, reason, detail);
        endpoint_record(endpoint);
        board_writer_changed(endpoint->target->app);
    }
    board_writer_show(endpoint);
}
