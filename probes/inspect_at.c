#include "probes/inspect_at.h"

#include <errno.h>
#include <inttypes.h>
#include <libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"
#include "probes/at_read.h"
#include "probes/inspect_print.h"
#include "probes/table.h"
#include "strategy/endpoint_state.h"

enum { SILENCE_MS = 120000 };       /* while it runs, each endpoint has a result a minute */

static bool
is_eligible(const struct inspect_endpoint *endpoint)
{
    enum endpoint_state state;

    return endpoint_state_parse(endpoint->state, &state) && endpoint_state_eligible(state);
}

/* Nothing was probed about then, though there were probes before. */
static bool
was_silent(const struct at_past *past)
{
    return past->probed_before_ms != 0 && past->at_ms - past->probed_before_ms > SILENCE_MS;
}

static size_t
count_not_known(const struct at_past *past)
{
    size_t count = 0;

    for (size_t i = 0; i < past->view.count; i++)
        count += past->view.apps[i].not_known;
    return count;
}

/* "2026-11-26T11:00:00.000Z, 12:00:00 here" */
static void
print_instant(FILE *out, int64_t at_ms)
{
    time_t seconds = (time_t)(at_ms / 1000);
    char text[TIME_TEXT_BYTES], local[64];
    struct tm tm;

    fputs(clock_format_utc(at_ms, text), out);
    if (localtime_r(&seconds, &tm) != NULL && tm.tm_gmtoff != 0 &&
        strftime(local, sizeof local, "%Y-%m-%d %H:%M:%S %Z", &tm) > 0)
        fprintf(out, " (%s)", local);
}

static void
print_limits(FILE *out, const struct at_past *past)
{
    char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES];
    size_t not_known = count_not_known(past);

    if (past->history_from_ms == 0)
        fprintf(out, "No transition is recorded.\n");
    else if (past->at_ms < past->history_from_ms)
        fprintf(out, "The history begins later, at %s: what is older is pruned, or never was.\n",
                clock_format_utc(past->history_from_ms, from));
    if (not_known > 0)
        fprintf(out, "Of %zu endpoint%s that %s there now, nothing is known then.\n", not_known,
                not_known == 1 ? "" : "s", not_known == 1 ? "is" : "are");
    if (!was_silent(past))
        return;
    fprintf(out, "No probe is recorded from %s to %s: fproxy did not run, or probed nothing; this "
            "is what it knew before.\n", clock_format_utc(past->probed_before_ms, from),
            past->probed_after_ms != 0 ? clock_format_utc(past->probed_after_ms, to) : "now");
}

/* ---- table ---- */

static const struct table_column columns[] = {
    { "APP", 0 }, { "TARGET", 0 }, { "ADDRESS", 0 }, { "STATE", 0 }, { "CONNECTIONS", 0 },
    { "SINCE", 0 }, { "REASON", 0 },
};

static int
add_endpoint(struct libscols_table *table, const struct inspect_app *app,
             const struct inspect_endpoint *endpoint)
{
    const char *detail = endpoint->probe.detail;
    bool ok = strcmp(endpoint->reason, "ok") == 0;
    char since[TIME_TEXT_BYTES] = "longer", reason[INSPECT_WORD_BYTES + DETAIL_BYTES + 4];
    const char *cells[] = {
        app->name, endpoint->target, endpoint->address[0] ? endpoint->address : "-",
        endpoint->state, is_eligible(endpoint) ? "yes" : "no", since, reason,
    };

    if (endpoint->since_ms != 0)
        clock_format_utc(endpoint->since_ms, since);
    snprintf(reason, sizeof reason, "%s%s%s", endpoint->reason[0] ? endpoint->reason : "-",
             !ok && detail[0] ? ": " : "", ok ? "" : detail);
    return table_add(table, cells, sizeof cells / sizeof cells[0]);
}

static int
print_table(FILE *out, const struct at_past *past)
{
    struct libscols_table *table = table_new(out, columns, sizeof columns / sizeof columns[0]);
    int rc = table == NULL ? -ENOMEM : 0;

    fputs("At ", out);
    print_instant(out, past->at_ms);
    fputs(":\n", out);
    for (size_t i = 0; i < past->view.count; i++) {
        const struct inspect_app *app = &past->view.apps[i];

        for (size_t j = 0; rc == 0 && j < app->count; j++)
            rc = add_endpoint(table, app, &app->endpoints[j]);
    }
    if (rc == 0)
        rc = scols_print_table(table);
    scols_unref_table(table);
    print_limits(out, past);
    return rc;
}

