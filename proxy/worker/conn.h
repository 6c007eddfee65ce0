/*
 * conn - one client's connection, from accept to close.
 *
 *               picked                 one try connected
 *   [PICKING] ----------> [CONNECTING] -----------------> [RELAYING] --> [CLOSED]
 *       ^                      |                             |  one side's FIN
 *       +--- all tries failed -+                             v
 *                                                        [DRAINING] --> [CLOSED]
 *
 * Belongs to one data thread. Small on purpose: an idle connection is this struct and
 * nothing else (no buffer, no pipe, no armed heap timer). What only a connection attempt
 * needs lies in struct race, given back when the first try has connected.
 */
#ifndef FPROXY_WORKER_CONN_H
#define FPROXY_WORKER_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "proxy/worker/loop.h"
#include "proxy/worker/wheel.h"
#include "strategy/traffic.h"

struct thread;
struct thread_app;
struct race;
struct pipe_pair;

enum conn_state {
    CONN_PICKING,       /* client accepted; no try is under way */
    CONN_CONNECTING,    /* at least one connect() in progress, timer armed */
    CONN_RELAYING,      /* both sides open; bytes flow both ways */
    CONN_DRAINING,      /* one side ended; what is left still goes out, the other way lives */
    CONN_CLOSED,        /* descriptors closed; freed at the end of the loop's turn */
    CONN_STATES
};

/* Names both the sides and the flow that begins at each: flow[CLIENT] goes to the target. */
enum side { CLIENT, TARGET };

/* One direction. Bytes wait in at most one place: `spill` or `pipe`. */
struct flow {
    uint64_t bytes;             /* moved so far */
    char *spill;                /* owned: what could not be written yet; NULL mostly */
    struct pipe_pair *pipe;     /* from the thread's pool, while bytes move in bulk */
    uint32_t spill_at;          /* first byte of it that is still to be written */
    uint32_t spill_bytes;       /* how many from there */
    uint32_t pipe_bytes;        /* lying in the pipe */
    bool readable : 1;          /* the source may have more (edge not yet used up) */
    bool hung_up : 1;           /* the source's FIN, RST or urgent byte is known: a short read
                                 * proves nothing, read until it shows or nothing is left */
    bool eof : 1;               /* the source's FIN was read */
    bool shut : 1;              /* and passed on */
    bool blocked : 1;           /* the sink takes no more until EPOLLOUT */
    bool broken : 1;            /* the sink refuses: bytes are read and thrown away */
    bool bulk : 1;              /* the last read filled the buffer: worth a pipe */
};

struct conn {
    struct loop_io io[2];       /* by side */
    struct flow flow[2];
    struct wheel_timer timer;   /* connecting: next step of the race; relaying: idle check */
    struct thread *thread;      /* borrowed */
    struct thread_app *app;     /* borrowed; it outlives its connections. Changes when a newer
                                 * generation carries the connection on (carry.h) */
    LIST_ENTRY(conn) link;      /* of the app's connections, or the thread's free list */
    TAILQ_ENTRY(conn) turn;     /* of the thread's list of work for the end of the turn */
    struct race *race;          /* owned while connecting */
    uint64_t active_ms;         /* when a byte last moved, on the loop's clock */
    uint32_t endpoint_id;       /* the target reached; 0: none yet */
    uint16_t endpoint_slot;
    uint8_t state;              /* enum conn_state */
    bool queued;                /* on the turn list */
    bool nodelay : 1;           /* set on the target's socket */
    bool watched : 1;           /* the client's socket is in the epoll set */
    bool watched_out : 1;       /* ... and EPOLLOUT is asked for */
    bool settled : 1;           /* keepalive is set on the target's socket */
    bool client_first : 1;      /* the client's FIN came first */
    uint16_t port;              /* index in the app's ports: where the client came in */
    uint16_t target;            /* index in the app's targets: whose endpoint was reached */
};
_Static_assert(sizeof(struct conn) == 224, "an idle connection costs this; think twice");

/* Thread only, as everything below. A client's socket, accepted at port number `port` of the
 * app, becomes a connection, which starts to look for a target. The descriptor is taken over.
 * NULL: the pool is at its limit. */
struct conn *conn_open(struct thread_app *app, int client_fd, uint16_t port);

/* The only place where a connection changes state. */
void conn_enter(struct conn *conn, enum conn_state next);

/* Ends it: closes both sides; counts `reason`. `reset`: the peers get RST, not FIN. */
void conn_close(struct conn *conn, enum close_reason reason, bool reset);

/* Its endpoint's gauge counts it no more; the connection is of no endpoint then. */
void conn_leave_endpoint(struct conn *conn);

/* A try connected: relaying begins. Called by race.c. */
void conn_connected(struct conn *conn);

/* Lets the connection go on at the end of this turn (fairness: a busy one yields). */
void conn_yield(struct conn *conn);
void conn_unqueue(struct conn *conn);

/* Frees what was closed in this turn; called by the thread. */
void conn_free_closed(struct thread *thread);

#endif
