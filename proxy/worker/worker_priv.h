/*
 * worker_priv - the control thread's state, for the files that make up the worker's side of
 * the control protocol: worker.c (supervisors and threads), tenant.c (which generations there
 * are), duty.c (messages of the supervisor), takeover.c (what changes hands), report.c (what a
 * succeeding supervisor is told).
 */
#ifndef FPROXY_WORKER_WORKER_PRIV_H
#define FPROXY_WORKER_WORKER_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/control_message.h"
#include "base/control_peer.h"
#include "proxy/worker/hosted.h"
#include "proxy/worker/mailbox.h"
#include "proxy/worker/port.h"
#include "proxy/worker/report.h"
#include "proxy/worker/thread.h"

struct event;
struct event_base;

TAILQ_HEAD(hosted_list, hosted);

struct worker {
    const char *name;
    struct event_base *base;
    struct control_peer *peer;      /* NULL: no supervisor is connected */
    struct event *term_event, *reply_event;
    struct event *successor_event;  /* NULL: no socket to listen at was inherited */
    int reply_fd;
    struct mailbox replies;
    struct thread *threads[APP_THREADS_MAX];
    uint32_t thread_count;
    uint64_t descriptors;           /* that this process may have */
    uint32_t pipes;                 /* a thread has at most */
    bool stopping;
    bool told_to_end;               /* by a signal: the supervisor is asked for another one */
    bool exiting;                   /* the threads are told to end */
    bool pinging;                   /* the threads are asked */
    struct tenant *tenants;         /* uthash, by name */
    struct hosted_list apps;        /* every generation */
    uint32_t app_count;
    struct ports ports;
    struct report report;
};

/* Says something about a generation to the supervisor, if there is one. */
void worker_tell(struct worker *worker, enum control_type type, const struct hosted *hosted,
                 int result, const char *detail);

/* The same of one that may not be here: `hosted` is NULL then. */
void worker_tell_about(struct worker *worker, enum control_type type, const char *app,
                       uint32_t generation, const struct hosted *hosted, int result,
                       const char *detail);
void worker_pong(struct worker *worker);
/* It was told to end: another one is to take over. 0; or -errno: nobody hears it. */
int worker_ask_relief(struct worker *worker);

/* The generation is over: says so and frees it. */
void worker_app_gone(struct worker *worker, struct hosted *hosted);

/* 0 or -errno. What each may hold comes with the first app that accepts. */
int worker_start_threads(struct worker *worker, uint32_t count);
/* The threads end, then the process does; connections that are left end with it. */
void worker_exit_threads(struct worker *worker);

/* Connections that each thread may hold, as things are. */
uint32_t worker_conn_max(const struct worker *worker);

#endif
