/*
 * claims - who has which name and which port, over all apps of a configuration.
 *
 * The first to come keeps it; the later one is the error, and its message names both
 * places. An app that has errors keeps its names and ports too: it may be running still.
 */
#ifndef FPROXY_CONFIG_CLAIMS_H
#define FPROXY_CONFIG_CLAIMS_H

#include "config/app_read.h"

struct claims;

/* NULL without memory. */
struct claims *claims_create(void);
void claims_destroy(struct claims *claims);

/* Claims name and ports of a draft that was read from `file`, and tells what others have.
 * `file` stays valid as long as the claims do. 0 or -ENOMEM. */
int claims_add(struct claims *claims, const struct app_draft *draft, const char *file,
               enum syntax syntax, struct problems *problems);

#endif
