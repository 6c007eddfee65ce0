#include "proxy/supervisor/listeners.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/util.h"

uint32_t
listeners_per_port(uint32_t threads, uint64_t descriptors_max, uint64_t ports)
{
    uint64_t room = descriptors_max / 2 / MAX(ports, 1);

    return (uint32_t)MAX(MIN(threads, room), 1);
}

/* A socket for `wanted`, not bound. "Every address" is [::] for both families, and 0.0.0.0 on
 * a host without IPv6; `sockaddr` gets what to bind. The socket or -errno. */
static int
socket_for(const struct address *wanted, struct sockaddr_storage *sockaddr, socklen_t *bytes)
{
    struct address any = { .family = 6, .port = wanted->port };
    const struct address *address = wanted->family == 0 ? &any : wanted;
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int only = wanted->family != 0;
    int fd = socket(address->family == 6 ? AF_INET6 : AF_INET, type, 0);

    if (fd < 0 && errno == EAFNOSUPPORT && wanted->family == 0) {
        any.family = 4;
        fd = socket(AF_INET, type, 0);
    }
    if (fd < 0)
        return -errno;
    if (address->family == 6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only) < 0) {
        int rc = -errno;

        close(fd);
        return rc;
    }
    *bytes = address_to_sockaddr(address, sockaddr);
    return fd;
}

static int
set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value);
}

/* What every connection accepted from this socket inherits. */
static int
set_inherited(int fd)
{
    if (set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) < 0 ||
        set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1) < 0 ||
        set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60) < 0 ||
        set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10) < 0 ||
        set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, 6) < 0)
        return -1;
    return 0;
}

