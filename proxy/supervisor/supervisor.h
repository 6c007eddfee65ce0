/*
 * supervisor - the process that owns the sockets, the desired state and the children.
 *
 *   config + store --boot.c--> desired apps --rollout.c--> [ bind | board | worker | accept ]
 *                                                 |               |
 *                                        prober_link.c      worker_link.c      (children.c)
 *
 * It moves no client byte. One thread, one libevent loop; only the store writes in a
 * thread of its own. What its parts share is here.
 */
#ifndef FPROXY_SUPERVISOR_SUPERVISOR_H
#define FPROXY_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "base/names.h"
#include "config/settings.h"
#include "proxy/supervisor/port_owner.h"
#include "proxy/supervisor/restart.h"

struct admin;
struct app;
struct child;
struct event;
struct event_base;
struct shutdown;
struct store;

struct supervisor {
    struct event_base *base;            /* owned */
    struct settings settings;
    int settings_fd;                    /* owned: their text, sealed, for the children */
    int seed_fd;                        /* owned: what the database knew, for the prober; or -1 */
    char config_path[PATH_BYTES];       /* absolute */
    char state_dir[PATH_BYTES], runtime_dir[PATH_BYTES];
    int state_fd, runtime_fd;           /* owned, locked */
    struct store *store;                /* owned */
    struct app *apps;                   /* owned, by name */
    uint64_t descriptors_max;           /* soft limit */
    uint64_t port_count;                /* of all apps */
    struct child *prober;               /* NULL while none runs */
    struct restart prober_restart;
    struct event *prober_timer;         /* owned */
    struct admin *admin;                /* owned */
    struct port_owner_pace owner_pace;
    struct shutdown *shutdown;          /* owned; NULL: not stopping */
    struct event *signals[4];           /* owned */
    uint64_t started_at_ms;             /* CLOCK_MONOTONIC */
    bool announced;                     /* the service manager knows that we are ready */
};

/* What the command line says; NULL: nothing. The environment and the configuration come
 * after it. */
struct supervisor_options {
    const char *config_path, *state_dir, *runtime_dir, *log_level;
};

/* Runs until it is told to stop. The exit status: 0; 2: it could not start. */
int supervisor_run(const struct supervisor_options *options);

/* Tells the service manager, once, when every app serves or cannot. */
void supervisor_announce(struct supervisor *supervisor);

/* Threads of a worker for which `configured` (0: as daemon.threads) is asked. */
uint32_t supervisor_threads(const struct supervisor *supervisor, uint32_t configured);

#endif
