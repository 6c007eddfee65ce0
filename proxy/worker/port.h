/*
 * port - the listening ports of this worker, whichever generation of whichever app has them.
 *
 *   port 10.0.0.1:5001 --> listener, listener, ...   each accepted from by one data thread
 *        users:  generations that name it (loaded, or accepting)
 *        holder: the generation that gets its clients
 *
 * So a port passes from generation to generation, and from app to app, without its sockets
 * ever being closed. The control thread only; what it tells the threads is an order's part.
 */
#ifndef FPROXY_WORKER_PORT_H
#define FPROXY_WORKER_PORT_H

#include <stdint.h>
#include <sys/queue.h>
#include <uthash.h>

#include "base/address.h"
#include "proxy/worker/listen.h"

struct hosted;

SLIST_HEAD(listener_list, listener);

struct port {
    struct address address;             /* the key */
    struct listener_list listeners;     /* owned, while the threads use them too */
    uint32_t listener_count;
    uint32_t first_thread;              /* listener i falls to thread first_thread + i */
    uint32_t users;
    struct hosted *holder;              /* NULL: nobody just now */
    UT_hash_handle hh;
};

struct ports {
    struct port *by_address;            /* uthash */
    uint32_t listener_count;            /* of all of them */
    uint32_t next_thread;               /* where the next port begins, so that they spread */
};

struct port *port_find(const struct ports *ports, const struct address *address);

/* One more user; the port is made when there is none. NULL: no memory. */
struct port *port_use(struct ports *ports, const struct address *address);

/* One user less. True: that was the last one; when the listeners are being closed,
 * port_forget() frees the port without them. */
bool port_release(struct port *port);
void port_forget(struct ports *ports, struct port *port);

/* The port has this listener too; `threads` there are. */
void port_add_listener(struct ports *ports, struct port *port, struct listener *listener,
                       uint32_t threads);

#endif
