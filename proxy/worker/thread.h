/*
 * thread - a data thread: one loop, and all connections it accepted.
 *
 *   control thread --command--> [ mailbox ] --> data thread
 *   control thread <--reply---- [ mailbox ] <-- data thread
 *
 * The two share nothing else but what is constant (struct worker_app, after it was posted)
 * or atomic (boards, traffic pages, strategy state). A command is part of an order (order.h)
 * and comes back as its own reply, at the end of the turn of the loop that has done it.
 */
#ifndef FPROXY_WORKER_THREAD_H
#define FPROXY_WORKER_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "config/app.h"
#include "proxy/worker/conn.h"
#include "proxy/worker/drain.h"
#include "proxy/worker/handover.h"
#include "proxy/worker/listen.h"
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
    struct thread_app **threads;        /* owned; by thread, which alone uses it once told */
    struct handover *handover;          /* owned: to the generation that superseded it; set
                                         * before a thread knows of that one */
};

enum command_type {
    COMMAND_SWITCH,     /* listeners change hands; a generation leaves, another may follow */
    COMMAND_FOLLOW,     /* `app` takes over from `leaving`, which has retired, and retires */
    COMMAND_BOARD,      /* use this board and traffic page from now on */
    COMMAND_PING,       /* show that the loop turns */
    COMMAND_EXIT,       /* end, whatever is left */
    COMMAND_GONE,       /* not an order: the thread says that an app has left */
};

/* What becomes of a listener. */
enum change_action {
    CHANGE_TAKE,        /* `app` gets its clients */
    CHANGE_PARK,        /* nobody does, another app will soon */
    CHANGE_FINISH,      /* who waits is taken, then it is closed */
    CHANGE_CLOSE,       /* it is closed; the queue lives on in another process */
};

struct change {
    STAILQ_ENTRY(change) link;
    struct listener *listener;
    uint8_t action;             /* enum change_action */
    uint16_t port;              /* TAKE: index in the ports of the command's app */
};
STAILQ_HEAD(change_list, change);

struct command {
    struct mail mail;
    enum command_type type;
    struct order *order;        /* passed back; NULL for GONE */
    struct worker_app *app;     /* SWITCH: who takes over, or NULL; FOLLOW: who does;
                                 * BOARD, GONE: whose */
    struct worker_app *leaving; /* SWITCH: who leaves, or NULL; FOLLOW: who does */
    union {
        struct change_list changes; /* SWITCH: of this thread's listeners */
        struct {
            const struct board *board;      /* BOARD, as the next two */
            const struct traffic *traffic;
        };
    };
    struct available_snapshot *snapshot;    /* owned; the reply has the old one */
    uint64_t limit_ms;          /* SWITCH, FOLLOW: for what is left of `leaving`, or DRAIN_NEVER */
    uint32_t conn_max;          /* SWITCH: what the thread may hold from now on */
    uint32_t thread;            /* of the reply */
    int result;                 /* of the reply: 0 or -errno */
};

/* What one thread holds of an app. Made and freed by the control thread. */
struct thread_app {
    struct worker_app *app;             /* borrowed; the control thread frees it last */
    struct thread *thread;
    const struct board *board;          /* borrowed from the control thread */
    const struct traffic *traffic;
    struct traffic_counters *counters;  /* this thread's, in the traffic page */
    struct available_snapshot *snapshot;    /* owned */
    LIST_HEAD(, conn) conns;
    uint32_t conn_count;
    uint32_t late;              /* connections of before the hand-over, still connecting */
    bool leaving;               /* no new clients; see drain.h */
    bool left;                  /* and the control thread is told, or about to be */
    bool spares_late;           /* the bound is not for those */
    bool announced;             /* counted in the heir's `expected` */
    uint32_t expected;          /* older generations of which late connections may come */
    struct thread_app *heir;    /* the generation that took over; NULL: none */
    LIST_HEAD(, thread_app) wards;      /* whose heir this one is */
    LIST_ENTRY(thread_app) ward_link;
    SLIST_ENTRY(thread_app) left_link;
    uint64_t end_ms;            /* the bound; DRAIN_NEVER: none */
    uint64_t ramp_ms;           /* the time from the begin of the ramp to the bound */
    uint32_t ramp_count;        /* connections at its begin; 0: it has not begun */
    struct wheel_timer drain_timer;
    struct command gone;
};
_Static_assert(sizeof(struct thread_app) <= 256, "thousands of apps on each of many threads");

struct thread {
    struct loop loop;
    pthread_t pthread;
    uint32_t index;                     /* among the worker's threads */
    struct mailbox commands;
    struct mailbox *replies;            /* borrowed from the worker */
    LIST_HEAD(, listener) muted;        /* reported while accepting is paused */
    SLIST_HEAD(, thread_app) left;      /* told at the end of the turn */
    STAILQ_HEAD(, mail) answers;        /* sent then: what they let go of is out of use */
    LIST_HEAD(, conn) free_conns;
    LIST_HEAD(, conn) closed_conns;     /* freed at the end of the turn */
    TAILQ_HEAD(turn_list, conn) turn;   /* have more to do */
    SLIST_HEAD(, race) free_races;
    SLIST_HEAD(, race) ended_races;
    struct slab *slabs;                 /* where connections and races lie */
    uint32_t turn_count;
    uint32_t conn_count, conn_max;      /* races are as many as connections at most; how many
                                         * there may be is told with every COMMAND_SWITCH */
    struct pipes pipes;
    struct wheel_timer accept_timer;    /* armed while accepting is paused */
    bool accept_paused;
    uint64_t paused_at_ms, pause_logged_ms;
    char buffer[RELAY_BUFFER_BYTES];    /* of whichever connection is being read */
};

/* Starts thread `index`, with at most `pipe_max` pipes. NULL with errno set on failure. */
struct thread *thread_start(uint32_t index, uint32_t pipe_max, struct mailbox *replies);

/* Control thread. Hands a command over; the thread owns it until it comes back. */
void thread_post(struct thread *thread, struct command *command);

/* Control thread, after the reply to COMMAND_EXIT: joins and frees. */
void thread_join(struct thread *thread);

/* Control thread: what `thread` will hold of an app; NULL: no memory. */
struct thread_app *thread_app_create(struct worker_app *app, struct thread *thread,
                                     const struct board *board, const struct traffic *traffic);
void thread_app_destroy(struct thread_app *mine);
/* Of another board and page: by the control thread before `mine` was handed over. The snapshot
 * is taken over; returns the old one. */
struct available_snapshot *thread_app_use(struct thread_app *mine, const struct board *board,
                                          const struct traffic *traffic,
                                          struct available_snapshot *snapshot);
struct available_snapshot *snapshot_create(const struct board *board);

/* Adds to a counter that only this thread writes: no locked instruction. */
static inline void
count_add(_Atomic uint64_t *counter, uint64_t more)
{
    uint64_t value = atomic_load_explicit(counter, memory_order_relaxed);

    atomic_store_explicit(counter, value + more, memory_order_relaxed);
}

#endif
