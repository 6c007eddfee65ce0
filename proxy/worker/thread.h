/*
 * thread - a data thread: one loop, and all connections it accepted.
 *
 *   control thread --command--> [ mailbox ] --> data thread
 *   control thread <--reply---- [ mailbox ] <-- data thread
 *
 * The two share nothing else but what is constant (struct worker_app, after it was posted)
 * or atomic (boards, traffic pages, strategy state). A command is a heap object that comes
 * back as its own reply.
 */
#ifndef FPROXY_WORKER_THREAD_H
#define FPROXY_WORKER_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "config/app.h"
#include "proxy/worker/conn.h"
#include "proxy/worker/loop.h"
#include "proxy/worker/mailbox.h"
#include "proxy/worker/pipes.h"
#include "proxy/worker/relay.h"
#include "strategy/board.h"
#include "strategy/strategy.h"
#include "strategy/traffic.h"

/* A generation of an app in this worker. Constant once a thread has it. */
struct worker_app {
    char name[APP_NAME_BYTES];
    uint32_t generation;
    struct app_config config;           /* owned */
    const struct strategy_ops *strategy;
    void *strategy_state;               /* owned; atomics, shared by the threads */
    int *listen_fds;                    /* owned array; each is accepted from by one thread */
    uint32_t listen_count;
    uint32_t listen_per_port;
};

/* One socket that a thread accepts from. */
struct listener {
    struct loop_io io;
    struct thread_app *app;
};

/* What one thread holds of an app. */
struct thread_app {
    struct worker_app *app;             /* borrowed; the control thread frees it last */
    struct thread *thread;
    const struct board *board;          /* borrowed from the control thread */
    const struct traffic *traffic;
    struct traffic_counters *counters;  /* this thread's, in the traffic page */
    struct available_snapshot *snapshot;    /* owned */
    struct listener *listeners;         /* owned */
    uint32_t listener_count;
    uint32_t conn_count;
    LIST_HEAD(, conn) conns;
    LIST_ENTRY(thread_app) link;
    bool accepting;
    struct command *draining;           /* the command to answer when the last one is gone */
    struct wheel_timer drain_timer;
};

enum command_type {
    COMMAND_ADD,        /* a new app: app, board, traffic */
    COMMAND_ACCEPT,     /* begin to accept */
    COMMAND_BOARD,      /* use this board and traffic page from now on */
    COMMAND_DRAIN,      /* stop accepting, end within deadline_ms; the thread forgets the app */
    COMMAND_EXIT,       /* close everything and end */
};
enum { COMMAND_TYPES = COMMAND_EXIT + 1 };

struct command {
    struct mail mail;
    enum command_type type;
    struct worker_app *app;
    struct board *board;
    struct traffic *traffic;
    uint32_t deadline_ms;
    uint32_t thread;            /* of the reply */
    int result;                 /* of the reply: 0 or -errno */
};

struct thread {
    struct loop loop;
    pthread_t pthread;
    uint32_t index, count;              /* of the worker's threads */
    struct mailbox commands;
    struct mailbox *replies;            /* borrowed from the worker */
    LIST_HEAD(, thread_app) apps;
    LIST_HEAD(, conn) free_conns;
    LIST_HEAD(, conn) closed_conns;     /* freed at the end of the turn */
    TAILQ_HEAD(turn_list, conn) turn;   /* have more to do */
    SLIST_HEAD(, race) free_races;
    SLIST_HEAD(, race) ended_races;
    struct slab *slabs;                 /* where connections and races lie */
    uint32_t turn_count;
    uint32_t draining;                  /* apps that are */
    uint32_t conn_count, conn_max;      /* races are as many as connections at most */
    struct pipes pipes;
    struct wheel_timer accept_timer;    /* armed while accepting is paused */
    bool accept_paused;
    uint64_t paused_at_ms, pause_logged_ms;
    char buffer[RELAY_BUFFER_BYTES];    /* of whichever connection is being read */
};

/* Starts thread `index` of `count`; at most `conn_max` connections and `pipe_max` pipes.
 * NULL with errno set on failure. */
struct thread *thread_start(uint32_t index, uint32_t count, uint32_t conn_max,
                            uint32_t pipe_max, struct mailbox *replies);

/* Control thread. Hands a command over; the thread owns it until it comes back. */
void thread_post(struct thread *thread, struct command *command);

/* Control thread, after the reply to COMMAND_EXIT: joins and frees. */
void thread_join(struct thread *thread);

/* The thread's own: answers a command. */
void thread_reply(struct thread *thread, struct command *command, int result);

/* Adds to a counter that only this thread writes: no locked instruction. */
static inline void
count_add(_Atomic uint64_t *counter, uint64_t more)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, value + more, memory_order_relaxed);
}

#endif
