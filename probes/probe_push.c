/*
 * The kind "push": the target reports itself (push_reports.h); a run looks at what it last said.
 *
 * Who has not said anything yet has a `ttl` to do so, from when the app was loaded: a prober that
 * was replaced knows no reports, and nobody is down for that. Until then nothing is known, which
 * changes no state; the outcome for that is connect_local.
 */
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "config/app_probe.h"
#include "probes/probe.h"
#include "probes/push_reports.h"

enum { TTL_INTERVALS = 3 };

struct push_state {
    struct event event;
};

/* Of all runs. */
struct push_shared {
    uint64_t since_ms;              /* it is looked at reports since; CLOCK_MONOTONIC */
};

static uint64_t
ttl_ms(const struct app_probe *config)
{
    uint32_t ttl = app_probe_more(config)->ttl_ms;

    return ttl != 0 ? ttl : (uint64_t)config->interval_ms * TTL_INTERVALS;
}

static void
judge_silence(struct probe *probe, uint64_t silent_ms, bool never)
{
    double silent_s = (double)silent_ms / 1000.0, ttl_s = (double)ttl_ms(probe->config) / 1000.0;

    if (silent_ms <= ttl_ms(probe->config))
        probe_done(probe, REASON_CONNECT_LOCAL, "it has not reported yet, and has %g s to do so",
                   ttl_s);
    else if (never)
        probe_done(probe, REASON_TTL_EXPIRED, "it has not reported within %g s", ttl_s);
    else
        probe_done(probe, REASON_TTL_EXPIRED, "its last report was %.1f s ago; %g s are allowed",
                   silent_s, ttl_s);
}

static void
on_turn(evutil_socket_t fd, short what, void *context)
{
    struct probe *probe = context;
    const struct push_shared *shared = probe->shared;
    uint64_t now_ms = clock_monotonic_ms();
    struct push_report report;

    if (!push_reports_find(probe->app, probe->target, &probe->address, &report)) {
        judge_silence(probe, now_ms - shared->since_ms, true);
    } else if (now_ms - report.at_ms > ttl_ms(probe->config)) {
        judge_silence(probe, now_ms - report.at_ms, false);
    } else if (report.failed) {
        probe_done(probe, REASON_MISMATCH, "it reports that it does not work%s%s",
                   report.detail[0] != '\0' ? ": " : "", report.detail);
    } else {
        probe->degraded = report.degraded;
        probe_done(probe, REASON_OK, "reported %.1f s ago%s%s",
                   (double)(now_ms - report.at_ms) / 1000.0, report.detail[0] != '\0' ? ": " : "",
                   report.detail);
    }
}

static int
push_start(struct probe *probe)
{
    struct push_state *push = probe->state;

    if (event_assign(&push->event, probe->base, -1, 0, on_turn, probe) < 0)
        return -ENOMEM;
    event_active(&push->event, EV_TIMEOUT, 1);
    return 0;
}

static void
push_cancel(struct probe *probe)
{
    struct push_state *push = probe->state;

    event_del(&push->event);
}

static int
push_prepare(const struct app_probe *config, struct event_base *base, void **shared, char *why)
{
    struct push_shared *push = malloc(sizeof *push);

    *shared = push;
    if (push == NULL) {
        snprintf(why, DETAIL_BYTES, "no memory");
        return -ENOMEM;
    }
    push->since_ms = clock_monotonic_ms();
    return 0;
}

static void
push_release(void *shared)
{
    free(shared);
}

const struct probe_ops probe_push = {
    .name = "push",
    .state_bytes = sizeof(struct push_state),
    .start = push_start,
    .cancel = push_cancel,
    .prepare = push_prepare,
    .release = push_release,
};
