/*
 * fproxy rollback APP - back to the generation before, until the configuration changes.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proxy/commands/ask.h"
#include "proxy/commands/command.h"

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
            argp_error(state, "`%s' is too much: one APP at a time", arg);
        arguments->app = arg;
        return 0;
    case ARGP_KEY_END:
        if (arguments->app == NULL)
            argp_error(state, "which app? `fproxy status' lists them");
        return 0;
    default:
        return command_place_option(key, arg, state, arguments->options);
    }
}

static int
no_such_app(const struct asked *asked, const char *name)
{
    json_t *answer = ask_status(asked);

    if (answer != NULL)
        ask_tell_no_app(asked, json_object_get(answer, "apps"), name);
    json_decref(answer);
    return CLI_USAGE;
}

static void
print_done(const json_t *answer)
{
    const char *reason = answer_text(answer, "reason");

    printf("%s: back from generation %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT
           "; it stays there until its configuration changes%s\n",
           answer_text(answer, "app"), answer_number(answer, "from_generation"),
           answer_number(answer, "to_generation"),
           strcmp(reason, "not_ready") == 0
               ? "; too few of its endpoints work: see `fproxy-probe inspect'"
               : "");
}

static void
tell_not_done(const struct asked *asked, const char *app, int status, const json_t *answer)
{
    const char *reason = answer_text(answer, status == 200 ? "reason" : "error");

    if (status == 200)
        fprintf(stderr, "%s: %s stays on generation %" JSON_INTEGER_FORMAT ": %s%s%s\n",
                asked->command, app, answer_number(answer, "from_generation"),
                answer_text(answer, "outcome"), reason[0] != '\0' ? ": " : "", reason);
    else
        fprintf(stderr, "%s: %s: %s\n", asked->command, app, reason);
}

static int
show(const struct asked *asked, const struct arguments *arguments, int status,
     const json_t *answer)
{
    bool done = status == 200 && strcmp(answer_text(answer, "outcome"), "done") == 0;

    if (arguments->json && answer_print(asked->command, answer) != CLI_YES)
        return CLI_USAGE;
    if (!arguments->json && done)
        print_done(answer);
    else if (!arguments->json)
        tell_not_done(asked, arguments->app, status, answer);
    return done ? CLI_YES : CLI_NO;
}

/* A name that fits no app fits no URL either. */
static bool
may_be_app(const char *name)
{
    return name[0] != '\0' && strlen(name) < APP_NAME_BYTES &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0';
}

int
command_rollback(int argc, char **argv, void *context)
{
    static const struct argp_option rows[] = {
        { "json", 'j', NULL, 0, "Print JSON", 0 },
        OPTION_ROWS_PLACES,
        { 0 },
    };
    static const struct argp argp = {
        .options = rows,
        .parser = parse_option,
        .args_doc = "APP",
        .doc = "Take an app back to the generation before, and wait until it serves.\vIt stays "
               "there, also after a restart, until its configuration changes. Exit status: 0 "
               "done; 1 not; 2 there is no such app, or no supervisor answers.",
    };
    struct arguments arguments = { .options = context };
    char path[APP_NAME_BYTES + 32];
    struct asked asked;
    json_t *answer;
    int http_status, status;

    cli_parse(&argp, argc, argv, &arguments);
    ask_open(&asked, argv[0], context);
    if (!may_be_app(arguments.app))
        return no_such_app(&asked, arguments.app);
    snprintf(path, sizeof path, "/v1/apps/%s/rollback", arguments.app);
    answer = ask(&asked, "POST", path, ASK_PATIENCE_MS, &http_status);
    if (answer == NULL)
        return CLI_USAGE;
    status = http_status == 404 ? no_such_app(&asked, arguments.app)
                                : show(&asked, &arguments, http_status, answer);
    json_decref(answer);
    return status;
}
