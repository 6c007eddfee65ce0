/*
 * fproxy rollback APP - back to the generation before, until the configuration changes.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proxy/commands/ask_app.h"
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
show(const struct asked *asked, const void *context, int status, const json_t *answer)
{
    const struct arguments *arguments = context;
    bool done = status == 200 && strcmp(answer_text(answer, "outcome"), "done") == 0;

    if (arguments->json && answer_print(asked->command, answer) != CLI_YES)
        return CLI_USAGE;
    if (!arguments->json && done)
        print_done(answer);
    else if (!arguments->json)
        tell_not_done(asked, arguments->app, status, answer);
    return done ? CLI_YES : CLI_NO;
}

int
command_rollback(int argc, char **argv, void *context)
{
    static const struct argp argp = {
        .options = command_ask_options,
        .parser = parse_option,
        .args_doc = "APP",
        .doc = "Take an app back to the generation before, and wait until it serves.\vIt stays "
               "there, also after a restart, until its configuration changes. Exit status: 0 "
               "done; 1 not; 2 there is no such app, or no supervisor answers.",
    };
    struct arguments arguments = { .options = context };
    char path[APP_NAME_BYTES + 32];
    struct asked asked;

    cli_parse(&argp, argc, argv, &arguments);
    ask_open(&asked, argv[0], context);
    snprintf(path, sizeof path, "/v1/apps/%s/rollback", arguments.app);
    return ask_app(&asked, arguments.app, path, ASK_PATIENCE_MS, show, &arguments);
}
