/*
 * cli - what every command line of ours has in common, on top of argp.
 *
 * argp knows -? and exits 64; ours know -h/--help, --usage and -V/--version (to
 * standard output, status 0) and end with status 2 and a hint after a wrong usage.
 *
 * A program without commands, or one command:
 *
 *     static const struct argp_option options[] = {
 *         { "json", 'j', NULL, 0, "Print JSON", 0 },
 *         { 0 } };
 *     static const struct argp argp = { options, parse_option, "[APP]", "What it does." };
 *     cli_parse(&argp, argc, argv, &arguments);      (returns only if all was right)
 *
 * A program with commands (`fproxy [OPTION...] [COMMAND [ARGUMENT...]]`): fill a
 * struct cli_program and `return cli_run(&program, argc, argv, &context)`. Each command's
 * run() gets argv[0] = "fproxy status", so that its own cli_parse(), argp_error() and
 * help texts name it in full.
 *
 * A parser reports a wrong usage by argp_error(state, ...), which ends the program with
 * status 2; after the parsing cli_usage_error() does the same. Main thread only.
 */
#ifndef FPROXY_BASE_CLI_H
#define FPROXY_BASE_CLI_H

#include <argp.h>
#include <stddef.h>

#include "base/util.h"

enum { CLI_YES = 0, CLI_NO = 1, CLI_USAGE = 2 };    /* exit statuses; 2: also unreachable */

/* Parses with `argp` (flags of options and texts as argp has them; -h, -V, --usage are
 * added; children are allowed). `input` reaches the parser as state->input. Options and
 * arguments may be mixed. Ends the program for help, version and wrong usage. */
void cli_parse(const struct argp *argp, int argc, char **argv, void *input);

/* `context` is what cli_run() got. Returns the exit status. */
typedef int cli_command_fn(int argc, char **argv, void *context);

struct cli_command {
    const char *name;       /* "status" */
    const char *args;       /* "[APP]", for the list of commands; or NULL */
    const char *summary;    /* one line; NULL: not listed */
    cli_command_fn *run;
};

struct cli_program {
    const char *name;                   /* "fproxy" */
    const char *doc;                    /* what it is, in a sentence or two */
    const struct argp *options;         /* options before the command; may be NULL; its parser
                                         * gets `context` as state->input */
    const struct cli_command *commands;
    size_t command_count;
    cli_command_fn *no_command;         /* without a command; NULL: an error with the list */
};

/* Parses the options before the command, then runs it; returns its exit status. An unknown
 * command is an error that names the nearest one. `help` is a command of every program:
 * `fproxy help status` is `fproxy status --help`. */
int cli_run(const struct cli_program *program, int argc, char **argv, void *context);

/* Prints "NAME: message" and where help is to standard error; exits with CLI_USAGE. */
void cli_usage_error(const char *name, const char *format, ...) PRINTF_LIKE(2, 3)
    __attribute__((noreturn));

#endif
