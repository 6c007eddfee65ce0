/*
 * endpoint - one address of a target: its probes, its state, and what is told of both. The
 * prober's files only.
 */
#ifndef FPROXY_PROBES_ENDPOINT_H
#define FPROXY_PROBES_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "probes/prober_priv.h"

/* In its target's list, with a slot when one is free, its next probe scheduled: soon, unless
 * another prober or generation has told when (endpoint_origin.h). NULL without memory. An
 * address of family 0 stands for an unresolved target. */
struct endpoint *endpoint_create(struct target *target, const struct address *address);

/* `gone`: there is no such address any more, the database forgets it and its slot is freed.
 * Else the app is unloaded: its board stays as it is. */
void endpoint_destroy(struct endpoint *endpoint, bool gone);

/* What its last probe says, for people. */
void endpoint_set_detail(struct endpoint *endpoint, const char *detail);

/* Why there is no address. */
void endpoint_set_unresolved(struct endpoint *endpoint, enum reason reason,
                             const struct resolver_answer *answer);

/* Evidence against it: its next probe starts now, unless one runs or waits already, the last
 * such was less than 250 ms ago, or its state says already that it may be dead. */
void endpoint_hurry(struct endpoint *endpoint, uint64_t now_ms);

/* No probes until endpoint_resume(); then it is unknown, and probed at once. */
void endpoint_pause(struct endpoint *endpoint);
void endpoint_resume(struct endpoint *endpoint);

/* For the gate: the probe of this ticket may start. */
gate_open_fn endpoint_gate_open;

#endif
