#include "proxy/supervisor/spare_ports.h"

#include <stdlib.h>
#include <unistd.h>

#include "proxy/supervisor/supervisor.h"

void
spare_ports_keep(struct supervisor *supervisor, struct listen_port *port)
{
    struct listen_port **grown = reallocarray(supervisor->spare_ports,
                                              supervisor->spare_port_count + 1,
                                              sizeof(struct listen_port *));

    if (grown == NULL)
        return;
    port->refs++;
    supervisor->spare_ports = grown;
    grown[supervisor->spare_port_count++] = port;
}

void
spare_ports_take(struct supervisor *supervisor, const struct address *address, int fd)
{
    struct listeners *listeners = &supervisor->listeners;
    struct listen_port *port = listeners_find(listeners, address);

    if (port != NULL) {
        listen_port_add(port, fd);      /* where a worker's copy is there, this one is closed */
        return;
    }
    port = listeners_adopt(listeners, address);
    if (port == NULL) {
        close(fd);
        return;
    }
    spare_ports_keep(supervisor, port);
    listen_port_add(port, fd);
    listeners_unref(listeners, port);   /* the spare reference is enough */
}

void
spare_ports_close(struct supervisor *supervisor)
{
    for (size_t i = 0; i < supervisor->spare_port_count; i++)
        listeners_unref(&supervisor->listeners, supervisor->spare_ports[i]);
    free(supervisor->spare_ports);
    supervisor->spare_ports = NULL;
    supervisor->spare_port_count = 0;
}
