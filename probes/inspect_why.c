/* One function a step of the chain; each writes one sentence. */
#include "probes/inspect_why.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "config/duration.h"
#include "probes/health.h"
#include "probes/inspect_print.h"
#include "strategy/endpoint_state.h"

enum { NAMES_SHOWN = 6, SOON_MS = 50, LATE_MS = 1000 };

static const char *const step_names[] = {
    [WHY_DNS] = "dns",     [WHY_ADDRESS] = "address", [WHY_PROBE] = "probe",
    [WHY_RULE] = "rule",   [WHY_STATE] = "state",     [WHY_BOARD] = "board",
    [WHY_NEXT] = "next",
};
_Static_assert(ARRAY_SIZE(step_names) == WHY_STEPS, "name every step");

const char *
why_step_name(enum why_step step)
{
    return step_names[step];
}

/* Adds to a sentence. */
static void PRINTF_LIKE(2, 3)
say(char *sentence, const char *format, ...)
{
    size_t used = strlen(sentence);
    va_list args;

    va_start(args, format);
    vsnprintf(sentence + used, WHY_SENTENCE_BYTES - used, format, args);
    va_end(args);
}

static const char *
plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

/* "3.2 s", or as ages from a minute on, into INSPECT_AGE_BYTES. */
static const char *
span_text(int64_t ms, char *text)
{
    if (ms >= 60000)
        return inspect_age(ms, text);
    snprintf(text, INSPECT_AGE_BYTES, "%.1f s", (double)MAX(ms, 0) / 1000.0);
    return text;
}

/* "just now" or "3m 12s ago" */
static void
say_ago(char *sentence, int64_t at_ms, int64_t now_wall_ms)
{
    char age[INSPECT_AGE_BYTES];

    inspect_age(now_wall_ms - at_ms, age);
    say(sentence, "%s%s", strcmp(age, "now") == 0 ? "just now" : age,
        strcmp(age, "now") == 0 ? "" : " ago");
}

static bool
is_state(const struct inspect_endpoint *endpoint, enum endpoint_state state)
{
    return strcmp(endpoint->state, endpoint_state_name(state)) == 0;
}

static bool
is_probed(const struct inspect_endpoint *endpoint, const struct why_facts *facts)
{
    const char *kind = facts->policy.known ? facts->policy.kind : endpoint->probe.kind;

    return strcmp(kind, "none") != 0;
}

/* ---- DNS ---- */

static void
say_addresses(char *sentence, const struct why_facts *facts)
{
    size_t shown = 0, all = facts->answers_left_out;

    for (size_t i = 0; i < facts->answer_count; i++) {
        const struct why_answer *answer = &facts->answers[i];

        if (answer->address[0] == '\0')
            continue;
        all++;
        if (shown < NAMES_SHOWN)
            say(sentence, "%s%s", shown++ > 0 ? ", " : "", answer->address);
    }
    if (all > shown)
        say(sentence, " and %zu more", all - shown);
}

static const struct why_answer *
newest_answer(const struct why_facts *facts, bool with_address)
{
    const struct why_answer *newest = NULL;

    for (size_t i = 0; i < facts->answer_count; i++) {
        const struct why_answer *answer = &facts->answers[i];

        if ((answer->address[0] != '\0') == with_address &&
            (newest == NULL || answer->resolved_at_ms > newest->resolved_at_ms))
            newest = answer;
    }
    return newest;
}

static const char *
no_address_text(const char *status)
{
    return strcmp(status, "nxdomain") == 0 ? "there is no such name (nxdomain)"
                                           : "the name has no address (empty)";
}

static void
tell_dns(const struct inspect_endpoint *endpoint, const struct why_facts *facts,
         int64_t now_wall_ms, char *sentence)
{
    const struct why_answer *good = newest_answer(facts, true);
    const struct why_answer *bad = newest_answer(facts, false);
    char host[HOST_NAME_BYTES];

    if (why_host(endpoint->target, host)) {
        say(sentence, "%s is an address: no DNS is asked.", host);
    } else if (good != NULL) {
        say(sentence, "%s resolves to ", host);
        say_addresses(sentence, facts);
        say(sentence, " (learnt ");
        say_ago(sentence, good->resolved_at_ms, now_wall_ms);
        say(sentence, ", TTL %" PRIu32 " s%s).", good->ttl_s,
            good->expires_at_ms < now_wall_ms ? ", expired: used until DNS answers again" : "");
    } else if (bad != NULL) {
        say(sentence, "%s: the last answer was that %s, ", host, no_address_text(bad->status));
        say_ago(sentence, bad->resolved_at_ms, now_wall_ms);
        say(sentence, ".");
    } else {
        say(sentence, "no answer for %s is known here: %s.", host,
            endpoint->address[0] != '\0' ? "its address is of the hosts file, or only on the board"
                                         : "none has come yet");
    }
}

