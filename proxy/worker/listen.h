/*
 * listen - accepts clients, in batches, and pauses when nothing more can be held.
 *
 * Listening sockets are level-triggered: what a batch leaves is reported again. Without
 * descriptors or memory, or with the pool of connections used up, the whole thread stops
 * asking for clients (they wait in the kernel's queue) until a connection ends, at least
 * LISTEN_PAUSE_MIN_MS, or LISTEN_PAUSE_MS have passed; it never spins. A listener is muted
 * when it reports while the thread pauses: the others, thousands perhaps, cost nothing.
 *
 * A listener is made and freed by the control thread (port.h); between the order that hands
 * it over and the answer to the order that closes it, it is its data thread's. Who gets its
 * clients may change: that is one pointer, the descriptor stays in the epoll set.
 */
#ifndef FPROXY_WORKER_LISTEN_H
#define FPROXY_WORKER_LISTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "proxy/worker/loop.h"

struct thread;
struct thread_app;

enum { LISTEN_BATCH = 64, LISTEN_PAUSE_MS = 100, LISTEN_PAUSE_MIN_MS = 5 };

/* One socket that a thread accepts from. */
struct listener {
    struct loop_io io;                  /* the descriptor is owned */
    struct thread_app *app;             /* whose clients these are; NULL: nobody's just now */
    LIST_ENTRY(listener) muted_link;    /* of the thread's, while `muted` */
    SLIST_ENTRY(listener) link;         /* the control thread's: of its port */
    uint16_t port;                      /* index in the app's ports */
    uint16_t thread;                    /* who accepts from it */
    bool watched;                       /* in the epoll set */
    bool muted;                         /* ... but not asked for anything */
};

/* Data thread. From now on `app` gets the clients, at its port number `port`. 0 or -errno. */
int listen_take(struct listener *listener, struct thread_app *app, uint16_t port);
/* Nobody gets them for the moment: they wait in the queue. */
void listen_park(struct thread *thread, struct listener *listener);
/* Closes it. `finish`: takes those who already wait in the queue first (bounded). */
void listen_close(struct thread *thread, struct listener *listener, bool finish);

/* Stops asking for clients for a while, for `why`. */
void listen_pause(struct thread *thread, struct thread_app *app, const char *why);
/* A connection ended while accepting was paused: there may be room again. */
void listen_room(struct thread *thread);

#endif
