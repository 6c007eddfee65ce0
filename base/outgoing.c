#include "base/outgoing.h"

#include <errno.h>

int
outgoing_socket(sa_family_t family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);   /* without it, it connects too */
    return fd;
}
