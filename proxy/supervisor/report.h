/*
 * report - what one child that has outlived its supervisor says that it holds.
 */
#ifndef FPROXY_SUPERVISOR_REPORT_H
#define FPROXY_SUPERVISOR_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/control_message.h"

struct child;
struct event_base;

/* A generation in the child. */
struct reported {
    char app[APP_NAME_BYTES];
    uint32_t number, board_number, traffic_number;
    enum control_report how;
    char *text;                 /* owned: canonical; NULL: it could not be read */
    int *fds;                   /* owned: its listening sockets ... */
    uint16_t *ports;            /* owned: ... and the port of each */
    uint32_t socket_count;
};

struct report {
    struct child *child;        /* NULL once it has ended */
    struct reported *generations;   /* owned; in the order they were told */
    size_t count;
    bool complete;              /* REPORT_END came */
    uint32_t *waiting;          /* borrowed: counted down when it is complete, or has ended */
    uint64_t *heard_ms;         /* borrowed: CLOCK_MONOTONIC, when any of them spoke last */
    /* What else it says comes here, from the moment that its report is complete. */
    struct control_message *later;  /* owned */
    size_t later_count;
};

/* The callbacks of children.h, for a child that is to report; the context is a struct report. */
void report_on_message(void *context, const struct control_message *message, const int *fds,
                       size_t fd_count);

/* Closes sockets that nobody took. */
void report_fini(struct report *report);

#endif
