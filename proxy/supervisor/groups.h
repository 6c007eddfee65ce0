/*
 * groups - `daemon` and `defaults` have a last good too: it holds when the present one has
 * errors, or stood in a file that cannot be read now.
 *
 * Else a mistake in one file would change every app of all the others. Where state and
 * runtime files are is the exception: that must be known before the database can be asked.
 */
#ifndef FPROXY_SUPERVISOR_GROUPS_H
#define FPROXY_SUPERVISOR_GROUPS_H

#include "proxy/supervisor/places.h"

/* Puts last good groups in the place of those that cannot be used: the configuration is read
 * again with them, for every app depends on its defaults. What holds now, when it is good and
 * new, is written as last good; what is configured no more is forgotten. */
void groups_settle(struct supervisor *supervisor, struct places *places);

#endif
