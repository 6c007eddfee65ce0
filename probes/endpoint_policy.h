/*
 * endpoint_policy - the state an endpoint is shown in and used by: what its probes make of it,
 * and what the app's policy makes of that.
 *
 *   up by probe   flapping (flap.h)                    -> recovering, unless released
 *                 passing, but others are preferred    -> degraded
 *                 new or back (slow_start.h)           -> warming
 *   else          as the probes say
 *
 * The prober's files only.
 */
#ifndef FPROXY_PROBES_ENDPOINT_POLICY_H
#define FPROXY_PROBES_ENDPOINT_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "probes/prober_priv.h"

/* Of its app. */
struct flap_policy endpoint_flap_policy(const struct endpoint *endpoint);

/* A probe took it from `from` to its present endpoint->health.state. */
void endpoint_policy_moved(struct endpoint *endpoint, enum endpoint_state from, int64_t wall_ms);

/* The state that follows from everything known of it. */
enum endpoint_state endpoint_policy_state(const struct endpoint *endpoint, int64_t wall_ms);

/* What people are told beside its state: `detail`, but for one that flaps what becomes of it;
 * `text` has DETAIL_BYTES, and may be what is returned. */
const char *endpoint_policy_detail(const struct endpoint *endpoint, const char *detail,
                                   int64_t wall_ms, char *text);

/* Its share of its weight, in percent. */
uint8_t endpoint_policy_percent(const struct endpoint *endpoint, int64_t wall_ms);

/* Time passed, or other endpoints changed: brings all states of the app up to date, and tells of
 * those that change. How long until the next such change; 0: only a probe brings one. */
uint32_t endpoint_policy_review(struct prober_app *app, int64_t wall_ms);

#endif
