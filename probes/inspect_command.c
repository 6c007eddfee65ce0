/*
 * fproxy-probe inspect - which targets are available, and why the others are not.
 *
 * Boards first; when nothing gives a sign of life, the database, and it says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/dirs.h"
#include "probes/inspect.h"
#include "probes/inspect_command.h"
#include "probes/inspect_print.h"

enum { KEY_RUNTIME_DIR = 0x100, KEY_STATE_DIR };

struct arguments {
    const char *app, *target;
    const char *runtime_dir, *state_dir;
    bool json;
};

/* Where the view came from. */
struct sources {
    char runtime_dir[PATH_BYTES];
    char database[PATH_BYTES + 16];
    bool running;                   /* the view is of something that lives */
};

static const struct argp_option options[] = {
    { "json", 'j', NULL, 0, "Print JSON", 0 },
    { "runtime-dir", KEY_RUNTIME_DIR, "DIR", 0, "Where the boards lie", 0 },
    { "state-dir", KEY_STATE_DIR, "DIR", 0, "Where fproxy.db lies", 0 },
    { 0 },
};

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'j':
        arguments->json = true;
        return 0;
    case KEY_RUNTIME_DIR:
        arguments->runtime_dir = arg;
        return 0;
    case KEY_STATE_DIR:
        arguments->state_dir = arg;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->app == NULL)
            arguments->app = arg;
        else if (arguments->target == NULL)
            arguments->target = arg;
        else
            argp_error(state, "`%s' is too much: inspect takes an APP and a TARGET", arg);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    options, parse_option, "[APP [TARGET]]",
    "Show the targets of all apps, or of one, or one target: their endpoints, whether they are "
    "available, since when and why.\v"
    "TARGET is as in the configuration, or an endpoint's address. The directories come from "
    "these options, from FPROXY_RUNTIME_DIR and FPROXY_STATE_DIR, or are fproxy's defaults. "
    "While nothing runs this shows what the database last knew. Status 0: yes; 1: APP is not "
    "ready, TARGET gets no connections; 2: wrong usage, there is no such app or target, or "
    "nothing is known.",
    NULL, NULL, NULL,
};

static void
find_places(const char *command, const struct arguments *arguments, struct sources *sources)
{
    char state_dir[PATH_BYTES];
    int rc = dirs_resolve(DIR_RUNTIME, arguments->runtime_dir, NULL, sources->runtime_dir);

    if (rc < 0)
        cli_usage_error(command, "no runtime directory is known (%s): give --runtime-dir",
                        strerror(-rc));
    rc = dirs_resolve(DIR_STATE, arguments->state_dir, NULL, state_dir);
    if (rc < 0)
        cli_usage_error(command, "no state directory is known (%s): give --state-dir",
                        strerror(-rc));
    snprintf(sources->database, sizeof sources->database, "%s/fproxy.db", state_dir);
}

/* The boards, or what they last said while a supervisor lives. 0: the view is good; else
 * nothing runs there, or -errno. */
