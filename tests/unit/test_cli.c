#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cli.h"

/* What the program of these tests understands. */
struct arguments {
    const char *directory;      /* --directory, before or without a command */
    bool json;                  /* of `status` */
    const char *app;
};

static error_t
parse_global(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    if (key != 'd')
        return ARGP_ERR_UNKNOWN;
    arguments->directory = arg;
    return 0;
}

static error_t
parse_status(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    if (key == 'j')
        arguments->json = true;
    else if (key == ARGP_KEY_ARG && arguments->app == NULL)
        arguments->app = arg;
    else if (key == ARGP_KEY_ARG)
        argp_error(state, "one app only");
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const struct argp_option global_options[] = {
    { "directory", 'd', "DIR", 0, "Where to look", 0 },
    { 0 },
};
static const struct argp global_argp = { .options = global_options, .parser = parse_global };

static const struct argp_option status_options[] = {
    { "json", 'j', NULL, 0, "Print JSON", 0 },
    { 0 },
};
static const struct argp status_argp = { status_options, parse_status, "[APP]",
                                         "Shows what is.", NULL, NULL, NULL };

static int
run_status(int argc, char **argv, void *context)
{
    struct arguments *arguments = context;

    cli_parse(&status_argp, argc, argv, arguments);
    printf("status of %s in %s as %s\n", arguments->app ? arguments->app : "all",
           arguments->directory ? arguments->directory : "-",
           arguments->json ? "json" : "table");
    return CLI_NO;
}

static int
run_daemon(int argc, char **argv, void *context)
{
    const struct arguments *arguments = context;

    printf("daemon in %s\n", arguments->directory ? arguments->directory : "-");
    return CLI_YES;
}

static const struct cli_command commands[] = {
    { "status", "[APP]", "Show what is", run_status },
    { "state", NULL, NULL, run_status },        /* not listed */
};

static struct cli_program program = {
    "fproxy", "A proxy.", &global_argp, commands, 2, run_daemon,
};

/* What a run printed (both outputs) and how it ended. */
static char output[8192];

static int
run(const char *line)
{
    char words[256];
    char *argv[16] = { NULL };
    int argc = 0;
    int fds[2];
    size_t have = 0;
    ssize_t n;
    int status;
    pid_t pid;

    strcpy(words, line);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " "))
        argv[argc++] = word;
    assert_int_equal(pipe(fds), 0);
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        struct arguments arguments = { 0 };

        dup2(fds[1], STDOUT_FILENO);
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        exit(cli_run(&program, argc, argv, &arguments));
    }
    close(fds[1]);
    while ((n = read(fds[0], output + have, sizeof output - 1 - have)) > 0)
        have += (size_t)n;
    output[have] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
assert_says(const char *text)
{
    if (strstr(output, text) == NULL)
        fail_msg("'%s' is not in:\n%s", text, output);
}

static void
options_go_before_and_behind_the_command(void **state)
{
    assert_int_equal(run("fproxy"), 0);
    assert_string_equal(output, "daemon in -\n");
    assert_int_equal(run("fproxy --directory=/x"), 0);
    assert_string_equal(output, "daemon in /x\n");
    assert_int_equal(run("fproxy -d /x status --json web"), 1);
    assert_string_equal(output, "status of web in /x as json\n");
    assert_int_equal(run("fproxy status web -j"), 1);
    assert_string_equal(output, "status of web in - as json\n");
    assert_int_equal(run("fproxy -- status"), 1);
    assert_string_equal(output, "status of all in - as table\n");
}

static void
help_is_asked_for_in_every_usual_way(void **state)
{
    static const char *const of_program[] = { "fproxy -h", "fproxy --help", "fproxy help" };
    static const char *const of_command[] = { "fproxy status -h", "fproxy status --help",
                                              "fproxy help status" };

    for (int i = 0; i < 3; i++) {
        assert_int_equal(run(of_program[i]), 0);
        assert_says("Usage: fproxy [OPTION...] [COMMAND [ARGUMENT...]]");
        assert_says("A proxy.");
        assert_says("-d, --directory=DIR");
        assert_says("-h, --help");
        assert_says("-V, --version");
        assert_says("  status [APP]               Show what is\n");
        assert_null(strstr(output, "  state"));
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(run(of_command[i]), 0);
        assert_says("Usage: fproxy status [OPTION...] [APP]");
        assert_says("Shows what is.");
        assert_says("-j, --json");
        assert_says("-h, --help");
        assert_null(strstr(output, "--directory"));
    }
}

static void
the_version_is_told(void **state)
{
    assert_int_equal(run("fproxy --version"), 0);
    assert_says(" " FPROXY_VERSION "\n");
    assert_int_equal(run("fproxy status -V"), 0);
    assert_says(" " FPROXY_VERSION "\n");
}

static void
a_short_usage_is_told(void **state)
{
    assert_int_equal(run("fproxy status --usage"), 0);
    assert_says("Usage: fproxy status [-");
}

static void
a_wrong_usage_ends_with_2_and_a_hint(void **state)
{
    assert_int_equal(run("fproxy --nonsense"), 2);
    assert_says("unrecognized option");
    assert_says("fproxy --help");
    assert_int_equal(run("fproxy --directory"), 2);
    assert_says("requires an argument");
    assert_int_equal(run("fproxy status --nonsense"), 2);
    assert_says("fproxy status --help");
    assert_int_equal(run("fproxy status a b"), 2);
    assert_says("fproxy status: one app only");
}

static void
an_unknown_command_names_the_nearest(void **state)
{
    assert_int_equal(run("fproxy stauts"), 2);
    assert_says("unknown command `stauts'; did you mean `status'?");
    assert_int_equal(run("fproxy xyzzy"), 2);
    assert_says("unknown command `xyzzy'\n");
    assert_int_equal(run("fproxy help xyzzy"), 2);
    assert_says("unknown command `xyzzy'\n");
    assert_int_equal(run("fproxy aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), 2);
}

static void
a_program_may_insist_on_a_command(void **state)
{
    program.no_command = NULL;
    assert_int_equal(run("fproxy"), 2);
    assert_says("fproxy: no command was given");
    assert_int_equal(run("fproxy -h"), 0);
    assert_says("Usage: fproxy [OPTION...] COMMAND [ARGUMENT...]");
    program.no_command = run_daemon;
}

static void
a_program_may_have_no_options_of_its_own(void **state)
{
    program.options = NULL;
    assert_int_equal(run("fproxy --directory=/x"), 2);
    assert_int_equal(run("fproxy status"), 1);
    assert_int_equal(run("fproxy --help"), 0);
    program.options = &global_argp;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_go_before_and_behind_the_command),
        cmocka_unit_test(help_is_asked_for_in_every_usual_way),
        cmocka_unit_test(the_version_is_told),
        cmocka_unit_test(a_short_usage_is_told),
        cmocka_unit_test(a_wrong_usage_ends_with_2_and_a_hint),
        cmocka_unit_test(an_unknown_command_names_the_nearest),
        cmocka_unit_test(a_program_may_insist_on_a_command),
        cmocka_unit_test(a_program_may_have_no_options_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
