/*
 * writes - the table of everything that is ever written: its SQL, its worth, its haste.
 */
#ifndef FPROXY_STORE_WRITES_H
#define FPROXY_STORE_WRITES_H

#include <stdbool.h>

enum write_kind {
    WRITE_CONFIG_FAILED,    /* app, generation, status, source, config, hash, reason, time */
    WRITE_CONFIG_GOOD,      /* the same; remembered in memory (facts.h) */
    WRITE_CONFIG_UNPINNED,  /* the same, unless an operator went back from that hash */
    WRITE_CONFIG_FORGET,    /* app */
    WRITE_GROUP,            /* name, source, config, hash, time; remembered */
    WRITE_GROUP_FORGET,     /* name */
    WRITE_OVERRIDE,         /* app, target, action, time, note; remembered */
    WRITE_OVERRIDE_FORGET,  /* app, target */
    WRITE_ROLLOUT,          /* app, from, to, outcome, reason, started, finished */
    WRITE_ROLLOUTS_CLOSE,   /* time, reason */
    WRITE_CRASH,            /* time, process, app, pid, signal, exit_code, delay */
    WRITE_TRANSITION,       /* time, app, target, address, from, to, reason, detail */
    WRITE_ENDPOINT,         /* app, target, address, state, since, reason, weight, time,
                             * penalty, its time; remembered */
    WRITE_ENDPOINT_GONE,    /* app, target, address */
    WRITE_ENDPOINTS_FORGET, /* app */
    WRITE_DNS,              /* name, type, address, ttl, resolved, expires, status */
    WRITE_DNS_GONE,         /* name, type */
    WRITE_EVENT,            /* time, app, kind, level, message, fields */
    WRITE_PROBE_RESULT,     /* time, app, target, address, probe, outcome, ms, detail */
    WRITE_PROBE_SUMMARY,    /* app, target, address, probe, minute, runs, failures, p50, max,
                             * time */
    WRITE_KINDS
};

/* Some arguments of WRITE_CONFIG_GOOD. */
enum { CONFIG_GENERATION = 1, CONFIG_SOURCE = 3, CONFIG_TEXT = 4, CONFIG_HASH = 5 };

/* How precious it is. When the queue is full, a better one pushes out a lesser one. */
enum write_worth { WORTH_HISTORY, WORTH_FACT, WORTH_PRECIOUS, WORTHS };

enum {
    WRITE_PARTS = 3,
    KEEP_CONFIGS = 20,      /* of an app's that failed, and of those that were good once */
};

struct write_ops {
    enum write_worth worth;
    bool at_once;                   /* commit now, and on disk (synchronous=FULL) */
    const char *sql[WRITE_PARTS];   /* run in this order; ?1.. are the arguments */
};

extern const struct write_ops writes[WRITE_KINDS];

#endif
