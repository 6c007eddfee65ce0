/*
 * probe - one check of one endpoint, and the kinds of checks there are.
 *
 * A kind is one file with a struct probe_ops and a row in kinds[] (probe.c). It finds out what
 * happened (enum reason) and nothing else: what to make of it is health.h's.
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

struct app_probe;
struct event_base;
struct probe;
struct probe_result;

/* What all runs of one configured probe share, made once: compiled expressions, a helper program. 0
 * and `*shared` (NULL is fine), or -errno with the reason in `why` (DETAIL_BYTES). `config`
 * outlives it. */
typedef int probe_prepare_fn(const struct app_probe *config, struct event_base *base,
                             void **shared, char *why);
typedef void probe_release_fn(void *shared);

/* For who watches one run: `what` happened ("sent", "heard", "connected"), with the bytes if there
 * are some. */
typedef void probe_trace_fn(void *context, const char *what, const void *bytes, size_t length);

typedef int probe_start_fn(struct probe *probe);
typedef void probe_cancel_fn(struct probe *probe);
typedef void probe_done_fn(struct probe *probe, const struct probe_result *result);

enum probe_flag {
    PROBE_CONNECTS = 1,         /* it asks the address: equal ones of several apps are run once, and
                                 * only so many at once */
    PROBE_NAMES = 2,            /* what it says depends on the name of its target */
    PROBE_AS_CLIENTS = 4,       /* it connects as clients do: what it meets they would */
};

struct probe_ops {
    const char *name;           /* as in the configuration: "tcp" */
    unsigned flags;             /* enum probe_flag */
    size_t state_bytes;         /* zeroed room that this kind needs for one run */
    probe_start_fn *start;      /* 0: probe_done() follows exactly once, never from inside;
                                 * -errno: it never follows */
    probe_cancel_fn *cancel;    /* after it, probe_done() is never called */
    probe_prepare_fn *prepare;  /* NULL: its runs share nothing */
    probe_release_fn *release;  /* when no run of it is under way; with `prepare` */
};

/* What a probe found. */
struct probe_result {
    enum reason outcome;        /* REASON_OK, or why it failed */
    bool degraded;              /* it passed, but others are to be preferred */
    bool warning;               /* it passed, but somebody should look: the detail says at what */
    uint32_t duration_us;
    uint32_t connect_us;        /* 0: it never got that far */
    char detail[DETAIL_BYTES];  /* English: "connected in 0.4 ms" */
};

struct probe {
    const struct probe_ops *ops;
    struct event_base *base;    /* borrowed */
    struct address address;
    const struct app_probe *config;     /* borrowed: timeout, path, ...; config/app_probe.h */
    void *shared;               /* borrowed: what ops->prepare() made of `config` */
    const char *app, *target;   /* borrowed: the app's name, the target as configured */
    probe_done_fn *on_done;     /* may start the probe again or free it */
    void *context;              /* the owner's */
    probe_trace_fn *trace;      /* NULL: nobody watches */
    void *trace_context;
    bool running;
    bool degraded, warning;     /* of this run, for its result: the kind's, as the next */
    uint32_t connect_us;
    uint64_t started_us;        /* CLOCK_MONOTONIC; of the last start */
    void *state;                /* owned; the kind's, while it runs: most wait most of the time */
};

/* The caller sets config, shared, app, target, on_done and context. */
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

/* For kinds: tells who watches, if anybody does. `bytes` may be NULL. */
void probe_tell(const struct probe *probe, const char *what, const void *bytes, size_t length);

/* The reason for a probe that could not even start with -errno `error`. */
enum reason probe_start_reason(int error);

/* Is there a kind of this name? ("none" and "traffic" are none.) */
bool probe_known(const char *name);
/* Loads what it needs (probe_module.h). NULL: the reason is in `why` (DETAIL_BYTES). The loop's
 * thread only. */
const struct probe_ops *probe_find(const char *name, char *why);

extern const struct probe_ops probe_tcp, probe_exchange, probe_dns, probe_push;
extern const struct probe_ops probe_exec, probe_helper;

#endif
