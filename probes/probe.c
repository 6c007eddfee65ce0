#include "probes/probe.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

const struct probe_ops *const probe_kinds[] = {
    &probe_tcp,
    &probe_exchange,
    &probe_http,
    &probe_https,
    &probe_tls,
    &probe_grpc,
    &probe_exec,
    &probe_helper,
    &probe_dns,
    &probe_push,
    NULL,
};

const struct probe_ops *
probe_find(const char *name)
{
    for (size_t i = 0; probe_kinds[i] != NULL; i++) {
        if (strcmp(probe_kinds[i]->name, name) == 0)
            return probe_kinds[i];
    }
    return NULL;
}

void
probe_init(struct probe *probe, const struct probe_ops *ops, struct event_base *base,
           const struct address *address)
{
    *probe = (struct probe){ .ops = ops, .base = base, .address = *address };
}

void
probe_fini(struct probe *probe)
{
    probe_cancel(probe);
}

static void
end_run(struct probe *probe)
{
    probe->running = false;
    free(probe->state);
    probe->state = NULL;
}

int
probe_start(struct probe *probe)
{
    int rc;

    assert(!probe->running);
    assert(probe->state == NULL);
    probe->state = calloc(1, probe->ops->state_bytes);
    if (probe->state == NULL)
        return -ENOMEM;
    probe->connect_us = 0;
    probe->degraded = probe->warning = false;
    probe->started_us = clock_monotonic_us();
    rc = probe->ops->start(probe);
    if (rc == 0)
        probe->running = true;
    else
        end_run(probe);
    return rc;
}

void
probe_cancel(struct probe *probe)
{
    if (!probe->running)
        return;
    probe->ops->cancel(probe);
    end_run(probe);
}

void
probe_done(struct probe *probe, enum reason outcome, const char *format, ...)
{
    struct probe_result result = {
        .outcome = outcome,
        .duration_us = (uint32_t)(clock_monotonic_us() - probe->started_us),
        .connect_us = probe->connect_us,
        .degraded = probe->degraded,
        .warning = probe->warning,
    };
    va_list args;

    assert(probe->running);
    assert(outcome != REASON_NONE);
    va_start(args, format);
    vsnprintf(result.detail, sizeof result.detail, format, args);
    va_end(args);
    end_run(probe);
    probe->on_done(probe, &result);
}

void
probe_tell(const struct probe *probe, const char *what, const void *bytes, size_t length)
{
    if (probe->trace != NULL)
        probe->trace(probe->trace_context, what, bytes, length);
}

enum reason
probe_start_reason(int error)
{
    enum reason reason = reason_from_errno(-error);

    return reason == REASON_OK || reason == REASON_NONE ? REASON_CONNECT_LOCAL : reason;
}
