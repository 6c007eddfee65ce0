#include "ftest/completion.h"

#include <ctype.h>
#include <string.h>

#include "base/util.h"

typedef void option_fn(FILE *out, const struct argp_option *option, const void *context);

/* Calls `each` for every visible option of the parser and its children. */
static void
for_options(FILE *out, const struct argp *argp, option_fn *each, const void *context)
{
    const struct argp_option *option = argp->options;

    for (; option != NULL && (option->name != NULL || option->key != 0); option++) {
        if (!(option->flags & OPTION_HIDDEN))
            each(out, option, context);
    }
    for (const struct argp_child *child = argp->children; child != NULL && child->argp != NULL;
         child++)
        for_options(out, child->argp, each, context);
}

static bool
has_letter(const struct argp_option *option)
{
    return option->key > 0 && option->key < 0x80 && isgraph(option->key);
}

static void
bash_option(FILE *out, const struct argp_option *option, const void *context)
{
    if (has_letter(option))
        fprintf(out, " -%c", option->key);
    if (option->name != NULL)
        fprintf(out, " --%s", option->name);
}

static void
write_bash(FILE *out, const char *program, const struct command_words *commands)
{
    fprintf(out, "# bash completion of %s; use: source <(%s completion bash)\n", program,
            program);
    fprintf(out, "_%s() {\n    local words\n    case \"${COMP_CWORD},${COMP_WORDS[1]}\" in\n",
            program);
    fprintf(out, "    1,*) words=\"");
    for (const struct command_words *c = commands; c->name != NULL; c++)
        fprintf(out, "%s ", c->name);
    fprintf(out, "help --help --version\" ;;\n    *,completion) words=\"bash zsh fish\" ;;\n");
    fprintf(out, "    *,help) words=\"");
    for (const struct command_words *c = commands; c->name != NULL; c++)
        fprintf(out, "%s%s", c == commands ? "" : " ", c->name);
    fprintf(out, "\" ;;\n");
    for (const struct command_words *c = commands; c->name != NULL; c++) {
        if (strcmp(c->name, "completion") == 0)
            continue;
        fprintf(out, "    *,%s) words=\"-h --help", c->name);
        for_options(out, c->argp, bash_option, NULL);
        fprintf(out, "\" ;;\n");
    }
    fprintf(out, "    esac\n"
                 "    COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
                 "}\ncomplete -F _%s %s\n",
            program, program);
}

/* A text within single quotes, without what zsh takes for the end of a description. */
static void
write_text(FILE *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (strchr("[]'\\:", *text) == NULL)
            putc(*text, out);
    }
}

static void
zsh_option(FILE *out, const struct argp_option *option, const void *context)
{
    char names[2][64] = { "", "" };

    if (has_letter(option))
        snprintf(names[0], sizeof names[0], "-%c", option->key);
    if (option->name != NULL)
        snprintf(names[1], sizeof names[1], "--%s", option->name);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (names[i][0] == '\0')
            continue;
        fprintf(out, " \\\n            '%s[", names[i]);
        write_text(out, option->doc);
        fprintf(out, option->arg != NULL ? "]:%s: '" : "]'", option->arg);
    }
}

static void
write_zsh(FILE *out, const char *program, const struct command_words *commands)
{
    fprintf(out, "#compdef %s\n# zsh completion of %s; use: source <(%s completion zsh)\n",
            program, program, program);
    fprintf(out, "_%s() {\n    local -a commands\n    commands=(\n", program);
    for (const struct command_words *c = commands; c->name != NULL; c++) {
        fprintf(out, "        '%s:", c->name);
        write_text(out, c->summary);
        fprintf(out, "'\n");
    }
    fprintf(out, "        'help:Show the help of a command'\n    )\n"
                 "    if (( CURRENT == 2 )); then\n"
                 "        _describe 'command' commands\n        return\n    fi\n"
                 "    case \"${words[2]}\" in\n"
                 "    help) _describe 'command' commands ;;\n"
                 "    completion) _values 'shell' bash zsh fish ;;\n");
    for (const struct command_words *c = commands; c->name != NULL; c++) {
        if (strcmp(c->name, "completion") == 0)
            continue;
        fprintf(out, "    %s)\n        shift words; (( CURRENT-- ))\n", c->name);
        fprintf(out, "        _arguments");
        for_options(out, c->argp, zsh_option, NULL);
        fprintf(out, " \\\n            '--help[Print the help]' '*:address: ' ;;\n");
    }
    fprintf(out, "    esac\n}\ncompdef _%s %s\n", program, program);
}

struct fish_context {
    const char *program, *command;
};

static void
fish_option(FILE *out, const struct argp_option *option, const void *context)
{
    const struct fish_context *fish = context;

    fprintf(out, "complete -c %s -n '__fish_seen_subcommand_from %s'", fish->program,
            fish->command);
    if (has_letter(option))
        fprintf(out, " -s %c", option->key);
    if (option->name != NULL)
        fprintf(out, " -l %s", option->name);
    fprintf(out, "%s -d '", option->arg != NULL ? " -x" : "");
    write_text(out, option->doc);
    fprintf(out, "'\n");
}

static void
write_fish(FILE *out, const char *program, const struct command_words *commands)
{
    fprintf(out, "# fish completion of %s; use: %s completion fish | source\n", program,
            program);
    fprintf(out, "complete -c %s -f\n", program);
    for (const struct command_words *c = commands; c->name != NULL; c++) {
        const struct fish_context context = { program, c->name };

        fprintf(out, "complete -c %s -n __fish_use_subcommand -a %s -d '", program, c->name);
        write_text(out, c->summary);
        fprintf(out, "'\n");
        for_options(out, c->argp, fish_option, &context);
    }
    fprintf(out, "complete -c %s -n __fish_use_subcommand -a help "
                 "-d 'Show the help of a command'\n", program);
    fprintf(out, "complete -c %s -n '__fish_seen_subcommand_from completion' "
                 "-a 'bash zsh fish'\n", program);
}

bool
completion_write(FILE *out, const char *program, const struct command_words *commands,
                 const char *shell)
{
    if (strcmp(shell, "bash") == 0)
        write_bash(out, program, commands);
    else if (strcmp(shell, "zsh") == 0)
        write_zsh(out, program, commands);
    else if (strcmp(shell, "fish") == 0)
        write_fish(out, program, commands);
    else
        return false;
    return true;
}
