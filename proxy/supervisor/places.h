/*
 * places - where configuration, state and runtime files are: for the supervisor and for
 * the commands that look for it.
 *
 * The option counts first, then the environment, then what the configuration says, then
 * the default.
 */
#ifndef FPROXY_SUPERVISOR_PLACES_H
#define FPROXY_SUPERVISOR_PLACES_H

#include "config/set.h"
#include "proxy/supervisor/supervisor.h"

struct places {
    char config_path[PATH_BYTES];   /* absolute */
    char state_dir[PATH_BYTES], runtime_dir[PATH_BYTES];
    struct settings settings;       /* of the configuration, or the defaults */
    struct config_set *set;         /* looked at; config_set_destroy() it */
    int config_error;               /* the configuration cannot be read: -errno */
};

/* For the supervisor: reads all of the configuration. 0, or -errno with nothing to free. */
int places_find(const struct supervisor_options *options, struct places *places);

/* For a command: only as much of the configuration as it takes to know where things are, for
 * there may be thousands of files. `places->set` is NULL. 0 or -errno. */
int places_look_up(const struct supervisor_options *options, struct places *places);

#endif
