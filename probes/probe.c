#include "probes/probe.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

const struct probe_ops *const probe_kinds[] = { &probe_tcp, NULL };

const struct probe_ops *
probe_find(const char *name)
{
    for (size_t i = 0; probe_kinds[i] != NULL; i++) {
        if (strcmp(probe_kinds[i]->name, name) == 0)
            return probe_kinds[i];
    }
    return NULL;
}

int
probe_init(struct probe *probe, const struct probe_ops *ops, struct event_base *base,
           const struct address *address)
{
    *probe = (struct probe){ .ops = ops, .base = base, .address = *address };
    probe->state = calloc(1, ops->state_bytes);
    return probe->state == NULL ? -ENOMEM : 0;
}

void
probe_fini(struct probe *probe)
{
    probe_cancel(probe);
    free(probe->state);
    probe->state = NULL;
}

int
probe_start(struct probe *probe)
{
    int rc;

    assert(!probe->running);
    memset(probe->state, 0, probe->ops->state_bytes);
    probe->result = (struct probe_result){ .outcome = REASON_NONE };
    probe->started_us = clock_monotonic_us();
    rc = probe->ops->start(probe);
    probe->running = rc == 0;
    return rc;
}

void
probe_cancel(struct probe *probe)
{
    if (!probe->running)
        return;
    probe->running = false;
    probe->ops->cancel(probe);
}

void
probe_done(struct probe *probe, enum reason outcome, const char *format, ...)
{
    struct probe_result *result = &probe->result;
    va_list args;

    assert(probe->running);
    assert(outcome != REASON_NONE);
    probe->running = false;
    result->outcome = outcome;
    result->duration_us = (uint32_t)(clock_monotonic_us() - probe->started_us);
    va_start(args, format);
    vsnprintf(result->detail, sizeof result->detail, format, args);
    va_end(args);
    probe->on_done(probe);
}

enum reason
probe_start_reason(int error)
{
    enum reason reason = reason_from_errno(-error);

    return reason == REASON_OK || reason == REASON_NONE ? REASON_CONNECT_LOCAL : reason;
}
