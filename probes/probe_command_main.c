/*
 * fproxy-probe - the operator's view of probing: what is available, and why.
 *
 * It reads what the prober published and needs neither a supervisor nor a prober.
 */
#include "base/cli.h"
#include "base/util.h"
#include "probes/inspect_command.h"

static const struct cli_command commands[] = {
    { "inspect", "[APP [TARGET]]", "Show which targets are available, and why",
      inspect_command },
    { "run", "APP [TARGET]", "Run the configured probes now, step by step", run_command },
    { "history", "[APP [TARGET]]", "Show what changed, and how long probes took",
      history_command },
    { "replay", "APP [TARGET]", "Try other thresholds on the recorded results",
      replay_command },
    { "completion", "SHELL", "Print the completion script of bash, zsh or fish",
      inspect_completion_command },
};

static const struct cli_program program = {
    .name = "fproxy-probe",
    .doc = "See what fproxy knows of its targets, whether it runs or not.",
    .commands = commands,
    .command_count = ARRAY_SIZE(commands),
};

int
main(int argc, char **argv)
{
    return cli_run(&program, argc, argv, NULL);
}