static void
tell_address(const struct inspect_endpoint *endpoint, const struct why_facts *facts,
             char *sentence)
{
    const char *where = facts->policy.where;

    if (endpoint->address[0] == '\0')
        say(sentence, "there is none, so nothing can be probed or connected to.");
    else if (!is_probed(endpoint, facts))
        say(sentence, "clients are connected to %s.", endpoint->address);
    else if (where[0] == '\0')
        say(sentence, "clients are connected to %s, and the probe asks there too.",
            endpoint->address);
    else
        say(sentence, "clients are connected to %s; the probe asks %s instead.",
            endpoint->address, where);
}

/* ---- probe and rule ---- */

static void
say_lag(uint32_t lag_ms, char *sentence)
{
    if (lag_ms == 0)
        say(sentence, "; it started on time");
    else
        say(sentence, "; it started %" PRIu32 " ms late", lag_ms);
}

static void
tell_probe(const struct inspect_endpoint *endpoint, const struct why_facts *facts,
           int64_t now_wall_ms, char *sentence)
{
    const struct inspect_probe *probe = &endpoint->probe;
    const bool lookup = endpoint->address[0] == '\0';
    const bool passed = strcmp(probe->outcome, "ok") == 0;

    if (!lookup && !is_probed(endpoint, facts)) {
        say(sentence, "none (kind = \"none\"): it counts as available until clients fail there.");
        return;
    }
    if (probe->at_ms == 0) {
        say(sentence, "no %s has ended yet.", lookup ? "lookup" : "probe");
        return;
    }
    say(sentence, "the last %s%s, ", lookup ? "" : probe->kind, lookup ? "lookup" : " probe");
    say_ago(sentence, probe->at_ms, now_wall_ms);
    say(sentence, ", %s after %.1f ms", passed ? "passed" : "failed", probe->duration_ms);
    if (!passed)
        say(sentence, ": %s", probe->outcome);
    if (probe->detail[0] != '\0')
        say(sentence, passed ? " (%s)" : ", %s", probe->detail);
    if (!lookup && endpoint->handed != INSPECT_HANDED_UNKNOWN)
        say_lag(endpoint->lag_ms, sentence);
    say(sentence, ".");
}

static void
say_row(const struct inspect_endpoint *endpoint, char *sentence)
{
    if (endpoint->failures > 0)
        say(sentence, "%" PRIu32 " failure%s in a row so far.", endpoint->failures,
            plural(endpoint->failures));
    else if (endpoint->successes > 0)
        say(sentence, "%" PRIu32 " success%s in a row so far.", endpoint->successes,
            endpoint->successes == 1 ? "" : "es");
    else
        say(sentence, "none has counted since this prober began.");
}

static void
tell_rule(const struct inspect_endpoint *endpoint, const struct why_facts *facts,
          char *sentence)
{
    const struct why_policy *policy = &facts->policy;

    if (endpoint->address[0] == '\0' || !is_probed(endpoint, facts)) {
        say(sentence, "none applies.");
        return;
    }
    if (policy->known && policy->window > 0)
        say(sentence, "it is up while %" PRIu32 " of its last %" PRIu32 " results passed (window)",
            policy->threshold, policy->window);
    else if (policy->known)
        say(sentence, "%" PRIu32 " failure%s in a row take%s it down (fall), %" PRIu32
            " success%s bring%s it back (rise)", policy->fall, plural(policy->fall),
            policy->fall == 1 ? "s" : "", policy->rise, policy->rise == 1 ? "" : "es",
            policy->rise == 1 ? "s" : "");
    else
        say(sentence, "its thresholds are not known here (no database)");
    if (endpoint->handed == INSPECT_HANDED_UNKNOWN) {
        say(sentence, ".");
        return;
    }
    say(sentence, "; ");
    say_row(endpoint, sentence);
}

/* ---- state and board ---- */

/* Where a state comes from that no probe of this process led to. */
static const char *
origin_text(const char *reason)
{
    if (strcmp(reason, "history") == 0)
        return "as it was known before (history)";
    if (strcmp(reason, "initial") == 0)
        return "as the configuration says (initial)";
    return NULL;
}

