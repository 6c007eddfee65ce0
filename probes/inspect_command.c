/*
 * fproxy-probe inspect - which targets are available, and why the others are not.
 */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "probes/inspect.h"
#include "probes/inspect_at.h"
#include "probes/inspect_command.h"
#include "probes/inspect_options.h"
#include "probes/inspect_places.h"
#include "probes/inspect_print.h"
#include "probes/inspect_time.h"
#include "probes/inspect_watch.h"
#include "probes/inspect_why.h"

enum { KEY_WHY = 0x100, KEY_WATCH, KEY_AT };

struct arguments {
    struct inspect_asked asked;
    const char *at;
    bool why, watch;
};

static const struct argp_option options[] = {
    { "why", KEY_WHY, NULL, 0,
      "Tell in sentences why each is as it is, and what happens next", 0 },
    { "watch", KEY_WATCH, NULL, 0, "Show it until Ctrl-C, and mark what changes", 0 },
    { "at", KEY_AT, "TIME", 0, "Show who was available then, from the database", 0 },
    INSPECT_OPTION_JSON,
    { 0 },
};

static void
check(const struct arguments *arguments, struct argp_state *state)
{
    if (arguments->why + arguments->watch + (arguments->at != NULL) > 1)
        argp_error(state, "--why, --watch and --at are three things: give one of them");
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case KEY_WHY:
        arguments->why = true;
        return 0;
    case KEY_WATCH:
        arguments->watch = true;
        return 0;
    case KEY_AT:
        arguments->at = arg;
        return 0;
    case ARGP_KEY_END:
        check(arguments, state);
        return 0;
    default:
        return inspect_option(key, arg, state, "inspect", &arguments->asked);
    }
}

static const struct argp argp = {
    options, parse_option, "[APP [TARGET]]",
    "Show the targets of all apps, or of one, or one target: their endpoints, whether they are "
    "available, since when and why.\v"
    "TARGET is as in the configuration, or an endpoint's address. TIME is like "
    INSPECT_TIME_FORMS ". The directories come from "
    "these options, from FPROXY_RUNTIME_DIR and FPROXY_STATE_DIR, or are fproxy's defaults. "
    "While nothing runs this shows what the database last knew. With --watch and no terminal, "
    "or with --json, each change is a line. Status 0: yes; 1: APP is not "
    "ready, TARGET gets no connections (with --at: none of APP, or of TARGET, did); 2: wrong "
    "usage, there is no such app or target, or nothing is known. --watch ends with 0.",
    inspect_children, NULL, NULL,
};

/* Leaves what was asked for in the view, and says whether that is well: the exit status. */
static int
select_asked(const char *command, const struct inspect_asked *asked, struct inspect_view *view)
{
    const char *nearest;

    if (asked->app == NULL)
        return CLI_YES;
    if (inspect_keep_app(view, asked->app, &nearest) < 0) {
        inspect_unknown(command, "app", asked->app, nearest);
        return CLI_USAGE;
    }
    if (asked->target == NULL)
        return asked->places.running && view->apps[0].ready ? CLI_YES : CLI_NO;
    if (inspect_keep_target(&view->apps[0], asked->target, &nearest) < 0) {
        inspect_unknown(command, "target", asked->target, nearest);
        return CLI_USAGE;
    }
    return inspect_any_eligible(&view->apps[0]) ? CLI_YES : CLI_NO;
}

static int
print_json(json_t *json)
{
    int rc = -1;

    if (json != NULL)
        rc = json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(json);
    return rc;
}

static bool
wants_colours(void)
{
    return isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
}

/* Without a running fproxy no app is ready, which was said already. */
static int
print_table(const struct inspect_asked *asked, const struct inspect_view *view)
{
    enum inspect_apps apps = INSPECT_APPS_IN_TROUBLE;

    if (!asked->places.running || asked->target != NULL)
        apps = INSPECT_APPS_NONE;
    else if (asked->app != NULL)
        apps = INSPECT_APPS_ALL;

    if (view->count == 0) {
        puts("no app is configured");
        return 0;
    }
    return inspect_print_table(stdout, view, clock_wall_ms(), wants_colours(), apps);
}

/* The database only adds to it: when it cannot be read, that is said, and the rest is told. */
static int
print_why(const char *command, const struct inspect_asked *asked, const struct inspect_view *view)
{
    char trouble[DETAIL_BYTES];
    struct why_all all;
    int64_t now_ms = clock_wall_ms();
    int rc = why_facts_read(asked->places.database, view, &all, trouble);
    json_t *json;

    if (rc < 0)
        fprintf(stderr, "%s: without %s, which tells of DNS, thresholds and what was before: "
                "%s\n", command, asked->places.database,
                all.facts == NULL ? "no memory" : trouble);
    if (all.facts == NULL)
        return rc;
    if (!asked->json) {
        rc = why_print(stdout, view, &all, now_ms, wants_colours());
    } else {
        json = inspect_json(view);
        rc = why_add_json(json, view, &all, now_ms);
        rc |= print_json(json);
    }
    why_facts_free(&all);
    return rc;
}

static int
inspect_now(const char *command, struct arguments *arguments)
{
    struct inspect_asked *asked = &arguments->asked;
    struct inspect_view view = { 0 };
    char note[INSPECT_NOTE_BYTES];
    int status = CLI_USAGE, rc = inspect_places_read(command, &asked->places, &view, note);

    fputs(note, stderr);
    if (rc == 0)
        status = select_asked(command, asked, &view);
    if (status == CLI_USAGE)
        goto out;
    if (arguments->why)
        rc = print_why(command, asked, &view);
    else
        rc = asked->json ? print_json(inspect_json(&view)) : print_table(asked, &view);
    status = inspect_printed(command, rc, status);
out:
    inspect_view_free(&view);
    return status;
}

static int
inspect_then(const char *command, const struct arguments *arguments)
{
    const struct inspect_asked *asked = &arguments->asked;
    int64_t now_ms = clock_wall_ms(), at_ms;

    if (inspect_time_parse(arguments->at, now_ms, &at_ms) < 0)
        cli_usage_error(command, "`%s' is no time; write " INSPECT_TIME_FORMS, arguments->at);
    if (at_ms > now_ms)
        cli_usage_error(command, "`%s' lies ahead: --at tells what was", arguments->at);
    return inspect_at(command, &asked->places, asked->app, asked->target, at_ms, asked->json);
}

int
inspect_command(int argc, char **argv, void *context)
{
    struct arguments arguments = { 0 };
    struct inspect_asked *asked = &arguments.asked;

    setlocale(LC_CTYPE, "");
    cli_parse(&argp, argc, argv, &arguments);
    inspect_places_find(argv[0], &asked->places);
    if (arguments.at != NULL)
        return inspect_then(argv[0], &arguments);
    if (arguments.watch)
        return inspect_watch(argv[0], &asked->places, asked->app, asked->target, asked->json);
    return inspect_now(argv[0], &arguments);
}
