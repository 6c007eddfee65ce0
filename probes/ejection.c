#include "probes/ejection.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "probes/endpoint.h"
#include "probes/prober_priv.h"
#include "probes/schedule.h"
#include "probes/standing.h"

const char probe_kind_traffic[] = "traffic";

struct eject_policy
ejection_policy(const struct prober_app *app)
{
    const struct app_probe *probe = app_config_find_probe(&app->config, probe_kind_traffic);

    return (struct eject_policy){
        .failures = probe != NULL ? MAX(probe->fall, 1) : app->config.eject_failures,
        .time_ms = app->config.eject_time_ms,
        .time_max_ms = MAX(app->config.eject_time_max_ms, app->config.eject_time_ms),
        .share_percent = app->config.eject_share_percent,
    };
}

static void
end(struct endpoint *endpoint, bool by_probe, uint64_t now_ms)
{
    eject_end(&endpoint->eject, by_probe, now_ms);
    if (endpoint->eject_timer != NULL)
        event_del(endpoint->eject_timer);
}

static void
on_over(evutil_socket_t fd, short what, void *context)
{
    struct endpoint *endpoint = context;

    if (endpoint->eject.until_ms == 0)
        return;
    end(endpoint, false, clock_monotonic_ms());
    endpoint_judge_because(endpoint, REASON_PASSIVE_CONNECT, "its time out is over");
}

/* False without memory. */
static bool
arm(struct endpoint *endpoint, uint64_t now_ms)
{
    uint64_t until_ms = endpoint->eject.until_ms;
    uint64_t wait_ms = until_ms > now_ms ? until_ms - now_ms : 0;
    struct timeval wait = { .tv_sec = (time_t)(wait_ms / 1000),
                            .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000 };

    if (endpoint->eject_timer == NULL)
        endpoint->eject_timer = evtimer_new(endpoint->target->app->prober->base, on_over,
                                            endpoint);
    return endpoint->eject_timer != NULL && evtimer_add(endpoint->eject_timer, &wait) == 0;
}

struct tally {
    uint32_t total, ejected, others;
};

static struct tally
count(const struct endpoint *subject)
{
    const struct prober_app *app = subject->target->app;
    const struct endpoint *endpoint;
    struct tally tally = { 0 };

    for (uint32_t i = 0; i < app->config.target_count; i++) {
        TAILQ_FOREACH (endpoint, &app->targets[i].endpoints, link) {
            enum endpoint_state state = endpoint->state;

            tally.total += endpoint->address.family != 0;
            tally.ejected += state == ENDPOINT_EJECTED;
            tally.others += endpoint != subject && endpoint_eligible(endpoint);
        }
    }
    return tally;
}

static void
begin(struct endpoint *endpoint, const struct eject_policy *policy, uint32_t failures_in_row,
      uint64_t now_ms)
{
    uint32_t random = schedule_random(&endpoint->target->app->prober->random);
    char detail[DETAIL_BYTES];

    if (endpoint_state_works(endpoint->state))
        endpoint->worked_ms = now_ms;
    eject_begin(&endpoint->eject, policy, failures_in_row, now_ms, random);
    if (!arm(endpoint, now_ms)) {       /* no memory: rather in than out for ever */
        eject_end(&endpoint->eject, false, now_ms);
        return;
    }
    eject_describe(&endpoint->eject, detail);
    endpoint_judge(endpoint, detail);
}

void
ejection_look(struct endpoint *endpoint, uint32_t failures_in_row, uint64_t now_ms)
{
    struct eject_policy policy = ejection_policy(endpoint->target->app);
    struct tally tally;

    eject_note(&endpoint->eject, failures_in_row);
    if (!eject_due(&policy, &endpoint->eject, failures_in_row) ||
        !endpoint_state_eligible(endpoint->state))
        return;
    tally = count(endpoint);
    if (eject_allowed(&policy, tally.total, tally.ejected, tally.others))
        begin(endpoint, &policy, failures_in_row, now_ms);
}

void
ejection_probe_passed(struct endpoint *endpoint, uint64_t started_ms, uint64_t now_ms)
{
    if (eject_probe_counts(&endpoint->eject, started_ms))
        end(endpoint, true, now_ms);
}

void
ejection_resume(struct endpoint *endpoint, const struct eject *eject)
{
    uint64_t now_ms = clock_monotonic_ms();

    endpoint->eject = *eject;
    if (eject->until_ms == 0)
        return;
    if (eject->changed_ms > now_ms || !arm(endpoint, now_ms))
        endpoint->eject = (struct eject){ 0 };  /* the machine was started anew since */
}

void
ejection_fini(struct endpoint *endpoint)
{
    if (endpoint->eject_timer != NULL)
        event_free(endpoint->eject_timer);
    endpoint->eject_timer = NULL;
}
