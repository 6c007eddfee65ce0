/*
 * fproxy status - the apps of the running supervisor, as a table or as JSON.
 */
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/override.h"
#include "proxy/commands/ask.h"
#include "proxy/commands/command.h"
#include "proxy/commands/table.h"
#include "proxy/supervisor/ports.h"

enum { CELL_BYTES = 512, ERRORS_PRINTED_MAX = 20 };

struct arguments {
    struct supervisor_options *options;
    const char *app;
    bool json;
};

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'j':
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->app != NULL)
            argp_error(state, "`%s' is too much: status takes one APP", arg);
        arguments->app = arg;
        return 0;
    default:
        return command_place_option(key, arg, state, arguments->options);
    }
}

/* Leaves only `name` in the list. False when it is not there. */
static bool
keep_only(const struct asked *asked, json_t *answer, const char *name)
{
    json_t *apps = json_object_get(answer, "apps"), *app, *one;
    size_t i;

    json_array_foreach(apps, i, app) {
        const char *is = json_string_value(json_object_get(app, "name"));

        if (is == NULL || strcmp(is, name) != 0)
            continue;
        one = json_pack("[O]", app);
        return one != NULL && json_object_set_new(answer, "apps", one) == 0;
    }
    ask_tell_no_app(asked, apps, name);
    return false;
}

/* ---- the table ---- */

/* A port of the JSON: a number, or "address:port". */
static void
read_port(const json_t *json, struct app_listen *port)
{
    char host[HOST_NAME_BYTES];
    const char *why;
    uint16_t number;

    *port = (struct app_listen){ .address.port = (uint16_t)json_integer_value(json) };
    if (json_is_string(json) &&
        address_split(json_string_value(json), host, &number, &why) == 0)
        address_parse_ip(host, number, &port->address);
}

static void
ports_cell(json_t *json, char *cell)
{
    size_t count = json_array_size(json);
    struct app_listen *ports = calloc(count + 1, sizeof *ports);

    cell[0] = '\0';
    for (size_t i = 0; ports != NULL && i < count; i++)
        read_port(json_array_get(json, i), &ports[i]);
    if (ports != NULL)
        ports_text(ports, (uint32_t)count, cell, CELL_BYTES);
    free(ports);
}

static void
rollout_cell(const json_t *rollout, char *cell)
{
    const char *outcome = answer_text(rollout, "outcome");

    if (!json_is_object(rollout))
        snprintf(cell, CELL_BYTES, "-");
    else if (outcome[0] == '\0')
        snprintf(cell, CELL_BYTES, "open since %s", answer_text(rollout, "started_at"));
    else
        snprintf(cell, CELL_BYTES, "%s %s", outcome, answer_text(rollout, "finished_at"));
}

static const struct table_column columns[] = {
    { "APP", 0 },          { "STATE", 0 },
    { "READY", 0 },        { "GEN", TABLE_RIGHT },
    { "PORTS", TABLE_WRAP }, { "WORKER", 0 },
    { "CONNS", TABLE_RIGHT }, { "TARGETS", TABLE_RIGHT },
    { "LAST ROLLOUT", 0 },
};

static int
add_line(struct table *table, const json_t *app)
{
    const json_t *worker = json_object_get(app, "worker");
    const json_t *targets = json_object_get(app, "targets");
    char cells[ARRAY_SIZE(columns)][CELL_BYTES];
    const char *texts[ARRAY_SIZE(columns)];

    snprintf(cells[0], CELL_BYTES, "%s", answer_text(app, "name"));
    snprintf(cells[1], CELL_BYTES, "%s", answer_text(app, "state"));
    snprintf(cells[2], CELL_BYTES, "%s",
             json_is_true(json_object_get(app, "ready")) ? "yes" : "no");
    snprintf(cells[3], CELL_BYTES, "%" JSON_INTEGER_FORMAT, answer_number(app, "generation"));
    ports_cell(json_object_get(app, "ports"), cells[4]);
    if (json_is_integer(json_object_get(worker, "pid")))
        snprintf(cells[5], CELL_BYTES, "%s/%" JSON_INTEGER_FORMAT, answer_text(worker, "name"),
                 answer_number(worker, "pid"));
    else
        snprintf(cells[5], CELL_BYTES, "-");
    snprintf(cells[6], CELL_BYTES, "%" JSON_INTEGER_FORMAT, answer_number(app, "connections"));
    snprintf(cells[7], CELL_BYTES, "%" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT,
             answer_number(targets, "available"), answer_number(targets, "total"));
    rollout_cell(json_object_get(app, "last_rollout"), cells[8]);
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
        texts[i] = cells[i];
    return table_add(table, texts);
}

