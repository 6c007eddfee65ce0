#include "proxy/supervisor/leaving.h"

#include <assert.h>
#include <stdlib.h>

#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/serve.h"
#include "proxy/supervisor/supervisor.h"
#include "proxy/supervisor/workers.h"

void
leaving_begin(struct app_generation *generation)
{
    struct app *app = generation->app;

    assert(generation != app->current);
    assert(generation->worker != NULL);
    assert(!generation->leaving);
    generation->leaving = true;
    LIST_INSERT_HEAD(&app->leaving, generation, of_app);
}

static void
release_ports(struct app_generation *generation)
{
    struct supervisor *supervisor = generation->app->supervisor;

    for (uint32_t i = 0; generation->ports != NULL && i < generation->config.port_count; i++) {
        if (generation->ports[i] != NULL)
            listeners_unref(&supervisor->listeners, generation->ports[i]);
    }
    free(generation->ports);
    generation->ports = NULL;
}

void
leaving_overlaps_closed(struct app_generation *generation)
{
    struct listeners *listeners = &generation->app->supervisor->listeners;

    for (uint32_t i = 0; generation->ports != NULL && i < generation->config.port_count; i++) {
        struct listen_port *port = generation->ports[i];

        if (port == NULL || port->refs > 1 || !listeners_beside(listeners, port))
            continue;
        generation->ports[i] = NULL;
        listeners_unref(listeners, port);
    }
}

static void
end(struct app_generation *generation)
{
    struct app *app = generation->app;
    struct worker *worker = generation->worker;

    LIST_REMOVE(generation, of_app);
    generation_destroy(generation);
    worker_release(worker);
    app_settle(app);
    serve_left(app);
}

void
leaving_gone(struct app *app, const struct worker *worker, uint32_t number,
             uint32_t traffic_number)
{
    struct app_generation *generation;

    LIST_FOREACH(generation, &app->leaving, of_app) {
        if (generation->worker != worker || generation->number != number)
            continue;
        if (generation->pages != NULL && !generation_is_load(generation, traffic_number))
            continue;
        log_debug(app->name, "generation %u has left worker %s", number, worker->name);
        end(generation);
        return;
    }
}

void
leaving_ports_closed(struct app *app, const struct worker *worker)
{
    struct app_generation *generation;

    LIST_FOREACH(generation, &app->leaving, of_app) {
        if (generation->worker == worker)
            release_ports(generation);
    }
    app_settle(app);
}

void
leaving_lost(struct app_generation *generation)
{
    end(generation);
}
