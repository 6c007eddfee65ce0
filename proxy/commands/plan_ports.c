#include "proxy/commands/plan_ports.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/supervisor/listeners.h"
#include "proxy/supervisor/port_owner.h"

enum { OWNERS_MAX = 16, PORT_NUMBERS = 65536 };    /* each owner takes a walk through /proc */

/* A port of an app that runs. */
struct kept_port {
    const char *app;                /* borrowed */
    struct address address;
};

struct trial {
    bool *held;                     /* owned: by port number, by what runs */
    struct kept_port *kept;         /* owned: those that no app loses, by number */
    size_t kept_count;
    bool serving;
    unsigned owners_searched;
    struct plan_refusal *refusals;  /* owned */
    size_t count;
};

static int
name_order(const void *name, const void *app)
{
    return strcmp(name, ((const struct plan_app *)app)->name);
}

/* It is one of those that the plan takes from the app. */
static bool
is_lost(const struct plan_app *app, const struct address *address)
{
    for (uint32_t i = 0; app != NULL && i < app->port_removed_count; i++)
        if (address_equal(&app->ports_removed[i].address, address))
            return true;
    return false;
}

static int
note_ports(struct trial *trial, const struct plan *plan, const struct plan_running *running,
           const struct app_config *config)
{
    const struct plan_app *app = bsearch(running->name, plan->apps, plan->app_count,
                                         sizeof *plan->apps, name_order);
    struct kept_port *grown = reallocarray(trial->kept, trial->kept_count + config->port_count + 1,
                                           sizeof *grown);

    if (grown == NULL)
        return -ENOMEM;
    trial->kept = grown;
    for (uint32_t i = 0; i < config->port_count; i++) {
        const struct address *address = &config->ports[i].address;

        /* What runs holds its ports: to try them would tell nothing. */
        trial->held[address->port] = trial->held[address->port] || trial->serving;
        if (!is_lost(app, address))
            grown[trial->kept_count++] = (struct kept_port){ running->name, *address };
    }
    return 0;
}

static int
port_order(const void *a, const void *b)
{
    const struct kept_port *one = a, *other = b;

    return (int)one->address.port - (int)other->address.port;
}

static int
note_running(struct trial *trial, const struct plan *plan, const struct plan_running *running,
             size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct app_config config;
        char why[DETAIL_BYTES];
        int rc = app_config_parse(running[i].text, &config, why);

        if (rc == -EINVAL && !trial->serving)
            continue;               /* of another version: what holds its ports is not known */
        if (rc < 0)
            return rc;
        rc = note_ports(trial, plan, &running[i], &config);
        app_config_fini(&config);
        if (rc < 0)
            return rc;
    }
    if (trial->kept_count > 0)
        qsort(trial->kept, trial->kept_count, sizeof *trial->kept, port_order);
    return 0;
}

/* Another app that runs with it and goes on so; NULL: none. */
static const char *
find_keeper(const struct trial *trial, const char *app, const struct address *address)
{
    const struct kept_port key = { .address = *address };
    const struct kept_port *end = trial->kept + trial->kept_count, *at = NULL;

    if (trial->kept_count > 0)
        at = bsearch(&key, trial->kept, trial->kept_count, sizeof key, port_order);
    if (at == NULL)
        return NULL;
    while (at > trial->kept && at[-1].address.port == address->port)
        at--;
    for (; at < end && at->address.port == address->port; at++)
        if (strcmp(at->app, app) != 0 && listeners_conflict(&at->address, address))
            return at->app;
    return NULL;
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

/* False: it could be had. */
static bool
is_refused(struct trial *trial, struct plan_refusal *refusal)
{
    const struct address *address = &refusal->port.address;
    const char *keeper = find_keeper(trial, refusal->app, address);
    int rc;

    if (keeper != NULL) {
        refusal->certain = true;
        snprintf(refusal->reason, sizeof refusal->reason, "is in use by app %s, which keeps it",
                 keeper);
        return true;
    }
    rc = trial->held[address->port] ? 0 : listeners_try(address);
    return rc < 0 && explain(trial, refusal, rc);
}

static int
try_port(struct trial *trial, const struct plan_app *app, const struct app_listen *port)
{
    struct plan_refusal refusal = { .app = app->name, .port = *port }, *grown;

    if (!is_refused(trial, &refusal))
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

    if (rc == 0)
        rc = note_running(&trial, plan, running, running_count);
    for (size_t i = 0; rc == 0 && i < plan->app_count; i++) {
        const struct plan_app *app = &plan->apps[i];

        for (uint32_t k = 0; rc == 0 && k < app->port_added_count; k++)
            rc = try_port(&trial, app, &app->ports_added[k]);
    }
    free(trial.held);
    free(trial.kept);
    *refusals = trial.refusals;
    *count = trial.count;
    if (rc == 0)
        return 0;
    free(trial.refusals);
    *refusals = NULL;
    return rc;
}
