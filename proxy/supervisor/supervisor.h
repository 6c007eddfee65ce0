/*
 * supervisor - the process that owns the sockets, the desired state and the children.
 *
 *   source --change.c--> apps --rollout.c, serve.c--> [ ports | boards | workers | accept ]
 *   store  --known.c--^                     |               |
 *   children of the last one --adopt.c--^   prober_link.c   worker_link.c      (children.c)
 *
 * It moves no client byte. One thread, one libevent loop; only the store writes, and the
 * source reads, in threads of their own. What its parts share is here.
 */
#ifndef FPROXY_SUPERVISOR_SUPERVISOR_H
#define FPROXY_SUPERVISOR_SUPERVISOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/names.h"
#include "base/restart.h"
#include "config/settings.h"
#include "proxy/supervisor/attention.h"
#include "proxy/supervisor/known.h"
#include "proxy/supervisor/listeners.h"
#include "proxy/supervisor/numbers.h"
#include "proxy/supervisor/pid_file.h"
#include "proxy/supervisor/port_owner.h"
#include "proxy/supervisor/rollout.h"
#include "proxy/supervisor/standing_errors.h"
#include "proxy/supervisor/status.h"

struct admin;
struct app_overrides;
struct child;
struct config_set;
struct config_source;
struct config_source_ops;
struct event;
struct event_base;
struct overrides_late;
struct overriding;
struct reload;
struct reported;
struct shutdown;
struct store;
struct upgrade;
struct worker;

/* What the command line says; NULL: nothing. The environment and the configuration come
 * after it. */
struct supervisor_options {
    const char *config_path, *state_dir, *runtime_dir, *log_level;
    char **argv;                        /* as the program was started; borrowed */
};

struct supervisor {
    struct event_base *base;            /* owned */
    struct supervisor_options options;
    struct settings settings;
    int settings_fd;                    /* owned: their text, sealed, for the children */
    int seed_fd;                        /* owned: what the database knew, for the prober; or -1 */
    char config_path[PATH_BYTES];       /* absolute */
    char state_dir[PATH_BYTES], runtime_dir[PATH_BYTES];
    int state_fd, runtime_fd;           /* owned, locked */
    struct store *store;                /* owned */
    struct event *store_event;          /* owned: the store has answers */
    int store_notify_fd;                /* owned */
    struct known known;                 /* until the first change has been applied */
    struct numbers numbers;             /* of apps that are not there, from then on */
    struct config_set *set;             /* owned until the source has it */
    const struct config_source_ops *source_ops;
    struct config_source *source;       /* owned */
    bool first_change_applied;
    bool unseen_removed;                /* adopted apps that stand nowhere have been, too */
    bool applying;                      /* a change: nothing is settled before all of it is */
    int path_error;                     /* as it was told last */
    int path_error_at_start;
    struct standing_errors standing;    /* owned: of the configuration, after the last change */
    struct process_id last_holder;      /* of the runtime directory; pid 0: it stopped properly */

    struct app *apps;                   /* owned, by name */
    uint32_t unsettled;                 /* of them: on their way to something */
    uint32_t hushed;                    /* see supervisor_hush() */
    uint32_t loading;                   /* ... in APP_LOADING */
    struct event *resume_rollouts;      /* owned: there is room for more of them */
    struct pending_apps pending;
    struct attention attention;         /* of them: not as they are configured */
    bool groups_formed, groups_exist;   /* of those; see rollout_group.c */
    bool starting_rollouts;
    bool followers_queued;              /* see follow_send() */
    struct listeners listeners;
    struct listen_port **spare_ports;   /* owned references */
    size_t spare_port_count;
    uint64_t closed_ports_at_ms;        /* CLOCK_MONOTONIC: a worker was told to close some */
    uint64_t descriptors_max;           /* soft limit */
    uint32_t cores;
    uint64_t port_count;                /* of all apps, as they are asked for */
    struct port_owner_pace owner_pace;

    struct worker *workers;             /* owned, by name */
    LIST_HEAD(, worker) retired;        /* owned */
    TAILQ_HEAD(, worker) start_queue;   /* wait until fewer are starting */
    uint32_t workers_starting;
    struct worker *worker_ending;       /* is being looked after by workers.c */
    uint32_t named_workers;             /* apps with the key `worker` */
    bool workers_unsettled;             /* some app may belong to another one than it has */

    struct child *prober;               /* NULL while none runs */
    bool prober_there;                  /* it takes orders */
    bool prober_adopted;                /* it may know what holds no more */
    TAILQ_HEAD(, app_generation) to_prober;     /* to be sent when it takes them */
    struct event *prober_again;         /* owned: those that could not be sent */
    struct event *unresponsive_again;   /* owned: app->unresponsive of some */
    struct event *relief_again;         /* owned: worker->relief of some */
    bool prober_outdated, prober_replaced;
    struct reported *prober_report;     /* owned; while it is adopted */
    size_t prober_report_count;
    struct restart prober_restart;
    char prober_last_end[PROCESS_END_BYTES];    /* unasked; "": none did */
    struct event *prober_timer;         /* owned */

    struct admin *admin;                /* owned */
    struct app_overrides *overrides;    /* owned, by app; see overrides.h */
    LIST_HEAD(, overriding) overridings;    /* owned; see admin_overrides.h */
    bool overrides_unknown;             /* the database could not tell them yet */
    struct overrides_late *overrides_late;  /* owned; while they are unknown */
    struct pins *pins;                  /* owned; they were unknown at the start */
    uint32_t override_serial;           /* the last one given */
    LIST_HEAD(, reload) reloads;        /* owned */
    uint64_t reload_token;
    struct upgrade *upgrade;            /* owned; NULL: none is under way */
    bool upgraded;                      /* this process has become another binary */
    struct shutdown *shutdown;          /* owned; NULL: not stopping */
    struct event *signals[5];           /* owned */
    bool running;                       /* the start is over: signals are obeyed */
    bool stop_asked, reload_asked;      /* ... one that wants this came before */
    uint64_t started_at_ms;             /* CLOCK_MONOTONIC */
    bool announced;                     /* the service manager knows that we are ready */
};

/* Runs until it is told to stop. The exit status: 0; 2: it could not start. */
int supervisor_run(const struct supervisor_options *options);

/* Nothing may be on its way any more: looks, and tells who waits for that. */
void supervisor_settled(struct supervisor *supervisor);

/* Between these two an app is in the midst of a change: nobody is told anything. They nest. */
void supervisor_hush(struct supervisor *supervisor);
void supervisor_speak(struct supervisor *supervisor);

/* Signals wait until they are let in again: while nobody is there to take them they would end the
 * process. What is executed meanwhile inherits it. */
void supervisor_hold_signals(bool hold);

/* Threads of a worker for which `configured` (0: as daemon.threads) is asked. */
uint32_t supervisor_threads(const struct supervisor *supervisor, uint32_t configured);

#endif
