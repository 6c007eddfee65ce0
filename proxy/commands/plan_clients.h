/*
 * plan_clients - through which port clients came, as the kernel knows it.
 *
 * Workers count connections by app and by target only: a counter for each port and thread would be
 * two more writes a connection, for a question that is asked before a change. The kernel has the
 * answer (sock_diag, as ss(8) asks it): whoever was accepted has the port as its local one. Only of
 * the network namespace that we are in: a port that nobody listens to there is not known.
 */
#ifndef FPROXY_COMMANDS_PLAN_CLIENTS_H
#define FPROXY_COMMANDS_PLAN_CLIENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "config/app.h"

/* The end of a connection that is here, or where somebody listens. */
struct plan_socket {
    struct address local;
    bool listens;
};

struct plan_clients {
    struct plan_socket *sockets;    /* owned; after plan_clients_sort() by port */
    size_t count, room;
};

/* All TCP sockets that a process has. 0; or -errno, and there are none. Ask plan_clients_free(). */
int plan_clients_read(struct plan_clients *clients);
void plan_clients_free(struct plan_clients *clients);
void plan_clients_sort(struct plan_clients *clients);

/* False: it is not known how many came through this port. NULL knows nothing. */
bool plan_clients_of(const struct plan_clients *clients, const struct app_listen *port,
                     uint64_t *count);

#endif
