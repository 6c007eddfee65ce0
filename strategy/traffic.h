/*
 * traffic - what a worker does for one app: counters and what its tries taught it.
 *
 *   traffic-<worker>.<app>.<number>:  [ head | knowledge, a cell a slot | counters, a block a
 *                                       thread | tries, a cell a thread and slot ]
 *
 * Created by the supervisor, written by that worker alone. Counters belong to one thread
 * each (relaxed stores, no shared cache line); knowledge is shared by the worker's threads
 * (relaxed atomics, last one wins). The prober reads it as evidence, the supervisor for
 * `fproxy status` and the metrics. Slots are those of the board that it was made for; its number is
 * its own.
 */
#ifndef FPROXY_STRATEGY_TRAFFIC_H
#define FPROXY_STRATEGY_TRAFFIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/names.h"

/* Why a connection ended; the names are in traffic_close_reason_name(). */
enum close_reason {
    CLOSE_CLIENT_FIN,
    CLOSE_TARGET_FIN,
    CLOSE_CLIENT_RST,
    CLOSE_TARGET_RST,
    CLOSE_IDLE_TIMEOUT,
    CLOSE_CONNECT_TIMEOUT,
    CLOSE_NO_TARGET,
    CLOSE_QUEUE_TIMEOUT,
    CLOSE_QUEUE_FULL,
    CLOSE_LIMIT,
    CLOSE_DENIED,
    CLOSE_DRAIN_TIMEOUT,
    CLOSE_TARGET_DOWN,
    CLOSE_WORKER_CRASH,
    CLOSE_PROTOCOL,
    CLOSE_REASONS
};
const char *traffic_close_reason_name(enum close_reason reason);

/* One thread's counters of an app; 64-byte aligned. */
struct traffic_counters {
    _Alignas(64) _Atomic uint64_t accepted;
    _Atomic uint64_t active;                /* accepted and not yet closed */
    _Atomic uint64_t connected;             /* reached a target */
    _Atomic uint64_t attempts;              /* connect() calls */
    _Atomic uint64_t retries;               /* attempts after a connection's first */
    _Atomic uint64_t bytes_to_target;
    _Atomic uint64_t bytes_to_client;
    _Atomic uint64_t accept_pauses;         /* for want of descriptors or memory */
    _Atomic uint64_t closed[CLOSE_REASONS];
};

/* One thread's counters of an endpoint. */
struct traffic_tries {
    _Atomic uint32_t id;                    /* of the endpoint these count; 0: none */
    _Atomic uint32_t active;                /* relaying to it now */
    _Atomic uint64_t connected;
    _Atomic uint64_t failed;
};

/* What this worker knows of an endpoint; shared by its threads. */
struct traffic_knowledge {
    _Atomic uint32_t id;                    /* of the endpoint; a new one resets the cell */
    _Atomic uint32_t connect_us;            /* usual connect time; 0: unknown */
    _Atomic uint64_t shunned_since_ms;      /* 0: not shunned; tried last while it is */
    _Atomic uint64_t shunned_until_ms;
    _Atomic uint16_t shun_ms;               /* the present length: 1 s, doubling to 30 s */
    _Atomic uint16_t failed_in_row;         /* tries, with no connection between; saturates */
    _Atomic uint32_t failures;              /* since the worker knows the endpoint */
};

struct traffic;     /* a mapped traffic page */

enum { TRAFFIC_NAME_BYTES = 176 };
void traffic_file_name(const char *worker, const char *app, uint32_t number, char *name);

size_t traffic_bytes(uint32_t threads, uint32_t slots);

/* Supervisor: writes the head into a new zeroed file of traffic_bytes(). 0 or -errno. */
int traffic_format(int fd, const char *worker, const char *app, uint32_t number,
                   uint32_t threads, uint32_t slots);
/* As board_open(). */
int traffic_open(int fd, bool writable, struct traffic **traffic);
void traffic_close(struct traffic *traffic);

const char *traffic_app(const struct traffic *traffic);
uint32_t traffic_number(const struct traffic *traffic);
uint32_t traffic_threads(const struct traffic *traffic);
uint32_t traffic_slots(const struct traffic *traffic);

/* The worker's cells (a reader must not write to them). */
struct traffic_counters *traffic_counters(const struct traffic *traffic, uint32_t thread);
struct traffic_tries *traffic_tries(const struct traffic *traffic, uint32_t thread,
                                    uint32_t slot);
struct traffic_knowledge *traffic_knowledge(const struct traffic *traffic, uint32_t slot);

/* Any reader: the sum over all threads, as plain numbers. */
struct traffic_totals {
    uint64_t accepted, active, connected, attempts, retries;
    uint64_t bytes_to_target, bytes_to_client, accept_pauses;
    uint64_t closed[CLOSE_REASONS];
};
void traffic_sum(const struct traffic *traffic, struct traffic_totals *totals);
/* The sum of an endpoint over all threads, where they count `id`. */
void traffic_sum_tries(const struct traffic *traffic, uint32_t slot, uint32_t id,
                       uint64_t *connected, uint64_t *failed, uint64_t *active);

#endif
