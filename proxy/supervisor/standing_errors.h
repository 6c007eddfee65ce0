/*
 * standing_errors - the errors that the configuration has now, told by the last change or before.
 *
 * Kept for `fproxy status` and `fproxy reload`: those of a whole file, of `daemon` and `defaults`
 * or of a name that is taken belong to no app that could show them. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_STANDING_ERRORS_H
#define FPROXY_SUPERVISOR_STANDING_ERRORS_H

#include <jansson.h>
#include <stddef.h>

struct config_change;
struct config_error_item;
struct supervisor;

struct standing_errors {
    struct config_error_item *items;    /* owned; CONFIG_ERRORS_MAX at most */
    size_t count;
};

/* Takes over what stands in the change (which has none afterwards), and tells when the last one is
 * mended. */
void standing_errors_keep(struct supervisor *supervisor, struct config_change *change);

/* A list of {"app": "" where none is known, "error": FILE:LINE: app: key: message}. The caller owns
 * it; NULL without memory. */
json_t *standing_errors_json(const struct supervisor *supervisor);

void standing_errors_free(struct standing_errors *errors);

#endif
