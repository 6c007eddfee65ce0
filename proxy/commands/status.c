/*
 * fproxy status - the apps of the running supervisor, as a table or as JSON.
 */
#include <errno.h>
#include <jansson.h>
#include <libsmartcols.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/http_get.h"
#include "proxy/commands/command.h"
#include "proxy/supervisor/places.h"
#include "proxy/supervisor/ports.h"

enum { TIMEOUT_MS = 5000, CELL_BYTES = 512 };

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

/* ---- asking ---- */

static json_t *
may_not_reach(const char *socket_path)
{
    fprintf(stderr,
            "fproxy status: %s: permission denied; ask as the user that runs it, as a member of "
            "its group, or as root\n",
            socket_path);
    return NULL;
}

static json_t *
cannot_reach(const char *socket_path, const char *why)
{
    fprintf(stderr,
            "fproxy status: no supervisor answers at %s (%s); start one with `fproxy', or name "
            "its runtime directory with --runtime-dir\n",
            socket_path, why);
    return NULL;
}

/* What the supervisor answers, or NULL when that was told. */
static json_t *
ask(const char *runtime_dir)
{
    char socket_path[PATH_BYTES + 16];
    char *body = NULL;
    size_t bytes;
    int status, rc;
    json_error_t error;
    json_t *answer;

    snprintf(socket_path, sizeof socket_path, "%s/admin.sock", runtime_dir);
    rc = http_get_unix(socket_path, "/v1/status", TIMEOUT_MS, &status, &body, &bytes);
    if (rc == -EACCES)
        return may_not_reach(socket_path);
    if (rc < 0)
        return cannot_reach(socket_path, strerror(-rc));
    answer = status == 200 ? json_loadb(body, bytes, 0, &error) : NULL;
    free(body);
    if (!json_is_array(json_object_get(answer, "apps"))) {
        json_decref(answer);
        return cannot_reach(socket_path, "what answers is no fproxy of this version");
    }
    return answer;
}

/* Leaves only `name` in the list. False when it is not there. */
static bool
keep_only(json_t *answer, const char *name)
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
    fprintf(stderr, "fproxy status: there is no app `%s'; there %s:", name,
            json_array_size(apps) == 1 ? "is" : "are");
    json_array_foreach(apps, i, app)
        fprintf(stderr, " %s", json_string_value(json_object_get(app, "name")));
    fprintf(stderr, json_array_size(apps) == 0 ? " none\n" : "\n");
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

static const char *
text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text != NULL ? text : "";
}

static json_int_t
number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void
rollout_cell(const json_t *rollout, char *cell)
{
    const char *outcome = text_of(rollout, "outcome"), *reason = text_of(rollout, "reason");

    if (!json_is_object(rollout))
        snprintf(cell, CELL_BYTES, "-");
    else if (outcome[0] == '\0')
        snprintf(cell, CELL_BYTES, "open since %s", text_of(rollout, "started_at"));
    else
        snprintf(cell, CELL_BYTES, "%s %s%s%s", outcome, text_of(rollout, "finished_at"),
                 reason[0] != '\0' ? ": " : "", reason);
}

static const struct column {
    const char *name;
    int flags;
} columns[] = {
    { "APP", 0 },          { "STATE", 0 },
    { "READY", 0 },        { "GEN", SCOLS_FL_RIGHT },
    { "PORTS", SCOLS_FL_WRAP }, { "WORKER", 0 },
    { "CONNS", SCOLS_FL_RIGHT }, { "TARGETS", SCOLS_FL_RIGHT },
    { "LAST ROLLOUT", SCOLS_FL_WRAP },
};

