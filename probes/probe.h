/*
 * probe - one check of one endpoint, and the kinds of checks there are.
 *
 * A kind is one file with a struct probe_ops and a row in probe_kinds (probe.c). It finds
 * out what happened (enum reason) and nothing else: what to make of it is health.h's.
 *
 *   owner: probe_init(), probe_start() -> 0 ... on_done() once ... probe_start() again
 *   kind:  start() -> 0, later probe_done(); or -errno and nothing follows
 *
 * The loop's thread only; nothing here blocks.
 */
#ifndef FPROXY_PROBES_PROBE_H
#define FPROXY_PROBES_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/names.h"
#include "base/util.h"
#include "strategy/endpoint_state.h"

struct dialog;
struct event_base;
struct probe;
struct probe_result;

typedef int probe_start_fn(struct probe *probe);
typedef void probe_cancel_fn(struct probe *probe);
typedef void probe_done_fn(struct probe *probe, const struct probe_result *result);

struct probe_ops {
    const char *name;           /* as in the configuration: "tcp" */
    size_t state_bytes;         /* zeroed room that this kind needs for one run */
    probe_start_fn *start;      /* 0: probe_done() follows exactly once, never from inside;
                                 * -errno: it never follows */
    probe_cancel_fn *cancel;    /* after it, probe_done() is never called */
};

/* What a probe found. */
struct probe_result {
    enum reason outcome;        /* REASON_OK, or why it failed */
    uint32_t duration_us;
    uint32_t connect_us;        /* 0: it never got that far */
    char detail[DETAIL_BYTES];  /* English: "connected in 0.4 ms" */
};

struct probe {
    const struct probe_ops *ops;
    struct event_base *base;    /* borrowed */
    struct address address;
    uint32_t timeout_ms;
    const struct dialog *dialog;    /* borrowed; NULL: nothing is said */
    probe_done_fn *on_done;     /* may start the probe again or free it */
    void *context;              /* the owner's */
    bool running;
    uint32_t connect_us;        /* of this run, for its result: the kind's */
    uint64_t started_us;        /* CLOCK_MONOTONIC; of the last start */
    void *state;                /* owned; the kind's, while it runs: most wait most of the time */
};

/* The caller sets timeout_ms, on_done and context, and dialog where there is one. */
void probe_init(struct probe *probe, const struct probe_ops *ops, struct event_base *base,
                const struct address *address);
/* Cancels first when it runs. */
void probe_fini(struct probe *probe);

/* 0 or -errno, as ops->start(); -ENOMEM. */
int probe_start(struct probe *probe);
void probe_cancel(struct probe *probe);

/* For kinds: ends the run, frees the state and calls on_done() with the result. */
void probe_done(struct probe *probe, enum reason outcome, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* The reason for a probe that could not even start with -errno `error`. */
enum reason probe_start_reason(int error);

/* NULL when there is none of this name ("none" is no kind). */
const struct probe_ops *probe_find(const char *name);

/* The table, ended by NULL. */
extern const struct probe_ops *const probe_kinds[];

extern const struct probe_ops probe_tcp, probe_exchange;

#endif
