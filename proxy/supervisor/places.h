/*
 * places - where configuration, state and runtime files are: for the supervisor and for
 * the commands that look for it.
 *
 * The option counts first, then the environment, then what the configuration says, then
 * the default.
 */
#ifndef FPROXY_SUPERVISOR_PLACES_H
#define FPROXY_SUPERVISOR_PLACES_H

#include "config/config.h"
#include "proxy/supervisor/supervisor.h"

struct places {
    char config_path[PATH_BYTES];   /* absolute */
    char state_dir[PATH_BYTES], runtime_dir[PATH_BYTES];
    struct settings settings;       /* of the configuration, or the defaults */
    struct config *config;          /* config_free() it; NULL when it cannot be read */
    int config_error;               /* then: -errno */
};

/* Reads the configuration, too. 0, or -errno with nothing to free. */
int places_find(const struct supervisor_options *options, struct places *places);

/* Sets level and format of the log; 0, or -1 when the level is none, which was told. */
int places_set_log(const struct supervisor_options *options, const struct places *places);

#endif
