/* What DNS says of each endpoint is gathered here; what follows from it is dns_hold.c's. */
#include "probes/prober_hold.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/util.h"
#include "probes/board_writer.h"
#include "probes/dns_hold.h"
#include "probes/endpoint.h"
#include "probes/prober_priv.h"

enum { ROTATES_MS = 10 * 60 * 1000 };   /* how long an address that came back is remembered */

static enum dns_family
family_of(const struct endpoint *endpoint)
{
    return endpoint->address.family == 4 ? DNS_A : DNS_AAAA;
}

static bool
contains(const struct resolver_answer *answer, const struct address *address)
{
    struct address plain = *address;

    plain.port = 0;
    for (uint32_t i = 0; i < answer->count; i++) {
        if (address_equal(&answer->addresses[i], &plain))
            return true;
    }
    return false;
}

/* The other family has addresses: that this one has none is an answer. */
static bool
other_family_answers(const struct source *source, enum dns_family family)
{
    return source->looked_up[family] == REASON_DNS_EMPTY &&
           source->looked_up[family == DNS_A ? DNS_AAAA : DNS_A] == REASON_OK;
}

/* What one host's answer says; `*answer` is that. */
static enum dns_says
source_says(const struct source *source, const struct endpoint *endpoint,
            struct resolver_answer *answer)
{
    enum dns_family family = family_of(endpoint);
    bool known;

    if (source->port != endpoint->address.port)
        return DNS_SAYS_OTHERS;
    resolver_peek(source->watch, family, answer);
    known = contains(answer, &endpoint->address);
    if (answer->last == REASON_OK)
        return known ? DNS_SAYS_IT : DNS_SAYS_OTHERS;
    if (other_family_answers(source, family))
        return DNS_SAYS_OTHERS;
    return known || answer->count == 0 ? DNS_SAYS_NOTHING : DNS_SAYS_OTHERS;
}

static void
nothing_since(struct dns_hold_input *input, const struct resolver_answer *answer,
              uint64_t now_ms)
{
    input->says = DNS_SAYS_NOTHING;
    input->since_ms = answer->failing_ms != 0 ? answer->failing_ms : now_ms;
    input->nxdomains = answer->nxdomains;
    input->nxdomain_since_ms = answer->nxdomain_ms;
}

/* What all hosts together say; the first that names the endpoint is its source. */
static const struct source *
ask_sources(const struct target *target, const struct endpoint *endpoint,
            struct dns_hold_input *input, uint64_t now_ms)
{
    struct resolver_answer answer;
    const struct source *source;

    input->says = DNS_SAYS_OTHERS;
    TAILQ_FOREACH (source, &target->sources, link) {
        enum dns_says says = source_says(source, endpoint, &answer);

        if (says == DNS_SAYS_NOTHING)
            nothing_since(input, &answer, now_ms);
        if (says != DNS_SAYS_IT)
            continue;
        input->says = says;
        return source;
    }
    return NULL;
}

/* A service whose lookups fail names nobody for sure, nor others. */
static void
ask_service(const struct target *target, struct dns_hold_input *input, uint64_t now_ms)
{
    struct resolver_answer answer;

    resolver_peek(target->service, DNS_SRV, &answer);
    if (answer.last != REASON_OK)
        nothing_since(input, &answer, now_ms);
    else if (answer.service_count == 0)
        input->says = DNS_SAYS_NO_SERVICE;
}

static void
set_rank(struct endpoint *endpoint, const struct source *source)
{
    if (endpoint->weight == source->weight && endpoint->tier == source->tier)
        return;
    endpoint->weight = source->weight;
    endpoint->tier = source->tier;
    board_writer_show(endpoint);
    board_writer_changed(endpoint->target->app);
}

/* Since when: an absence goes on while lookups fail, and an end of it tells of a name that
 * hands out some of its addresses at a time. */
static void
note_absence(struct endpoint *endpoint, struct dns_hold_input *input, uint64_t now_ms)
{
    struct target *target = endpoint->target;

    if (input->says == DNS_SAYS_NOTHING && endpoint->missing_ms != 0)
        input->says = DNS_SAYS_OTHERS;
    if (input->says == DNS_SAYS_IT && endpoint->missing_ms != 0) {
        target->rotated_ms = now_ms;
        endpoint->missing_ms = 0;
    }
    if (input->says != DNS_SAYS_OTHERS && input->says != DNS_SAYS_NO_SERVICE)
        return;
    if (endpoint->missing_ms == 0)
        endpoint->missing_ms = now_ms;
    input->since_ms = endpoint->missing_ms;
}

/* May another one than this have clients? */
static bool
others_serve(const struct endpoint *than)
{
    const struct prober_app *app = than->target->app;
    const struct endpoint *endpoint;

    for (uint32_t i = 0; i < app->config.target_count; i++) {
        TAILQ_FOREACH (endpoint, &app->targets[i].endpoints, link) {
            if (endpoint != than && endpoint_eligible(endpoint))
                return true;
        }
    }
    return false;
}

