/*
 * control_peer - one end of a control connection on a libevent loop, with a queue.
 *
 * The loop's thread only. What the socket cannot take is queued, with duplicates of
 * its descriptors, up to CONTROL_QUEUE_MAX messages. Records leave the last places of
 * the queue to other messages; what is beyond is dropped and counted when it is a
 * record (the send succeeds), and an error for the caller to report when it is not.
 */
#ifndef FPROXY_BASE_CONTROL_PEER_H
#define FPROXY_BASE_CONTROL_PEER_H

#include <stddef.h>
#include <stdint.h>

#include "base/control_message.h"

struct event_base;
struct control_peer;

enum { CONTROL_QUEUE_MAX = 65536 };

/* `fds` belong to the callee: it closes what it does not keep. It may destroy the peer. */
typedef void control_message_fn(void *context, const struct control_message *message,
                                const int *fds, size_t fd_count);
/* The other side is gone. Called once; the callee usually destroys the peer. */
typedef void control_closed_fn(void *context);

/* Takes `socket` over (made non-blocking). NULL: no memory (the socket stays the caller's). */
struct control_peer *control_peer_create(struct event_base *base, int socket,
                                         control_message_fn *on_message,
                                         control_closed_fn *on_closed, void *context);
void control_peer_destroy(struct control_peer *peer);

/* Called whenever the queue has become empty again, with the context of the others. It may
 * send, and destroy the peer. */
typedef void control_drained_fn(void *context);
void control_peer_on_drained(struct control_peer *peer, control_drained_fn *on_drained);

/* Sends or queues; the caller keeps its descriptors. 0, -EPIPE when the other side is gone,
 * -ENOBUFS when the queue is full, -EMFILE when descriptors could not be duplicated. */
int control_peer_send(struct control_peer *peer, const struct control_message *message,
                      const int *fds, size_t fd_count);

/* Messages waiting for the socket; records dropped since the start. */
size_t control_peer_queued(const struct control_peer *peer);
uint64_t control_peer_dropped(const struct control_peer *peer);

#endif
