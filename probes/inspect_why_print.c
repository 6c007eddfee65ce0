/*
 * inspect_why_print - the sentences of inspect_why, for people and as JSON.
 */
#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "probes/inspect_print.h"
#include "probes/inspect_why.h"
#include "strategy/endpoint_state.h"

#define BOLD "\033[1m"
#define DIM "\033[2m"
#define PLAIN "\033[0m"

static bool
gets_connections(const struct inspect_endpoint *endpoint)
{
    enum endpoint_state state;

    return endpoint->handed == INSPECT_HANDED_OUT ||
           (endpoint->handed == INSPECT_HANDED_UNKNOWN &&
            endpoint_state_parse(endpoint->state, &state) && endpoint_state_eligible(state));
}

static void
print_head(FILE *out, const struct inspect_app *app, const struct inspect_endpoint *endpoint,
           bool colours)
{
    bool other = endpoint->address[0] != '\0' &&
                 strcmp(endpoint->address, endpoint->target) != 0;
    const char *colour = gets_connections(endpoint) ? "\033[1;32m" : "\033[1;31m";

    fprintf(out, "%s%s: %s%s%s is %s%s%s\n", colours ? BOLD : "", app->name, endpoint->target,
            other ? " at " : "", other ? endpoint->address : "", colours ? colour : "",
            endpoint->state, colours ? PLAIN : "");
}

static void
print_transitions(FILE *out, const struct why_facts *facts, bool colours)
{
    for (size_t i = 0; i < facts->transition_count; i++) {
        const struct why_transition *transition = &facts->transitions[i];
        const char *detail = transition->detail;
        char text[TIME_TEXT_BYTES];

        fprintf(out, "  %s%-8s%s %s %s -> %s: %s%s%s\n", colours ? DIM : "",
                i == 0 ? "changes" : "", colours ? PLAIN : "",
                clock_format_utc(transition->at_ms, text), transition->from_state,
                transition->to_state, transition->reason, detail[0] != '\0' ? ", " : "",
                detail);
    }
}

static bool
same_result(const struct inspect_probe *a, const struct inspect_probe *b)
{
    return strcmp(a->kind, b->kind) == 0 && strcmp(a->outcome, b->outcome) == 0 &&
           (strcmp(a->outcome, "ok") == 0 || strcmp(a->detail, b->detail) == 0);
}

/* Results that are the same one after the other share a line; the latest stand first. */
static void
print_results(FILE *out, const struct why_facts *facts, bool colours)
{
    for (size_t i = 0, end; i < facts->result_count; i = end) {
        const struct inspect_probe *last = &facts->results[i], *first = last;
        bool failed = strcmp(last->outcome, "ok") != 0;
        char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES];

        for (end = i + 1; end < facts->result_count &&
                          same_result(last, &facts->results[end]); end++)
            first = &facts->results[end];
        clock_format_utc(first->at_ms, from);
        clock_format_utc(last->at_ms, to);
        fprintf(out, "  %s%-8s%s %s", colours ? DIM : "", i == 0 ? "recorded" : "",
                colours ? PLAIN : "", from);
        if (end - i > 1)
            fprintf(out, " to %s, %zu times", to, end - i);
        fprintf(out, ": %s %s", last->kind, last->outcome);
        if (end - i == 1)
            fprintf(out, " after %.1f ms", last->duration_ms);
        fprintf(out, "%s%s\n", failed && last->detail[0] != '\0' ? ", " : "",
                failed ? last->detail : "");
    }
}

static void
print_endpoint(FILE *out, const struct inspect_app *app,
               const struct inspect_endpoint *endpoint, const struct why_facts *facts,
               int64_t now_wall_ms, bool colours)
{
    struct why why;

    why_tell(app, endpoint, facts, now_wall_ms, &why);
    print_head(out, app, endpoint, colours);
    for (int step = 0; step < WHY_STEPS; step++)
        fprintf(out, "  %s%-8s%s %s\n", colours ? DIM : "", why_step_name(step),
                colours ? PLAIN : "", why.sentences[step]);
    print_transitions(out, facts, colours);
    print_results(out, facts, colours);
}

int
why_print(FILE *out, const struct inspect_view *view, const struct why_all *all,
          int64_t now_wall_ms, bool colours)
{
    const struct why_facts *facts = all->facts;

    for (size_t i = 0; i < view->count; i++) {
        const struct inspect_app *app = &view->apps[i];

        for (size_t j = 0; j < app->count; j++) {
            if (facts != all->facts)
                fputc('\n', out);
            print_endpoint(out, app, &app->endpoints[j], facts++, now_wall_ms, colours);
        }
    }
    if (view->lag.probes > 0)
        fputc('\n', out);
    inspect_print_lag(out, &view->lag);
    return ferror(out) ? -EIO : 0;
}

/* ---- JSON ---- */

