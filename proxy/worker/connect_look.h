/*
 * connect_look - how a connect() stands, asked of the kernel itself.
 *
 * Timers fire when the loop comes to them. After a pause (the process was stopped, or the machine
 * busy) a connection may be there long since, and its event still wait behind those of others: who
 * only looks at the clock would call that a time out.
 */
#ifndef FPROXY_WORKER_CONNECT_LOOK_H
#define FPROXY_WORKER_CONNECT_LOOK_H

#include <stdint.h>

/* What epoll would tell of `fd` now, EPOLLOUT: it is connected, EPOLLERR or EPOLLHUP: it failed. 0
 * while it is under way. One poll(2), which never blocks. */
uint32_t connect_look(int fd);

#endif