static int
add_line(struct libscols_table *table, const json_t *app)
{
    struct libscols_line *line = scols_table_new_line(table, NULL);
    const json_t *worker = json_object_get(app, "worker");
    const json_t *targets = json_object_get(app, "targets");
    char cells[ARRAY_SIZE(columns)][CELL_BYTES];
    int rc = line == NULL ? -ENOMEM : 0;

    snprintf(cells[0], CELL_BYTES, "%s", text_of(app, "name"));
    snprintf(cells[1], CELL_BYTES, "%s", text_of(app, "state"));
    snprintf(cells[2], CELL_BYTES, "%s",
             json_is_true(json_object_get(app, "ready")) ? "yes" : "no");
    snprintf(cells[3], CELL_BYTES, "%" JSON_INTEGER_FORMAT, number_of(app, "generation"));
    ports_cell(json_object_get(app, "ports"), cells[4]);
    if (json_is_integer(json_object_get(worker, "pid")))
        snprintf(cells[5], CELL_BYTES, "%s/%" JSON_INTEGER_FORMAT, text_of(worker, "name"),
                 number_of(worker, "pid"));
    else
        snprintf(cells[5], CELL_BYTES, "-");
    snprintf(cells[6], CELL_BYTES, "%" JSON_INTEGER_FORMAT, number_of(app, "connections"));
    snprintf(cells[7], CELL_BYTES, "%" JSON_INTEGER_FORMAT "/%" JSON_INTEGER_FORMAT,
             number_of(targets, "available"), number_of(targets, "total"));
    rollout_cell(json_object_get(app, "last_rollout"), cells[8]);
    for (size_t i = 0; rc == 0 && i < ARRAY_SIZE(columns); i++)
        rc = scols_line_set_data(line, i, cells[i]);
    return rc;
}

static int
print_table(const json_t *apps)
{
    struct libscols_table *table;
    const json_t *app;
    size_t i;
    int rc = 0;

    if (json_array_size(apps) == 0) {
        puts("no app is configured");
        return 0;
    }
    scols_init_debug(0);
    table = scols_new_table();
    if (table == NULL)
        return -ENOMEM;
    for (i = 0; rc == 0 && i < ARRAY_SIZE(columns); i++)
        rc = scols_table_new_column(table, columns[i].name, 0, columns[i].flags) == NULL
                 ? -ENOMEM
                 : 0;
    json_array_foreach(apps, i, app) {
        if (rc == 0)
            rc = add_line(table, app);
    }
    if (rc == 0)
        rc = scols_print_table(table);
    scols_unref_table(table);
    return rc;
}

/* ---- */

static int
print(const json_t *answer, bool json)
{
    int rc;

    if (json) {
        rc = json_dumpf(answer, stdout, JSON_INDENT(2));
        putchar('\n');
    } else {
        rc = print_table(json_object_get(answer, "apps"));
    }
    if (rc != 0 || fflush(stdout) != 0) {
        fprintf(stderr, "fproxy status: it cannot be printed\n");
        return CLI_USAGE;
    }
    return CLI_YES;
}

static int
show(json_t *answer, const struct arguments *arguments)
{
    const json_t *first;
    int status;

    if (arguments->app != NULL && !keep_only(answer, arguments->app))
        return CLI_USAGE;
    status = print(answer, arguments->json);
    if (status != CLI_YES || arguments->app == NULL)
        return status;
    first = json_array_get(json_object_get(answer, "apps"), 0);
    return json_is_true(json_object_get(first, "ready")) ? CLI_YES : CLI_NO;
}

int
command_status(int argc, char **argv, void *context)
{
    static const struct argp_option rows[] = {
        { "json", 'j', NULL, 0, "Print JSON", 0 },
        OPTION_ROW_CONFIG,
        OPTION_ROW_RUNTIME_DIR,
        { 0 },
    };
    static const struct argp argp = {
        .options = rows,
        .parser = parse_option,
        .args_doc = "[APP]",
        .doc = "Show the apps of the running supervisor, or one of them.\vTARGETS counts the "
               "endpoints that are available, of all. Exit status: 0; 1 when APP is not ready; "
               "2 when no supervisor answers.",
    };
    struct arguments arguments = { .options = context };
    struct places places;
    json_t *answer;
    int rc, status;

    cli_parse(&argp, argc, argv, &arguments);
    rc = places_look_up(context, &places);
    if (rc < 0)
        cli_usage_error(argv[0], "no runtime directory is known: %s", strerror(-rc));
    answer = ask(places.runtime_dir);
    if (answer == NULL)
        return CLI_USAGE;
    status = show(answer, &arguments);
    json_decref(answer);
    return status;
}