/* ---- JSON ---- */

static json_t *
endpoint_json(const struct inspect_endpoint *endpoint)
{
    return json_pack("{s:o, s:o, s:o, s:b, s:o, s:o, s:o}",
                     "target", inspect_text_json(endpoint->target),
                     "address", inspect_text_json(endpoint->address),
                     "state", inspect_text_json(endpoint->state),
                     "available", (int)is_eligible(endpoint),
                     "since", inspect_time_json(endpoint->since_ms),
                     "reason", inspect_text_json(endpoint->reason),
                     "detail", inspect_text_json(endpoint->probe.detail));
}

static int
print_json(FILE *out, const struct at_past *past)
{
    json_t *apps = json_array(), *json;
    int rc;

    for (size_t i = 0; i < past->view.count; i++) {
        const struct inspect_app *app = &past->view.apps[i];
        json_t *endpoints = json_array();

        for (size_t j = 0; j < app->count; j++)
            json_array_append_new(endpoints, endpoint_json(&app->endpoints[j]));
        json_array_append_new(
            apps, json_pack("{s:o, s:o, s:o}", "app", inspect_text_json(app->name), "generation",
                            app->generation != 0 ? json_integer(app->generation) : json_null(),
                            "endpoints", endpoints));
    }
    json = json_pack("{s:o, s:o, s:o, s:b, s:I, s:o}", "at", inspect_time_json(past->at_ms),
                     "history_from", inspect_time_json(past->history_from_ms),
                     "last_probe_at", inspect_time_json(past->probed_before_ms),
                     "probed", (int)!was_silent(past),
                     "not_known", (json_int_t)count_not_known(past), "apps", apps);
    rc = json == NULL ? -ENOMEM : json_dumpf(json, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(json);
    return rc;
}

/* ---- the command ---- */

static bool
any_known(const struct inspect_view *view)
{
    for (size_t i = 0; i < view->count; i++) {
        if (view->apps[i].count > 0)
            return true;
    }
    return false;
}

static int
select_asked(const char *command, const char *app, const char *target, struct at_past *past)
{
    const char *nearest;

    if (app == NULL)
        return CLI_YES;
    if (inspect_keep_app(&past->view, app, &nearest) < 0) {
        inspect_unknown(command, "app", app, nearest);
        return CLI_USAGE;
    }
    if (target != NULL && past->view.apps[0].count > 0 &&
        inspect_keep_target(&past->view.apps[0], target, &nearest) < 0) {
        fprintf(stderr, "%s: nothing is known of a target `%s' then", command, target);
        if (nearest != NULL)
            fprintf(stderr, "; did you mean `%s'?", nearest);
        fputc('\n', stderr);
        return CLI_USAGE;
    }
    return inspect_any_eligible(&past->view.apps[0]) ? CLI_YES : CLI_NO;
}

static int
show(const char *command, const char *app, const char *target, bool json, struct at_past *past)
{
    int status = select_asked(command, app, target, past);
    int rc;

    if (status == CLI_USAGE)
        return status;
    if (!any_known(&past->view)) {
        fprintf(stderr, "%s: nothing is known of ", command);
        print_instant(stderr, past->at_ms);
        fputs(".\n", stderr);
        print_limits(stderr, past);
        status = CLI_USAGE;
        if (!json)
            return status;
    }
    rc = json ? print_json(stdout, past) : print_table(stdout, past);
    return rc < 0 || fflush(stdout) != 0 ? CLI_USAGE : status;
}

int
inspect_at(const char *command, const struct inspect_places *places, const char *app,
           const char *target, int64_t at_ms, bool json)
{
    struct at_past past = { .at_ms = at_ms };
    char why[DETAIL_BYTES] = "";
    int status = CLI_USAGE, rc = at_read(places->database, &past, why);

    if (rc < 0)
        inspect_no_database(command, places, rc, why);
    else
        status = show(command, app, target, json, &past);
    at_past_free(&past);
    return status;
}
