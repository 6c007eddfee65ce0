/*
 * recall - what the board that an earlier prober left tells the one that replaces it.
 *
 * A prober that died has left the app's board as it was. The next one goes on from there:
 * same ids, slots, states, counters and timers, the addresses of names until an answer comes,
 * and what is published stays published. So nobody notices that there was another one. The
 * prober's files only.
 *
 *   recall_begin() -- endpoint_create()... recall_take(), each at most once -- recall_end()
 */
#ifndef FPROXY_PROBES_RECALL_H
#define FPROXY_PROBES_RECALL_H

#include "probes/prober_app_priv.h"

/* Before the app has endpoints, with a writer. 0 or -ENOMEM. Does nothing with a new board. */
int recall_begin(struct prober_app *app);

/* What the board has of this address of a target, or of the target when it had none; used up.
 * NULL: nothing. */
const struct board_detail *recall_take(struct prober_app *app, const struct target *target,
                                       const struct address *address, uint32_t *slot);

/* The next address that the board has of this target and that was not taken, from `*at` on (0 at
 * first); NULL: none. For targets whose addresses nothing else tells. */
const struct board_detail *recall_next(const struct target *target, uint32_t *at);

/* The app's endpoints are there: frees the slots of those that are no more. */
void recall_end(struct prober_app *app);

#endif
