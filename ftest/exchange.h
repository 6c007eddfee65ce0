/*
 * exchange - one request on one connection: connect, send, read the reply until complete.
 *
 * A state machine without a loop: the owner waits for the socket with whatever it likes
 * (poll here, epoll in load.c) and calls exchange_step(). Sending and reading go on side by
 * side, so that a request larger than all socket buffers cannot block an echo.
 *
 *    exchange_open --> CONNECTING --> TALKING --> DONE --exchange_again--> TALKING
 *                           \____________\________^  (outcome says how)
 *
 * One thread: what arrives is read into one buffer of the process.
 */
#ifndef FPROXY_FTEST_EXCHANGE_H
#define FPROXY_FTEST_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "ftest/destination.h"

enum { REPLY_SHOWN_BYTES = 512 };

/* How it ended; the names are those of fproxy's failure reasons. */
enum outcome {
    OUTCOME_OK,
    OUTCOME_CONNECT_REFUSED,
    OUTCOME_CONNECT_TIMEOUT,
    OUTCOME_CONNECT_UNREACHABLE,
    OUTCOME_CONNECT_RESET,      /* RST before the reply was complete */
    OUTCOME_CONNECT_LOCAL,      /* no descriptors, no ports: our own fault */
    OUTCOME_SEND_FAILED,
    OUTCOME_READ_TIMEOUT,
    OUTCOME_UNEXPECTED_EOF,
    OUTCOME_MISMATCH,           /* the reply is not the expected one */
    OUTCOME_NOT_STARTED,        /* due, but no connection became free in time (load.h) */
    OUTCOMES
};
const char *outcome_name(enum outcome outcome);

enum reply_end {
    REPLY_BYTES,    /* after reply_bytes */
    REPLY_ANY,      /* with the first bytes that come, whatever they are */
    REPLY_EOF,      /* we half-close after the data and read until EOF */
};

/* What to send and what to expect. Borrowed texts; shared by many exchanges. */
struct request {
    const char *data;
    size_t data_bytes;
    const char *reply;          /* expected; NULL: any content will do */
    size_t reply_bytes;
    enum reply_end reply_end;
};

enum exchange_state {
    EXCHANGE_IDLE,          /* no socket */
    EXCHANGE_CONNECTING,    /* connect() in progress */
    EXCHANGE_TALKING,       /* connected; request and reply under way */
    EXCHANGE_DONE,          /* ended as `outcome` says; the socket is still open */
};

struct exchange {
    const struct request *request;  /* borrowed */
    int fd;                         /* -1 without */
    enum exchange_state state;
    enum outcome outcome;           /* once DONE */
    bool mismatched;
    size_t sent, received;          /* of this request */
    /* Instants (now_ns); 0 when not reached. */
    uint64_t dialled_ns, connected_ns, written_ns, done_ns;
    char *shown;                    /* the caller's REPLY_SHOWN_BYTES for the reply's begin,
                                     * or NULL */
};

/* Begins to connect. `exchange` is zeroed or closed (its `shown` is kept). The state is
 * CONNECTING or DONE afterwards. */
void exchange_open(struct exchange *exchange, const struct request *request,
                   const struct sockaddr *address, socklen_t address_bytes);

/* The next request on the same connection; only after OUTCOME_OK. */
void exchange_again(struct exchange *exchange, const struct request *request);

/* Goes on as far as the socket lets it. While CONNECTING: only when poll or epoll reported
 * the socket, for that is how a connection is known to be there. */
void exchange_step(struct exchange *exchange);

/* The time is over: DONE with the timeout that fits the state. */
void exchange_give_up(struct exchange *exchange);

/* `reset`: with RST, so that no port stays in TIME_WAIT. */
void exchange_close(struct exchange *exchange, bool reset);

/* Runs one whole exchange, waiting for at most `timeout_ns`; tries the addresses in turn
 * until one connects. DONE afterwards (close it). A signal does not end it. */
void exchange_run(struct exchange *exchange, const struct request *request,
                  const struct destination *destination, uint64_t timeout_ns);

#endif
