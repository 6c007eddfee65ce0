/*
 * duty - what the supervisor tells this worker to do, one message at a time.
 *
 * Nothing here waits: what the threads have to do becomes an order (order.h), and its end is
 * told when it has come. A load is all or nothing; what is refused leaves everything as it was.
 */
#ifndef FPROXY_WORKER_DUTY_H
#define FPROXY_WORKER_DUTY_H

#include <stddef.h>
#include <stdint.h>

struct control_message;
struct hosted;
struct worker;

/* Does what a message says; its descriptors are taken over. */
void duty_do(struct worker *worker, const struct control_message *message, const int *fds,
             size_t fd_count);

/* Every app drains within `deadline_ms`, then the process ends; told twice with 0: at once. */
void duty_stop(struct worker *worker, uint32_t deadline_ms);

/* A generation that never accepted goes. */
void duty_unload(struct worker *worker, struct hosted *hosted);

#endif
