#include "base/record.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define ENDS(field) (memchr((field), '\0', sizeof(field)) != NULL)

static bool
texts_end(const struct record *record)
{
    switch ((enum record_kind)record->kind) {
    case RECORD_TRANSITION:
        return ENDS(record->of.transition.from_state) && ENDS(record->of.transition.to_state)
               && ENDS(record->of.transition.reason) && ENDS(record->of.transition.detail);
    case RECORD_ENDPOINT:
        return ENDS(record->of.endpoint.state) && ENDS(record->of.endpoint.reason);
    case RECORD_ENDPOINT_GONE:
        return true;
    case RECORD_PROBE_RESULT:
        return ENDS(record->of.result.probe) && ENDS(record->of.result.outcome)
               && ENDS(record->of.result.detail);
    case RECORD_PROBE_SUMMARY:
        return ENDS(record->of.summary.probe);
    case RECORD_DNS:
    case RECORD_DNS_GONE:
        return ENDS(record->of.dns.name) && ENDS(record->of.dns.type)
               && ENDS(record->of.dns.status);
    case RECORD_EVENT:
        return ENDS(record->of.event.kind) && ENDS(record->of.event.level)
               && ENDS(record->of.event.message) && ENDS(record->of.event.fields);
    case RECORD_KINDS:
        break;
    }
    return false;
}

int
record_check(const struct record *record)
{
    if (record->kind == 0 || record->kind >= RECORD_KINDS)
        return -EPROTO;
    if (!ENDS(record->app) || !ENDS(record->target) || !ENDS(record->address))
        return -EPROTO;
    return texts_end(record) ? 0 : -EPROTO;
}
