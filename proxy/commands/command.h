/*
 * command - the operator's commands of fproxy; each is one file here.
 *
 * They get argv[0] = "fproxy NAME" and, as context, the struct supervisor_options with what
 * stood before the command. They return the exit status: 0 yes, 1 no, 2 usage or cannot
 * reach.
 */
#ifndef FPROXY_COMMANDS_COMMAND_H
#define FPROXY_COMMANDS_COMMAND_H

#include <argp.h>

#include "base/cli.h"

struct supervisor_options;

/* Options that several commands have: rows for an option table. */
#define OPTION_ROW_JSON { "json", 'j', NULL, 0, "Print JSON", 0 }
enum { KEY_STATE_DIR = 0x2000, KEY_RUNTIME_DIR };
#define OPTION_ROW_CONFIG                                                                      \
    { "config", 'c', "PATH", 0, "Configuration: a directory or a file", 0 }
#define OPTION_ROW_STATE_DIR                                                                   \
    { "state-dir", KEY_STATE_DIR, "DIR", 0, "Where the database is", 0 }
#define OPTION_ROW_RUNTIME_DIR                                                                 \
    { "runtime-dir", KEY_RUNTIME_DIR, "DIR", 0, "Where sockets and boards are", 0 }

/* Every command takes all of them, so that those that the daemon was started with can be copied; it
 * takes no notice of what it has no use for (docs/cli.md). */
#define OPTION_ROWS_PLACES OPTION_ROW_CONFIG, OPTION_ROW_STATE_DIR, OPTION_ROW_RUNTIME_DIR

/* The table of who only asks the supervisor: --json and these. */
extern const struct argp_option command_ask_options[];

/* Takes one of them; ARGP_ERR_UNKNOWN when `key` is none. */
error_t command_place_option(int key, char *arg, struct argp_state *state,
                             struct supervisor_options *options);

int command_check(int argc, char **argv);
cli_command_fn command_plan;
cli_command_fn command_reload;
cli_command_fn command_report;
cli_command_fn command_rollback;
cli_command_fn command_drain;
cli_command_fn command_maintain;
cli_command_fn command_ready;
cli_command_fn command_status;
cli_command_fn command_stop;
cli_command_fn command_upgrade;
cli_command_fn command_completion;

#endif