static int
read_running(const char *command, struct sources *sources, struct inspect_view *view)
{
    int dir_fd = open(sources->runtime_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc;

    if (dir_fd < 0)
        return -errno;
    rc = inspect_read_boards(dir_fd, false, clock_monotonic_ms(), view);
    sources->running = rc == 0 && (view->count > 0 || inspect_is_held(dir_fd));
    if (sources->running && view->count == 0) {
        rc = inspect_read_boards(dir_fd, true, clock_monotonic_ms(), view);
        if (view->count > 0)
            fprintf(stderr, "%s: the prober gave no sign of life for %d s; this is what it "
                    "last knew\n", command, INSPECT_FRESH_MS / 1000);
    }
    close(dir_fd);
    return rc != 0 || sources->running ? rc : -ENOENT;
}

static int
read_database(const char *command, int boards_rc, struct sources *sources,
              struct inspect_view *view)
{
    char why[DETAIL_BYTES] = "";
    int rc = inspect_read_database(sources->database, view, why);

    if (rc == 0) {
        fprintf(stderr, "%s: nothing runs in %s; this is what the database last knew\n",
                command, sources->runtime_dir);
        return 0;
    }
    fprintf(stderr, "%s: nothing runs in %s", command, sources->runtime_dir);
    if (boards_rc != -ENOENT)
        fprintf(stderr, " (%s)", strerror(-boards_rc));
    if (rc == -ENOENT)
        fprintf(stderr, ", and there is no %s", sources->database);
    else
        fprintf(stderr, ", and %s cannot be read: %s", sources->database, why);
    fprintf(stderr, "\nStart fproxy, or name its directories with --runtime-dir and "
                    "--state-dir.\n");
    return rc;
}

/* EACCES and the like are no sign that nothing runs. */
static int
read_view(const char *command, struct sources *sources, struct inspect_view *view)
{
    int rc = read_running(command, sources, view);

    if (rc == -EACCES || rc == -EPERM) {
        fprintf(stderr, "%s: %s may not be read: %s\nRun it as root or as a member of the "
                "directory's group.\n", command, sources->runtime_dir, strerror(-rc));
        return rc;
    }
    return rc == 0 ? 0 : read_database(command, rc, sources, view);
}

static void
unknown(const char *command, const char *what, const char *name, const char *nearest)
{
    fprintf(stderr, "%s: there is no %s `%s'", command, what, name);
    if (nearest != NULL)
        fprintf(stderr, "; did you mean `%s'?\n", nearest);
    else
        fprintf(stderr, "; `fproxy-probe inspect' lists what there is\n");
}

/* Leaves what was asked for in the view, and says whether that is well: the exit status. */
static int
select_asked(const char *command, const struct arguments *arguments,
             const struct sources *sources, struct inspect_view *view)
{
    const char *nearest;

    if (arguments->app == NULL)
        return CLI_YES;
    if (inspect_keep_app(view, arguments->app, &nearest) < 0) {
        unknown(command, "app", arguments->app, nearest);
        return CLI_USAGE;
    }
    if (arguments->target == NULL)
        return sources->running && view->apps[0].ready ? CLI_YES : CLI_NO;
    if (inspect_keep_target(&view->apps[0], arguments->target, &nearest) < 0) {
        unknown(command, "target", arguments->target, nearest);
        return CLI_USAGE;
    }
    return inspect_any_eligible(&view->apps[0]) ? CLI_YES : CLI_NO;
}

static int
print_json(const struct inspect_view *view)
{
    json_t *json = inspect_json(view);
    int rc = -1;

    if (json != NULL)
        rc = json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(json);
    return rc;
}

/* Without a running fproxy no app is ready, which was said already. */
static int
print_table(const struct arguments *arguments, bool running, const struct inspect_view *view)
{
    bool colours = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL;
    enum inspect_apps apps = INSPECT_APPS_IN_TROUBLE;

    if (!running || arguments->target != NULL)
        apps = INSPECT_APPS_NONE;
    else if (arguments->app != NULL)
        apps = INSPECT_APPS_ALL;

    if (view->count == 0) {
        puts("no app is configured");
        return 0;
    }
    return inspect_print_table(stdout, view, clock_wall_ms(), colours, apps);
}

int
inspect_command(int argc, char **argv, void *context)
{
    struct arguments arguments = { 0 };
    struct sources sources = { 0 };
    struct inspect_view view = { 0 };
    int status = CLI_USAGE, rc;

    setlocale(LC_CTYPE, "");
    cli_parse(&argp, argc, argv, &arguments);
    find_places(argv[0], &arguments, &sources);
    if (read_view(argv[0], &sources, &view) < 0)
        goto out;
    status = select_asked(argv[0], &arguments, &sources, &view);
    if (status == CLI_USAGE)
        goto out;
    rc = arguments.json ? print_json(&view) : print_table(&arguments, sources.running, &view);
    if (rc < 0 || fflush(stdout) != 0) {
        fprintf(stderr, "%s: cannot print it\n", argv[0]);
        status = CLI_USAGE;
    }
out:
    inspect_view_free(&view);
    return status;
}
