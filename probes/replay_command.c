/*
 * fproxy-probe replay - what other thresholds would have made of the recorded results.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "config/app.h"
#include "probes/inspect_command.h"
#include "probes/inspect_options.h"
#include "probes/inspect_places.h"
#include "probes/inspect_print.h"
#include "probes/replay_read.h"
#include "probes/table.h"

enum { KEY_FALL = 0x100, KEY_RISE, THRESHOLD_MAX = 1000, CELL_BYTES = 48 };

struct arguments {
    struct inspect_asked asked;
    uint32_t fall, rise;            /* 0: as configured */
};

static const struct argp_option options[] = {
    { "fall", KEY_FALL, "N", 0, "Failures in a row that take it down", 0 },
    { "rise", KEY_RISE, "N", 0, "Successes in a row that bring it back", 0 },
    INSPECT_OPTION_JSON,
    { 0 },
};

static uint32_t
parse_threshold(const char *text, const char *option, const struct argp_state *state)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || value < 1 || value > THRESHOLD_MAX)
        argp_error(state, "%s takes a number from 1 to %d, not `%s'", option, THRESHOLD_MAX,
                   text);
    return (uint32_t)value;
}

static void
check(const struct arguments *arguments, struct argp_state *state)
{
    if (arguments->asked.app == NULL)
        argp_error(state, "of which app? Name it, and --fall, --rise or both");
    if (arguments->fall == 0 && arguments->rise == 0)
        argp_error(state, "give --fall, --rise or both");
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case KEY_FALL:
        arguments->fall = parse_threshold(arg, "--fall", state);
        return 0;
    case KEY_RISE:
        arguments->rise = parse_threshold(arg, "--rise", state);
        return 0;
    case ARGP_KEY_END:
        check(arguments, state);
        return 0;
    default:
        return inspect_option(key, arg, state, "replay", &arguments->asked);
    }
}

static const struct argp argp = {
    options, parse_option, "APP [TARGET] --fall N --rise N",
    "Tell what other thresholds would have made of the recorded results of probes, beside those "
    "that are configured.\v"
    "DOWN counts how often it would have been declared unavailable after it was available. A "
    "FALSE ALARM is such a declaration that no failure followed: the next probes passed until it "
    "was available again. DETECT is the time from the first failure in a row to the declaration. "
    "BLIPS are rows of failures that would have led to none. TIME DOWN is spent without "
    "connections.\n\n"
    "Recorded are every failure, every change of outcome, one success a minute, and how many "
    "probes each minute had. So failures and their order are exact; the successes that have no "
    "row are put behind recorded ones, as many as their minute counts, where probes were due by "
    "the configured thresholds and interval. The times of probes stay as they were, though a "
    "failing target is probed sooner. A pause of over two minutes counts as a restart.\n\n"
    "Status 0: here it is; 1: no result is recorded; 2: wrong usage, there is no such app, or "
    "the database cannot be read.",
    inspect_children, NULL, NULL,
};

/* ---- running it ---- */

/* The same results, through both policies. */
struct pair {
    struct replay_outcome configured, asked;
};

/* All that is printed. */
struct replays {
    const struct arguments *arguments;
    const struct replay_cases *cases;
    struct health_policy configured, asked;
    struct pair *pairs;             /* owned; one for each case */
    struct pair total;
};

static int
run_case(struct replays *replays, const struct replay_case *one, struct pair *pair)
{
    struct replay_sequence sequence;
    int rc = replay_reconstruct(one->rows, one->row_count, one->minutes, one->minute_count,
                                &replays->configured, &sequence);

    if (rc == 0)
        rc = replay_run(&sequence, &replays->configured, &pair->configured);
    if (rc == 0)
        rc = replay_run(&sequence, &replays->asked, &pair->asked);
    if (rc == 0)
        rc = replay_add(&replays->total.configured, &pair->configured);
    if (rc == 0)
        rc = replay_add(&replays->total.asked, &pair->asked);
    replay_sequence_free(&sequence);
    return rc;
}

static int
run_all(struct replays *replays)
{
    int rc = 0;

    replays->pairs = calloc(replays->cases->count, sizeof *replays->pairs);
    if (replays->pairs == NULL)
        return -ENOMEM;
    for (size_t i = 0; rc == 0 && i < replays->cases->count; i++)
        rc = run_case(replays, &replays->cases->cases[i], &replays->pairs[i]);
    return rc;
}

static void
free_pair(struct pair *pair)
{
    replay_outcome_free(&pair->configured);
    replay_outcome_free(&pair->asked);
}

static void
replays_free(struct replays *replays)
{
    for (size_t i = 0; replays->pairs != NULL && i < replays->cases->count; i++)
        free_pair(&replays->pairs[i]);
    free(replays->pairs);
    free_pair(&replays->total);
}

/* ---- table ---- */

