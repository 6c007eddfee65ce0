#include "probes/inspect_options.h"

#include <stdio.h>

#include "base/cli.h"

const struct argp_child inspect_children[] = {
    { &inspect_places_argp, 0, NULL, 0 },
    { NULL, 0, NULL, 0 },
};

error_t
inspect_option(int key, char *arg, struct argp_state *state, const char *command,
               struct inspect_asked *asked)
{
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &asked->places;
        return 0;
    case 'j':
        asked->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (asked->target != NULL)
            argp_error(state, "`%s' is too much: %s takes an APP and a TARGET", arg, command);
        *(asked->app == NULL ? &asked->app : &asked->target) = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int
inspect_printed(const char *command, int rc, int status)
{
    if (rc >= 0 && fflush(stdout) == 0)
        return status;
    fprintf(stderr, "%s: cannot print it\n", command);
    return CLI_USAGE;
}
