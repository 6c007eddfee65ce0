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
    "    local places='--json --runtime-dir --state-dir --help'\n"
    "    case $prev in\n"
    "    -c|--config) COMPREPLY=($(compgen -f -- \"$cur\")); return;;\n"
    "    --runtime-dir|--state-dir) COMPREPLY=($(compgen -d -- \"$cur\")); return;;\n"
    "    --at|--since|--fall|--rise|-n) return;;\n"
    "    esac\n"
    "    case $COMP_CWORD,${COMP_WORDS[1]} in\n"
    "    1,*) words='inspect run history replay completion help --help --version';;\n"
    "    *,inspect) words=\"$(" APP_NAMES ") --why --watch --at $places\";;\n"
    "    *,run) words=\"$(" APP_NAMES ") --json --config --timeout --address --state-dir "
    "--help\";;\n"
    "    *,history) words=\"$(" APP_NAMES ") --since -n $places\";;\n"
    "    *,replay) words=\"$(" APP_NAMES ") --fall --rise $places\";;\n"
    "    *,completion) words='bash zsh fish';;\n"
    "    *,help) words='inspect run history replay completion';;\n"
    "    esac\n"
    "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
    "}\n"
    "complete -F _fproxy_probe fproxy-probe\n";

static const char zsh_script[] =
    "#compdef fproxy-probe\n"
    "# zsh completion of fproxy-probe: source <(fproxy-probe completion zsh)\n"
    "_fproxy_probe() {\n"
    "    local -a commands apps options\n"
    "    commands=('inspect:Show which targets are available, and why'\n"
    "              'run:Run the configured probes now, step by step'\n"
    "              'history:Show what changed, and how long probes took'\n"
    "              'replay:Try other thresholds on the recorded results'\n"
    "              'completion:Print a completion script' 'help:Show the help of a command')\n"
    "    if (( CURRENT == 2 )); then\n"
    "        _describe 'command' commands\n"
    "        return\n"
    "    fi\n"
    "    case $words[2] in\n"
    "    inspect) options=('--why[Tell why in sentences]' '--watch[Show it until Ctrl-C]'\n"
    "                      '--at[Show who was available then]:time: ');;\n"
    "    run) options=('(-c --config)'{-c,--config}'[Configuration]:path:_files'\n"
    "                  '--timeout[Of each probe]:duration: '\n"
    "                  '--address[Probe this]:address: ');;\n"
    "    history) options=('--since[Begin there]:time: ' '-n[Show the last N]:number: ');;\n"
    "    replay) options=('--fall[Failures that take it down]:number: '\n"
    "                     '--rise[Successes that bring it back]:number: ');;\n"
    "    completion) _values 'shell' bash zsh fish; return;;\n"
    "    help) _values 'command' inspect run history replay completion; return;;\n"
    "    *) return;;\n"
    "    esac\n"
    "    apps=(${(f)\"$(" APP_NAMES ")\"})\n"
    "    shift words; (( CURRENT-- ))\n"
    "    _arguments $options '--json[Print JSON]' \\\n"
    "        '--runtime-dir[Where the boards lie]:dir:_dirs' \\\n"
    "        '--state-dir[Where fproxy.db lies]:dir:_dirs' '1:app:($apps)' '2:target: '\n"
    "}\n"
    "compdef _fproxy_probe fproxy-probe\n";

#define FISH_COMMAND(name, text)                                                               \
    "complete -c fproxy-probe -n __fish_use_subcommand -a " name " -d '" text "'\n"
#define FISH_OPTION(command, option, text)                                                     \
    "complete -c fproxy-probe -n '__fish_seen_subcommand_from " command "' " option            \
    " -d '" text "'\n"

static const char fish_script[] =
    "# fish completion of fproxy-probe: fproxy-probe completion fish | source\n"
    "complete -c fproxy-probe -f\n"
    FISH_COMMAND("inspect", "Show which targets are available, and why")
    FISH_COMMAND("run", "Run the configured probes now, step by step")
    FISH_COMMAND("history", "Show what changed, and how long probes took")
    FISH_COMMAND("replay", "Try other thresholds on the recorded results")
    FISH_COMMAND("completion", "Print a completion script")
    FISH_COMMAND("help", "Show the help of a command")
    "function __fproxy_probe_apps\n    " APP_NAMES "\nend\n"
    "complete -c fproxy-probe -n '__fish_seen_subcommand_from inspect run history replay' "
    "-a '(__fproxy_probe_apps)'\n"
    FISH_OPTION("inspect run history replay", "-l json", "Print JSON")
    FISH_OPTION("inspect history replay", "-l runtime-dir -r", "Where the boards lie")
    FISH_OPTION("inspect run history replay", "-l state-dir -r", "Where fproxy.db lies")
    FISH_OPTION("inspect", "-l why", "Tell why in sentences")
    FISH_OPTION("inspect", "-l watch", "Show it until Ctrl-C")
    FISH_OPTION("inspect", "-l at -x", "Show who was available then")
    FISH_OPTION("run", "-s c -l config -r", "Configuration")
    FISH_OPTION("run", "-l timeout -x", "Of each probe")
    FISH_OPTION("run", "-l address -x", "Probe this IP:PORT")
    FISH_OPTION("history", "-l since -x", "Begin there")
    FISH_OPTION("history", "-s n -x", "Show the last N")
    FISH_OPTION("replay", "-l fall -x", "Failures that take it down")
    FISH_OPTION("replay", "-l rise -x", "Successes that bring it back")
    "complete -c fproxy-probe -n '__fish_seen_subcommand_from completion' "
    "-a 'bash zsh fish'\n"
    "complete -c fproxy-probe -n '__fish_seen_subcommand_from help' "
    "-a 'inspect run history replay completion'\n";

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
