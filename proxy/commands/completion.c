/*
 * fproxy completion - what a shell needs to complete our command line.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proxy/commands/command.h"

/* Names of apps come from the running supervisor; without one there are none. */
#define APP_NAMES                                                                              \
    "fproxy status --json 2>/dev/null | sed -n 's/^      \"name\": \"\\([^\"]*\\)\".*/\\1/p'"

/* Configured texts and addresses of the app that is word $1. */
#define TARGET_NAMES(app)                                                                      \
    "fproxy-probe inspect " app " --json 2>/dev/null | "                                       \
    "sed -n 's/^ *\"\\(target\\|address\\)\": \"\\([^\"]*\\)\".*/\\2/p' | sort -u"

#define COMMANDS                                                                               \
    "check drain maintain plan ready reload report rollback status stop upgrade completion"

#define PLACES "--config --state-dir --runtime-dir"
#define ZSH_PLACES                                                                             \
    "'(-c --config)'{-c,--config}'[configuration]:path:_files' "                               \
    "'--state-dir[where the database is]:directory:_files -/' "                                \
    "'--runtime-dir[where sockets and boards are]:directory:_files -/' "

static const char bash_script[] =
    "# bash completion of fproxy: source <(fproxy completion bash)\n"
    "_fproxy() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command= word\n"
    "    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
    "        case $word in check|drain|maintain|plan|ready|reload|report|rollback|status|stop|"
    "upgrade|completion|help) command=$word; break;; esac\n"
    "    done\n"
    "    case $prev in\n"
    "    -c|--config|--state-dir|--runtime-dir) COMPREPLY=($(compgen -f -- \"$cur\")); "
    "return;;\n"
    "    --log-level) COMPREPLY=($(compgen -W 'error warn info debug' -- \"$cur\")); return;;\n"
    "    esac\n"
    "    case $command in\n"
    "    '') COMPREPLY=($(compgen -W '" COMMANDS " help " PLACES " "
    "--log-level --help --version' -- \"$cur\"));;\n"
    "    check) COMPREPLY=($(compgen -f -W '--json " PLACES " --help --version' -- "
    "\"$cur\"));;\n"
    "    plan) COMPREPLY=($(compgen -f -W '--json " PLACES " --help "
    "--version' -- \"$cur\"));;\n"
    "    drain|maintain|ready) if [[ $prev == \"$command\" ]]; then\n"
    "        COMPREPLY=($(compgen -W \"$(" APP_NAMES ") --note --json "
    PLACES " --help --version\" -- \"$cur\")); else\n"
    "        COMPREPLY=($(compgen -W \"$(" TARGET_NAMES("\"$prev\"") ") --note --json\" -- "
    "\"$cur\")); fi;;\n"
    "    status|rollback) COMPREPLY=($(compgen -W \"$(" APP_NAMES ") --json "
    PLACES " --help --version\" -- \"$cur\"));;\n"
    "    report) COMPREPLY=($(compgen -W \"$(" APP_NAMES ") --fail --degraded --detail "
    PLACES " --help --version\" -- \"$cur\"));;\n"
    "    reload) COMPREPLY=($(compgen -W '--json " PLACES " --help --version' -- "
    "\"$cur\"));;\n"
    "    stop|upgrade) COMPREPLY=($(compgen -W '" PLACES " --help --version' -- "
    "\"$cur\"));;\n"
    "    completion) COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$cur\"));;\n"
    "    help) COMPREPLY=($(compgen -W '" COMMANDS "' -- \"$cur\"));;\n"
    "    esac\n"
    "}\n"
    "complete -o filenames -F _fproxy fproxy\n";

static const char zsh_script[] =
    "#compdef fproxy\n"
    "# zsh completion of fproxy: fproxy completion zsh > \"${fpath[1]}/_fproxy\"\n"
    "_fproxy_apps() {\n"
    "    local -a apps\n"
    "    apps=(${(f)\"$(" APP_NAMES ")\"})\n"
    "    compadd -a apps\n"
    "}\n"
    "_fproxy_targets() {\n"
    "    local -a targets\n"
    "    targets=(${(f)\"$(" TARGET_NAMES("$words[2]") ")\"})\n"
    "    compadd -a targets\n"
    "}\n"
    "_fproxy() {\n"
    "    local context state line\n"
    "    _arguments -C \\\n"
    "        " ZSH_PLACES "\\\n"
    "        '--log-level[how much is told]:level:(error warn info debug)' \\\n"
    "        '(-h --help)'{-h,--help}'[help]' '(-V --version)'{-V,--version}'[version]' \\\n"
    "        '1:command:((check\\:\"tell every error of the configuration\" "
    "drain\\:\"send no new connections to a target\" "
    "maintain\\:\"take a target out for maintenance\" "
    "plan\\:\"tell what a changed configuration would do\" "
    "ready\\:\"undo drain and maintain\" "
    "reload\\:\"read the files now and wait\" "
    "report\\:\"tell how a target is\" "
    "rollback\\:\"take an app back to the generation before\" "
    "status\\:\"show the apps\" stop\\:\"stop the supervisor\" "
    "upgrade\\:\"let the installed binary take over\" "
    "completion\\:\"print a completion script\" help\\:\"help\"))' \\\n"
    "        '*::argument:->argument'\n"
    "    [[ $state == argument ]] || return\n"
    "    case $words[1] in\n"
    "    check) _arguments '--json[print JSON]' " ZSH_PLACES "'1:path:_files' ;;\n"
    "    plan) _arguments '(-j --json)'{-j,--json}'[print JSON]' "
    ZSH_PLACES "'1:path:_files' ;;\n"
    "    drain|maintain|ready) _arguments '(-j --json)'{-j,--json}'[print JSON]' "
    "'--note[why]:text:' " ZSH_PLACES
    "'1:app:_fproxy_apps' '2:target:_fproxy_targets' ;;\n"
    "    status|rollback) _arguments '(-j --json)'{-j,--json}'[print JSON]' "
    ZSH_PLACES "'1:app:_fproxy_apps' ;;\n"
    "    report) _arguments '--fail[it does not work]' '--degraded[others are to be preferred]' "
    "'--detail[a few words]:text:' "
    ZSH_PLACES "'1:app:_fproxy_apps' '2:target: ' ;;\n"
    "    reload) _arguments '(-j --json)'{-j,--json}'[print JSON]' "
    ZSH_PLACES ";;\n"
    "    stop|upgrade) _arguments " ZSH_PLACES ";;\n"
    "    completion) _arguments '1:shell:(bash zsh fish)' ;;\n"
    "    help) _arguments '1:command:(" COMMANDS ")' ;;\n"
    "    esac\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _fproxy ]; then _fproxy \"$@\"; else compdef _fproxy fproxy; fi\n";

