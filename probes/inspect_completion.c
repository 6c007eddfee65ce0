/*
 * fproxy-probe completion - what a shell needs to complete our command line.
 */
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "probes/inspect_command.h"

/* Names of apps come from the boards or the database; without any there are none. */
#define APP_NAMES                                                                              \
    "fproxy-probe inspect --json 2>/dev/null | "                                               \
    "sed -n 's/^      \"app\": \"\\([^\"]*\\)\".*/\\1/p'"

static const char bash_script[] =
    "# bash completion of fproxy-probe: source <(fproxy-probe completion bash)\n"
    "_fproxy_probe() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words=\n"
    "    case $prev in\n"
    "    -c|--config) COMPREPLY=($(compgen -f -- \"$cur\")); return;;\n"
    "    --runtime-dir|--state-dir) COMPREPLY=($(compgen -d -- \"$cur\")); return;;\n"
    "    esac\n"
    "    case $COMP_CWORD,${COMP_WORDS[1]} in\n"
    "    1,*) words='inspect run completion help --help --version';;\n"
    "    *,inspect) words=\"$(" APP_NAMES ") --json --runtime-dir --state-dir --help\";;\n"
    "    *,run) words=\"$(" APP_NAMES ") --json --config --timeout --address --state-dir "
    "--help\";;\n"
    "    *,completion) words='bash zsh fish';;\n"
    "    *,help) words='inspect run completion';;\n"
    "    esac\n"
    "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
    "}\n"
    "complete -F _fproxy_probe fproxy-probe\n";

static const char zsh_script[] =
    "#compdef fproxy-probe\n"
    "# zsh completion of fproxy-probe: source <(fproxy-probe completion zsh)\n"
    "_fproxy_probe() {\n"
    "    local -a commands apps\n"
    "    commands=('inspect:Show which targets are available, and why'\n"
    "              'run:Run the configured probes now, step by step'\n"
    "              'completion:Print a completion script' 'help:Show the help of a command')\n"
    "    if (( CURRENT == 2 )); then\n"
    "        _describe 'command' commands\n"
    "        return\n"
    "    fi\n"
    "    case $words[2] in\n"
    "    inspect)\n"
    "        apps=(${(f)\"$(" APP_NAMES ")\"})\n"
    "        shift words; (( CURRENT-- ))\n"
    "        _arguments '--json[Print JSON]' \\\n"
    "            '--runtime-dir[Where the boards lie]:dir:_dirs' \\\n"
    "            '--state-dir[Where fproxy.db lies]:dir:_dirs' '1:app:($apps)' '2:target: ';;\n"
    "    run)\n"
    "        apps=(${(f)\"$(" APP_NAMES ")\"})\n"
    "        shift words; (( CURRENT-- ))\n"
    "        _arguments '--json[Print JSON]' \\\n"
    "            '(-c --config)'{-c,--config}'[Configuration]:path:_files' \\\n"
    "            '--timeout[Of each probe]:duration: ' '--address[Probe this]:address: ' \\\n"
    "            '--state-dir[Where fproxy.db lies]:dir:_dirs' '1:app:($apps)' '2:target: ';;\n"
    "    completion) _values 'shell' bash zsh fish;;\n"
    "    help) _values 'command' inspect run completion;;\n"
    "    esac\n"
    "}\n"
    "compdef _fproxy_probe fproxy-probe\n";

static const char fish_script[] =
    "# fish completion of fproxy-probe: fproxy-probe completion fish | source\n"
    "complete -c fproxy-probe -f\n"
    "complete -c fproxy-probe -n __fish_use_subcommand -a inspect "
    "-d 'Show which targets are available, and why'\n"
    "complete -c fproxy-probe -n __fish_use_subcommand -a run "
    "-d 'Run the configured probes now, step by step'\n"
    "complete -c fproxy-probe -n __fish_use_subcommand -a completion "
    "-d 'Print a completion script'\n"
    "complete -c fproxy-probe -n __fish_use_subcommand -a help "
    "-d 'Show the help of a command'\n"
    "function __fproxy_probe_apps\n    " APP_NAMES "\nend\n"
    "complete -c fproxy-probe -n '__fish_seen_subcommand_from inspect run' "
    "-a '(__fproxy_probe_apps)'\n"
    "complete -c fproxy-probe -n '__fish_seen_subcommand_from inspect run' -l json "
    "-d 'Print JSON'\n"
    "complete -c fproxy-probe -n '__fish_seen_subcommand_from inspect' -l runtime-dir -r "
    "-d 'Where the boards lie'\n"
    "complete -c fproxy-probe -n '__fish_seen_subcommand_from inspect run' -l state-dir -r "
    "-d 'Where fproxy.db lies'\n"
    "complete -c fproxy-probe -n '__fish_seen_subcommand_from run' -s c -l config -r "
    "-d 'Configuration'\n"
    "complete -c fproxy-probe -n '__fish_seen_subcommand_from run' -l timeout -x "
    "-d 'Of each probe'\n"
    "complete -c fproxy-probe -n '__fish_seen_subcommand_from run' -l address -x "
    "-d 'Probe this IP:PORT'\n"
    "complete -c fproxy-probe -n '__fish_seen_subcommand_from completion' "
    "-a 'bash zsh fish'\n";

static const struct {
    const char *shell, *script;
} scripts[] = {
    { "bash", bash_script },
    { "zsh", zsh_script },
    { "fish", fish_script },
};

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    const char **shell = state->input;

    switch (key) {
    case ARGP_KEY_ARG:
        if (*shell != NULL)
            argp_error(state, "one shell at a time: `%s' is too much", arg);
        *shell = arg;
        return 0;
    case ARGP_KEY_END:
        if (*shell == NULL)
            argp_error(state, "for which shell? bash, zsh or fish");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int
inspect_completion_command(int argc, char **argv, void *context)
{
    static const struct argp argp = {
        NULL, parse_option, "bash|zsh|fish", "Print the completion script of a shell.",
        NULL, NULL, NULL,
    };
    const char *shell = NULL;

    cli_parse(&argp, argc, argv, &shell);
    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
        if (strcmp(scripts[i].shell, shell) == 0)
            return fputs(scripts[i].script, stdout) < 0 ? CLI_USAGE : CLI_YES;
    }
    cli_usage_error(argv[0], "`%s' is no shell that is known here: bash, zsh or fish", shell);
}
