/*
 * run_config - the configuration of an app for a command: of the files, else the last good one.
 *
 * What goes wrong is told on standard error, as "COMMAND: ...".
 */
#ifndef FPROXY_PROBES_RUN_CONFIG_H
#define FPROXY_PROBES_RUN_CONFIG_H

#include "config/app.h"

struct run_places {
    const char *command;            /* "fproxy-probe run" */
    const char *config_path;        /* --config; NULL: where the supervisor looks */
    const char *state_dir;          /* --state-dir; NULL: likewise */
};

/* The app `name`, to be given to app_config_fini(). With --config only those files count. 0, or
 * -errno when there is none, which was told. */
int run_config_find(const struct run_places *places, const char *name, struct app_config *app);

/* Tells when who owns the database, the daemon's user, is somebody else: then what depends on
 * rights may end otherwise than for the daemon. */
void run_config_tell_rights(const struct run_places *places);

#endif
