/*
 * The kind "helper": a program of the operator's that runs on is asked, and answers (helper.h).
 * All endpoints of one configured probe share it.
 */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "config/app_probe.h"
#include "probes/helper.h"
#include "probes/probe.h"

struct helper_state {
    struct helper_check check;
    struct probe *probe;
    struct event event;             /* its time is over, or it could not be asked */
    enum reason refused;            /* the latter; REASON_NONE: it was asked */
    char why[DETAIL_BYTES];
};

static void
on_answered(struct helper_check *check, const struct helper_answer *answer, enum reason reason,
            const char *why)
{
    struct helper_state *state = CONTAINER_OF(check, struct helper_state, check);
    struct probe *probe = state->probe;
    double took_ms = (double)(clock_monotonic_us() - probe->started_us) / 1000;
    const char *verdict;

    event_del(&state->event);
    if (answer == NULL) {
        probe_done(probe, reason, "%s", why);
        return;
    }
    probe->degraded = answer->ok && answer->degraded;
    probe->warning = answer->ok && answer->warning;
    if (answer->duration_ms >= 0)
        took_ms = answer->duration_ms;
    verdict = !answer->ok ? "failed" : answer->degraded ? "passed, but degraded," : "passed";
    probe_tell(probe, "answered", answer->detail, strlen(answer->detail));
    probe_done(probe, answer->ok ? REASON_OK : REASON_EXEC_EXIT, "%s in %.1f ms%s%s", verdict,
               took_ms, answer->detail[0] != '\0' ? ": " : "", answer->detail);
}

static void
on_time(evutil_socket_t fd, short what, void *context)
{
    struct helper_state *state = context;
    struct probe *probe = state->probe;

    if (state->refused != REASON_NONE) {
        probe_done(probe, state->refused, "%s", state->why);
        return;
    }
    helper_forget(probe->shared, &state->check, true);
    probe_done(probe, REASON_EXEC_TIMEOUT, "the helper gave no answer within %g s",
               probe->config->timeout_ms / 1000.0);
}

static int
helper_start(struct probe *probe)
{
    const struct timeval timeout = { .tv_sec = probe->config->timeout_ms / 1000,
                                     .tv_usec = probe->config->timeout_ms % 1000 * 1000 };
    struct helper_state *state = probe->state;

    state->probe = probe;
    state->check.answered = on_answered;
    if (event_assign(&state->event, probe->base, -1, 0, on_time, state) < 0 ||
        event_add(&state->event, &timeout) < 0)
        return -ENOMEM;
    state->refused = helper_ask(probe->shared, &state->check, probe, state->why);
    if (state->refused != REASON_NONE)
        event_active(&state->event, EV_TIMEOUT, 1);
    return 0;
}

static void
helper_cancel(struct probe *probe)
{
    struct helper_state *state = probe->state;

    event_del(&state->event);
    helper_forget(probe->shared, &state->check, false);
}

static int
helper_prepare(const struct app_probe *config, struct event_base *base, void **shared, char *why)
{
    *shared = helper_create(config, base);
    if (*shared != NULL)
        return 0;
    snprintf(why, DETAIL_BYTES, "no memory");
    return -ENOMEM;
}

static void
helper_release(void *shared)
{
    helper_destroy(shared);
}

const struct probe_ops probe_helper = {
    .name = "helper",
    .state_bytes = sizeof(struct helper_state),
    .start = helper_start,
    .cancel = helper_cancel,
    .prepare = helper_prepare,
    .release = helper_release,
};
