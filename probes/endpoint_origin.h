/*
 * endpoint_origin - what an endpoint begins with. The prober's files only.
 *
 * The first that knows it tells: the board that an earlier prober left (recall.h), another
 * generation of the app, the database, the key `initial`. The first two hand over everything:
 * counters and timers as well, so that it goes on where it was; its id and, from the board,
 * its slot stay. A probe of another kind takes over where it stood, as from the database, and
 * its own first probe decides.
 */
#ifndef FPROXY_PROBES_ENDPOINT_ORIGIN_H
#define FPROXY_PROBES_ENDPOINT_ORIGIN_H

#include "probes/endpoint_priv.h"

/* Sets id, health of its checks and everything else that is known. Those that go on have the time
 * at which their next probe is due, the others 0. */
void endpoint_origin(struct endpoint *endpoint);

#endif
