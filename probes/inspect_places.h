/*
 * inspect_places - where the commands of fproxy-probe look, and what they say of it.
 *
 * Boards first; when nothing gives a sign of life, the database. Reads only.
 */
#ifndef FPROXY_PROBES_INSPECT_PLACES_H
#define FPROXY_PROBES_INSPECT_PLACES_H

#include <argp.h>
#include <stdbool.h>

#include "base/names.h"
#include "probes/inspect.h"

enum { INSPECT_NOTE_BYTES = 2 * PATH_BYTES + 512 };

struct inspect_places {
    const char *runtime_option, *state_option;  /* borrowed: as given, or NULL */
    char runtime_dir[PATH_BYTES];
    char database[PATH_BYTES + 16];
    bool running;                   /* the view that was read last is of something that lives */
};

/* --runtime-dir and --state-dir, as a child of a command's parser. Its input is the
 * struct inspect_places, which the parent puts into state->child_inputs[]. */
extern const struct argp inspect_places_argp;

/* Finds the directories; ends the program with CLI_USAGE when none is known. */
void inspect_places_find(const char *command, struct inspect_places *places);

/* Reads the view from what lives, else from the database. `note` (INSPECT_NOTE_BYTES) gets what
 * the operator should know of it, whole lines; "" when all is well. 0 or -errno, which `note`
 * explains. */
int inspect_places_read(const char *command, struct inspect_places *places,
                        struct inspect_view *view, char *note);

/* Says on standard error that there is no such `what` ("app", "target"). */
void inspect_unknown(const char *command, const char *what, const char *name,
                     const char *nearest);

/* Does the database know the app, and the target of it (NULL: is not asked)? If not, says so on
 * standard error. */
bool inspect_is_known(const char *command, const struct inspect_places *places,
                      const char *app, const char *target);

/* Says on standard error why the database could not be read: as sqlite_file_read() told. */
void inspect_no_database(const char *command, const struct inspect_places *places, int rc,
                         const char *why);

#endif
