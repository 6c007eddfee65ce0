#include "proxy/supervisor/acquire.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "proxy/supervisor/port_owner.h"
#include "proxy/supervisor/ports.h"
#include "proxy/supervisor/prober_link.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/workers.h"

/* ---- why a port cannot be had ---- */

/* Who of other programs has it? Searched once for each failure, and not for many at once. */
static bool
find_owner(const struct app *app, uint16_t port, char *owner, size_t owner_bytes)
{
    struct port_owner_pace *pace = &app->supervisor->owner_pace;
    uint64_t began_ms = clock_monotonic_ms();
    bool found;

    if (app->failure == -EADDRINUSE || !port_owner_may_search(pace, began_ms))
        return false;
    found = port_owner_find(port, owner, owner_bytes);
    port_owner_searched(pace, began_ms, clock_monotonic_ms());
    return found;
}

static void
explain_in_use(const struct app *app, const struct app_listen *port, const char *name,
               char *why)
{
    const struct listen_port *ours =
        listeners_overlap(&app->supervisor->listeners, &port->address);
    char owner[PORT_OWNER_BYTES];

    if (ours != NULL && ours->holder != NULL && ours->holder != app)
        snprintf(why, APP_REASON_BYTES, "port %s is in use by app %s", name,
                 ours->holder->name);
    else if (find_owner(app, port->address.port, owner, sizeof owner))
        snprintf(why, APP_REASON_BYTES, "port %s is in use by %s", name, owner);
    else
        snprintf(why, APP_REASON_BYTES, "port %s is in use", name);
}

static void
explain(const struct app_generation *generation, uint32_t index, int rc, char *why)
{
    const struct app *app = generation->app;
    char port[ADDRESS_TEXT_BYTES];

    port_text(&generation->config.ports[index], port);
    if (rc == -EADDRINUSE)
        explain_in_use(app, &generation->config.ports[index], port, why);
    else if (rc == -EMFILE || rc == -ENFILE)
        snprintf(why, APP_REASON_BYTES,
                 "no descriptor is left for port %s: %u ports are asked for, the limit is "
                 "%" PRIu64 " descriptors (ulimit -n, LimitNOFILE)",
                 port, generation->config.port_count, app->supervisor->descriptors_max);
    else if (rc == -EACCES)
        snprintf(why, APP_REASON_BYTES,
                 "port %s may not be bound: that takes root or CAP_NET_BIND_SERVICE", port);
    else if (rc == -EADDRNOTAVAIL)
        snprintf(why, APP_REASON_BYTES,
                 "port %s cannot be bound: this host has no such address", port);
    else
        snprintf(why, APP_REASON_BYTES, "port %s cannot be bound: %s", port, strerror(-rc));
}

/* ---- ports ---- */

static uint32_t
sockets_a_port(const struct app_generation *generation)
{
    const struct supervisor *supervisor = generation->app->supervisor;
    uint64_t ports = HASH_COUNT(supervisor->listeners.by_address);

    return listeners_per_port(supervisor_threads(supervisor, generation->config.threads),
                              supervisor->descriptors_max,
                              MAX(supervisor->port_count, ports));
}

/* May it have, or lie beside, this port of ours? */
static bool
is_allowed(const struct app_generation *generation, const struct listen_port *port,
           acquire_share_fn *may_share, const void *context)
{
    if (port->holder == NULL || port->holder == generation->app)
        return true;
    return may_share != NULL && may_share(context, port);
}

static int
acquire_port(struct app_generation *generation, uint32_t index, acquire_share_fn *may_share,
             const void *context)
{
    struct listeners *listeners = &generation->app->supervisor->listeners;
    const struct address *address = &generation->config.ports[index].address;
    struct listen_port *ours = listeners_overlap(listeners, address);
    struct listen_port *same = ours == NULL ? NULL : listeners_find(listeners, address);
    int rc;

    if (ours != NULL && !is_allowed(generation, ours, may_share, context))
        return -EADDRINUSE;
    if (same != NULL) {
        same->refs++;
        generation->ports[index] = same;
        return 0;
    }
    rc = listeners_open(listeners, address, sockets_a_port(generation), generation->app,
                        &generation->ports[index]);
    if (rc == 0 && generation->config.user_timeout_ms > 0)
        listen_port_tune(generation->ports[index], generation->config.user_timeout_ms);
    return rc;
}

