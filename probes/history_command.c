/*
 * fproxy-probe history - what changed, what probes found, and how long they took.
 */
#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "probes/history_read.h"
#include "probes/inspect_command.h"
#include "probes/inspect_options.h"
#include "probes/inspect_places.h"
#include "probes/inspect_print.h"
#include "probes/inspect_time.h"
#include "probes/table.h"

enum {
    KEY_SINCE = 0x100,
    EVENTS_DEFAULT = 20,
    EVENTS_MAX = 100000,
    CHARTS_MAX = 12,            /* on a terminal; --json has them all */
    HOUR_MS = 3600000,
};

struct arguments {
    struct inspect_asked asked;
    const char *since;
    uint32_t events_max;
    int64_t from_ms, now_ms;
};

static const struct argp_option options[] = {
    { "since", KEY_SINCE, "TIME", 0, "Begin there; an hour ago unless given", 0 },
    { "number", 'n', "N", 0, "Show the last N transitions and results; 20 unless given", 0 },
    INSPECT_OPTION_JSON,
    { 0 },
};

static uint32_t
parse_number(const char *text, const struct argp_state *state)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || value > EVENTS_MAX)
        argp_error(state, "-n takes a number from 0 to %d, not `%s'", EVENTS_MAX, text);
    return (uint32_t)value;
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case KEY_SINCE:
        arguments->since = arg;
        return 0;
    case 'n':
        arguments->events_max = parse_number(arg, state);
        return 0;
    default:
        return inspect_option(key, arg, state, "history", &arguments->asked);
    }
}

static const struct argp argp = {
    options, parse_option, "[APP [TARGET]]",
    "Show the transitions and the results of probes that are recorded, and for each endpoint how "
    "long its probes took: the median of each minute, and the share that failed.\v"
    "TIME is like " INSPECT_TIME_FORMS ". Recorded are every failure, every change of outcome "
    "and one success a minute; charts are of all probes. Status 0: here it is; 1: nothing is "
    "recorded of that time; 2: wrong usage, there is no such app or target, or the database "
    "cannot be read.",
    inspect_children, NULL, NULL,
};

/* ---- charts ---- */

static bool
is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

static void
make_chart(const struct history_line *line, int64_t from_ms, int64_t to_ms, struct chart *chart)
{
    chart_init(chart, from_ms, to_ms);
    for (size_t i = 0; i < line->count; i++)
        chart_add(chart, &line->minutes[i]);
}

static void
print_chart(const struct history_line *line, const struct arguments *arguments)
{
    bool other = line->address[0] != '\0' && strcmp(line->address, line->target) != 0;
    char text[CHART_TEXT_BYTES];
    double lowest_ms, highest_ms;
    struct chart_bucket total;
    struct chart chart;

    make_chart(line, arguments->from_ms, arguments->now_ms, &chart);
    if (!chart_medians(&chart, is_utf8(), text, &lowest_ms, &highest_ms))
        return;
    total = chart_total(&chart);
    printf("%s: %s%s%s, %s\n", line->app, line->target, other ? " at " : "",
           other ? line->address : "", line->probe);
    printf("  median |%s| %.1f to %.1f ms, worst %.1f ms\n", text, lowest_ms, highest_ms,
           total.max_ms);
    chart_failures(&chart, is_utf8(), text);
    printf("  failed |%s| %" PRIu64 " of %" PRIu64 " probes\n", text, total.failures, total.runs);
}

static void
print_charts(const struct history_past *past, const struct arguments *arguments)
{
    char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES];
    struct chart chart;

    if (past->line_count == 0)
        return;
    chart_init(&chart, arguments->from_ms, arguments->now_ms);
    printf("From %s to %s, a column is %" PRIu32 " minute%s:\n",
           clock_format_utc(chart.from_ms, from), clock_format_utc(arguments->now_ms, to),
           chart.column_minutes, chart.column_minutes == 1 ? "" : "s");
    for (size_t i = 0; i < MIN(past->line_count, CHARTS_MAX); i++)
        print_chart(&past->lines[i], arguments);
    if (past->line_count > CHARTS_MAX)
        printf("... and %zu endpoints more: name an APP, or a TARGET\n",
               past->line_count - CHARTS_MAX);
}

/* ---- events ---- */

static const struct table_column columns[] = {
    { "AT", 0 }, { "APP", 0 }, { "TARGET", 0 }, { "ADDRESS", 0 }, { "WHAT", 0 }, { "WHY", 0 },
};

static int
add_event(struct libscols_table *table, const struct history_event *event)
{
    char at[TIME_TEXT_BYTES], what[3 * INSPECT_WORD_BYTES];
    char why[INSPECT_WORD_BYTES + DETAIL_BYTES + 4];
    bool explains = event->detail[0] != '\0' && strcmp(event->reason, "ok") != 0;
    const char *cells[] = { at, event->app, event->target,
                            event->address[0] != '\0' ? event->address : "-", what, why };

    clock_format_utc(event->at_ms, at);
    if (event->is_transition)
        snprintf(what, sizeof what, "%s -> %s", event->from_state, event->to_state);
    else
        snprintf(what, sizeof what, "%s probe %.1f ms", event->from_state, event->duration_ms);
    snprintf(why, sizeof why, "%s%s%s", event->reason, explains ? ": " : "",
             explains ? event->detail : "");
    return table_add(table, cells, ARRAY_SIZE(cells));
}

