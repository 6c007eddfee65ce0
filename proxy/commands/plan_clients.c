#include "proxy/commands/plan_clients.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/util.h"

enum {
    SOCKETS_MAX = 4 << 20,
    PART_BYTES = 64 << 10,          /* what the kernel sends at once */
    PATIENCE_S = 5,
    STATES = (1 << TCP_ESTABLISHED) | (1 << TCP_FIN_WAIT1) | (1 << TCP_FIN_WAIT2) |
             (1 << TCP_CLOSE_WAIT) | (1 << TCP_LAST_ACK) | (1 << TCP_CLOSING) |
             (1 << TCP_LISTEN),
};

/* ---- what the kernel says ---- */

static int
add(struct plan_clients *clients, const struct plan_socket *socket)
{
    if (clients->count == clients->room) {
        size_t room = clients->room == 0 ? 1024 : clients->room * 2;
        struct plan_socket *grown = room > SOCKETS_MAX
                                        ? NULL
                                        : reallocarray(clients->sockets, room, sizeof *grown);

        if (grown == NULL)
            return -ENOMEM;
        clients->sockets = grown;
        clients->room = room;
    }
    clients->sockets[clients->count++] = *socket;
    return 0;
}

/* One without an inode waits to be accepted, or was closed: no worker counts it. */
static int
take(struct plan_clients *clients, const struct inet_diag_msg *about)
{
    struct plan_socket socket = { .listens = about->idiag_state == TCP_LISTEN };
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } where = { 0 };

    if (about->idiag_inode == 0)
        return 0;
    if (about->idiag_family == AF_INET) {
        where.v4 = (struct sockaddr_in){ .sin_family = AF_INET,
                                         .sin_port = about->id.idiag_sport };
        memcpy(&where.v4.sin_addr, about->id.idiag_src, sizeof where.v4.sin_addr);
    } else {
        where.v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
                                          .sin6_port = about->id.idiag_sport };
        memcpy(&where.v6.sin6_addr, about->id.idiag_src, sizeof where.v6.sin6_addr);
    }
    if (address_from_sockaddr(&where.any, &socket.local) < 0)
        return 0;
    return add(clients, &socket);
}

/* 1: the list has ended; 0: there is more; -errno. */
static int
take_part(struct plan_clients *clients, const void *part, size_t bytes)
{
    const struct nlmsghdr *message = part;
    int rc = 0;

    for (; rc == 0 && NLMSG_OK(message, bytes); message = NLMSG_NEXT(message, bytes)) {
        if (message->nlmsg_type == NLMSG_DONE)
            return 1;
        if (message->nlmsg_type == NLMSG_ERROR ||
            message->nlmsg_len < NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
            return -EPROTO;
        rc = take(clients, NLMSG_DATA(message));
    }
    return rc;
}

static int
ask(int fd, uint8_t family)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 what;
    } request = {
        .header = { .nlmsg_len = sizeof request, .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                    .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
        .what = { .sdiag_family = family, .sdiag_protocol = IPPROTO_TCP,
                  .idiag_states = STATES },
    };

    return send(fd, &request, sizeof request, 0) < 0 ? -errno : 0;
}

static int
read_family(int fd, uint8_t family, struct plan_clients *clients)
{
    char *part = malloc(PART_BYTES);
    int rc = part == NULL ? -ENOMEM : ask(fd, family);

    while (rc == 0) {
        ssize_t bytes = recv(fd, part, PART_BYTES, 0);

        if (bytes < 0 && errno == EINTR)
            continue;
        rc = bytes < 0 ? -errno : take_part(clients, part, (size_t)bytes);
    }
    free(part);
    return rc < 0 ? rc : 0;
}

int
plan_clients_read(struct plan_clients *clients)
{
    const struct timeval patience = { .tv_sec = PATIENCE_S };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    int rc;

    *clients = (struct plan_clients){ 0 };
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    rc = read_family(fd, AF_INET, clients);
    if (rc == 0)
        rc = read_family(fd, AF_INET6, clients);
    close(fd);
    if (rc < 0)
        plan_clients_free(clients);
    else
        plan_clients_sort(clients);
    return rc;
}

void
plan_clients_free(struct plan_clients *clients)
{
    free(clients->sockets);
    *clients = (struct plan_clients){ 0 };
}

/* ---- who came where ---- */

static int
port_order(const void *a, const void *b)
{
    const struct plan_socket *left = a, *right = b;

    return (int)left->local.port - (int)right->local.port;
}

void
plan_clients_sort(struct plan_clients *clients)
{
    if (clients->count > 0)
        qsort(clients->sockets, clients->count, sizeof *clients->sockets, port_order);
}

/* The first one of the port, or behind it. */
static size_t
find_port(const struct plan_clients *clients, uint16_t port)
{
    size_t low = 0, high = clients->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (clients->sockets[middle].local.port < port)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool
plan_clients_of(const struct plan_clients *clients, const struct app_listen *port, uint64_t *count)
{
    const struct address *address = &port->address;
    bool listens = false;

    *count = 0;
    for (size_t i = clients == NULL ? 0 : find_port(clients, address->port);
         clients != NULL && i < clients->count; i++) {
        const struct plan_socket *socket = &clients->sockets[i];

        if (socket->local.port != address->port)
            break;
        if (address->family != 0 && !address_equal(&socket->local, address))
            continue;
        listens = listens || socket->listens;
        *count += !socket->listens;
    }
    return listens;
}
