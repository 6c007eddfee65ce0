/*
 * report - what a worker says when a supervisor connects: who it is and what it holds.
 *
 * In pieces, the next one only when the last has left our queue: thousands of sockets are
 * never duplicated all at once, and the rest of the worker's work goes on in between.
 */
#ifndef FPROXY_WORKER_REPORT_H
#define FPROXY_WORKER_REPORT_H

#include <stdint.h>

struct hosted;
struct worker;

enum report_stage { REPORT_DONE, REPORT_HELLO, REPORT_APPS, REPORT_SOCKETS };

struct report {
    enum report_stage stage;
    struct hosted *next;        /* APPS: to be told next, SOCKETS: whose are told; NULL: none */
    uint32_t port;              /* SOCKETS: the port that is next */
    uint32_t listener;          /* ... and how many of its listeners were told */
    uint32_t sent, total;       /* sockets of this app */
};

/* A supervisor has connected. */
void report_begin(struct worker *worker);
/* The queue is empty again. */
void report_continue(struct worker *worker);
/* The generation is about to be freed. */
void report_forget(struct worker *worker, const struct hosted *hosted);

#endif
