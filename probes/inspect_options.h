/*
 * inspect_options - what inspect, history and replay have in common on the command line: an APP and
 * a TARGET, --json, and where to look.
 */
#ifndef FPROXY_PROBES_INSPECT_OPTIONS_H
#define FPROXY_PROBES_INSPECT_OPTIONS_H

#include <argp.h>
#include <stdbool.h>

#include "probes/inspect_places.h"

/* What was asked for; texts are borrowed from the command line. */
struct inspect_asked {
    const char *app, *target;       /* NULL: not given */
    bool json;
    struct inspect_places places;
};

#define INSPECT_OPTION_JSON { "json", 'j', NULL, 0, "Print JSON", 0 }

/* The options that say where to look: the children of such a command's parser. */
extern const struct argp_child inspect_children[];

/* Takes what the command's parser has no own meaning for; ARGP_ERR_UNKNOWN when it is nothing of
 * the above. `command` is its name, for messages: "history". */
error_t inspect_option(int key, char *arg, struct argp_state *state, const char *command,
                       struct inspect_asked *asked);

/* Ends a command that printed: `rc` says how that went, `status` what it found. Returns the exit
 * status; what could not be printed is told. */
int inspect_printed(const char *command, int rc, int status);

#endif
