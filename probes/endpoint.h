/*
 * endpoint - one address of a target: its probes, its state, and what is told of both. The
 * prober's files only.
 */
#ifndef FPROXY_PROBES_ENDPOINT_H
#define FPROXY_PROBES_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "probes/prober_priv.h"

/* In its target's list, with a slot when one is free, its first probe scheduled. NULL without
 * memory. An address of family 0 stands for an unresolved target. */
struct endpoint *endpoint_create(struct target *target, const struct address *address);

/* `recorded`: the database forgets it too. */
void endpoint_destroy(struct endpoint *endpoint, bool recorded);

/* Why there is no address. */
void endpoint_set_unresolved(struct endpoint *endpoint, enum reason reason,
                             const struct resolver_answer *answer);

/* Writes the summary of a minute that is over, and its row when that grows old. To be called
 * every now and then. */
void endpoint_minute(struct endpoint *endpoint, int64_t wall_ms);

/* Its row in the database, or that it has none any more. */
void endpoint_record(struct endpoint *endpoint);
void endpoint_record_gone(const struct endpoint *endpoint);

/* Evidence against it: its next probe starts now, unless one runs or waits already, the last
 * such was less than 250 ms ago, or its state says already that it may be dead. */
void endpoint_hurry(struct endpoint *endpoint, uint64_t now_ms);

/* For the gate: the probe of this ticket may start. */
gate_open_fn endpoint_gate_open;

#endif
