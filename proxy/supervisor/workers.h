/*
 * workers - the worker processes: which there are, which app runs where, and their lives.
 *
 *   workers_for(app) -> a worker by name      worker_start() -> HELLO, REPORT_END: it is there
 *   it ends -> its generations are loaded by its successor, at once or after a while (restart.h)
 *   another one is to take over -> it retires: keeps its connections, ends with the last
 *
 * Not many start at once: a thousand of them would take the processors away from those that
 * serve and from the prober, whose findings all of them wait for.
 *
 * A worker hosts a set of generations: those of one app mostly; of several where they name the
 * same `worker`, or share a pool. What the messages mean is worker_link.c's. The loop's
 * thread only.
 */
#ifndef FPROXY_SUPERVISOR_WORKERS_H
#define FPROXY_SUPERVISOR_WORKERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uthash.h>

#include "base/names.h"
#include "base/restart.h"
#include "proxy/supervisor/relief.h"
#include "proxy/supervisor/status.h"

struct app;
struct app_config;
struct app_generation;
struct child;
struct event;
struct supervisor;

struct worker {
    char name[APP_NAME_BYTES];          /* the key of the table, while it is not retired */
    struct supervisor *supervisor;      /* borrowed */
    struct child *child;                /* NULL while none runs */
    bool there;                         /* it has said what it holds: it takes orders */
    bool retired;                       /* another one of this name takes its place */
    bool ending;                        /* told to stop */
    bool starting;                      /* counted in supervisor->workers_starting */
    bool queued;                        /* in supervisor->start_queue */
    TAILQ_ENTRY(worker) of_queue;
    bool outdated;                      /* of another binary: another one is to take over */
    struct relief relief;               /* it was told to end: the same */
    uint32_t threads;                   /* as it is started, or runs */
    LIST_HEAD(, app_generation) generations;    /* leaving ones too */
    TAILQ_HEAD(, app_generation) to_load;       /* of them: to be sent when it takes them */
    struct restart restart;
    char last_end[PROCESS_END_BYTES];   /* unasked; "": none did */
    struct event *timer;                /* owned: its next start */
    UT_hash_handle hh;
    LIST_ENTRY(worker) of_retired;
};

/* The name of the worker that `config` belongs to: its own key, the pool's, or the app's
 * name. `name` has APP_NAME_BYTES. */
void workers_name(const struct supervisor *supervisor, const struct app_config *config,
                  char *name);

/* How many threads the apps that belong to it ask for: the most of them; 0: none does. */
uint32_t workers_threads(const struct supervisor *supervisor, const char *name);

/* The worker of this name, which is started if there is none. NULL without memory. */
struct worker *workers_get(struct supervisor *supervisor, const char *name);

/* One that an earlier supervisor started; `child` is taken over. NULL without memory. */
struct worker *workers_adopt(struct supervisor *supervisor, struct child *child, bool retired);

/* Takes it out of the table: workers_get() makes another one of this name. */
void worker_retire(struct worker *worker);

/* It hosts nothing more: told to end, if so. */
void worker_release(struct worker *worker);

/* Frees them all; none may run. */
void workers_free(struct supervisor *supervisor);

/* All that run, retired ones too: calls `visit` for each. */
typedef void workers_visit_fn(struct worker *worker, void *context);
void workers_each(struct supervisor *supervisor, workers_visit_fn *visit, void *context);

/* The app of its only generations; NULL: it serves several, or none. */
const struct app *worker_only_app(const struct worker *worker);

#endif
