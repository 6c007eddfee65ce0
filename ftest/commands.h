/*
 * commands - the commands of ftest; each is one file.
 */
#ifndef FPROXY_FTEST_COMMANDS_H
#define FPROXY_FTEST_COMMANDS_H

#include <argp.h>
#include <stddef.h>

#include "base/cli.h"

cli_command_fn ping_run;
cli_command_fn balancer_run;
cli_command_fn simulate_run;
cli_command_fn echo_run;
cli_command_fn completion_run;

/* Their options, from which the completion scripts are made. */
extern const struct argp ping_argp;
extern const struct argp balancer_argp;
extern const struct argp simulate_argp;
extern const struct argp echo_argp;
extern const struct argp completion_argp;

/* The same commands, for the completion: name, what it does, options. Ended by NULL. */
struct command_words {
    const char *name;
    const char *summary;
    const struct argp *argp;
};
extern const struct command_words command_words[];

#endif
