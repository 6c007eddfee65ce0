/*
 * fproxy - the supervisor, and the operator's command.
 */
#include <stdlib.h>

#include "base/cli.h"
#include "base/log.h"
#include "proxy/commands/command.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/trial.h"

enum { KEY_LOG_LEVEL = 0x3000, KEY_UPGRADE_TRIAL };

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct supervisor_options *options = state->input;
    enum log_level level;

    if (key == KEY_UPGRADE_TRIAL)
        exit(trial_run());
    if (key != KEY_LOG_LEVEL)
        return command_place_option(key, arg, state, options);
    if (log_level_parse(arg, &level) < 0)
        argp_error(state, "the log level `%s' is none: it is error, warn, info or debug", arg);
    options->log_level = arg;
    return 0;
}

static const struct argp_option options[] = {
    OPTION_ROWS_PLACES,
    { "log-level", KEY_LOG_LEVEL, "LEVEL", 0, "error, warn, info or debug", 0 },
    { "upgrade-trial", KEY_UPGRADE_TRIAL, NULL, OPTION_HIDDEN, "Can this binary take over?", 0 },
    { 0 },
};
static const struct argp argp = { .options = options, .parser = parse_option };

static int
run_supervisor(int argc, char **argv, void *context)
{
    return supervisor_run(context);
}

static int
run_check(int argc, char **argv, void *context)
{
    const struct supervisor_options *before = context;

    if (before->config_path != NULL)
        setenv("FPROXY_CONFIG_PATH", before->config_path, 1);
    return command_check(argc, argv);
}

static const struct cli_command commands[] = {
    { "check", "[PATH]", "Tell every error of the configuration", run_check },
    { "drain", "APP [TARGET]", "Send no new connections to a target", command_drain },
    { "maintain", "APP [TARGET]", "Take a target out for maintenance", command_maintain },
    { "plan", "[PATH]", "Tell what a changed configuration would do", command_plan },
    { "ready", "APP [TARGET]", "Undo drain and maintain", command_ready },
    { "reload", NULL, "Read the files now, wait until they apply", command_reload },
    { "report", "APP TARGET", "Tell how a target is, where kind = \"push\"", command_report },
    { "rollback", "APP", "Take an app back to the generation before", command_rollback },
    { "status", "[APP]", "Show the apps of the running supervisor", command_status },
    { "stop", NULL, "Stop the supervisor, wait for its end", command_stop },
    { "upgrade", NULL, "Let the installed binary take over", command_upgrade },
    { "completion", "bash|zsh|fish", "Print a completion script for a shell",
      command_completion },
};

int
main(int argc, char **argv)
{
    static const struct cli_program program = {
        .name = "fproxy",
        .doc = "A TCP proxy for many apps that only ever connects to targets that work.\n"
               "Without a command it runs in the foreground until SIGTERM or SIGINT, after "
               "which connections may end (drain_timeout); a second SIGINT ends at once.",
        .options = &argp,
        .commands = commands,
        .command_count = ARRAY_SIZE(commands),
        .no_command = run_supervisor,
    };
    struct supervisor_options before = { .argv = argv };

    return cli_run(&program, argc, argv, &before);
}
