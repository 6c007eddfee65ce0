/*
 * history - records on their way to the supervisor, also while there is none.
 *
 * A record goes to the supervisor's control connection at once as long as that takes it; else
 * the last HISTORY_BACKLOG_MAX are kept, in order, and follow at the pace at which they are
 * read. What had to go is counted, and told as an event when the rest has been delivered. So
 * with a supervisor that is killed go no more records than its socket held. The loop's thread
 * only.
 */
#ifndef FPROXY_PROBES_HISTORY_H
#define FPROXY_PROBES_HISTORY_H

#include <stdint.h>

#include "base/record.h"

struct control_peer;
struct event_base;
struct history;

enum { HISTORY_BACKLOG_MAX = 65536 };

/* NULL without memory. */
struct history *history_create(struct event_base *base);
void history_destroy(struct history *history);

/* A supervisor is there (borrowed until detached): gets what was kept, oldest first, a part of
 * it at once. */
void history_attach(struct history *history, struct control_peer *peer);
void history_detach(struct history *history);

void history_send(struct history *history, const struct record *record);

/* Records kept now; records lost since the start. */
uint32_t history_kept(const struct history *history);
uint64_t history_dropped(const struct history *history);

#endif
