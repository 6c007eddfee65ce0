/*
 * endpoint_records - what the database and the log are told of an endpoint. The prober's files
 * only.
 *
 * Of several generations of an app only the newest tells.
 */
#ifndef FPROXY_PROBES_ENDPOINT_RECORDS_H
#define FPROXY_PROBES_ENDPOINT_RECORDS_H

#include <stdint.h>

#include "probes/endpoint_priv.h"

/* Its row, or that it has none any more. */
void endpoint_record(struct endpoint *endpoint);
void endpoint_record_gone(const struct endpoint *endpoint);

void endpoint_record_transition(struct endpoint *endpoint, enum endpoint_state from,
                                enum endpoint_state to, enum reason reason,
                                const char *detail);

/* A probe ended: it counts in its minute, and gets a row when it is worth one. */
void endpoint_record_result(struct endpoint *endpoint, struct check *check,
                            const struct probe_result *result);

/* The summary of a minute of that probe that is over at `wall_ms`. */
void endpoint_record_minute(struct endpoint *endpoint, struct check *check, int64_t wall_ms);

/* To be called every now and then: the minute, its row when that grows old, and changes that
 * came too fast to be told one by one. */
void endpoint_minute(struct endpoint *endpoint, int64_t wall_ms);

#endif
