/*
 * standing - an endpoint's state as all others see it: what its probes say, and what takes it out
 * beside them. The prober's files only.
 *
 *   maintenance > draining > ejected > what its probes say (health)
 *
 * An ejection is not shown of one that its probes know to be down: they bring it back.
 */
#ifndef FPROXY_PROBES_STANDING_H
#define FPROXY_PROBES_STANDING_H

#include "probes/prober_priv.h"

enum endpoint_state endpoint_state(const struct endpoint *endpoint);
enum reason endpoint_reason(const struct endpoint *endpoint);

/* What takes it out, in words, into DETAIL_BYTES; "": nothing does. */
const char *endpoint_state_detail(const struct endpoint *endpoint, char *text);

/* Connections may go there when nothing better is left: no operator has taken it out. */
bool endpoint_may_be_tried(const struct endpoint *endpoint);

/* Something else than a probe changed: it was in the state `from` until now. Records, shows and
 * publishes it when it is in another one since. */
void endpoint_moved(struct endpoint *endpoint, enum endpoint_state from, enum reason reason,
                    const char *detail);

#endif