static json_t *
dns_json(const struct inspect_endpoint *endpoint, const struct why_facts *facts)
{
    char host[HOST_NAME_BYTES];
    bool literal = why_host(endpoint->target, host);
    json_t *answers = json_array();

    for (size_t i = 0; i < facts->answer_count; i++) {
        const struct why_answer *answer = &facts->answers[i];

        json_array_append_new(
            answers, json_pack("{s:o, s:o, s:o, s:I, s:o, s:o}",
                               "type", inspect_text_json(answer->type),
                               "status", inspect_text_json(answer->status),
                               "address", inspect_text_json(answer->address),
                               "ttl_s", (json_int_t)answer->ttl_s,
                               "resolved_at", inspect_time_json(answer->resolved_at_ms),
                               "expires_at", inspect_time_json(answer->expires_at_ms)));
    }
    return json_pack("{s:o, s:b, s:o}", "name", inspect_text_json(host), "literal",
                     (int)literal, "answers", answers);
}

static json_t *
rule_json(const struct inspect_endpoint *endpoint, const struct why_facts *facts)
{
    const struct why_policy *policy = &facts->policy;
    bool live = endpoint->handed != INSPECT_HANDED_UNKNOWN;

    return json_pack("{s:o, s:o, s:o, s:o, s:o}",
                     "rise", policy->known ? json_integer(policy->rise) : json_null(),
                     "fall", policy->known ? json_integer(policy->fall) : json_null(),
                     "interval_ms",
                     policy->known ? json_integer(policy->interval_ms) : json_null(),
                     "successes", live ? json_integer(endpoint->successes) : json_null(),
                     "failures", live ? json_integer(endpoint->failures) : json_null());
}

static json_t *
board_json(const struct inspect_app *app, const struct inspect_endpoint *endpoint)
{
    if (endpoint->handed == INSPECT_HANDED_UNKNOWN)
        return json_null();
    return json_pack("{s:b, s:I, s:I}", "handed_out",
                     (int)(endpoint->handed == INSPECT_HANDED_OUT),
                     "endpoints_handed_out", (json_int_t)app->handed_out,
                     "endpoints", (json_int_t)app->slots_used);
}

static json_t *
next_json(const struct inspect_endpoint *endpoint, const struct why_facts *facts)
{
    struct why_needs needs;

    if (endpoint->next_ms <= 0)
        return json_null();
    why_need(endpoint, &facts->policy, &needs);
    return json_pack("{s:s, s:o, s:o, s:o, s:o}",
                     "what", endpoint->address[0] != '\0' ? "probe" : "lookup",
                     "at", inspect_time_json(endpoint->next_ms),
                     "successes_needed",
                     needs.successes > 0 ? json_integer(needs.successes) : json_null(),
                     "failures_needed",
                     needs.failures > 0 ? json_integer(needs.failures) : json_null(),
                     "change_at_the_earliest", inspect_time_json(needs.earliest_ms));
}

static json_t *
transitions_json(const struct why_facts *facts)
{
    json_t *list = json_array();

    for (size_t i = 0; i < facts->transition_count; i++) {
        const struct why_transition *transition = &facts->transitions[i];

        json_array_append_new(
            list, json_pack("{s:o, s:o, s:o, s:o, s:o}",
                            "at", inspect_time_json(transition->at_ms),
                            "from_state", inspect_text_json(transition->from_state),
                            "to_state", inspect_text_json(transition->to_state),
                            "reason", inspect_text_json(transition->reason),
                            "detail", inspect_text_json(transition->detail)));
    }
    return list;
}

static json_t *
results_json(const struct why_facts *facts)
{
    json_t *list = json_array();

    for (size_t i = 0; i < facts->result_count; i++)
        json_array_append_new(list, inspect_probe_json(&facts->results[i]));
    return list;
}

static json_t *
sentences_json(const struct why *why)
{
    json_t *list = json_object();

    for (int step = 0; step < WHY_STEPS; step++)
        json_object_set_new(list, why_step_name(step), inspect_text_json(why->sentences[step]));
    return list;
}

static json_t *
why_json(const struct inspect_app *app, const struct inspect_endpoint *endpoint,
         const struct why_facts *facts, int64_t now_wall_ms)
{
    struct why why;

    why_tell(app, endpoint, facts, now_wall_ms, &why);
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "dns", dns_json(endpoint, facts), "rule", rule_json(endpoint, facts),
                     "board", board_json(app, endpoint), "next", next_json(endpoint, facts),
                     "transitions", transitions_json(facts), "results", results_json(facts),
                     "sentences", sentences_json(&why));
}

int
why_add_json(json_t *json, const struct inspect_view *view, const struct why_all *all,
             int64_t now_wall_ms)
{
    json_t *apps = json_object_get(json, "apps");
    const struct why_facts *facts = all->facts;
    int rc = 0;

    for (size_t i = 0; i < view->count; i++) {
        const struct inspect_app *app = &view->apps[i];
        json_t *endpoints = json_object_get(json_array_get(apps, i), "endpoints");

        for (size_t j = 0; j < app->count; j++) {
            json_t *why = why_json(app, &app->endpoints[j], facts++, now_wall_ms);

            rc |= json_object_set_new(json_array_get(endpoints, j), "why", why);
        }
    }
    return rc == 0 ? 0 : -ENOMEM;
}
