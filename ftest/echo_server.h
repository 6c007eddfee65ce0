/*
 * echo_server - targets to try things on: many addresses, many connections, one thread.
 *
 * What a connection sends comes back, or each piece that arrives is answered with one fixed
 * reply. While an answer waits to be written (or for its delay) nothing more is read from
 * that connection, so each holds at most one buffer of memory, and an idle one none. After
 * the peer's FIN everything read is still answered, then the connection is closed.
 */
#ifndef FPROXY_FTEST_ECHO_SERVER_H
#define FPROXY_FTEST_ECHO_SERVER_H

#include <stddef.h>
#include <stdint.h>

struct echo_plan {
    const int *listeners;       /* listening, non-blocking; the server closes them */
    size_t listener_count;
    const char *reply;          /* borrowed; NULL: echo */
    size_t reply_bytes;
    uint64_t delay_ns;          /* before each answer */
};

struct echo_totals {
    uint64_t connections, bytes_in, bytes_out;
};

/* Serves until SIGINT or SIGTERM (which it takes over). 0 or -errno (it could not start). */
int echo_server_run(const struct echo_plan *plan, struct echo_totals *totals);

#endif
