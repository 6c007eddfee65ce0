#include "proxy/supervisor/listeners.h"

#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/util.h"

uint32_t
listeners_per_port(uint32_t threads, uint64_t descriptors_max, uint64_t ports)
{
    uint64_t room = descriptors_max / 2 / MAX(ports, 1);

    return (uint32_t)MAX(MIN(threads, room), 1);
}

/* A socket for `port`, not bound. "Every address" is [::] for both families, and 0.0.0.0 on
 * a host without IPv6; `sockaddr` gets what to bind. The socket or -errno. */
static int
socket_for(const struct app_listen *port, struct sockaddr_storage *sockaddr, socklen_t *bytes)
{
    struct address any = { .family = 6, .port = port->address.port };
    const struct address *address = port->address.family == 0 ? &any : &port->address;
    int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int only = port->address.family != 0;
    int fd = socket(address->family == 6 ? AF_INET6 : AF_INET, type, 0);

    if (fd < 0 && errno == EAFNOSUPPORT && port->address.family == 0) {
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
set_inherited(int fd, uint32_t user_timeout_ms)
{
    if (set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1) < 0 ||
        set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1) < 0 ||
        set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60) < 0 ||
        set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10) < 0 ||
        set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, 6) < 0)
        return -1;
    if (user_timeout_ms == 0)
        return 0;
    return set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)MIN(user_timeout_ms, INT32_MAX));
}

/* A bound socket, which listens when it is one of a group; or -errno. */
static int
bind_one(const struct app_listen *port, bool group, uint32_t user_timeout_ms)
{
    struct sockaddr_storage sockaddr;
    socklen_t bytes = 0;
    int rc, fd = socket_for(port, &sockaddr, &bytes);

    if (fd < 0)
        return fd;
    if (set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0)
        goto fail;
    if (group && set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0)
        goto fail;
    if (bind(fd, (struct sockaddr *)&sockaddr, bytes) < 0)
        goto fail;
    if (group && (set_inherited(fd, user_timeout_ms) < 0 || listen(fd, LISTENERS_BACKLOG) < 0))
        goto fail;
    return fd;

fail:
    rc = -errno;
    close(fd);
    return rc;
}

/* Whoever holds the port, even with SO_REUSEPORT, makes this fail. 0 or -errno. */
static int
trial_bind(const struct app_listen *port)
{
    int fd = bind_one(port, false, 0);

    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

static int
open_port(struct listeners *listeners, const struct app_listen *port, uint32_t user_timeout_ms)
{
    int rc = trial_bind(port);

    for (uint32_t i = 0; rc == 0 && i < listeners->per_port; i++) {
        int fd = bind_one(port, true, user_timeout_ms);

        if (fd < 0)
            rc = fd;
        else
            listeners->fds[listeners->count++] = fd;
    }
    return rc;
}

int
listeners_open(struct listeners *listeners, const struct app_listen *ports, uint32_t port_count,
               uint32_t per_port, uint32_t user_timeout_ms, uint32_t *failed)
{
    assert(per_port > 0);
    *failed = 0;
    *listeners = (struct listeners){ .per_port = per_port };
    listeners->fds = calloc((size_t)port_count * per_port, sizeof *listeners->fds);
    if (listeners->fds == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < port_count; i++) {
        int rc = open_port(listeners, &ports[i], user_timeout_ms);

        if (rc < 0) {
            *failed = i;
            listeners_close(listeners);
            return rc;
        }
    }
    return 0;
}

void
listeners_close(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++)
        close(listeners->fds[i]);
    free(listeners->fds);
    *listeners = (struct listeners){ 0 };
}
