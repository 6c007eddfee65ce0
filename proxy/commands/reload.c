/*
 * fproxy reload - the files are read at once, and it waits until what they say applies.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proxy/commands/ask.h"
#include "proxy/commands/command.h"
#include "proxy/supervisor/reload.h"

_Static_assert((int)ASK_PATIENCE_MS > (int)RELOAD_PATIENCE_MS, "its answer must be awaited");

struct arguments {
    struct supervisor_options *options;
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
        argp_error(state, "`%s' is too much: reload takes no argument", arg);
        return 0;
    default:
        return command_place_option(key, arg, state, arguments->options);
    }
}

/* "web: update done", "web: update rolled_back: why"; what is held back follows later, with
 * its reason. */
static void
print_changed(const json_t *change)
{
    const char *op = answer_text(change, "op"), *reason = answer_text(change, "reason");

    if (strcmp(op, "held_back") == 0)
        return;
    printf("%s: %s %s%s%s\n", answer_text(change, "app"), op, answer_text(change, "outcome"),
           reason[0] != '\0' ? ": " : "", reason);
}

/* It was told already, with the same reason, as what changed. */
static bool
is_told(const json_t *changed, const json_t *held_back)
{
    const json_t *change;
    size_t i;

    json_array_foreach(changed, i, change) {
        if (strcmp(answer_text(change, "app"), answer_text(held_back, "app")) == 0 &&
            strcmp(answer_text(change, "op"), "held_back") != 0 &&
            strcmp(answer_text(change, "reason"), answer_text(held_back, "reason")) == 0)
            return true;
    }
    return false;
}

/* A whole file that is wrong is the reason of its apps. */
static bool
is_reason(const json_t *held_back, const char *error)
{
    const json_t *item;
    size_t i;

    json_array_foreach(held_back, i, item) {
        if (error == NULL || strcmp(answer_text(item, "reason"), error) == 0)
            return true;
    }
    return false;
}

static bool
is_pending(const json_t *changed)
{
    const json_t *change;
    size_t i;

    json_array_foreach(changed, i, change) {
        if (strcmp(answer_text(change, "outcome"), "pending") == 0)
            return true;
    }
    return false;
}

static void
print_result(const json_t *result)
{
    const json_t *changed = json_object_get(result, "changed");
    const json_t *held_back = json_object_get(result, "held_back");
    const json_t *errors = json_object_get(result, "errors");
    const json_t *groups = json_object_get(result, "groups");
    const json_t *item;
    size_t i;

    json_array_foreach(groups, i, item)
        printf("%s: update done\n", json_string_value(item));
    json_array_foreach(changed, i, item)
        print_changed(item);
    json_array_foreach(held_back, i, item) {
        if (!is_told(changed, item))
            printf("%s: held back: %s\n", answer_text(item, "app"), answer_text(item, "reason"));
    }
    json_array_foreach(errors, i, item) {
        if (!is_reason(held_back, json_string_value(item)))
            printf("%s\n", json_string_value(item));
    }
    if (json_array_size(changed) + json_array_size(held_back) + json_array_size(errors) +
            json_array_size(groups) == 0)
        puts("nothing has changed since the files were read last; see `fproxy status'");
    if (is_pending(changed))
        puts("what is pending goes on; see `fproxy status'");
    else if (!json_is_true(json_object_get(result, "applied")))
        puts("the rest stays as it was: mend it, or `fproxy reload' tries it again");
}

static int
show(const char *command, const json_t *answer, int status, bool json)
{
    int printed = CLI_YES;

    if (json)
        printed = answer_print(command, answer);
    else if (status != 200)
        fprintf(stderr, "%s: not done: %s; try again later\n", command,
                answer_text(answer, "error"));
    else
        print_result(answer);
    if (printed != CLI_YES)
        return printed;
    return status == 200 && json_is_true(json_object_get(answer, "applied")) ? CLI_YES : CLI_NO;
}

int
command_reload(int argc, char **argv, void *context)
{
    static const struct argp argp = {
        .options = command_ask_options,
        .parser = parse_option,
        .doc = "Read the configuration again at once, and wait until it applies.\vThe files are "
               "watched anyway; this tells when it is over, and how it ended. What was refused "
               "before is tried again. Exit status: 0 all of it applies; 1 something is held "
               "back or failed; 2 no supervisor answers.",
    };
    struct arguments arguments = { .options = context };
    struct asked asked;
    json_t *answer;
    int http_status, status;

    cli_parse(&argp, argc, argv, &arguments);
    ask_open(&asked, argv[0], context);
    answer = ask(&asked, "POST", "/v1/reload", ASK_PATIENCE_MS, &http_status);
    if (answer == NULL)
        return CLI_USAGE;
    status = show(argv[0], answer, http_status, arguments.json);
    json_decref(answer);
    return status;
}
