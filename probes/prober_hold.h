/*
 * prober_hold - which of a target's endpoints stay, by what DNS and the probes say together: the
 * rules of dns_hold.h applied, and each decision told. The prober's files only.
 */
#ifndef FPROXY_PROBES_PROBER_HOLD_H
#define FPROXY_PROBES_PROBER_HOLD_H

#include <stdint.h>

#include "probes/endpoint_priv.h"

/* Takes away the endpoints that have to go (their target may be left without any), and lets
 * others leave or come back. The instant at which to look again, CLOCK_MONOTONIC; 0: none. */
uint64_t target_hold(struct target *target, uint64_t now_ms);

/* Of those that are leaving the first that may go: one that does not work before one that does,
 * else the one that has been leaving for longest. NULL: none is leaving. */
struct endpoint *target_hold_first_out(const struct target *target);

/* Takes that one away, so that another one has room; false: there is none. */
bool target_hold_make_room(struct target *target);

#endif
