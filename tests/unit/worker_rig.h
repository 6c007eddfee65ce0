/*
 * worker_rig - plays the supervisor and the prober for one real fproxy-worker process.
 *
 * The board is written by the test itself, so that a test says exactly what is available.
 * Every wait is bounded (RIG_WAIT_MS); a rig that fails ends the test.
 */
#ifndef FPROXY_TESTS_WORKER_RIG_H
#define FPROXY_TESTS_WORKER_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/control_message.h"
#include "strategy/board.h"
#include "strategy/traffic.h"

enum { RIG_WAIT_MS = 20000, RIG_TARGETS_MAX = 8, RIG_THREADS_MAX = 4 };

struct rig {
    pid_t pid;
    int control;
    char directory[64];
    uint16_t port;                  /* where the worker accepts */
    struct board *board;            /* writable */
    struct traffic *traffic;
    int listeners[RIG_THREADS_MAX]; /* the supervisor's copies, one a thread; -1: closed */
};

/* Starts a worker without any app (worker_rig_app.h loads some). */
void rig_spawn(struct rig *rig);
/* Starts a worker (binary from FPROXY_WORKER) with `threads` threads and an app whose endpoints
 * are 127.0.0.1 at `ports`; it accepts when this returns. `extra` is put into the app's
 * configuration by `configure` (may be NULL). */
struct app_config;
void rig_start(struct rig *rig, unsigned threads, const uint16_t *ports, unsigned count,
               void (*configure)(struct app_config *app));
/* The same up to the sockets; COMMIT and ACCEPT are the caller's. */
void rig_begin(struct rig *rig, unsigned threads, const uint16_t *ports, unsigned count,
               void (*configure)(struct app_config *app));
/* The supervisor is gone, its successor connects. */
void rig_reconnect(struct rig *rig);
/* Closes the supervisor's copies: only the worker listens then. */
void rig_close_listeners(struct rig *rig);
/* STOP with a deadline, waits for the end; the exit status. */
int rig_stop(struct rig *rig, uint32_t deadline_ms);
void rig_fini(struct rig *rig);

/* How many sockets the worker has open, and the clock ticks of CPU time it has used. */
unsigned rig_sockets(const struct rig *rig);
unsigned long rig_cpu_ticks(const struct rig *rig);

/* Publishes endpoints 127.0.0.1:ports[i], in slot i, with id i + 1. */
void rig_publish(struct rig *rig, const uint16_t *ports, unsigned count);

/* Sends an order about the app, with descriptors. */
void rig_order(struct rig *rig, enum control_type type, uint32_t count, const int *fds,
               unsigned fd_count);
/* The next message, if one comes in time. `fds` has room for CONTROL_FDS_MAX. */
bool rig_receive(struct rig *rig, int wait_ms, struct control_message *message, int *fds,
                 size_t *fd_count);
/* Waits for a message of `type`; others are passed over. */
void rig_expect(struct rig *rig, enum control_type type, struct control_message *message);

/* A larger board and traffic page with this number, filled with the same endpoints. */
void rig_grow(struct rig *rig, uint32_t number, const uint16_t *ports, unsigned count);
/* The same without waiting for the answer. */
void rig_send_board(struct rig *rig, uint32_t number, const uint16_t *ports, unsigned count);

/* An unlinked shared file of these bytes, zeroed. */
int rig_shared(const struct rig *rig, const char *name, size_t bytes);

/* Sockets of the test's own, blocking, with time-outs. */
int rig_listen(uint16_t *port);         /* a target: a listening socket */
int rig_listen_shared(uint16_t *port);  /* a port of an app; the same again: one socket more */
int rig_refusing_port(uint16_t *port);  /* bound, not listening: connect() is refused */
int rig_accept(int listener);
int rig_connect(uint16_t port);

#endif