static struct dns_hold_input
gather(struct endpoint *endpoint, uint64_t now_ms)
{
    struct target *target = endpoint->target;
    const struct prober_app *app = target->app;
    struct dns_hold_input input = {
        .probed = app->check_count > 0,
        .passes = endpoint_state_works(endpoint->probed),
        .drain_ms = app->config.drain_timeout_ms,
    };
    const struct source *source = ask_sources(target, endpoint, &input, now_ms);

    if (source != NULL)
        set_rank(endpoint, source);
    if (target->service != NULL)
        ask_service(target, &input, now_ms);
    note_absence(endpoint, &input, now_ms);
    input.rotates = target->rotated_ms != 0 && now_ms - target->rotated_ms < ROTATES_MS;
    input.needed = input.says == DNS_SAYS_OTHERS && !others_serve(endpoint);
    return input;
}

static void
apply(struct endpoint *endpoint, const struct dns_hold *hold, const struct dns_hold_input *input)
{
    char why[DETAIL_BYTES];

    dns_hold_describe(hold->rule, input, why, sizeof why);
    switch (hold->what) {
    case DNS_HOLD_KEEP:
        /* One that was leaving stays so while nobody can say. */
        if (endpoint->leaving && hold->rule != DNS_RULE_HELD)
            endpoint_set_leaving(endpoint, false, why);
        break;
    case DNS_HOLD_LEAVE:
        if (!endpoint->leaving)
            endpoint_set_leaving(endpoint, true, why);
        break;
    case DNS_HOLD_REMOVE:
        endpoint_destroy(endpoint, why);
        break;
    }
}

static void
tell_held(struct target *target, uint32_t held, enum reason reason)
{
    const char *app = target->app->config.name;
    char message[512];

    if (target->held == (held > 0))
        return;
    target->held = held > 0;
    if (held > 0)
        snprintf(message, sizeof message, "%s: lookups fail (%s): the last %" PRIu32
                 " address%s known stay%s in use while probes pass", target->config->name,
                 reason_name(reason), held, held == 1 ? "" : "es", held == 1 ? "s" : "");
    else
        snprintf(message, sizeof message, "%s: DNS answers again", target->config->name);
    log_info(app, "%s", message);
    prober_event(target->app->prober, app, "dns_hold", LOG_INFO, message);
}

/* Why nothing is said: of the service, else of its host. */
static enum reason
last_failure(const struct target *target)
{
    const struct source *source = TAILQ_FIRST(&target->sources);
    struct resolver_answer answer = { .last = REASON_OK };

    if (target->service != NULL)
        resolver_peek(target->service, DNS_SRV, &answer);
    if (answer.last != REASON_OK || source == NULL)
        return answer.last;
    return dns_policy_reason(source->looked_up[DNS_A], source->looked_up[DNS_AAAA]);
}

uint64_t
target_hold(struct target *target, uint64_t now_ms)
{
    struct endpoint *endpoint = TAILQ_FIRST(&target->endpoints), *next;
    enum reason reason = last_failure(target);
    uint64_t look_ms = 0;
    uint32_t held = 0;

    for (; endpoint != NULL; endpoint = next) {
        struct dns_hold_input input;
        struct dns_hold hold;

        next = TAILQ_NEXT(endpoint, link);
        if (endpoint->address.family == 0)
            continue;
        input = gather(endpoint, now_ms);
        hold = dns_hold_decide(&input, now_ms);
        held += hold.rule == DNS_RULE_HELD && reason != REASON_NONE;
        if (hold.look_ms != 0)
            look_ms = look_ms == 0 ? hold.look_ms : MIN(look_ms, hold.look_ms);
        apply(endpoint, &hold, &input);
    }
    tell_held(target, held, reason);
    return look_ms;
}

static bool
works(const struct endpoint *endpoint)
{
    return endpoint_state_works(endpoint->probed) && endpoint->eject.until_ms == 0;
}

struct endpoint *
target_hold_first_out(const struct target *target)
{
    struct endpoint *endpoint, *first = NULL;

    TAILQ_FOREACH (endpoint, &target->endpoints, link) {
        if (!endpoint->leaving)
            continue;
        if (first == NULL || works(endpoint) < works(first) ||
            (works(endpoint) == works(first) && endpoint->leave_ms < first->leave_ms))
            first = endpoint;
    }
    return first;
}

bool
target_hold_make_room(struct target *target)
{
    struct endpoint *first = target_hold_first_out(target);

    if (first == NULL)
        return false;
    endpoint_destroy(first, "the name no longer has this address, and another one needs the room");
    return true;
}
