/*
 * listeners - the listening sockets of all apps, by what they are bound to.
 *
 * They are the supervisor's: a worker gets copies, and while a worker is replaced clients
 * wait in the kernel's queue. A port has as many sockets as its worker has threads, at most,
 * which share it (SO_REUSEPORT). They are the same sockets from the first generation that
 * has the port to the last, whichever app that belongs to: closing one would reset the clients
 * in its queue. A port that is not ours yet is first bound without SO_REUSEPORT: a program
 * that holds it would otherwise share its clients with us in silence.
 *
 * What an accepted connection inherits (no delay, keepalive, user timeout) is set on the
 * listening socket, which saves those system calls for each connection.
 */
#ifndef FPROXY_SUPERVISOR_LISTENERS_H
#define FPROXY_SUPERVISOR_LISTENERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uthash.h>

#include "config/app.h"

struct app;

enum { LISTENERS_BACKLOG = 4096 };  /* the kernel cuts it to net.core.somaxconn */

/* One port, bound. */
struct listen_port {
    struct address address;     /* the key; family 0: every address */
    int *fds;                   /* owned */
    uint32_t count;
    uint32_t refs;              /* generations that have it */
    uint32_t user_timeout_ms;   /* as it was set last */
    bool listening;             /* clients can come; not known of adopted sockets */
    const struct app *holder;   /* borrowed: whose clients come; NULL: nobody's yet */
    UT_hash_handle hh;
};

/* All of them; begins zeroed. */
struct listeners {
    struct listen_port *by_address;
    uint16_t held[65536];       /* by port number: how many of them */
};

/* How many sockets a port gets: one a thread, but all `ports` of the process together take
 * at most half of its descriptors; at least 1. Pure. */
uint32_t listeners_per_port(uint32_t threads, uint64_t descriptors_max, uint64_t ports);

/* NULL: it is not ours. */
struct listen_port *listeners_find(const struct listeners *listeners,
                                   const struct address *address);

/* Only one of them can be bound: they are the same, or one holds the other. Pure. */
bool listeners_conflict(const struct address *a, const struct address *b);

/* The port of ours that stands in the way of binding `address`: the same one, or one that
 * overlaps it ("5001" and "127.0.0.1:5001"). NULL: none does. */
struct listen_port *listeners_overlap(const struct listeners *listeners,
                                      const struct address *address);

/* Could a port be bound that is not ours? Binds and closes it again, without listening. 0 or
 * -errno (-EADDRINUSE: somebody has it). */
int listeners_try(const struct address *address);

/* Does another port of ours overlap this one? */
bool listeners_beside(const struct listeners *listeners, const struct listen_port *port);

/* Binds a port that is not ours, with `sockets` sockets and one reference; it does not listen.
 * 0 and `*port`, or -errno (-EADDRINUSE: somebody has it). A port of ours that overlaps it will
 * be given up; whether others have it was found out when that one was bound. Where `holder` has
 * that one, its sockets for no other address go on in the new port, too: the kernel prefers
 * them to those of more addresses, and whoever waits in their queues would be reset. */
int listeners_open(struct listeners *listeners, const struct address *address,
                   uint32_t sockets, const struct app *holder, struct listen_port **port);

/* From now on clients can come, and wait until somebody accepts them. Not before it is certain
 * that somebody will: an update that failed would reset them. 0 or -errno (-EADDRINUSE: another
 * program was faster). */
int listen_port_listen(struct listen_port *port);

/* A port whose sockets come from a worker that has outlived its supervisor, with one
 * reference and no socket yet. NULL without memory. */
struct listen_port *listeners_adopt(struct listeners *listeners, const struct address *address);
/* Takes the descriptor over; a socket that is there already is closed. 0 or -ENOMEM. */
int listen_port_add(struct listen_port *port, int fd);

/* One reference less; without any it is closed: clients that wait in its queues are reset,
 * unless a worker has copies. */
void listeners_unref(struct listeners *listeners, struct listen_port *port);

/* Clients wait in its queues, not accepted. */
bool listen_port_waits(const struct listen_port *port);

/* What connections inherit that are accepted from now on. */
void listen_port_tune(struct listen_port *port, uint32_t user_timeout_ms);

#endif
