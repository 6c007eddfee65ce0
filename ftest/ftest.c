/*
 * ftest - the test client: plays clients and targets, and tells what happened.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>

#include "base/cli.h"
#include "base/util.h"
#include "ftest/commands.h"

static const struct cli_command commands[] = {
    { "ping", "ADDRESS", "Connect, send, read; show how long each took", ping_run },
    { "balancer", "ADDRESS", "Check that replies come in the expected order", balancer_run },
    { "simulate", "ADDRESS", "Make many requests at once; show percentiles", simulate_run },
    { "echo", "[ADDRESS...]", "Be a target that sends back what it gets", echo_run },
    { "completion", "SHELL", "Print the completion script of bash, zsh or fish",
      completion_run },
};

const struct command_words command_words[] = {
    { "ping", "Connect, send, read; show how long each took", &ping_argp },
    { "balancer", "Check that replies come in the expected order", &balancer_argp },
    { "simulate", "Make many requests at once; show percentiles", &simulate_argp },
    { "echo", "Be a target that sends back what it gets", &echo_argp },
    { "completion", "Print a completion script", &completion_argp },
    { NULL, NULL, NULL },
};

static const struct cli_program program = {
    .name = "ftest",
    .doc = "Test a proxy from both of its sides: as its clients and as its targets.",
    .commands = commands,
    .command_count = ARRAY_SIZE(commands),
};

/* Thousands of connections need thousands of descriptors; nobody here uses select(). */
static void
raise_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        perror("ftest: cannot raise the descriptor limit");
}

int
main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    raise_descriptor_limit();
    return cli_run(&program, argc, argv, NULL);
}
