/*
 * outgoing - a socket for a connection that we begin, to a target.
 *
 * Its local port, which the kernel chooses (ip_local_port_range), may be one that an app is to
 * listen on later. bind(2) refuses that with EADDRINUSE as long as the connection lasts, and a
 * minute more in TIME-WAIT, unless both sockets have SO_REUSEADDR (socket(7), ip(7)); connections
 * and listeners are told apart by their four addresses anyway. Any thread.
 */
#ifndef FPROXY_BASE_OUTGOING_H
#define FPROXY_BASE_OUTGOING_H

#include <sys/socket.h>

/* TCP, non-blocking, closed on exec: a descriptor, or -errno. */
int outgoing_socket(sa_family_t family);

#endif
