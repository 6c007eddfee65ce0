/*
 * takeover - ports and connections change hands, in all threads, by one order each.
 *
 * What the control thread decides here holds at once for the next order; the threads follow in
 * the order of posting. A port that nobody names any more is closed; one that another app has
 * loaded but does not yet accept from waits, its clients in the queue.
 */
#ifndef FPROXY_WORKER_TAKEOVER_H
#define FPROXY_WORKER_TAKEOVER_H

#include <stdbool.h>
#include <stdint.h>

struct hosted;
struct worker;

/* A loaded generation gets the clients; the one of the same app that had them leaves, what it
 * cannot hand over within `limit_ms`. One that has retired here hands over as well: the app is
 * back. 0 or -errno (then nothing has changed). */
int takeover_accept(struct worker *worker, struct hosted *hosted, uint32_t limit_ms);

/* An accepting generation leaves; one that leaves already may have to hurry. `finish`: who waits
 * in the queues of its ports is taken. 0 or -errno. */
int takeover_leave(struct worker *worker, struct hosted *hosted, uint64_t limit_ms, bool finish);

/* A generation that serves elsewhere takes over from the one that has retired here, and retires.
 * 0 or -errno (then nothing has changed); -ENOENT: none has. */
int takeover_follow(struct worker *worker, struct hosted *hosted, uint32_t limit_ms);

/* One that never accepted lets go of its ports. 0 or -errno; destroy it then. */
int takeover_unload(struct worker *worker, struct hosted *hosted);

#endif
