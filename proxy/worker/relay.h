/*
 * relay - moves the bytes of a connection, both ways.
 *
 * Copying: one buffer a thread; what the sink does not take is kept (at most one buffer
 * full, on the heap) and the source is not read meanwhile. Bulk: when a read fills the
 * buffer the flow gets a pipe and the bytes stay in the kernel (splice(2)); the pipe goes
 * back as soon as it is empty and nothing more is there. So memory is bounded by
 * connections x RELAY_SPILL_BYTES + pipes x their size, and an idle connection has neither.
 *
 * FIN is passed on as FIN (half-close in both directions), RST as RST.
 */
#ifndef FPROXY_WORKER_RELAY_H
#define FPROXY_WORKER_RELAY_H

#include <stdint.h>
#include <sys/epoll.h>

struct conn;
struct loop_io;

enum {
    RELAY_BUFFER_BYTES = 16384,
    RELAY_SPILL_BYTES = RELAY_BUFFER_BYTES,
    RELAY_TURN_BYTES = 1 << 20,     /* then other connections get their turn */
    RELAY_SETTLE_MS = 10000,        /* a connection this old gets keepalive on its target side */
};

/* What a relayed socket is watched for; EPOLLOUT beside it, on a client's only when needed. */
#define RELAY_WATCHED (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET)

/* Both sides are open. */
void relay_start(struct conn *conn);

/* Begins to watch the client's socket (once): what it sends is noted, its RST ends the
 * connection. Until the target is connected that is done only when it takes long. */
void relay_watch_client(struct conn *conn);

/* Goes on with both directions as far as they get; used at the end of a turn too. */
void relay_pump(struct conn *conn);

/* Arms the timer for the present idle limit. */
void relay_arm_idle(struct conn *conn);

/* loop_ready_fn of the two sides while relaying. */
void relay_client_ready(struct loop_io *io, uint32_t events);
void relay_target_ready(struct loop_io *io, uint32_t events);

#endif
