/*
 * ftest completion - the completion script of a shell.
 */
#include <stdio.h>
#include <string.h>

#include "ftest/commands.h"
#include "ftest/completion.h"

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    const char **shell = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        if (*shell != NULL)
            argp_error(state, "one shell at a time: `%s' is too much", arg);
        *shell = arg;
        return 0;
    case ARGP_KEY_END:
        if (*shell == NULL)
            argp_error(state, "for which shell? bash, zsh or fish");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp completion_argp = {
    NULL, parse_option, "bash|zsh|fish",
    "Print the completion script of a shell.\v"
    "For the running shell: source <(ftest completion bash). For good: write it to "
    "/etc/bash_completion.d/ftest, to _ftest in a directory of zsh's fpath, or to "
    "~/.config/fish/completions/ftest.fish.",
    NULL, NULL, NULL,
};

int
completion_run(int argc, char **argv, void *context)
{
    const char *shell = NULL;

    cli_parse(&completion_argp, argc, argv, &shell);
    if (!completion_write(stdout, "ftest", command_words, shell))
        cli_usage_error(argv[0], "`%s' is no shell that is known here: bash, zsh or fish",
                        shell);
    return CLI_YES;
}
