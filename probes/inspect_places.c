#include "probes/inspect_places.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/clock.h"
#include "base/dirs.h"
#include "base/util.h"

enum { KEY_RUNTIME_DIR = 0x200, KEY_STATE_DIR };

static const struct argp_option options[] = {
    { "runtime-dir", KEY_RUNTIME_DIR, "DIR", 0, "Where the boards lie", 10 },
    { "state-dir", KEY_STATE_DIR, "DIR", 0, "Where fproxy.db lies", 10 },
    { 0 },
};

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct inspect_places *places = state->input;

    switch (key) {
    case KEY_RUNTIME_DIR:
        places->runtime_option = arg;
        return 0;
    case KEY_STATE_DIR:
        places->state_option = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp inspect_places_argp = {
    options, parse_option, NULL, NULL, NULL, NULL, NULL,
};

void
inspect_places_find(const char *command, struct inspect_places *places)
{
    char state_dir[PATH_BYTES];
    int rc = dirs_resolve(DIR_RUNTIME, places->runtime_option, NULL, places->runtime_dir);

    if (rc < 0)
        cli_usage_error(command, "no runtime directory is known (%s): give --runtime-dir",
                        strerror(-rc));
    rc = dirs_resolve(DIR_STATE, places->state_option, NULL, state_dir);
    if (rc < 0)
        cli_usage_error(command, "no state directory is known (%s): give --state-dir",
                        strerror(-rc));
    snprintf(places->database, sizeof places->database, "%s/fproxy.db", state_dir);
}

/* Adds to what the note says already. */
static void PRINTF_LIKE(2, 3)
add_note(char *note, const char *format, ...)
{
    size_t used = strlen(note);
    va_list args;

    va_start(args, format);
    vsnprintf(note + used, INSPECT_NOTE_BYTES - used, format, args);
    va_end(args);
}

/* The boards, or what they last said while a supervisor lives. 0: the view is good; else
 * nothing runs there, or -errno. */
static int
read_running(const char *command, struct inspect_places *places, struct inspect_view *view,
             char *note)
{
    int dir_fd = open(places->runtime_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc;

    places->running = false;
    if (dir_fd < 0)
        return -errno;
    rc = inspect_read_boards(dir_fd, false, clock_monotonic_ms(), view);
    places->running = rc == 0 && (view->count > 0 || inspect_is_held(dir_fd));
    if (places->running && view->count == 0) {
        rc = inspect_read_boards(dir_fd, true, clock_monotonic_ms(), view);
        if (view->count > 0)
            add_note(note, "%s: the prober gave no sign of life for %d s; this is what it last "
                     "knew\n", command, INSPECT_FRESH_MS / 1000);
    }
    close(dir_fd);
    return rc != 0 || places->running ? rc : -ENOENT;
}

static int
read_database(const char *command, int boards_rc, const struct inspect_places *places,
              struct inspect_view *view, char *note)
{
    char why[DETAIL_BYTES] = "";
    int rc = inspect_read_database(places->database, view, why);

    if (rc == 0) {
        add_note(note, "%s: nothing runs in %s; this is what the database last knew\n", command,
                 places->runtime_dir);
        return 0;
    }
    add_note(note, "%s: nothing runs in %s", command, places->runtime_dir);
    if (boards_rc != -ENOENT)
        add_note(note, " (%s)", strerror(-boards_rc));
    if (rc == -ENOENT)
        add_note(note, ", and there is no %s", places->database);
    else
        add_note(note, ", and %s cannot be read: %s", places->database, why);
    add_note(note, "\nStart fproxy, or name its directories with --runtime-dir and "
                   "--state-dir.\n");
    return rc;
}

/* EACCES and the like are no sign that nothing runs. */
int
inspect_places_read(const char *command, struct inspect_places *places,
                    struct inspect_view *view, char *note)
{
    int rc;

    note[0] = '\0';
    rc = read_running(command, places, view, note);
    if (rc == -EACCES || rc == -EPERM) {
        add_note(note, "%s: %s may not be read: %s\nRun it as root or as a member of the "
                 "directory's group.\n", command, places->runtime_dir, strerror(-rc));
        return rc;
    }
    return rc == 0 ? 0 : read_database(command, rc, places, view, note);
}

void
inspect_unknown(const char *command, const char *what, const char *name, const char *nearest)
{
    fprintf(stderr, "%s: there is no %s `%s'", command, what, name);
    if (nearest != NULL)
        fprintf(stderr, "; did you mean `%s'?\n", nearest);
    else
        fprintf(stderr, "; `fproxy-probe inspect' lists what there is\n");
}

bool
inspect_is_known(const char *command, const struct inspect_places *places, const char *app,
                 const char *target)
{
    struct inspect_view view = { 0 };
    const char *nearest = NULL;
    char why[DETAIL_BYTES] = "";
    int rc = inspect_read_database(places->database, &view, why);
    bool known = rc == 0;

    if (rc < 0)
        inspect_no_database(command, places, rc, why);
    if (known && app != NULL && inspect_keep_app(&view, app, &nearest) < 0) {
        inspect_unknown(command, "app", app, nearest);
        known = false;
    } else if (known && target != NULL &&
               inspect_keep_target(&view.apps[0], target, &nearest) < 0) {
        inspect_unknown(command, "target", target, nearest);
        known = false;
    }
    inspect_view_free(&view);
    return known;
}

void
inspect_no_database(const char *command, const struct inspect_places *places, int rc,
                    const char *why)
{
    if (rc == -ENOENT)
        fprintf(stderr, "%s: there is no %s; name the directory it lies in with --state-dir\n",
                command, places->database);
    else
        fprintf(stderr, "%s: %s cannot be read: %s\n", command, places->database, why);
}
