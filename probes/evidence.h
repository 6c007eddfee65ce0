/*
 * evidence - what clients find out between two probes makes the next probe start at once.
 *
 *   worker --failures--> traffic page <--looks, 20 a second-- prober --probe--> endpoint
 *
 * A worker counts each endpoint's failed and late tries in its page's knowledge. When a count
 * differs from that at the last probe's start, the endpoint is probed now, not when its turn
 * comes; what the outcome means stays health.h's business. The worker in turn believes that probe
 * (knowledge.h). Several failures in a row take the endpoint out at once (ejection.h).
 *
 * A look compares each slot's cell of the page with what it was at the look before, and goes to
 * the endpoint only when it differs, when another endpoint has the slot now, or when a probe that
 * has to start could not yet. Apps whose workers try something are looked at every 50 ms as long
 * as they have no more than LOOK_SLOTS slots in all, and in turn when they do; the quiet ones in
 * turn, LOOK_QUIET_SLOTS a look: of 5,000 quiet apps of one target a first failure is seen within
 * half a second, of 500 at the next look. The page of a quiet app is memory that nobody else keeps
 * warm: its look touches the app's mark, one cell and a line for each thread, and these come while
 * others are looked at. There is no timer while no app has both a page and probes or an ejection.
 * The prober's files only.
 */
#ifndef FPROXY_PROBES_EVIDENCE_H
#define FPROXY_PROBES_EVIDENCE_H

#include "probes/prober_app_priv.h"

enum {
    LOOK_INTERVAL_MS = 50,
    LOOK_SLOTS = 4096,
    LOOK_QUIET_SLOTS = 512,
    LOOKS_BUSY = 20,            /* an app stays busy after its last try that was seen */
};

/* For the prober's start, before any app. */
void evidence_init(struct prober *prober);

/* From now on the app's evidence is the page behind `fd` (the caller keeps it; -1: there is
 * none), which belongs to its present board. A page that cannot be used is told and left
 * out: everything works without it, only later. */
void evidence_use(struct prober_app *app, int fd);

/* Forgets the page. */
void evidence_fini(struct prober_app *app);

/* A probe of it starts: it answers for everything up to here. */
void evidence_seen(struct endpoint *endpoint);
/* It has a slot now: what was seen of who had that before is nothing of its own. */
void evidence_begin(struct endpoint *endpoint);

#endif