static void
tell_state(const struct inspect_endpoint *endpoint, const struct why_facts *facts,
           int64_t now_wall_ms, char *sentence)
{
    const struct why_override *override = &facts->override;
    const char *origin = origin_text(endpoint->reason);
    char text[TIME_TEXT_BYTES], age[INSPECT_AGE_BYTES];

    say(sentence, "%s", endpoint->state);
    if (endpoint->since_ms > 0)
        say(sentence, " since %s (%s)", clock_format_utc(endpoint->since_ms, text),
            inspect_age(now_wall_ms - endpoint->since_ms, age));
    if (origin != NULL)
        say(sentence, ", %s", origin);
    else if (endpoint->reason[0] != '\0')
        say(sentence, ", reason %s", endpoint->reason);
    if (facts->transition_count > 0 &&
        strcmp(facts->transitions[0].to_state, endpoint->state) == 0)
        say(sentence, "; it was %s before", facts->transitions[0].from_state);
    if (endpoint->detail[0] != '\0' && override->action[0] == '\0')
        say(sentence, " (%s)", endpoint->detail);
    say(sentence, ".");
    if (override->action[0] == '\0')
        return;
    say(sentence, " An operator said `%s' ", override->action);
    say_ago(sentence, override->since_ms, now_wall_ms);
    say(sentence, "%s%s.", override->note[0] != '\0' ? ": " : "", override->note);
}

static void
tell_board(const struct inspect_app *app, const struct inspect_endpoint *endpoint,
           char *sentence)
{
    switch (endpoint->handed) {
    case INSPECT_HANDED_OUT:
        say(sentence, "handed to new connections; %" PRIu32 " of %" PRIu32
            " endpoints of %s are%s.", app->handed_out, app->slots_used, app->name,
            app->panic ? " (PANIC: none is eligible, so all that have an address are tried)"
                       : "");
        return;
    case INSPECT_HELD_BACK:
        say(sentence, "not handed to new connections; %" PRIu32 " of %" PRIu32
            " endpoints of %s are.", app->handed_out, app->slots_used, app->name);
        return;
    default:
        say(sentence, "there is none: nothing runs, so nothing is handed to connections.");
    }
}

/* ---- what comes next ---- */

/* Until its state changes, probes follow each other at the pace of a change. */
static void
estimate(const struct inspect_endpoint *endpoint, const struct why_policy *policy,
         uint32_t more, struct why_needs *needs)
{
    uint32_t pace_ms = MIN(policy->interval_ms, HEALTH_CHANGING_INTERVAL_MS);

    if (endpoint->next_ms > 0 && more > 0)
        needs->earliest_ms = endpoint->next_ms + (int64_t)(more - 1) * pace_ms;
}

static uint32_t
missing(uint32_t needed, uint32_t have)
{
    return needed > have ? needed - have : 1;
}

/* As health.c has it: of an endpoint that no probe of this process has seen, the first success
 * is believed. */
void
why_need(const struct inspect_endpoint *endpoint, const struct why_policy *policy,
         struct why_needs *needs)
{
    bool probed = endpoint->successes > 0 || endpoint->failures > 0;

    *needs = (struct why_needs){ 0 };
    if (endpoint->handed == INSPECT_HANDED_UNKNOWN || endpoint->address[0] == '\0')
        return;
    if (is_state(endpoint, ENDPOINT_UNKNOWN)) {
        needs->successes = needs->failures = 1;
        needs->earliest_ms = endpoint->next_ms;
    } else if (!policy->known || policy->window > 0) {
        return;
    } else if (is_state(endpoint, ENDPOINT_AVAILABLE) ||
               is_state(endpoint, ENDPOINT_FAILING)) {
        needs->failures = missing(policy->fall, endpoint->failures);
        estimate(endpoint, policy, needs->failures, needs);
    } else if (is_state(endpoint, ENDPOINT_UNAVAILABLE) ||
               is_state(endpoint, ENDPOINT_RECOVERING)) {
        needs->successes = probed ? missing(policy->rise, endpoint->successes) : 1;
        estimate(endpoint, policy, needs->successes, needs);
    }
}

static void
say_when(const struct inspect_endpoint *endpoint, int64_t now_wall_ms, char *sentence)
{
    const char *what = endpoint->address[0] != '\0' ? "probe" : "lookup";
    int64_t wait_ms = endpoint->next_ms - now_wall_ms;
    char span[INSPECT_AGE_BYTES];

    if (endpoint->next_ms <= 0)
        say(sentence, "when the next %s comes is not known", what);
    else if (wait_ms >= SOON_MS)
        say(sentence, "the next %s is in %s", what, span_text(wait_ms, span));
    else if (wait_ms > -LATE_MS)
        say(sentence, "the next %s is due now", what);
    else
        say(sentence, "the next %s has been due for %s: it runs, or waits for its turn", what,
            span_text(-wait_ms, span));
}

