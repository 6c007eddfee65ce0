/*
 * listeners - the listening sockets of an app.
 *
 * They are the supervisor's: a worker gets copies, and while a worker is replaced clients
 * wait in the kernel's queue. A port has `per_port` sockets that share it (SO_REUSEPORT,
 * one a worker thread). A port that is not ours yet is first bound without that option: a
 * program that holds it would otherwise share its clients with us in silence.
 *
 * What an accepted connection inherits (no delay, keepalive, user timeout) is set on the
 * listening socket, which saves those system calls for each connection.
 */
#ifndef FPROXY_SUPERVISOR_LISTENERS_H
#define FPROXY_SUPERVISOR_LISTENERS_H

#include <stddef.h>
#include <stdint.h>

#include "config/app.h"

enum { LISTENERS_BACKLOG = 4096 };  /* the kernel cuts it to net.core.somaxconn */

struct listeners {
    int *fds;               /* owned; per_port for each port, in the order of the ports */
    size_t count;
    uint32_t per_port;
};

/* How many sockets a port gets: one a thread, but all `ports` of the process together take
 * at most half of its descriptors; at least 1. Pure. */
uint32_t listeners_per_port(uint32_t threads, uint64_t descriptors_max, uint64_t ports);

/* Binds and listens on every port, or on none. 0, or -errno with `*failed` the index of the
 * port that could not be had. */
int listeners_open(struct listeners *listeners, const struct app_listen *ports,
                   uint32_t port_count, uint32_t per_port, uint32_t user_timeout_ms,
                   uint32_t *failed);

/* Closes them; clients that wait in their queues are reset, unless a worker has copies. */
void listeners_close(struct listeners *listeners);

#endif
