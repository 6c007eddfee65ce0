#include "probes/standing.h"

#include <inttypes.h>
#include <stdio.h>

const char *
endpoint_state_detail(const struct endpoint *endpoint, char *text)
{
    text[0] = '\0';
    switch (endpoint->state) {
    case ENDPOINT_MAINTENANCE:
    case ENDPOINT_DRAINING:
        if (endpoint->admin.note != NULL)
            snprintf(text, DETAIL_BYTES, "%s", endpoint->admin.note);
        break;
    case ENDPOINT_EJECTED:
        eject_describe(&endpoint->eject, text);
        break;
    default:
        break;
    }
    return text;
}

void
eject_describe(const struct eject *eject, char *text)
{
    snprintf(text, DETAIL_BYTES, "%u connections in a row failed; out for %" PRIu64 " s%s",
             eject->failures, (eject->until_ms - eject->changed_ms + 500) / 1000,
             eject->flags & EJECT_PROBES_LIE ? ", whatever its probes say" : "");
}

bool
endpoint_may_be_tried(const struct endpoint *endpoint)
{
    return endpoint->address.family != 0 && endpoint->admin.action == OVERRIDE_NONE;
}
