/*
 * control - one message of control_message.h on its way: how long it is, whether it is sound, and
 * across a socket with its descriptors.
 *
 * Any thread; nothing is kept between two calls. What queues is control_peer.h.
 */
#ifndef FPROXY_BASE_CONTROL_H
#define FPROXY_BASE_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "base/control_message.h"

/* Bytes of a whole message of `type` on the wire; 0 for an unknown type. */
size_t control_bytes(uint32_t type);

/* Checks what arrived: size, magic, type, every text ends within its field. 0 or -EPROTO.
 * `message` may be `data` itself. */
int control_decode(const void *data, size_t bytes, struct control_message *message);

/* Sends one message with `fd_count` descriptors (the caller keeps them). 0 or -errno;
 * -EAGAIN when the peer's queue is full. Never blocks, never raises SIGPIPE. */
int control_send(int socket, const struct control_message *message, const int *fds,
                 size_t fd_count);

/* Receives one message. `fds` has room for CONTROL_FDS_MAX; `*fd_count` of them arrived,
 * close-on-exec, now the caller's. 1: a message; 0: the peer is gone; -EAGAIN: nothing;
 * -EPROTO: not ours, dropped with its descriptors; other -errno. */
int control_receive(int socket, struct control_message *message, int *fds, size_t *fd_count);

/* A message of `type` about `app` and `generation`, everything else zero. */
void control_app_message(struct control_message *message, enum control_type type,
                         const char *app, uint32_t generation);

#endif
