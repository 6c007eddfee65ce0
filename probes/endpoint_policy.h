/*
 * endpoint_policy - slow start and flap damping of endpoints, for their verdict (verdict.h).
 *
 * `now_ms` is CLOCK_MONOTONIC. The prober's files only.
 */
#ifndef FPROXY_PROBES_ENDPOINT_POLICY_H
#define FPROXY_PROBES_ENDPOINT_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "probes/prober_app_priv.h"

/* Of its app. */
struct flap_policy endpoint_flap_policy(const struct endpoint *endpoint);

/* Its probes took it from `from` to its present endpoint->probed. */
void endpoint_policy_moved(struct endpoint *endpoint, enum endpoint_state from, int64_t now_ms);

/* It is flapping, and held because of it. */
bool endpoint_policy_holds(const struct endpoint *endpoint);

/* What people are told beside its state: `detail`, but for one that flaps what becomes of it;
 * `text` has DETAIL_BYTES, and may be what is returned. */
const char *endpoint_policy_detail(const struct endpoint *endpoint, const char *detail,
                                   int64_t now_ms, char *text);

/* Its share of its weight, in percent. */
uint8_t endpoint_policy_percent(const struct endpoint *endpoint, int64_t now_ms);

/* Time passed, or other endpoints changed: brings all states of the app up to date, and tells of
 * those that change. How long until the next such change; 0: only a probe brings one. */
uint32_t endpoint_policy_review(struct prober_app *app, int64_t now_ms);

#endif
