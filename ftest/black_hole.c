#include "ftest/black_hole.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

/* Long enough for loopback, shorter than the second after which a SYN is sent again. */
enum { CONNECT_WAIT_MS = 250 };

/* 1: connected, 0: still in progress, or -errno. */
static int
connect_result(int fd)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };
    socklen_t error_bytes = sizeof(int);
    int error = 0;
    int n;

    do
        n = poll(&poll_fd, 1, CONNECT_WAIT_MS);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n < 0 ? -errno : 0;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_bytes) < 0)
        return -errno;
    return error != 0 ? -error : 1;
}

int
black_hole_fill(int listener, struct black_hole *hole)
{
    struct sockaddr_storage address;
    socklen_t address_bytes = sizeof address;

    hole->filler_count = 0;
    if (getsockname(listener, (struct sockaddr *)&address, &address_bytes) < 0)
        return -errno;
    while (hole->filler_count < BLACK_HOLE_FILLERS_MAX) {
        int fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        int rc;

        if (fd < 0)
            return -errno;
        hole->fillers[hole->filler_count++] = fd;
        rc = connect(fd, (struct sockaddr *)&address, address_bytes) == 0 ? 1 : -errno;
        if (rc == -EINPROGRESS)
            rc = connect_result(fd);
        if (rc <= 0)
            return rc;      /* full, for this one hangs; or it went wrong */
    }
    return -EAGAIN;
}
