#include "probes/check.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "probes/prober_priv.h"
#include "probes/schedule.h"

enum {
    SHARE_PATIENCE_MS = 100,            /* for an equal probe's result, after its timeout */
};

void
last_probe_set_detail(struct last_probe *last, const char *detail)
{
    char *copy = detail[0] == '\0' ? NULL : strdup(detail);     /* no memory: no detail */

    free(last->detail);
    last->detail = copy;
}

bool
check_tells_of_traffic(const struct check *check)
{
    const struct app_probe *config = check->of->config;

    return (check->of->ops->flags & PROBE_AS_CLIENTS) && config->port == 0 &&
           config->address.family == 0;
}

/* ---- when ---- */

static void
arm(struct check *check, uint32_t wait_ms)
{
    struct timeval wait = { .tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000 };

    check->due_ms = clock_monotonic_ms() + wait_ms;
    check->last.next_ms = clock_wall_ms() + wait_ms;
    event_add(&check->timer, &wait);
}

/* It is due already, and shall be known to be late. */
static void
arm_later(struct check *check, uint32_t wait_ms)
{
    uint64_t due_ms = check->due_ms;

    arm(check, wait_ms);
    check->due_ms = due_ms;
}

static void
arm_next(struct check *check, uint64_t started_ms, uint64_t now_ms)
{
    uint32_t interval_ms = health_interval_ms(&check->health, &check->of->policy);
    uint32_t random = schedule_random(&check->prober->random);

    if (check->second_ms != 0 && interval_ms == check->of->policy.interval_ms)
        interval_ms = check->second_ms;
    else
        interval_ms = schedule_jitter(interval_ms, check->of->config->jitter_percent, random);
    check->second_ms = 0;
    arm(check, schedule_align_ms(now_ms, schedule_wait_ms(started_ms, interval_ms, now_ms)));
}

void
check_arm(struct check *check, uint32_t wait_ms)
{
    check->held = false;
    arm(check, wait_ms);
}

void
check_arm_spread(struct check *check, uint32_t index, uint32_t count, uint32_t total)
{
    uint32_t interval_ms = check->of->policy.interval_ms;

    check->second_ms = index == 0 ? 0
                                  : schedule_second_probe_ms(index, count, total, interval_ms,
                                                             check->of->config->timeout_ms);
    check_arm(check, schedule_first_probe_ms(index, count, total, interval_ms));
}

void
check_resume(struct check *check)
{
    uint32_t interval_ms = health_interval_ms(&check->health, &check->of->policy);
    uint32_t longest_ms = schedule_longest_ms(interval_ms, check->of->config->jitter_percent);
    uint32_t random = schedule_random(&check->prober->random);

    check_arm(check, schedule_resume_ms(check->due_ms, longest_ms, clock_monotonic_ms(), random));
}

/* The probe whose result it waits for was cancelled: it is due, as soon as the loop comes to it. */
static void
wake(struct share_member *member)
{
    arm_later(CONTAINER_OF(member, struct check, member), 0);
}

/* Neither waiting nor running. */
static void
stand_by(struct check *check)
{
    event_del(&check->timer);
    share_stop_waiting(&check->member);
    probe_cancel(&check->probe);
    share_cut(&check->member, wake);
    gate_leave(check->prober->gate, &check->ticket);
}

void
check_hold(struct check *check)
{
    stand_by(check);
    check->held = true;
    check->due_ms = 0;
    check->last.next_ms = 0;
}

/* ---- a result ---- */

/* How long after its time. Of a probe that an equal check ran before it was due: 0. */
static uint64_t
lag_of(const struct check *check, uint64_t started_ms)
{
    return started_ms > check->due_ms ? started_ms - check->due_ms : 0;
}

static void
finish(struct check *check, const struct probe_result *result, uint64_t started_ms)
{
    uint64_t now_ms = clock_monotonic_ms();

    assert(check->ticket.destination == NULL);
    share_stop_waiting(&check->member);
    health_apply(&check->health, &check->of->policy, result->outcome, now_ms);
    if (!reason_is_ours(result->outcome))
        check->health.degraded = result->outcome == REASON_OK && result->degraded;
    check->first_done = true;
    check->last.outcome = (uint8_t)result->outcome;
    check->last.lag_ms = (uint16_t)MIN(lag_of(check, started_ms), (uint64_t)LAG_MAX_MS);
    check->last.duration_us = result->duration_us;
    check->last.at_ms = clock_wall_ms();
    last_probe_set_detail(&check->last, result->detail);
    arm_next(check, started_ms, now_ms);
    check->on_result(check, result, started_ms);
}

void
check_take_result(struct check *check, const struct probe_result *result, uint64_t started_ms)
{
    if (check->held || check->probe.running)
        return;
    event_del(&check->timer);
    gate_leave(check->prober->gate, &check->ticket);
    finish(check, result, started_ms);
}

static void
take(struct share_member *member, const struct probe_result *result, uint64_t started_ms)
{
    check_take_result(CONTAINER_OF(member, struct check, member), result, started_ms);
}

static uint32_t
overrun_ms(const struct check *check)
{
    return schedule_late_ms(check->of->policy.interval_ms, check->of->config->jitter_percent);
}

/* It failed, but so long after its time that we must have stood still: what the target did until
 * then we did not see. Once in a row: a prober that always is late learns of black holes too. */
