/* port - see port.h. */
#include "proxy/worker/port.h"

#include <assert.h>
#include <stdlib.h>

struct port *
port_find(const struct ports *ports, const struct address *address)
{
    struct port *port;

    HASH_FIND(hh, ports->by_address, address, sizeof *address, port);
    return port;
}

struct port *
port_use(struct ports *ports, const struct address *address)
{
    struct port *port = port_find(ports, address);

    if (port == NULL) {
        port = calloc(1, sizeof *port);
        if (port == NULL)
            return NULL;
        port->address = *address;
        SLIST_INIT(&port->listeners);
        HASH_ADD(hh, ports->by_address, address, sizeof port->address, port);
    }
    port->users++;
    return port;
}

bool
port_release(struct port *port)
{
    assert(port->users > 0);
    return --port->users == 0;
}

void
port_forget(struct ports *ports, struct port *port)
{
    assert(port->users == 0);
    ports->listener_count -= port->listener_count;
    HASH_DEL(ports->by_address, port);
    free(port);
}

void
port_add_listener(struct ports *ports, struct port *port, struct listener *listener,
                  uint32_t threads)
{
    assert(threads > 0);
    if (port->listener_count == 0)
        port->first_thread = ports->next_thread;
    listener->thread = (uint16_t)((port->first_thread + port->listener_count) % threads);
    ports->next_thread = (listener->thread + 1u) % threads;
    SLIST_INSERT_HEAD(&port->listeners, listener, link);
    port->listener_count++;
    ports->listener_count++;
}
