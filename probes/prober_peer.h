/*
 * prober_peer - the connection to the supervisor, and to the one that succeeds it.
 *
 *   CONTROL_FD ------> [ supervisor ]  killed
 *   CONTROL_LISTEN_FD <---------------------- connect() [ its successor ]
 *
 * Whoever connects replaces the present one and is told what the prober holds: HELLO, a
 * REPORT_APP a loaded generation, REPORT_END; then the present health of each and what it asks
 * for, then the history that nobody took. All of it at the pace at which the supervisor reads:
 * nothing is queued, and a text's descriptor exists only while it is sent. The prober's files
 * only.
 */
#ifndef FPROXY_PROBES_PROBER_PEER_H
#define FPROXY_PROBES_PROBER_PEER_H

#include "probes/prober_priv.h"

/* Takes both over; `listener` may be -1. 0 or -ENOMEM; prober_peer_fini() either way. */
int prober_peer_init(struct prober *prober, int control, int listener);
void prober_peer_fini(struct prober *prober);

/* To the supervisor, when there is one. */
void prober_tell(struct prober *prober, const struct control_message *message);

/* The app is about to go. */
void prober_peer_forget(struct prober *prober, const struct prober_app *app);

#endif
