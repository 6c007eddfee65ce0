#include "base/cli.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_USAGE = 0x755 };     /* no character; argp has 24 bits for a key */

/* What cli_parse() hands to its own parser. */
struct parse {
    void *input;            /* of the program's parser */
    int *next;              /* where the first argument's index goes; NULL: to the program */
};

static const struct argp_option common_options[] = {
    { "help", 'h', NULL, 0, "Print this help and exit", -1 },
    { "usage", KEY_USAGE, NULL, OPTION_HIDDEN, "Print a short usage and exit", -1 },
    { "version", 'V', NULL, 0, "Print the version and exit", -1 },
    { 0 },
};

static error_t
parse_common(int key, char *arg, struct argp_state *state)
{
    struct parse *parse = state->input;

    switch (key) {
    case 'h':
        argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
        return 0;
    case KEY_USAGE:
        argp_state_help(state, stdout, ARGP_HELP_USAGE | ARGP_HELP_EXIT_OK);
        return 0;
    case 'V':
        printf("%s %s\n", program_invocation_short_name, FPROXY_VERSION);
        exit(CLI_YES);
    case ARGP_KEY_INIT:
        if (state->root_argp->children != NULL && state->root_argp->children[0].argp != NULL)
            state->child_inputs[0] = parse->input;
        return 0;
    case ARGP_KEY_ARG:
        if (parse->next == NULL)
            return ARGP_ERR_UNKNOWN;
        *parse->next = state->next - 1;     /* the command; the rest is for its parser */
        state->next = state->argc;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void
parse_with(const struct argp *argp, const char *args_doc, const char *doc, int argc,
           char **argv, unsigned flags, struct parse *parse)
{
    const struct argp_child children[] = { { argp, 0, NULL, 0 }, { NULL, 0, NULL, 0 } };
    const struct argp root = {
        common_options, parse_common, args_doc, doc, children, NULL, NULL,
    };
    error_t error;

    argp_err_exit_status = CLI_USAGE;
    error = argp_parse(&root, argc, argv, flags | ARGP_NO_HELP, NULL, parse);
    if (error != 0)
        cli_usage_error(argv[0], "%s", strerror(error));
}

void
cli_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    struct parse parse = { .input = input };

    parse_with(argp, NULL, NULL, argc, argv, 0, &parse);
}

void
cli_usage_error(const char *name, const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s: ", name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nTry `%s --help' for more information.\n", name);
    exit(CLI_USAGE);
}

/* The text behind the options in the help: every command with its summary. Freed never:
 * argp keeps it while it parses, which ends the program or happens once. */
static char *
program_doc(const struct cli_program *program)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    if (out == NULL)
        return NULL;
    fprintf(out, "%s\vCommands:\n", program->doc);
    for (size_t i = 0; i < program->command_count; i++) {
        const struct cli_command *command = &program->commands[i];
        char words[64];

        if (command->summary == NULL)
            continue;
        snprintf(words, sizeof words, "%s %s", command->name,
                 command->args != NULL ? command->args : "");
        fprintf(out, "  %-26s %s\n", words, command->summary);
    }
    fprintf(out, "\n`%s COMMAND --help' tells more about one.", program->name);
    if (fclose(out) != 0)
        return NULL;
    return text;
}

/* Edits needed to make `a` of `b` (names of commands: short). */
static unsigned
edit_distance(const char *a, const char *b)
{
    enum { NAME_MAX_BYTES = 32 };
    unsigned row[NAME_MAX_BYTES + 1];
    size_t columns = strlen(b);

    if (columns > NAME_MAX_BYTES || strlen(a) > NAME_MAX_BYTES)
        return NAME_MAX_BYTES;
    for (unsigned j = 0; j <= columns; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1] != '\0'; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= columns; j++) {
            unsigned above = row[j];
            unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);

            row[j] = MIN(replaced, MIN(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return row[columns];
}

static const struct cli_command *
find_command(const struct cli_program *program, const char *name)
{
    for (size_t i = 0; i < program->command_count; i++) {
        if (strcmp(program->commands[i].name, name) == 0)
            return &program->commands[i];
    }
    return NULL;
}

static void __attribute__((noreturn))
unknown_command(const struct cli_program *program, const char *name)
{
    const struct cli_command *nearest = NULL;
    unsigned distance = 3;          /* more edits than two are another word */

    for (size_t i = 0; i < program->command_count; i++) {
        const struct cli_command *command = &program->commands[i];
        unsigned d = command->summary == NULL ? 3 : edit_distance(name, command->name);

        if (d < distance) {
            distance = d;
            nearest = command;
        }
    }
    if (nearest != NULL)
        cli_usage_error(program->name, "unknown command `%s'; did you mean `%s'?", name,
                        nearest->name);
    cli_usage_error(program->name, "unknown command `%s'", name);
}

static int
run_command(const struct cli_program *program, const struct cli_command *command, int argc,
            char **argv, void *context)
{
    char *full_name = NULL;
    int status;

    if (asprintf(&full_name, "%s %s", program->name, command->name) < 0)
        return CLI_USAGE;
    argv[0] = full_name;
    status = command->run(argc, argv, context);
    free(full_name);
    return status;
}

/* `fproxy help [COMMAND]`: as if it had been asked with --help. */
static int
run_help(const struct cli_program *program, int argc, char **argv, void *context)
{
    char program_name[64];
    char help[] = "--help";
    char *help_argv[] = { program_name, help, NULL };
    const struct cli_command *command;

    snprintf(program_name, sizeof program_name, "%s", program->name);
    if (argc < 2)
        return cli_run(program, 2, help_argv, context);
    command = find_command(program, argv[1]);
    if (command == NULL)
        unknown_command(program, argv[1]);
    return run_command(program, command, 2, help_argv, context);
}

int
cli_run(const struct cli_program *program, int argc, char **argv, void *context)
{
    const char *args = program->no_command != NULL ? "[COMMAND [ARGUMENT...]]"
                                                   : "COMMAND [ARGUMENT...]";
    int next = argc;
    struct parse parse = { .input = context, .next = &next };
    const struct cli_command *command;
    char *doc = program_doc(program);

    parse_with(program->options, args, doc, argc, argv, ARGP_IN_ORDER, &parse);
    free(doc);
    if (next == argc) {
        if (program->no_command == NULL)
            cli_usage_error(program->name, "no command was given");
        return program->no_command(argc, argv, context);
    }
    command = find_command(program, argv[next]);
    if (command != NULL)
        return run_command(program, command, argc - next, argv + next, context);
    if (strcmp(argv[next], "help") == 0)
        return run_help(program, argc - next, argv + next, context);
    unknown_command(program, argv[next]);
}