static int
print_table(const json_t *apps)
{
    struct table *table = table_create(columns, ARRAY_SIZE(columns));
    const json_t *app;
    size_t i;
    int rc = table == NULL ? -ENOMEM : 0;

    json_array_foreach(apps, i, app) {
        if (rc == 0)
            rc = add_line(table, app);
    }
    return table_print(table, rc);
}

/* ---- what does not fit into the table ---- */

/* What operators took out of it. */
static void
print_overrides(const json_t *app)
{
    const json_t *override;
    size_t i;

    json_array_foreach(json_object_get(app, "overrides"), i, override) {
        const char *target = answer_text(override, "target");
        const char *note = answer_text(override, "note");
        bool gone = json_is_false(json_object_get(override, "exists"));

        printf("%s: %s: %s since %s%s%s%s\n", answer_text(app, "name"),
               strcmp(target, OVERRIDE_ALL) == 0 ? "all targets" : target,
               answer_text(override, "action"), answer_text(override, "since"),
               note[0] != '\0' ? ": " : "", note,
               gone ? " (there is no such target now: `fproxy ready' forgets it)" : "");
    }
}

/* Why an app is not as it is configured: a whole sentence, as long as it is. */
static void
print_reason(const json_t *app)
{
    const json_t *rollout = json_object_get(app, "last_rollout");
    const char *name = answer_text(app, "name"), *state = answer_text(app, "state");
    const char *outcome = answer_text(rollout, "outcome"), *reason = answer_text(rollout, "reason");

    if (strcmp(state, "draining") == 0)
        printf("%s: draining: %" JSON_INTEGER_FORMAT " connections are left\n", name,
               answer_number(app, "connections"));
    else if (strcmp(state, "config_error") == 0)
        printf("%s: config_error: %s\n", name, reason);
    else if (strcmp(outcome, "failed") == 0 || strcmp(outcome, "rolled_back") == 0)
        printf("%s: last rollout %s: %s\n", name, outcome, reason);
    else if (strcmp(reason, "not_ready") == 0 && !json_is_true(json_object_get(app, "ready")))
        printf("%s: too few of its endpoints work: see `fproxy-probe inspect %s'\n", name, name);
}

/* What keeps ending needs somebody, also while it happens to run. */
static void
print_worker(const json_t *app)
{
    const json_t *worker = json_object_get(app, "worker");

    if (json_is_true(json_object_get(worker, "crash_loop")))
        printf("%s: worker %s keeps ending (last: %s): it is started again, later each time; its "
               "log and the table `crashes' tell more\n", answer_text(app, "name"),
               answer_text(worker, "name"), answer_text(worker, "last_end"));
    if (json_is_true(json_object_get(worker, "outdated")))
        printf("%s: worker %s/%" JSON_INTEGER_FORMAT " was to be replaced by a new one, which "
               "could not take over: it serves on; `fproxy upgrade' tries it again\n",
               answer_text(app, "name"), answer_text(worker, "name"),
               answer_number(worker, "pid"));
}

static void
print_prober(const json_t *answer)
{
    const json_t *prober = json_object_get(answer, "prober");
    const char *last_end = answer_text(prober, "last_end");

    if (!answer_has_prober(answer) && (last_end[0] != '\0' || answer_number(prober, "pid") == 0))
        printf("no prober runs: availability stays as it was last known; it is tried again%s%s%s\n",
               last_end[0] != '\0' ? " (last: " : "", last_end, last_end[0] != '\0' ? ")" : "");
    else if (json_is_true(json_object_get(prober, "crash_loop")))
        printf("the prober keeps ending (last: %s): it is started again, later each time; its log "
               "and the table `crashes' tell more\n", last_end);
}

static bool
is_reason(const json_t *apps, const char *error)
{
    const json_t *app;
    size_t i;

    json_array_foreach(apps, i, app) {
        const json_t *rollout = json_object_get(app, "last_rollout");

        if (strcmp(answer_text(app, "state"), "config_error") == 0 &&
            strcmp(answer_text(rollout, "reason"), error) == 0)
            return true;
    }
    return false;
}