/* A bound socket, or -errno. */
static int
bind_one(const struct address *address, bool group)
{
    struct sockaddr_storage sockaddr;
    socklen_t bytes = 0;
    int rc, fd = socket_for(address, &sockaddr, &bytes);

    if (fd < 0)
        return fd;
    if (set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
        goto fail;
    if (group && set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
        goto fail;
    if (bind(fd, (struct sockaddr *)&sockaddr, bytes) < 0)
        goto fail;
    if (group && set_inherited(fd) < 0)
        goto fail;
    return fd;

fail:
    rc = -errno;
    close(fd);
    return rc;
}

/* Without SO_REUSEPORT, so that whoever holds the port makes this fail. */
int
listeners_try(const struct address *address)
{
    int fd = bind_one(address, false);

    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

/* ---- the table ---- */

struct listen_port *
listeners_find(const struct listeners *listeners, const struct address *address)
{
    struct listen_port *port;

    HASH_FIND(hh, listeners->by_address, address, sizeof *address, port);
    return port;
}

static bool
is_every_address(const struct address *address)
{
    static const uint8_t zero[sizeof address->ip];

    return address->family == 0 || memcmp(address->ip, zero, sizeof zero) == 0;
}

bool
listeners_conflict(const struct address *a, const struct address *b)
{
    if (a->port != b->port)
        return false;
    if (a->family == 0 || b->family == 0)
        return true;
    if (a->family != b->family)
        return false;
    return is_every_address(a) || is_every_address(b) || address_equal(a, b);
}

struct listen_port *
listeners_overlap(const struct listeners *listeners, const struct address *address)
{
    struct listen_port *port;

    if (listeners->held[address->port] == 0)
        return NULL;
    port = listeners_find(listeners, address);
    if (port != NULL)
        return port;
    for (port = listeners->by_address; port != NULL; port = port->hh.next) {
        if (listeners_conflict(&port->address, address))
            return port;
    }
    return NULL;
}

bool
listeners_beside(const struct listeners *listeners, const struct listen_port *port)
{
    const struct listen_port *other;

    if (listeners->held[port->address.port] < 2)
        return false;
    for (other = listeners->by_address; other != NULL; other = other->hh.next) {
        if (other != port && listeners_conflict(&other->address, &port->address))
            return true;
    }
    return false;
}

struct listen_port *
listeners_adopt(struct listeners *listeners, const struct address *address)
{
    struct listen_port *port = calloc(1, sizeof *port);

    if (port == NULL)
        return NULL;
    assert(listeners_find(listeners, address) == NULL);
    port->address = *address;
    port->refs = 1;
    HASH_ADD(hh, listeners->by_address, address, sizeof port->address, port);
    listeners->held[address->port]++;
    return port;
}

static bool
same_socket(int a, int b)
{
    struct stat x, y;

    return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

int
listen_port_add(struct listen_port *port, int fd)
{
    int *fds;

    for (uint32_t i = 0; i < port->count; i++) {
        if (same_socket(port->fds[i], fd)) {
            close(fd);
            return 0;
        }
    }
    fds = reallocarray(port->fds, port->count + 1, sizeof *fds);
    if (fds == NULL) {
        close(fd);
        return -ENOMEM;
    }
    port->fds = fds;
    fds[port->count++] = fd;
    return 0;
}

/* Would `port` accept whatever this socket accepts? */
static bool
includes(const struct listen_port *port, int fd)
{
    struct sockaddr_storage sockaddr;
    socklen_t bytes = sizeof sockaddr;
    struct address bound;

    if (port->address.family == 0)
        return true;
    if (getsockname(fd, (struct sockaddr *)&sockaddr, &bytes) < 0 ||
        address_from_sockaddr((struct sockaddr *)&sockaddr, &bound) < 0 ||
        bound.family != port->address.family)
        return false;
    if (is_every_address(&bound))       /* that may be both families */
        return false;
    return is_every_address(&port->address) || address_equal(&bound, &port->address);
}

static int
copy_sockets(const struct listen_port *from, struct listen_port *to)
{
    int rc = 0;

    for (uint32_t i = 0; rc == 0 && i < from->count; i++) {
        int fd;

        if (!includes(to, from->fds[i]))
            continue;
        fd = fcntl(from->fds[i], F_DUPFD_CLOEXEC, 0);
        rc = fd < 0 ? -errno : listen_port_add(to, fd);
    }
    return rc;
}

static int
take_in(const struct listeners *listeners, struct listen_port *port, const struct app *holder)
{
    const struct listen_port *other;
    int rc = 0;

    for (other = listeners->by_address; rc == 0 && other != NULL; other = other->hh.next) {
        if (other != port && other->holder == holder &&
            listeners_conflict(&other->address, &port->address))
            rc = copy_sockets(other, port);
    }
    return rc;
}

int
listeners_open(struct listeners *listeners, const struct address *address, uint32_t sockets,
               const struct app *holder, struct listen_port **out)
{
    bool beside = listeners_overlap(listeners, address) != NULL;
    struct listen_port *port;
    int rc = beside ? 0 : listeners_try(address);

    assert(sockets > 0);
    if (rc < 0)
        return rc;
    port = listeners_adopt(listeners, address);
    if (port == NULL)
        return -ENOMEM;
    if (beside)
        rc = take_in(listeners, port, holder);
    if (port->count > 0 && !is_every_address(address))
        sockets = 0;
    for (uint32_t i = 0; rc == 0 && i < sockets; i++) {
        int fd = bind_one(address, true);

        rc = fd < 0 ? fd : listen_port_add(port, fd);
    }
    if (rc < 0) {
        listeners_unref(listeners, port);
        return rc;
    }
    *out = port;
    return 0;
}

int
listen_port_listen(struct listen_port *port)
{
    if (port->listening)
        return 0;
    for (uint32_t i = 0; i < port->count; i++) {
        if (listen(port->fds[i], LISTENERS_BACKLOG) < 0)
            return -errno;
    }
    port->listening = true;
    return 0;
}

void
listeners_unref(struct listeners *listeners, struct listen_port *port)
{
    assert(port->refs > 0);
    if (--port->refs > 0)
        return;
    HASH_DEL(listeners->by_address, port);
    listeners->held[port->address.port]--;
    for (uint32_t i = 0; i < port->count; i++)
        close(port->fds[i]);
    free(port->fds);
    free(port);
}

void
listen_port_tune(struct listen_port *port, uint32_t user_timeout_ms)
{
    if (port->user_timeout_ms == user_timeout_ms)
        return;
    port->user_timeout_ms = user_timeout_ms;
    for (uint32_t i = 0; i < port->count; i++)
        set_int(port->fds[i], IPPROTO_TCP, TCP_USER_TIMEOUT,
                (int)MIN(user_timeout_ms, INT32_MAX));
}

bool
listen_port_waits(const struct listen_port *port)
{
    for (uint32_t i = 0; i < port->count; i++) {
        struct tcp_info info = { 0 };
        socklen_t bytes = sizeof info;

        /* Of a listening socket it is the length of its queue (tcp_get_info() in the kernel). */
        if (getsockopt(port->fds[i], IPPROTO_TCP, TCP_INFO, &info, &bytes) == 0 &&
            info.tcpi_unacked > 0)
            return true;
    }
    return false;
}
