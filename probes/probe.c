#include "probes/probe.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "probes/probe_module.h"

static const struct {
    const char *name;
    const struct probe_ops *ops;
    const char *module;                 /* where it is, for those that are not here */
} kinds[] = {
    { "tcp", &probe_tcp, NULL },
    { "exchange", &probe_exchange, NULL },
    { "http", NULL, PROBE_MODULE_CURL },
    { "https", NULL, PROBE_MODULE_CURL },
    { "tls", NULL, PROBE_MODULE_CURL },
    { "grpc", NULL, PROBE_MODULE_CURL },
    { "exec", &probe_exec, NULL },
    { "helper", &probe_helper, NULL },
    { "dns", &probe_dns, NULL },
    { "push", &probe_push, NULL },
};

static size_t
position(const char *name)
{
    size_t i = 0;

    while (i < ARRAY_SIZE(kinds) && strcmp(kinds[i].name, name) != 0)
        i++;
    return i;
}

bool
probe_known(const char *name)
{
    return position(name) < ARRAY_SIZE(kinds);
}

const struct probe_ops *
probe_find(const char *name, char *why)
{
    size_t i = position(name);

    if (i == ARRAY_SIZE(kinds)) {
        snprintf(why, DETAIL_BYTES, "there is no probe of kind \"%s\"", name);
        return NULL;
    }
    return kinds[i].ops != NULL ? kinds[i].ops
                                : probe_module_kind(kinds[i].module, name, why);
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