/* Of files, groups and names that no app above tells. Of one app: those that name it, or none. */
static void
print_config_errors(const json_t *errors, const json_t *apps, const char *only)
{
    const json_t *item;
    size_t i, told = 0, more = 0;

    json_array_foreach(errors, i, item) {
        const char *app = answer_text(item, "app"), *error = answer_text(item, "error");

        if ((only != NULL && app[0] != '\0' && strcmp(app, only) != 0) || is_reason(apps, error))
            continue;
        if (told == ERRORS_PRINTED_MAX) {
            more++;
            continue;
        }
        if (told++ == 0)
            puts("errors of the configuration:");
        printf("  %s\n", error);
    }
    if (more > 0)
        printf("  and %zu more: `fproxy check' tells them\n", more);
}

/* What is configured waits, whatever the reason above. */
static void
print_rollback(const json_t *app)
{
    const char *word = answer_text(app, "rollback"), *name = answer_text(app, "name");

    if (strcmp(word, "holds") == 0)
        printf("%s: stays with generation %" JSON_INTEGER_FORMAT " by `fproxy rollback' until its "
               "configuration changes\n", name, answer_number(app, "generation"));
    else if (strcmp(word, "unknown") == 0)
        printf("%s: stays with generation %" JSON_INTEGER_FORMAT " until the database tells "
               "whether an operator went back from what is configured, up to a minute\n", name,
               answer_number(app, "generation"));
}

/* Probes that start late are no target's fault, and somebody can help it. */
static void
print_lag(const json_t *lag)
{
    if (answer_number(lag, "overruns_lately") == 0)
        return;
    printf("prober: %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " probes in the last minute "
           "began later than their jitter, by up to %" JSON_INTEGER_FORMAT " ms: raise "
           "probe_concurrency or the intervals\n", answer_number(lag, "overruns_lately"),
           answer_number(lag, "probes"), answer_number(lag, "max_ms"));
}

static int
print_apps(const json_t *apps)
{
    const json_t *app;
    size_t i;
    int rc;

    if (json_array_size(apps) == 0) {
        puts("no app is configured");
        return 0;
    }
    rc = print_table(apps);
    if (rc < 0)
        return rc;
    json_array_foreach(apps, i, app) {
        print_reason(app);
        print_worker(app);
        print_rollback(app);
        print_overrides(app);
    }
    return 0;
}

/* ---- */

static int
print(const json_t *answer, const struct arguments *arguments)
{
    const json_t *apps = json_object_get(answer, "apps");

    if (arguments->json)
        return answer_print("fproxy status", answer);
    if (print_apps(apps) == 0) {
        print_config_errors(json_object_get(answer, "config_errors"), apps, arguments->app);
        print_prober(answer);
        print_lag(json_object_get(json_object_get(answer, "prober"), "probe_lag"));
        if (fflush(stdout) == 0)
            return CLI_YES;
    }
    fprintf(stderr, "fproxy status: it cannot be printed\n");
    return CLI_USAGE;
}

static int
show(const struct asked *asked, json_t *answer, const struct arguments *arguments)
{
    const json_t *first;
    int status;

    if (arguments->app != NULL && !keep_only(asked, answer, arguments->app))
        return CLI_USAGE;
    status = print(answer, arguments);
    if (status != CLI_YES || arguments->app == NULL)
        return status;
    first = json_array_get(json_object_get(answer, "apps"), 0);
    return json_is_true(json_object_get(first, "ready")) ? CLI_YES : CLI_NO;
}

int
command_status(int argc, char **argv, void *context)
{
    static const struct argp argp = {
        .options = command_ask_options,
        .parser = parse_option,
        .args_doc = "[APP]",
        .doc = "Show the apps of the running supervisor, or one of them.\vTARGETS counts the "
               "endpoints that are available, of all. Below the table stands why an app is not "
               "as it is configured, what operators took out, and the errors of the "
               "configuration that stand. Exit status: 0; 1 when APP is not ready; 2 when no "
               "supervisor answers.",
    };
    struct arguments arguments = { .options = context };
    struct asked asked;
    json_t *answer;
    int status;

    cli_parse(&argp, argc, argv, &arguments);
    ask_open(&asked, argv[0], context);
    answer = ask_status(&asked);
    if (answer == NULL)
        return CLI_USAGE;
    status = show(&asked, answer, &arguments);
    json_decref(answer);
    return status;
}
