/*
 * spare_ports - listening sockets that are kept for an app that has not begun yet.
 *
 * They come from an earlier binary or from a worker whose generation cannot be adopted. Once
 * the first change of the configuration has been applied and has settled, whatever nobody
 * took is closed. The loop's thread only.
 */
#ifndef FPROXY_SUPERVISOR_SPARE_PORTS_H
#define FPROXY_SUPERVISOR_SPARE_PORTS_H

struct address;
struct listen_port;
struct supervisor;

/* Holds a reference more. */
void spare_ports_keep(struct supervisor *supervisor, struct listen_port *port);

/* Keeps a listening socket of this address; `fd` is taken over. */
void spare_ports_take(struct supervisor *supervisor, const struct address *address, int fd);

/* Gives them all back. */
void spare_ports_close(struct supervisor *supervisor);

#endif
