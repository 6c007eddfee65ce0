/*
 * trickle - what a command writes, read at a bounded pace: 64 KB and 64 reads in 10 ms at most, so
 * that one that floods us waits, and costs hardly anything. The loop's thread only.
 */
#ifndef FPROXY_PROBES_TRICKLE_H
#define FPROXY_PROBES_TRICKLE_H

#include <event2/event_struct.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TRICKLE_READ_BYTES = 4096 };

/* `length` 0: that was all (the descriptor is closed). False: it was stopped meanwhile. */
typedef bool trickle_bytes_fn(void *context, const char *bytes, size_t length);

/* Lies in its owner; zeroed: not started. */
struct trickle {
    struct event event;
    struct event_base *base;        /* borrowed; NULL: not started, or it has ended */
    int fd;                         /* owned */
    uint64_t window_us;             /* begin of the present 10 ms, CLOCK_MONOTONIC */
    uint32_t bytes, reads;          /* in it */
    trickle_bytes_fn *on_bytes;
    void *context;
};

/* Takes `fd`, which does not block. 0 or -ENOMEM (then it is closed). */
int trickle_start(struct trickle *trickle, struct event_base *base, int fd,
                  trickle_bytes_fn *on_bytes, void *context);

/* What lies there now, 64 KB at most; for the end of who writes. */
void trickle_drain(struct trickle *trickle);

/* Closes it; nothing when it has ended or was never started. */
void trickle_stop(struct trickle *trickle);

#endif
