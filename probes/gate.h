/*
 * gate - how many probes may run at once, overall and per destination address.
 *
 * A probe that may not start waits in its destination's queue, in order of arrival; the
 * destinations take turns. Endpoints that are down may use half of either limit at most, so
 * that a black hole with a thousand ports never holds up the probes of what works. A wait
 * is never a failure of the endpoint. The loop's thread only; every step is O(1).
 */
#ifndef FPROXY_PROBES_GATE_H
#define FPROXY_PROBES_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/address.h"

struct gate;
struct gate_destination;

/* A probe's place in the gate: zeroed by its owner before first use. */
struct gate_ticket {
    TAILQ_ENTRY(gate_ticket) link;
    struct gate_destination *destination;   /* NULL: neither waiting nor running */
    bool down;
    bool running;
};

/* May run now; it was waiting. It may call gate_leave() at once. */
typedef void gate_open_fn(struct gate_ticket *ticket);

/* NULL without memory. */
struct gate *gate_create(uint32_t limit, uint32_t limit_per_destination, gate_open_fn *open);
/* Nothing may be waiting or running. */
void gate_destroy(struct gate *gate);

/* Both at least 1. Those that wait may start now. */
void gate_set_limits(struct gate *gate, uint32_t limit, uint32_t limit_per_destination);

/* 1: run now. 0: waiting, `open` follows. -ENOMEM. */
int gate_enter(struct gate *gate, struct gate_ticket *ticket, const struct address *address,
               bool down);

/* The probe ended, or does not want to wait any longer. Does nothing outside. */
void gate_leave(struct gate *gate, struct gate_ticket *ticket);

uint32_t gate_running(const struct gate *gate);
uint32_t gate_waiting(const struct gate *gate);

#endif
