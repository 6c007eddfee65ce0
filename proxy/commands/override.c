/*
 * fproxy drain, maintain, ready: takes targets of an app out, and brings them back.
 */
#include <event2/http.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/override.h"
#include "proxy/commands/ask_app.h"
#include "proxy/commands/command.h"

enum { KEY_NOTE = 0x3100, PATH_QUERY_BYTES = 2048 };

struct arguments {
    struct supervisor_options *options;
    const char *action, *app, *target, *note;
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
    case KEY_NOTE:
        if (strlen(arg) >= OVERRIDE_NOTE_BYTES)
            argp_error(state, "the note is too long: up to %d bytes", OVERRIDE_NOTE_BYTES - 1);
        arguments->note = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->target != NULL)
            argp_error(state, "`%s' is too much: one target at a time, or all of APP", arg);
        if (arguments->app == NULL)
            arguments->app = arg;
        else
            arguments->target = arg;
        return 0;
    case ARGP_KEY_END:
        if (arguments->app == NULL)
            argp_error(state, "which app? `fproxy status' lists them");
        if (arguments->target != NULL && (arguments->target[0] == '\0' ||
                                          strlen(arguments->target) >= TARGET_NAME_BYTES))
            argp_error(state, "which target? `fproxy-probe inspect %s' lists them",
                       arguments->app);
        return 0;
    default:
        return command_place_option(key, arg, state, arguments->options);
    }
}

/* "?key=value", or "&..."; false when it does not fit. */
static bool
add_value(char *path, const char *key, const char *value)
{
    size_t bytes = strlen(path);
    char *encoded = evhttp_encode_uri(value);
    bool fits = encoded != NULL &&
                snprintf(path + bytes, PATH_QUERY_BYTES - bytes, "%c%s=%s",
                         strchr(path, '?') == NULL ? '?' : '&', key, encoded) <
                    (int)(PATH_QUERY_BYTES - bytes);

    free(encoded);
    return fits;
}

static bool
make_path(const struct arguments *arguments, char *path)
{
    snprintf(path, PATH_QUERY_BYTES, "/v1/apps/%s/%s", arguments->app, arguments->action);
    return (arguments->target == NULL || add_value(path, "target", arguments->target)) &&
           (arguments->note == NULL || add_value(path, "note", arguments->note));
}

static void
print_done(const struct arguments *arguments, const json_t *answer)
{
    const json_t *endpoints = json_object_get(answer, "endpoints"), *endpoint;
    size_t i;

    if (json_array_size(endpoints) == 0)
        printf("%s: %s: it has no endpoint at present\n", arguments->app, arguments->action);
    json_array_foreach(endpoints, i, endpoint) {
        const char *target = answer_text(endpoint, "target");
        const char *address = answer_text(endpoint, "address");
        bool same = address[0] == '\0' || strcmp(target, address) == 0;

        printf("%s: %s%s%s: %s\n", arguments->app, target, same ? "" : " ",
               same ? "" : address, answer_text(endpoint, "state"));
    }
}

static void
print_warnings(const struct asked *asked, const json_t *answer)
{
    const json_t *warning;
    size_t i;

    json_array_foreach(json_object_get(answer, "warnings"), i, warning)
        fprintf(stderr, "%s: warning: %s\n", asked->command, json_string_value(warning));
}

static int
show(const struct asked *asked, const void *context, int status, const json_t *answer)
{
    const struct arguments *arguments = context;
    bool done = status == 200;

    if (arguments->json && answer_print(asked->command, answer) != CLI_YES)
        return CLI_USAGE;
    if (!arguments->json && done)
        print_done(arguments, answer);
    if (!arguments->json && done)
        print_warnings(asked, answer);
    if (!done && !arguments->json)
        fprintf(stderr, "%s: %s%s%s: %s\n", asked->command, arguments->app,
                arguments->target != NULL ? " " : "",
                arguments->target != NULL ? arguments->target : "",
                answer_text(answer, "error"));
    return done ? CLI_YES : CLI_NO;
}

static int
override(const struct arguments *arguments, const char *command)
{
    char path[PATH_QUERY_BYTES];
    struct asked asked;

    ask_open(&asked, command, arguments->options);
    if (!make_path(arguments, path)) {
        fprintf(stderr, "%s: the target and the note are too long\n", command);
        return CLI_USAGE;
    }
    return ask_app(&asked, arguments->app, path, ASK_TIMEOUT_MS, show, arguments);
}

#define AFTERWARDS                                                                             \
    " TARGET is the configured text or an endpoint's address; without it: all targets of "     \
    "APP, also those to come. It holds over restarts, until `fproxy ready'. The answer comes " \
    "when no new connection goes there any more. Exit status: 0 done; 1 there is no such "     \
    "target; 2 there is no such app, or no supervisor answers."

static const struct argp_option rows_with_note[] = {
    OPTION_ROW_JSON,
    { "note", KEY_NOTE, "TEXT", 0, "Why: kept with it, and shown", 0 },
    OPTION_ROWS_PLACES,
    { 0 },
};

int
command_drain(int argc, char **argv, void *context)
{
    static const struct argp argp = {
        .options = rows_with_note,
        .parser = parse_option,
        .args_doc = "APP [TARGET]",
        .doc = "Send no new connections to a target; those it has go on until they end.\vIt is "
               "still probed." AFTERWARDS,
    };
    struct arguments arguments = { .options = context, .action = "drain" };

    cli_parse(&argp, argc, argv, &arguments);
    return override(&arguments, argv[0]);
}

int
command_maintain(int argc, char **argv, void *context)
{
    static const struct argp argp = {
        .options = rows_with_note,
        .parser = parse_option,
        .args_doc = "APP [TARGET]",
        .doc = "Take a target out for maintenance: no new connections, no probes.\vConnections "
               "that it has go on until they end." AFTERWARDS,
    };
    struct arguments arguments = { .options = context, .action = "maintain" };

    cli_parse(&argp, argc, argv, &arguments);
    return override(&arguments, argv[0]);
}

int
command_ready(int argc, char **argv, void *context)
{
    static const struct argp argp = {
        .options = command_ask_options,
        .parser = parse_option,
        .args_doc = "APP [TARGET]",
        .doc = "Undo `fproxy drain' and `fproxy maintain': probes alone decide again.\vTARGET "
               "is the configured text or an endpoint's address; without it: all targets of "
               "APP. After maintenance its first probe decides. Exit status: 0 done; 1 there "
               "is no such target; 2 there is no such app, or no supervisor answers.",
    };
    struct arguments arguments = { .options = context, .action = "ready" };

    cli_parse(&argp, argc, argv, &arguments);
    return override(&arguments, argv[0]);
}
