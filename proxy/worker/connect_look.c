#include "proxy/worker/connect_look.h"

#include <poll.h>
#include <sys/epoll.h>

_Static_assert(POLLIN == EPOLLIN && POLLPRI == EPOLLPRI && POLLOUT == EPOLLOUT &&
                   POLLERR == EPOLLERR && POLLHUP == EPOLLHUP && POLLRDHUP == EPOLLRDHUP,
               "both name the same bits");

uint32_t
connect_look(int fd)
{
    struct pollfd look = { .fd = fd, .events = POLLIN | POLLPRI | POLLOUT | POLLRDHUP };

    return poll(&look, 1, 0) > 0 ? (uint32_t)(unsigned short)look.revents : 0;
}
