#include "proxy/commands/plan_ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/supervisor/listeners.h"
#include "proxy/supervisor/port_owner.h"

enum { OWNERS_MAX = 16, PORT_NUMBERS = 65536 };    /* each owner takes a walk through /proc */

struct trial {
    bool *held;                     /* owned: by port number, by what runs */
    bool serving;
    unsigned owners_searched;
    struct plan_refusal *refusals;  /* owned */
    size_t count;
};

/* What runs holds its ports: to try them would tell nothing. */
static int
note_held(struct trial *trial, const struct plan_running *running, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct app_config app;
        char why[DETAIL_BYTES];
        int rc = app_config_parse(running[i].text, &app, why);

        if (rc < 0)
            return rc;
        for (uint32_t k = 0; k < app.port_count; k++)
            trial->held[app.ports[k].address.port] = true;
        app_config_fini(&app);
    }
    return 0;
}

/* Workers that have outlived their supervisor give it back to the next one. */
static bool
is_left_by_us(const struct trial *trial, const char *owner)
{
    static const char worker[] = "fproxy-worker ";

    return !trial->serving && strncmp(owner, worker, sizeof worker - 1) == 0;
}

static bool
find_owner(struct trial *trial, uint16_t port, char *owner, size_t bytes)
{
    if (trial->owners_searched == OWNERS_MAX)
        return false;
    trial->owners_searched++;
    return port_owner_find(port, owner, bytes);
}

/* False: nothing stands in the way. */
static bool
explain(struct trial *trial, struct plan_refusal *refusal, int rc)
{
    char owner[DETAIL_BYTES - 32];

    refusal->certain = rc == -EADDRINUSE || rc == -EADDRNOTAVAIL;
    if (rc != -EADDRINUSE) {
        snprintf(refusal->reason, sizeof refusal->reason, "%s%s",
                 refusal->certain ? "cannot be had: " : "could not be tried by this user: ",
                 rc == -EADDRNOTAVAIL ? "no interface has this address" : strerror(-rc));
        return true;
    }
    if (!find_owner(trial, refusal->port.address.port, owner, sizeof owner)) {
        snprintf(refusal->reason, sizeof refusal->reason, "is in use by another program");
        return true;
    }
    snprintf(refusal->reason, sizeof refusal->reason, "is in use by %s", owner);
    return !is_left_by_us(trial, owner);
}

static int
try_port(struct trial *trial, const struct plan_app *app, const struct app_listen *port)
{
    struct plan_refusal refusal = { .app = app->name, .port = *port }, *grown;
    int rc = trial->held[port->address.port] ? 0 : listeners_try(&port->address);

    if (rc == 0 || !explain(trial, &refusal, rc))
        return 0;
    grown = reallocarray(trial->refusals, trial->count + 1, sizeof *grown);
    if (grown == NULL)
        return -ENOMEM;
    trial->refusals = grown;
    grown[trial->count++] = refusal;
    return 0;
}

int
plan_ports_try(const struct plan *plan, const struct plan_running *running, size_t running_count,
               bool serving, struct plan_refusal **refusals, size_t *count)
{
    struct trial trial = { .held = calloc(PORT_NUMBERS, sizeof *trial.held),
                           .serving = serving };
    int rc = trial.held == NULL ? -ENOMEM : 0;

    if (rc == 0 && serving)
        rc = note_held(&trial, running, running_count);
    for (size_t i = 0; rc == 0 && i < plan->app_count; i++) {
        const struct plan_app *app = &plan->apps[i];

        for (uint32_t k = 0; rc == 0 && k < app->port_added_count; k++)
            rc = try_port(&trial, app, &app->ports_added[k]);
    }
    free(trial.held);
    *refusals = trial.refusals;
    *count = trial.count;
    if (rc == 0)
        return 0;
    free(trial.refusals);
    *refusals = NULL;
    return rc;
}