int
acquire_ports(struct app_generation *generation, acquire_share_fn *may_share,
              const void *context, char *why)
{
    int rc = 0;

    assert(generation->ports == NULL);
    generation->ports = calloc(MAX(generation->config.port_count, 1),
                               sizeof(struct listen_port *));
    if (generation->ports == NULL) {
        snprintf(why, APP_REASON_BYTES, "no memory");
        return -ENOMEM;
    }
    for (uint32_t i = 0; rc == 0 && i < generation->config.port_count; i++) {
        rc = acquire_port(generation, i, may_share, context);
        if (rc < 0)
            explain(generation, i, rc, why);
    }
    if (rc < 0)
        generation_release(generation);
    return rc;
}

int
acquire_listen(const struct app_generation *generation, char *why)
{
    for (uint32_t i = 0; i < generation->config.port_count; i++) {
        int rc = listen_port_listen(generation->ports[i]);

        if (rc < 0) {
            explain(generation, i, rc, why);
            return rc;
        }
    }
    return 0;
}

void
acquire_hold_ports(struct app *app)
{
    const struct app_generation *generation = app->current;

    for (uint32_t i = 0; i < generation->config.port_count; i++) {
        generation->ports[i]->holder = app;
        listen_port_tune(generation->ports[i], generation->config.user_timeout_ms);
    }
}

/* ---- worker and pages ---- */

struct worker *
acquire_worker(const struct app_generation *generation)
{
    struct supervisor *supervisor = generation->app->supervisor;
    char name[APP_NAME_BYTES];

    workers_name(supervisor, &generation->config, name);
    return workers_get(supervisor, name);
}

static int
explain_pages(int rc, char *why)
{
    if (rc < 0)
        snprintf(why, APP_REASON_BYTES, "no board can be made in the runtime directory: %s",
                 strerror(-rc));
    return rc;
}

int
acquire_pages(struct app_generation *generation, struct worker *worker, char *why)
{
    struct pages_owner owner;

    if (worker == NULL)
        return explain_pages(-ENOMEM, why);
    generation_assign(generation, worker);
    owner = generation_pages_owner(generation);
    return explain_pages(pages_create(&owner, generation->number,
                                      generation->slots, worker->threads,
                                      &generation->pages),
                         why);
}

int
acquire_shared_pages(struct app_generation *generation, const struct app_generation *from,
                     struct worker *worker, char *why)
{
    struct pages_owner owner;

    generation_assign(generation, worker);
    owner = generation_pages_owner(generation);
    return explain_pages(pages_share(&owner, from->pages, worker->threads, &generation->pages),
                         why);
}

int
acquire_from(struct app_generation *generation, const struct app_generation *from,
             struct worker *worker, char *why)
{
    assert(generation->ports == NULL);
    generation->ports = calloc(MAX(generation->config.port_count, 1),
                               sizeof(struct listen_port *));
    if (generation->ports == NULL || worker == NULL)
        return explain_pages(-ENOMEM, why);
    for (uint32_t i = 0; i < generation->config.port_count; i++) {
        generation->ports[i] = from->ports[i];
        from->ports[i]->refs++;
    }
    return acquire_shared_pages(generation, from, worker, why);
}

int
acquire_fresh_traffic(struct app_generation *generation)
{
    const struct pages_owner owner = generation_pages_owner(generation);
    int rc;

    if (!generation->loaded_before) {
        generation->loaded_before = true;
        return 0;
    }
    pages_destroy(owner.runtime_fd, generation->pages_old);     /* its reader has ended */
    generation->pages_old = NULL;
    rc = pages_renew_traffic(&owner, generation->pages, generation->worker->threads);
    if (rc == 0)
        prober_link_traffic(generation);
    return rc;
}
