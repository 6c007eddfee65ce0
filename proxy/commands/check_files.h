/*
 * check_files - what `fproxy check` finds wrong with files that probes will need.
 *
 * A file of `ca` that is not there or has no certificates is an error, for the prober would refuse
 * the app's configuration. One that this user may not read is a warning, and so is a command that
 * is not there: fproxy may be another user, and the app serves without it.
 */
#ifndef FPROXY_COMMANDS_CHECK_FILES_H
#define FPROXY_COMMANDS_CHECK_FILES_H

#include "config/config.h"
#include "config/errors.h"

struct check_files {
    struct error_list errors, warnings;
    size_t apps_refused;            /* of those that validated: they have errors here */
};

/* Looks at the files of all apps that validated. 0, or -ENOMEM; to fini in any case. */
int check_files_look(struct check_files *files, const struct config *config);
void check_files_fini(struct check_files *files);

#endif
