/* takeover - see takeover.h. */
#include "proxy/worker/takeover.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "proxy/worker/order.h"
#include "proxy/worker/worker_priv.h"

/* Listeners at all ports that the generation uses. */
static uint32_t
count_listeners(const struct hosted *hosted)
{
    uint32_t count = 0;

    for (uint32_t i = 0; hosted->ports != NULL && i < hosted->app.config.port_count; i++)
        count += hosted->ports[i] != NULL ? hosted->ports[i]->listener_count : 0;
    return count;
}

/* `order` may be NULL when no port has a listener to close. */
static void
release_ports(struct worker *worker, struct hosted *hosted, struct order *order,
              enum change_action action)
{
    for (uint32_t i = 0; hosted->ports != NULL && i < hosted->app.config.port_count; i++) {
        struct port *port = hosted->ports[i];
        bool held = port != NULL && port->holder == hosted;

        if (port == NULL)
            continue;
        if (held)
            port->holder = NULL;
        if (port_release(port)) {
            if (port->listener_count > 0)
                order_change(order, port, action, 0);
            port_forget(&worker->ports, port);
        } else if (held) {
            order_change(order, port, CHANGE_PARK, 0);
        }
    }
    free(hosted->ports);
    hosted->ports = NULL;
}

/* The sockets of this load belong to their ports from now on. */
static void
add_sockets(struct worker *worker, struct hosted *hosted)
{
    struct listener *listener;

    while ((listener = SLIST_FIRST(&hosted->sockets)) != NULL) {
        SLIST_REMOVE_HEAD(&hosted->sockets, link);
        port_add_listener(&worker->ports, hosted->ports[listener->port], listener,
                          worker->thread_count);
    }
    hosted->socket_count = hosted->socket_total = 0;
}

static void
take_ports(struct hosted *hosted, struct order *order)
{
    for (uint32_t i = 0; i < hosted->app.config.port_count; i++) {
        hosted->ports[i]->holder = hosted;
        order_change(order, hosted->ports[i], CHANGE_TAKE, (uint16_t)i);
    }
}

static void
post(struct worker *worker, struct order *order, uint64_t limit_ms)
{
    uint32_t conn_max = worker_conn_max(worker);

    for (uint32_t i = 0; i < worker->thread_count; i++) {
        order->commands[i].limit_ms = limit_ms;
        order->commands[i].conn_max = conn_max;
    }
    order_post(worker, order);
}

/* Whose connections a newer generation gets; NULL: nobody's. */
static struct hosted *
predecessor(const struct hosted *hosted)
{
    const struct tenant *tenant = hosted->tenant;

    return tenant->accepting != NULL ? tenant->accepting : tenant->retired;
}

/* An order for `hosted` to take over from `old`, which may be NULL, and what is what then. NULL
 * without memory. */
static struct order *
prepare(struct worker *worker, enum command_type type, uint32_t changes, struct hosted *hosted,
        struct hosted *old)
{
    struct order *order = order_create(worker, type, changes);
    struct handover *handover = NULL;

    if (order == NULL || old == NULL) {
        if (order != NULL)
            order->app = hosted;
        return order;
    }
    handover = handover_create(&old->app, hosted_board(old), &hosted->app, hosted_board(hosted));
    if (handover == NULL) {
        order_destroy(worker, order);
        return NULL;
    }
    order->app = hosted;
    order->leaving = old;
    old->app.handover = handover;
    handover_knowledge(handover, hosted_traffic(old), hosted_traffic(hosted));
    return order;
}

int
takeover_accept(struct worker *worker, struct hosted *hosted, uint32_t limit_ms)
{
    struct hosted *old = predecessor(hosted);
    uint32_t changes = count_listeners(hosted) + hosted->socket_count;
    struct order *order;

    assert(hosted->state == HOSTED_LOADED);
    order = prepare(worker, COMMAND_SWITCH,
                    changes + (old != NULL ? count_listeners(old) : 0), hosted, old);
    if (order == NULL)
        return -ENOMEM;
    add_sockets(worker, hosted);
    take_ports(hosted, order);
    if (old != NULL) {
        old->state = HOSTED_DRAINING;
        release_ports(worker, old, order, CHANGE_FINISH);
    }
    hosted->state = HOSTED_ACCEPTING;
    hosted->tenant->accepting = hosted;
    hosted->tenant->retired = NULL;
    post(worker, order, limit_ms);
    return 0;
}

int
takeover_follow(struct worker *worker, struct hosted *hosted, uint32_t limit_ms)
{
    struct hosted *old = hosted->tenant->retired;
    struct order *order;

    assert(hosted->state == HOSTED_LOADED);
    if (old == NULL)
        return -ENOENT;
    order = prepare(worker, COMMAND_FOLLOW, 0, hosted, old);
    if (order == NULL)
        return -ENOMEM;
    hosted->state = HOSTED_DRAINING;
    hosted->tenant->retired = hosted;
    post(worker, order, limit_ms);
    return 0;
}

int
takeover_leave(struct worker *worker, struct hosted *hosted, uint64_t limit_ms, bool finish)
{
    struct order *order = order_create(worker, COMMAND_SWITCH, count_listeners(hosted));

    if (order == NULL)
        return -ENOMEM;
    order->leaving = hosted;
    release_ports(worker, hosted, order, finish ? CHANGE_FINISH : CHANGE_CLOSE);
    if (hosted->tenant->accepting == hosted) {
        hosted->tenant->accepting = NULL;
        if (!finish)
            hosted->tenant->retired = hosted;
    } else if (hosted->tenant->retired == hosted && finish) {
        hosted->tenant->retired = NULL;
    }
    hosted->state = HOSTED_DRAINING;
    post(worker, order, limit_ms);
    return 0;
}

int
takeover_unload(struct worker *worker, struct hosted *hosted)
{
    uint32_t changes = count_listeners(hosted);
    struct order *order = NULL;

    assert(hosted->state == HOSTED_LOADING || hosted->state == HOSTED_LOADED);
    if (changes > 0) {
        order = order_create(worker, COMMAND_SWITCH, changes);
        if (order == NULL)
            return -ENOMEM;
    }
    release_ports(worker, hosted, order, CHANGE_CLOSE);
    if (order != NULL && order->change_count > 0)
        post(worker, order, DRAIN_NEVER);
    else if (order != NULL)
        order_destroy(worker, order);
    return 0;
}
