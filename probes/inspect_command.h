/*
 * inspect_command - the commands of fproxy-probe.
 */
#ifndef FPROXY_PROBES_INSPECT_COMMAND_H
#define FPROXY_PROBES_INSPECT_COMMAND_H

#include "base/cli.h"

cli_command_fn inspect_command;
cli_command_fn inspect_completion_command;
cli_command_fn history_command;
cli_command_fn replay_command;
cli_command_fn run_command;

#endif
