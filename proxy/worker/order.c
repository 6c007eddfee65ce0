/* order - see order.h. */
#include "proxy/worker/order.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/worker/hosted.h"
#include "proxy/worker/port.h"
#include "proxy/worker/worker_priv.h"

struct order *
order_create(const struct worker *worker, enum command_type type, uint32_t changes)
{
    const uint32_t threads = worker->thread_count;
    struct order *order = calloc(1, sizeof *order + threads * sizeof order->commands[0]);

    if (order == NULL)
        return NULL;
    order->type = type;
    order->change_max = changes;
    if (changes > 0)
        order->changes = calloc(changes, sizeof *order->changes);
    if (changes > 0 && order->changes == NULL) {
        free(order);
        return NULL;
    }
    for (uint32_t i = 0; i < threads; i++) {
        order->commands[i].type = type;
        order->commands[i].order = order;
        STAILQ_INIT(&order->commands[i].changes);
    }
    return order;
}

void
order_destroy(const struct worker *worker, struct order *order)
{
    for (uint32_t i = 0; i < worker->thread_count; i++)
        free(order->commands[i].snapshot);
    free(order->changes);
    free(order);
}

void
order_change(struct order *order, const struct port *port, enum change_action action,
             uint16_t index)
{
    struct listener *listener;

    SLIST_FOREACH(listener, &port->listeners, link) {
        struct change *change = &order->changes[order->change_count++];

        assert(order->change_count <= order->change_max);
        change->listener = listener;
        change->action = (uint8_t)action;
        change->port = index;
        STAILQ_INSERT_TAIL(&order->commands[listener->thread].changes, change, link);
    }
}

void
order_post(struct worker *worker, struct order *order)
{
    const uint32_t threads = worker->thread_count;

    assert(threads > 0);
    if (order->app != NULL)
        order->app->orders++;
    if (order->leaving != NULL)
        order->leaving->orders++;
    order->waiting = threads;
    for (uint32_t i = 0; i < threads; i++) {
        order->commands[i].app = order->app != NULL ? &order->app->app : NULL;
        order->commands[i].leaving = order->leaving != NULL ? &order->leaving->app : NULL;
        thread_post(worker->threads[i], &order->commands[i]);
    }
}

/* No thread has them any more. */
static void
free_closed(struct order *order)
{
    for (uint32_t i = 0; i < order->change_count; i++) {
        const struct change *change = &order->changes[i];

        if (change->action == CHANGE_FINISH || change->action == CHANGE_CLOSE)
            free(change->listener);
    }
}

bool
order_answered(const struct command *command)
{
    struct order *order = command->order;

    assert(order->waiting > 0);
    if (command->result != 0 && order->result == 0)
        order->result = command->result;
    if (--order->waiting > 0)
        return false;
    free_closed(order);
    if (order->app != NULL)
        order->app->orders--;
    if (order->leaving != NULL)
        order->leaving->orders--;
    return true;
}
