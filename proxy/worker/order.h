/*
 * order - what the control thread tells all data threads at once.
 *
 * One allocation holds a command for each thread; when the last of them came back the order
 * is done and freed. Any number may be under way; a thread does them in the order of posting.
 * Generations that an order names live until it is done.
 */
#ifndef FPROXY_WORKER_ORDER_H
#define FPROXY_WORKER_ORDER_H

#include <stdint.h>

#include "proxy/worker/thread.h"

struct hosted;
struct port;
struct worker;

struct order {
    enum command_type type;
    struct hosted *app, *leaving;       /* as in struct command */
    uint32_t waiting;                   /* answers that are due */
    int result;                         /* the first failure */
    struct change *changes;             /* owned */
    uint32_t change_count, change_max;
    struct command commands[];          /* one a thread */
};

/* Room for `changes` changes of listeners in all. NULL: no memory. */
struct order *order_create(const struct worker *worker, enum command_type type,
                           uint32_t changes);
/* Of one that was not posted. */
void order_destroy(const struct worker *worker, struct order *order);

/* All listeners of a port: `action`, for TAKE as number `index` of the app's ports. */
void order_change(struct order *order, const struct port *port, enum change_action action,
                  uint16_t index);

/* Sends it off; app, leaving and the commands are filled in by then. */
void order_post(struct worker *worker, struct order *order);

/* A thread has done its part. True: that was the last one, the order is done (order_destroy()
 * after what it is to cause); listeners that it closed are freed. */
bool order_answered(const struct command *command);

#endif