static void
say_needs(const struct inspect_endpoint *endpoint, const struct why_needs *needs,
          int64_t now_wall_ms, char *sentence)
{
    char span[INSPECT_AGE_BYTES];
    int64_t wait_ms = needs->earliest_ms - now_wall_ms;

    if (is_state(endpoint, ENDPOINT_UNKNOWN))
        say(sentence, "; what it finds is believed at once");
    else if (needs->successes > 0)
        say(sentence, "; %" PRIu32 " more success%s make%s it available", needs->successes,
            needs->successes == 1 ? "" : "es", needs->successes == 1 ? "s" : "");
    else if (endpoint->failures > 0)
        say(sentence, "; %" PRIu32 " more failure%s make%s it unavailable", needs->failures,
            plural(needs->failures), needs->failures == 1 ? "s" : "");
    else
        say(sentence, "; %" PRIu32 " failure%s in a row would make it unavailable",
            needs->failures, plural(needs->failures));
    if (needs->successes + needs->failures > 1 && wait_ms > 0 &&
        (needs->successes > 1 || endpoint->failures > 0))
        say(sentence, ", in %s at the earliest", span_text(wait_ms, span));
    if (is_state(endpoint, ENDPOINT_FAILING))
        say(sentence, ", one success makes it available");
}

/* What brings one back that something else than its probes has taken out, or lets it grow. */
static void
say_way_back(const struct inspect_endpoint *endpoint, char *sentence)
{
    if (is_state(endpoint, ENDPOINT_MAINTENANCE) ||
        (is_state(endpoint, ENDPOINT_DRAINING) && strcmp(endpoint->reason, "admin") == 0))
        say(sentence, "`fproxy ready' gives it connections again");
    else if (is_state(endpoint, ENDPOINT_DRAINING))
        say(sentence, "it goes when drain_timeout is over, and stays if DNS names it again");
    else if (is_state(endpoint, ENDPOINT_EJECTED))
        say(sentence, "it is back when its time is over, or when a probe of clients' own address "
                      "and port passes, if those are believed");
    else if (endpoint->flapping)
        say(sentence, "it flaps, and is held until its penalty has faded");
    else if (is_state(endpoint, ENDPOINT_WARMING))
        say(sentence, "its share grows, now %" PRIu32 " %% of its weight", endpoint->percent);
    else if (is_state(endpoint, ENDPOINT_DEGRADED))
        say(sentence, "it is used when no other of its tier may be");
    else
        return;
    say(sentence, "; ");
}

static void
tell_next(const struct inspect_endpoint *endpoint, const struct why_facts *facts,
          int64_t now_wall_ms, char *sentence)
{
    const struct why_policy *policy = &facts->policy;
    char text[DURATION_TEXT_BYTES];
    struct why_needs needs;

    if (endpoint->handed == INSPECT_HANDED_UNKNOWN) {
        say(sentence, "nothing, until fproxy is started.");
        return;
    }
    if (endpoint->address[0] != '\0' && !is_probed(endpoint, facts)) {
        say_way_back(endpoint, sentence);
        say(sentence, "no probe; clients that fail there are connected elsewhere.");
        return;
    }
    say_way_back(endpoint, sentence);
    if (is_state(endpoint, ENDPOINT_MAINTENANCE)) {
        say(sentence, "until then it is not probed.");
        return;
    }
    why_need(endpoint, policy, &needs);
    say_when(endpoint, now_wall_ms, sentence);
    if (needs.successes > 0 || needs.failures > 0)
        say_needs(endpoint, &needs, now_wall_ms, sentence);
    if (endpoint->address[0] == '\0')
        say(sentence, "; an address that it finds is probed at once");
    if (is_state(endpoint, ENDPOINT_UNAVAILABLE) && policy->known &&
        endpoint->down_interval_ms > policy->interval_ms)
        say(sentence, " (down for long, it is probed every %s only)",
            duration_format(endpoint->down_interval_ms, text));
    say(sentence, ".");
}

void
why_tell(const struct inspect_app *app, const struct inspect_endpoint *endpoint,
         const struct why_facts *facts, int64_t now_wall_ms, struct why *why)
{
    memset(why, 0, sizeof *why);
    tell_dns(endpoint, facts, now_wall_ms, why->sentences[WHY_DNS]);
    tell_address(endpoint, facts, why->sentences[WHY_ADDRESS]);
    tell_probe(endpoint, facts, now_wall_ms, why->sentences[WHY_PROBE]);
    tell_rule(endpoint, facts, why->sentences[WHY_RULE]);
    tell_state(endpoint, facts, now_wall_ms, why->sentences[WHY_STATE]);
    tell_board(app, endpoint, why->sentences[WHY_BOARD]);
    tell_next(endpoint, facts, now_wall_ms, why->sentences[WHY_NEXT]);
}
