/*
 * drain - how a thread lets a generation of an app go.
 *
 *     now                        2/3 of the time                   the bound
 *      |--- ends by itself ------------|--- closed evenly ------------|
 *
 * A generation that leaves gets no more clients (its listeners are taken or closed first).
 * During the last third of the time what is left is closed spread evenly, so that the clients
 * do not all come back at once; at the bound nothing is left. When the last connection is gone
 * the control thread is told, once.
 */
#ifndef FPROXY_WORKER_DRAIN_H
#define FPROXY_WORKER_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

struct thread;
struct thread_app;

#define DRAIN_NEVER UINT64_MAX

/* It leaves within `limit_ms` (DRAIN_NEVER: when its last connection ends); a later call can
 * only shorten that. `spare_late`: connections that were connecting when a newer generation
 * took over are left to their connect.timeout, for they may still be carried over. */
void drain_begin(struct thread_app *app, uint64_t limit_ms, bool spare_late);

/* Of one that leaves: ms until the bound, or DRAIN_NEVER. */
uint64_t drain_time_left(const struct thread_app *app);

/* Its bound has passed: what still comes is closed. */
bool drain_is_over(const struct thread_app *app);

/* Something that kept it here is gone. */
void drain_check(struct thread_app *app);

/* At the end of a turn: tells the control thread of those that have nothing left. */
void drain_tell(struct thread *thread);

#endif