static bool
stood_still(const struct check *check, const struct probe_result *result)
{
    return result->outcome != REASON_OK && check->last.outcome != REASON_PROBE_OVERRUN &&
           schedule_overran(result->duration_us, check->of->config->timeout_ms, overrun_ms(check));
}

static struct probe_result
overrun(const struct probe_result *result)
{
    struct probe_result told = { .outcome = REASON_PROBE_OVERRUN,
                                 .duration_us = result->duration_us };

    snprintf(told.detail, sizeof told.detail, "the prober stood still, so this says nothing: %.80s",
             result->detail);
    return told;
}

/* A probe that we could not make says nothing to others: one of them makes its own. */
static void
on_done(struct probe *probe, const struct probe_result *result)
{
    struct check *check = probe->context;
    uint64_t started_ms = probe->started_us / 1000;
    struct probe_result told = stood_still(check, result) ? overrun(result) : *result;
    bool ours = reason_is_ours(told.outcome), first = !check->first_done;

    gate_leave(check->prober->gate, &check->ticket);
    if (ours)
        share_cut(&check->member, wake);
    else
        share_end(&check->member);
    finish(check, &told, started_ms);
    if (!ours)
        share_give(&check->member, &told, started_ms, first, take);
}

/* ---- a run ---- */

static void
note_lag(struct check *check)
{
    struct prober *prober = check->prober;
    uint64_t now_ms = clock_monotonic_ms(), lag_ms = lag_of(check, now_ms);
    bool late = lag_ms > overrun_ms(check);

    lag_add(&prober->lag, now_ms, lag_ms, late);
    if (!late)
        return;
    prober->lagging++;
    prober->lag_max_ms = (uint32_t)MAX(prober->lag_max_ms, lag_ms);
}

/* It is its turn. */
static void
run(struct check *check)
{
    struct probe_result result = { .outcome = REASON_NONE };
    int rc;

    if (!share_begin(&check->member)) {
        gate_leave(check->prober->gate, &check->ticket);
        arm_later(check, check->of->config->timeout_ms + SHARE_PATIENCE_MS);
        return;
    }
    note_lag(check);
    check->on_start(check);
    rc = probe_start(&check->probe);
    if (rc == 0)
        return;
    result.outcome = probe_start_reason(rc);
    snprintf(result.detail, sizeof result.detail, "cannot start: %s", strerror(-rc));
    gate_leave(check->prober->gate, &check->ticket);
    share_cut(&check->member, wake);
    finish(check, &result, clock_monotonic_ms());
}

void
check_gate_open(struct gate_ticket *ticket)
{
    run(CONTAINER_OF(ticket, struct check, ticket));
}

/* What makes no connection from here does not wait for others that do. */
static void
enter(struct check *check)
{
    int rc = 1;

    share_stop_waiting(&check->member); /* it may have to queue now: that is another matter */
    if (check->of->ops->flags & PROBE_CONNECTS)
        rc = gate_enter(check->prober->gate, &check->ticket, &check->probe.address,
                        health_down(&check->health));
    if (rc > 0)
        run(check);
    else if (rc < 0)
        arm(check, HEALTH_CHANGING_INTERVAL_MS);
}

static void
on_timer(evutil_socket_t fd, short what, void *context)
{
    enter(context);
}

void
check_hurry(struct check *check, uint64_t now_ms)
{
    if (check->held || check->probe.running || check->ticket.destination != NULL)
        return;
    check->due_ms = now_ms;
    event_del(&check->timer);
    enter(check);
}

/* ---- beginning and end ---- */

void
check_init(struct check *check, struct prober *prober, const struct app_check *of,
           const struct address *where, const char *app, const char *target)
{
    const struct address address = app_probe_where(of->config, where);
    uint64_t digest = of->digest;

    check->prober = prober;
    check->of = of;
    check->held = true;
    event_assign(&check->timer, prober->base, -1, 0, on_timer, check);
    probe_init(&check->probe, of->ops, prober->base, &address);
    check->probe.config = of->config;
    check->probe.shared = of->shared;
    check->probe.app = app;
    check->probe.target = target;
    check->probe.on_done = on_done;
    check->probe.context = check;
    if (of->ops->flags & PROBE_NAMES)
        digest = share_digest_named(digest, target);
    share_join(prober->shares, &check->member, digest, &address);
}

void
check_fini(struct check *check)
{
    stand_by(check);
    share_leave(check->prober->shares, &check->member);
    free(check->last.detail);
    check->last.detail = NULL;
    probe_log_fini(&check->log);
}

/* ---- of an app ---- */

int
app_check_init(struct app_check *check, const struct app_probe *config, struct event_base *base,
               char *why)
{
    int rc = 0;

    *check = (struct app_check){ .config = config, .ops = probe_find(config->kind, why) };
    if (check->ops == NULL)
        return -ENOENT;
    if (check->ops->prepare != NULL)
        rc = check->ops->prepare(config, base, &check->shared, why);
    check->policy = (struct health_policy){
        .rise = MAX(config->rise, 1),
        .fall = MAX(config->fall, 1),
        .window = MIN(config->window, HEALTH_WINDOW_MAX),
        .threshold = MIN(config->threshold, config->window),
        .interval_ms = MAX(config->interval_ms, 1),
    };
    if (check->ops->flags & PROBE_CONNECTS)
        check->digest = share_digest(config);
    return rc;
}

void
app_check_fini(struct app_check *check)
{
    if (check->ops->release != NULL)
        check->ops->release(check->shared);
    check->shared = NULL;
}
