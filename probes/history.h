/*
 * history - records on their way to the supervisor, also while there is none.
 *
 * With a supervisor a record goes to its control connection at once; without one the last
 * HISTORY_BACKLOG_MAX are kept, and what had to go is counted. The loop's thread only.
 */
#ifndef FPROXY_PROBES_HISTORY_H
#define FPROXY_PROBES_HISTORY_H

#include <stdint.h>

#include "base/record.h"

struct control_peer;
struct history;

enum { HISTORY_BACKLOG_MAX = 65536 };

/* NULL without memory. */
struct history *history_create(void);
void history_destroy(struct history *history);

/* A supervisor is there (borrowed until detached): gets what was kept, oldest first. */
void history_attach(struct history *history, struct control_peer *peer);
void history_detach(struct history *history);

void history_send(struct history *history, const struct record *record);

/* Records kept now; records lost since the start. */
uint32_t history_kept(const struct history *history);
uint64_t history_dropped(const struct history *history);

#endif
