/*
 * source - the hosts whose addresses are a target's: the one of its name, or those that the SRV
 * records of a service name. The prober's files only.
 *
 * A record that is not named any more takes its source away, and its endpoints leave by the
 * rules of dns_hold.h; while lookups of the service fail its sources stay.
 */
#ifndef FPROXY_PROBES_SOURCE_H
#define FPROXY_PROBES_SOURCE_H

#include <stdbool.h>

#include "probes/endpoint_priv.h"

/* Begins to watch the target's name, with what is known of it already. 0 or -ENOMEM. */
int sources_start(struct target *target);
void sources_fini(struct target *target);

/* The services are those of the newest answer: makes the sources follow. Not from a callback of
 * the resolver. Without memory the next answer tries again. */
void sources_follow_services(struct target *target);

/* How every lookup ended is known. */
bool sources_looked_up(const struct target *target);

/* Why the target has no address, and the answer that says so; true when every lookup ended. */
bool sources_explain(const struct target *target, enum reason *reason,
                     struct resolver_answer *answer);

/* What the target resolves to is in doubt: see resolver_hurry(). */
void sources_hurry(struct target *target);

#endif
