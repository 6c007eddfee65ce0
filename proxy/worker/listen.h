/*
 * listen - accepts clients, in batches, and pauses when nothing more can be held.
 *
 * Listening sockets are level-triggered: what a batch leaves is reported again. Without
 * descriptors or memory, or with the pool of connections used up, the whole thread stops
 * asking for clients (they wait in the kernel's queue) until a connection ends, at least
 * LISTEN_PAUSE_MIN_MS, or LISTEN_PAUSE_MS have passed; it never spins.
 */
#ifndef FPROXY_WORKER_LISTEN_H
#define FPROXY_WORKER_LISTEN_H

struct thread;
struct thread_app;

enum { LISTEN_BATCH = 64, LISTEN_PAUSE_MS = 100, LISTEN_PAUSE_MIN_MS = 5 };

/* Begins to accept on the app's listeners of this thread. 0 or -errno. */
int listen_start(struct thread_app *app);

/* Takes what already waits in the queues (bounded), then closes the listeners. */
void listen_finish(struct thread_app *app);

/* Stops asking for clients for a while, for `why`. */
void listen_pause(struct thread *thread, struct thread_app *app, const char *why);
/* A connection ended while accepting was paused: there may be room again. */
void listen_room(struct thread *thread);

#endif
