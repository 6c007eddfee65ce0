/*
 * endpoint_state - the words for what an endpoint is, and why.
 *
 * The names are public: they stand in the database, in JSON and in metrics. States that
 * only later capabilities reach (starting, degraded, ejected, warming, draining,
 * maintenance) have their numbers from the start, for boards cross versions.
 */
#ifndef FPROXY_STRATEGY_ENDPOINT_STATE_H
#define FPROXY_STRATEGY_ENDPOINT_STATE_H

#include <stdbool.h>

enum endpoint_state {
    ENDPOINT_UNKNOWN,       /* never probed, nothing in history: eligible until a probe ends */
    ENDPOINT_UNRESOLVED,    /* the target's name has no usable address */
    ENDPOINT_STARTING,
    ENDPOINT_AVAILABLE,     /* passing */
    ENDPOINT_DEGRADED,      /* passing, but others are to be preferred */
    ENDPOINT_FAILING,       /* up, some failures, fewer than `fall`: still eligible */
    ENDPOINT_UNAVAILABLE,   /* down by probe */
    ENDPOINT_RECOVERING,    /* down, some successes, fewer than `rise` */
    ENDPOINT_EJECTED,
    ENDPOINT_WARMING,       /* passing again, or new: its share still grows */
    ENDPOINT_DRAINING,
    ENDPOINT_MAINTENANCE,
    ENDPOINT_STATES
};

/* What a probe or a lookup ended with; REASON_OK and REASON_NONE are no failures. */
enum reason {
    REASON_NONE,            /* "" */
    REASON_OK,              /* "ok" */
    REASON_DNS_NXDOMAIN,
    REASON_DNS_SERVFAIL,
    REASON_DNS_TIMEOUT,
    REASON_DNS_EMPTY,
    REASON_CONNECT_REFUSED,
    REASON_CONNECT_TIMEOUT,
    REASON_CONNECT_UNREACHABLE,
    REASON_CONNECT_RESET,
    REASON_CONNECT_LOCAL,   /* no ports, no descriptors: our fault, not the target's */
    REASON_TLS_HANDSHAKE,
    REASON_SEND_FAILED,
    REASON_READ_TIMEOUT,
    REASON_UNEXPECTED_EOF,
    REASON_MISMATCH,
    REASON_HTTP_STATUS,
    REASON_EXEC_EXIT,
    REASON_EXEC_TIMEOUT,
    REASON_EXEC_SPAWN,
    REASON_TTL_EXPIRED,
    REASON_PROBE_OVERRUN,   /* the prober stood still meanwhile: our fault as well */
    REASON_ADMIN,
    REASON_PASSIVE_CONNECT,
    REASON_HISTORY,         /* "history": the state comes from the database */
    REASON_INITIAL,         /* "initial": the state comes from the key `initial` */
    REASONS
};

const char *endpoint_state_name(enum endpoint_state state);
bool endpoint_state_parse(const char *name, enum endpoint_state *state);
const char *reason_name(enum reason reason);
bool reason_parse(const char *name, enum reason *reason);

/* May it get new connections? */
bool endpoint_state_eligible(enum endpoint_state state);

/* Only when no other of its tier may? */
bool endpoint_state_second_choice(enum endpoint_state state);

/* Is it known to work (counted by `ready.min_available` and shown as available)? */
bool endpoint_state_works(enum endpoint_state state);

/* Does it say nothing of the target, for the fault is ours? */
bool reason_is_ours(enum reason reason);

/* The reason for a failed connect(2) or socket(2). */
enum reason reason_from_errno(int error);

#endif
