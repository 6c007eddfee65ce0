/*
 * commit - the moment in which a rollout takes effect; it cannot fail any more.
 *
 *   next -> current: its worker is told to take the clients with it; the old one leaves
 *   removed: its ports close, its connections have drain_timeout to end
 *
 * The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_COMMIT_H
#define FPROXY_SUPERVISOR_COMMIT_H

#include "proxy/supervisor/apps.h"

/* All of `members`: those with a `next` first, then those that are removed. */
void commit_group(struct supervisor *supervisor, struct app **members, size_t count,
                  bool hand_over);

/* The app is configured no more, and nobody waits for its ports. It may be freed. */
void commit_removal(struct app *app);

/* What never served is taken from its worker and the prober; app->current is NULL then, the
 * generation the caller's. */
void commit_drop_current(struct app *app);

#endif