static int
print_events(const struct history_past *past)
{
    struct libscols_table *table = table_new(stdout, columns, ARRAY_SIZE(columns));
    int rc = table == NULL ? -ENOMEM : 0;

    for (size_t i = past->event_count; rc == 0 && i > 0; i--)
        rc = add_event(table, &past->events[i - 1]);
    if (rc == 0 && past->event_count > 0)
        rc = scols_print_table(table);
    scols_unref_table(table);
    return rc;
}

static int
print_text(const struct history_past *past, const struct arguments *arguments)
{
    print_charts(past, arguments);
    if (past->line_count > 0 && past->event_count > 0)
        putchar('\n');
    return print_events(past);
}

/* ---- JSON ---- */

static json_t *
line_json(const struct history_line *line)
{
    json_t *minutes = json_array();

    for (size_t i = 0; i < line->count; i++) {
        const struct chart_minute *minute = &line->minutes[i];

        json_array_append_new(
            minutes, json_pack("{s:o, s:I, s:I, s:f, s:f}",
                               "minute", inspect_time_json(minute->minute_ms),
                               "runs", (json_int_t)minute->runs,
                               "failures", (json_int_t)minute->failures,
                               "p50_ms", minute->p50_ms, "max_ms", minute->max_ms));
    }
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "app", inspect_text_json(line->app),
                     "target", inspect_text_json(line->target),
                     "address", inspect_text_json(line->address),
                     "probe", inspect_text_json(line->probe), "minutes", minutes);
}

static json_t *
event_json(const struct history_event *event)
{
    json_t *json = json_pack("{s:o, s:o, s:o, s:o, s:o}", "at", inspect_time_json(event->at_ms),
                             "app", inspect_text_json(event->app),
                             "target", inspect_text_json(event->target),
                             "address", inspect_text_json(event->address),
                             "detail", inspect_text_json(event->detail));

    if (event->is_transition) {
        json_object_set_new(json, "from_state", inspect_text_json(event->from_state));
        json_object_set_new(json, "to_state", inspect_text_json(event->to_state));
        json_object_set_new(json, "reason", inspect_text_json(event->reason));
    } else {
        json_object_set_new(json, "probe", inspect_text_json(event->from_state));
        json_object_set_new(json, "outcome", inspect_text_json(event->reason));
        json_object_set_new(json, "duration_ms", json_real(event->duration_ms));
    }
    return json;
}

static int
print_json(const struct history_past *past, const struct arguments *arguments)
{
    json_t *lines = json_array(), *transitions = json_array(), *results = json_array();
    json_t *json;
    int rc;

    for (size_t i = 0; i < past->line_count; i++)
        json_array_append_new(lines, line_json(&past->lines[i]));
    for (size_t i = past->event_count; i > 0; i--)
        json_array_append_new(past->events[i - 1].is_transition ? transitions : results,
                              event_json(&past->events[i - 1]));
    json = json_pack("{s:o, s:o, s:o, s:o, s:o}",
                     "from", inspect_time_json(arguments->from_ms),
                     "to", inspect_time_json(arguments->now_ms), "endpoints", lines,
                     "transitions", transitions, "results", results);
    rc = json == NULL ? -ENOMEM
                      : json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(json);
    return rc;
}

/* ---- the command ---- */

static void
choose_time(const char *command, struct arguments *arguments)
{
    arguments->now_ms = clock_wall_ms();
    arguments->from_ms = arguments->now_ms - HOUR_MS;
    if (arguments->since == NULL)
        return;
    if (inspect_time_parse(arguments->since, arguments->now_ms, &arguments->from_ms) < 0)
        cli_usage_error(command, "`%s' is no time; write " INSPECT_TIME_FORMS, arguments->since);
    if (arguments->from_ms > arguments->now_ms)
        cli_usage_error(command, "`%s' lies ahead: history tells what was", arguments->since);
}

static int
show(const char *command, const struct arguments *arguments, const struct history_past *past)
{
    bool any = past->event_count > 0 || past->line_count > 0;
    char from[TIME_TEXT_BYTES];
    int rc = 0;

    if (arguments->asked.json)
        rc = print_json(past, arguments);
    else if (any)
        rc = print_text(past, arguments);
    else
        fprintf(stderr, "%s: nothing is recorded since %s; --since goes further back\n", command,
                clock_format_utc(arguments->from_ms, from));
    return inspect_printed(command, rc, any ? CLI_YES : CLI_NO);
}

int
history_command(int argc, char **argv, void *context)
{
    struct arguments arguments = { .events_max = EVENTS_DEFAULT };
    struct inspect_asked *asked = &arguments.asked;
    struct history_past past;
    char why[DETAIL_BYTES] = "";
    int status = CLI_USAGE, rc;

    setlocale(LC_CTYPE, "");
    cli_parse(&argp, argc, argv, &arguments);
    inspect_places_find(argv[0], &asked->places);
    choose_time(argv[0], &arguments);
    rc = history_read(asked->places.database, asked->app, asked->target, arguments.from_ms,
                      arguments.events_max, &past, why);
    if (rc < 0)
        inspect_no_database(argv[0], &asked->places, rc, why);
    else if ((past.event_count > 0 || past.line_count > 0) ||
             inspect_is_known(argv[0], &asked->places, asked->app, asked->target))
        status = show(argv[0], &arguments, &past);
    history_past_free(&past);
    return status;
}