#define FISH_COMMAND(name, summary)                                                            \
    "complete -c fproxy -n __fish_use_subcommand -f -a " name " -d '" summary "'\n"

static const char fish_script[] =
    "# fish completion of fproxy: fproxy completion fish | source\n"
    FISH_COMMAND("check", "Tell every error of the configuration")
    FISH_COMMAND("drain", "Send no new connections to a target")
    FISH_COMMAND("maintain", "Take a target out for maintenance")
    FISH_COMMAND("plan", "Tell what a changed configuration would do")
    FISH_COMMAND("ready", "Undo drain and maintain")
    FISH_COMMAND("reload", "Read the files now and wait")
    FISH_COMMAND("report", "Tell how a target is")
    FISH_COMMAND("rollback", "Take an app back to the generation before")
    FISH_COMMAND("status", "Show the apps")
    FISH_COMMAND("stop", "Stop the supervisor")
    FISH_COMMAND("upgrade", "Let the installed binary take over")
    FISH_COMMAND("completion", "Print a completion script")
    FISH_COMMAND("help", "Show help")
    "complete -c fproxy -s c -l config -r -d 'Configuration'\n"
    "complete -c fproxy -l state-dir -r -d 'Where the database is'\n"
    "complete -c fproxy -l runtime-dir -r -d 'Where sockets and boards are'\n"
    "complete -c fproxy -l log-level -x -a 'error warn info debug'\n"
    "complete -c fproxy -s h -l help -d 'Help'\n"
    "complete -c fproxy -s V -l version -d 'Version'\n"
    "complete -c fproxy -n '__fish_seen_subcommand_from check drain maintain plan ready reload "
    "rollback status' "
    "-l json -d 'Print JSON'\n"
    "function __fproxy_apps\n    " APP_NAMES "\nend\n"
    "complete -c fproxy -n '__fish_seen_subcommand_from drain maintain ready status rollback "
    "report' -f -a '(__fproxy_apps)'\n"
    "complete -c fproxy -n '__fish_seen_subcommand_from report' -l fail -d 'It does not work'\n"
    "complete -c fproxy -n '__fish_seen_subcommand_from report' -l degraded "
    "-d 'Others are to be preferred'\n"
    "complete -c fproxy -n '__fish_seen_subcommand_from report' -x -l detail -d 'A few words'\n"
    "complete -c fproxy -n '__fish_seen_subcommand_from drain maintain' -l note -x -d Why\n"
    "complete -c fproxy -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'\n"
    "complete -c fproxy -n '__fish_seen_subcommand_from help' -f -a '" COMMANDS "'\n";

static const struct script {
    const char *shell, *text;
} scripts[] = {
    { "bash", bash_script },
    { "zsh", zsh_script },
    { "fish", fish_script },
};

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    const struct script **script = state->input;

    if (key == ARGP_KEY_END && *script == NULL)
        argp_error(state, "which shell? bash, zsh or fish");
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (*script != NULL)
        argp_error(state, "`%s' is too much: one shell at a time", arg);
    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
        if (strcmp(arg, scripts[i].shell) == 0) {
            *script = &scripts[i];
            return 0;
        }
    }
    argp_error(state, "there is no script for `%s': bash, zsh or fish", arg);
    return EINVAL;
}

int
command_completion(int argc, char **argv, void *context)
{
    static const struct argp argp = {
        .parser = parse_option,
        .args_doc = "bash|zsh|fish",
        .doc = "Print a completion script for a shell.\vFor bash, now: "
               "source <(fproxy completion bash)",
    };
    const struct script *script = NULL;

    cli_parse(&argp, argc, argv, &script);
    return fputs(script->text, stdout) < 0 || fflush(stdout) != 0 ? CLI_USAGE : CLI_YES;
}
