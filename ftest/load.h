/*
 * load - many requests over many connections at once, measured.
 *
 * Closed loop (rate 0): each connection makes its next request when the last one ended.
 * Open loop: request i is due at begin + i/rate, whatever happened to the others, and its
 * response time counts from then on, also while it waits for a free connection. So a
 * stalled proxy cannot hide its stall by slowing its client down (no coordinated omission).
 *
 * One thread, one epoll; every request ends within its timeout, so every run ends.
 */
#ifndef FPROXY_FTEST_LOAD_H
#define FPROXY_FTEST_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "ftest/destination.h"
#include "ftest/exchange.h"
#include "ftest/histogram.h"

struct load_result {
    uint64_t succeeded, failed;
    uint64_t failures[OUTCOMES];        /* by kind */
    uint64_t bytes_sent, bytes_received;
    uint64_t elapsed_ns;                /* to the last end of a request */
    bool interrupted;                   /* by a signal: what was under way is left out */
    struct histogram connect_ns;        /* connect() to connected, of every connection made */
    struct histogram response_ns;       /* due (open loop) or started (closed) to complete */
};

typedef void load_progress_fn(const struct load_result *so_far, uint32_t in_flight);

struct load_plan {
    const struct destination *destination;      /* borrowed, as all pointers here */
    const struct request *request;
    uint32_t connections;
    uint64_t requests;              /* 0: no limit */
    uint64_t duration_ns;           /* nothing starts later than this; 0: no limit */
    double rate;                    /* a second; 0: closed loop */
    uint64_t timeout_ns;            /* of a request once it started, with its connection */
    bool keep;                      /* connections are made first, then used again and again */
    bool reset;                     /* connections are closed with RST */
    uint64_t hold_ns;               /* with keep: leave them open this long at the end */
    load_progress_fn *on_progress;  /* each second; NULL: none */
};

/* Runs the plan to its end. Takes over SIGINT and SIGTERM, which end it early. `result` is
 * overwritten. 0 or -errno (nothing was measured). */
int load_run(const struct load_plan *plan, struct load_result *result);

#endif