static const struct table_column columns[] = {
    { "TARGET", 0 },
    { "ADDRESS", 0 },
    { "FALL", SCOLS_FL_RIGHT },
    { "RISE", SCOLS_FL_RIGHT },
    { "DOWN", SCOLS_FL_RIGHT },
    { "FALSE ALARMS", SCOLS_FL_RIGHT },
    { "BLIPS", SCOLS_FL_RIGHT },
    { "DETECT", SCOLS_FL_RIGHT },
    { "WORST", SCOLS_FL_RIGHT },
    { "TIME DOWN", SCOLS_FL_RIGHT },
};

static void
span_cell(int64_t ms, char *cell)
{
    char age[INSPECT_AGE_BYTES];

    if (ms < 60000)
        snprintf(cell, CELL_BYTES, "%.1f s", (double)ms / 1000.0);
    else
        snprintf(cell, CELL_BYTES, "%s", inspect_age(ms, age));
}

static int
add_line(struct libscols_table *table, const char *target, const char *address,
         const struct health_policy *policy, const struct replay_outcome *outcome)
{
    enum { NUMBERS = 8 };
    char cells[NUMBERS][CELL_BYTES];
    const char *texts[ARRAY_SIZE(columns)] = { target, address };
    uint32_t median_ms, max_ms;

    snprintf(cells[0], CELL_BYTES, "%" PRIu32, policy->fall);
    snprintf(cells[1], CELL_BYTES, "%" PRIu32, policy->rise);
    snprintf(cells[2], CELL_BYTES, "%" PRIu64, outcome->downs);
    snprintf(cells[3], CELL_BYTES, "%" PRIu64, outcome->false_alarms);
    snprintf(cells[4], CELL_BYTES, "%" PRIu64, outcome->blips);
    snprintf(cells[5], CELL_BYTES, "-");
    snprintf(cells[6], CELL_BYTES, "-");
    if (replay_detect(outcome, &median_ms, &max_ms)) {
        span_cell(median_ms, cells[5]);
        span_cell(max_ms, cells[6]);
    }
    span_cell(outcome->down_ms, cells[7]);
    if (outcome->down_at_end)
        strncat(cells[7], " *", CELL_BYTES - strlen(cells[7]) - 1);
    for (int i = 0; i < NUMBERS; i++)
        texts[i + 2] = cells[i];
    return table_add(table, texts, ARRAY_SIZE(texts));
}

static int
add_pair(struct libscols_table *table, const struct replays *replays, const char *target,
         const char *address, const struct pair *pair)
{
    int rc = add_line(table, target, address, &replays->configured, &pair->configured);

    return rc == 0 ? add_line(table, "", "", &replays->asked, &pair->asked) : rc;
}

static void
print_head(const struct replays *replays)
{
    const struct replay_outcome *total = &replays->total.configured;
    int64_t from_ms = INT64_MAX, to_ms = 0;
    char from[TIME_TEXT_BYTES], to[TIME_TEXT_BYTES];

    for (size_t i = 0; i < replays->cases->count; i++) {
        from_ms = MIN(from_ms, replays->pairs[i].configured.from_ms);
        to_ms = MAX(to_ms, replays->pairs[i].configured.to_ms);
    }
    printf("%s: %" PRIu64 " probes from %s to %s, %" PRIu64 " failed; %" PRIu64
           " successes without a row were put in between.\n",
           replays->arguments->asked.app, total->probes, clock_format_utc(from_ms, from),
           clock_format_utc(to_ms, to), total->failures, total->assumed);
    if (total->pauses > 0)
        printf("%" PRIu64 " pause%s without any probe count%s as restart%s.\n", total->pauses,
               total->pauses == 1 ? "" : "s", total->pauses == 1 ? "s" : "",
               total->pauses == 1 ? "" : "s");
    if (!replays->cases->policy.known)
        printf("Its configuration is not known; the first line of each shows the defaults.\n");
    putchar('\n');
}

static int
print_table(const struct replays *replays)
{
    struct libscols_table *table = table_new(stdout, columns, ARRAY_SIZE(columns));
    const struct pair *total = &replays->total;
    int rc = table == NULL ? -ENOMEM : 0;

    print_head(replays);
    for (size_t i = 0; rc == 0 && i < replays->cases->count; i++)
        rc = add_pair(table, replays, replays->cases->cases[i].target,
                      replays->cases->cases[i].address, &replays->pairs[i]);
    if (rc == 0 && replays->cases->count > 1)
        rc = add_pair(table, replays, "all", "", total);
    if (rc == 0)
        rc = scols_print_table(table);
    scols_unref_table(table);
    if (total->configured.down_at_end || total->asked.down_at_end)
        printf("* still down at the last recorded probe\n");
    return rc;
}

/* ---- JSON ---- */

