/*
 * loop - the event loop of one data thread: epoll, edge-triggered, and a timing wheel.
 *
 * Control connections and signals run on libevent like everywhere else in fproxy; only the
 * bytes of clients do not. Measured against the same relay on libevent: two system calls a
 * connection less (no EPOLL_CTL_DEL before close(2)) and a quarter of the memory.
 *
 * epoll_wait(2) always sleeps without a time-out: a timerfd wakes it. A time-out would set up and
 * cancel a kernel timer at every sleep, while the earliest timer of a relay hardly ever changes.
 *
 * One thread owns a loop; loop_wake() alone may be called by others. An io is embedded in
 * its object. Events of one turn may name an object that an earlier event of the same turn
 * closed: it sets `ready` to NULL and frees its memory only in the `turned` hook.
 */
#ifndef FPROXY_WORKER_LOOP_H
#define FPROXY_WORKER_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "proxy/worker/wheel.h"

struct loop;
struct loop_io;

/* `events` as epoll_wait(2) tells them. */
typedef void loop_ready_fn(struct loop_io *io, uint32_t events);
/* After all events and timers of a turn. True: there is work left, do not sleep. */
typedef bool loop_turned_fn(void *context);

struct loop_io {
    loop_ready_fn *ready;       /* NULL: closed in this turn, ignore */
    int fd;                     /* -1: none */
};

struct loop {
    int epoll_fd;
    int wake_fd;                /* eventfd */
    bool stopping;
    bool busy;                  /* `turned` has more to do */
    uint64_t now_us, now_ms;    /* CLOCK_MONOTONIC at the begin of this turn */
    struct wheel wheel;
    struct loop_io wake;
    struct loop_io alarm;       /* timerfd: armed for the earliest timer known, or earlier */
    uint64_t alarm_ms;          /* when it goes off; 0: it is not armed */
    loop_ready_fn *on_wake;
    loop_turned_fn *turned;
    void *context;              /* of `turned` */
};

/* 0 or -errno. */
int loop_init(struct loop *loop, loop_ready_fn *on_wake, loop_turned_fn *turned, void *context);
void loop_fini(struct loop *loop);

/* Until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Any thread: makes the loop call `on_wake` soon. */
void loop_wake(struct loop *loop);

/* epoll_ctl(2); 0 or -errno. Closing the descriptor removes it (it has no duplicate). */
int loop_add(struct loop *loop, struct loop_io *io, uint32_t events);
int loop_change(struct loop *loop, struct loop_io *io, uint32_t events);
void loop_remove(struct loop *loop, struct loop_io *io);

#endif