static json_t *
outcome_json(const struct health_policy *policy, const struct replay_outcome *outcome)
{
    uint32_t median_ms = 0, max_ms = 0;
    bool any = replay_detect(outcome, &median_ms, &max_ms);

    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:I, s:b}",
                     "fall", (json_int_t)policy->fall, "rise", (json_int_t)policy->rise,
                     "down", (json_int_t)outcome->downs,
                     "false_alarms", (json_int_t)outcome->false_alarms,
                     "blips", (json_int_t)outcome->blips,
                     "detect_median_ms", any ? json_integer(median_ms) : json_null(),
                     "detect_max_ms", any ? json_integer(max_ms) : json_null(),
                     "down_ms", (json_int_t)outcome->down_ms,
                     "down_at_end", (int)outcome->down_at_end);
}

static json_t *
pair_json(const struct replays *replays, const struct pair *pair)
{
    const struct replay_outcome *outcome = &pair->configured;

    return json_pack("{s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o}",
                     "probes", (json_int_t)outcome->probes,
                     "failures", (json_int_t)outcome->failures,
                     "assumed", (json_int_t)outcome->assumed,
                     "pauses", (json_int_t)outcome->pauses,
                     "from", inspect_time_json(outcome->from_ms),
                     "to", inspect_time_json(outcome->to_ms),
                     "configured", outcome_json(&replays->configured, &pair->configured),
                     "asked", outcome_json(&replays->asked, &pair->asked));
}

static int
print_json(const struct replays *replays)
{
    json_t *endpoints = json_array(), *json;
    int rc;

    for (size_t i = 0; i < replays->cases->count; i++) {
        const struct replay_case *one = &replays->cases->cases[i];
        json_t *endpoint = pair_json(replays, &replays->pairs[i]);

        json_object_set_new(endpoint, "target", inspect_text_json(one->target));
        json_object_set_new(endpoint, "address", inspect_text_json(one->address));
        json_object_set_new(endpoint, "probe", inspect_text_json(one->probe));
        json_array_append_new(endpoints, endpoint);
    }
    json = json_pack("{s:o, s:b, s:o, s:o, s:o}",
                     "app", inspect_text_json(replays->arguments->asked.app),
                     "configuration_known", (int)replays->cases->policy.known,
                     "configured",
                     outcome_json(&replays->configured, &replays->total.configured),
                     "asked", outcome_json(&replays->asked, &replays->total.asked),
                     "endpoints", endpoints);
    rc = json == NULL ? -ENOMEM : json_dumpf(json, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(json);
    return rc;
}

/* ---- the command ---- */

static void
choose_policies(const struct arguments *arguments, const struct why_policy *policy,
                struct replays *replays)
{
    struct app_config defaults;

    app_config_defaults(&defaults);
    replays->configured = (struct health_policy){
        .rise = policy->known ? policy->rise : defaults.probe.rise,
        .fall = policy->known ? policy->fall : defaults.probe.fall,
        .interval_ms = policy->known ? policy->interval_ms : defaults.probe.interval_ms,
    };
    replays->asked = replays->configured;
    if (arguments->rise != 0)
        replays->asked.rise = arguments->rise;
    if (arguments->fall != 0)
        replays->asked.fall = arguments->fall;
}

/* Nothing is recorded: is there such a thing at all? */
static int
explain_nothing(const char *command, const struct inspect_asked *asked)
{
    if (!inspect_is_known(command, &asked->places, asked->app, asked->target))
        return CLI_USAGE;
    fprintf(stderr, "%s: no result of a probe is recorded of it\n", command);
    return CLI_NO;
}

static int
replay(const char *command, const struct arguments *arguments, const struct replay_cases *cases)
{
    struct replays replays = { .arguments = arguments, .cases = cases };
    int rc;

    choose_policies(arguments, &cases->policy, &replays);
    rc = run_all(&replays);
    if (rc == 0)
        rc = arguments->asked.json ? print_json(&replays) : print_table(&replays);
    replays_free(&replays);
    if (rc == 0 && fflush(stdout) == 0)
        return CLI_YES;
    fprintf(stderr, "%s: %s\n", command, rc == -ENOMEM ? "no memory" : "cannot print it");
    return CLI_USAGE;
}

int
replay_command(int argc, char **argv, void *context)
{
    struct arguments arguments = { 0 };
    struct inspect_asked *asked = &arguments.asked;
    struct replay_cases cases;
    char why[DETAIL_BYTES] = "";
    int status = CLI_USAGE, rc;

    cli_parse(&argp, argc, argv, &arguments);
    inspect_places_find(argv[0], &asked->places);
    rc = replay_read(asked->places.database, asked->app, asked->target, &cases, why);
    if (rc < 0)
        inspect_no_database(argv[0], &asked->places, rc, why);
    else if (cases.count == 0)
        status = explain_nothing(argv[0], asked);
    else
        status = replay(argv[0], &arguments, &cases);
    replay_cases_free(&cases);
    return status;
}
