/*
 * endpoint_state - names and meaning of states and reasons.
 */
#include "strategy/endpoint_state.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "base/util.h"

static const char *const state_names[] = {
    [ENDPOINT_UNKNOWN] = "unknown",
    [ENDPOINT_UNRESOLVED] = "unresolved",
    [ENDPOINT_STARTING] = "starting",
    [ENDPOINT_AVAILABLE] = "available",
    [ENDPOINT_DEGRADED] = "degraded",
    [ENDPOINT_FAILING] = "failing",
    [ENDPOINT_UNAVAILABLE] = "unavailable",
    [ENDPOINT_RECOVERING] = "recovering",
    [ENDPOINT_EJECTED] = "ejected",
    [ENDPOINT_WARMING] = "warming",
    [ENDPOINT_DRAINING] = "draining",
    [ENDPOINT_MAINTENANCE] = "maintenance",
};
_Static_assert(ARRAY_SIZE(state_names) == ENDPOINT_STATES, "name every state");

static const char *const reason_names[] = {
    [REASON_NONE] = "",
    [REASON_OK] = "ok",
    [REASON_DNS_NXDOMAIN] = "dns_nxdomain",
    [REASON_DNS_SERVFAIL] = "dns_servfail",
    [REASON_DNS_TIMEOUT] = "dns_timeout",
    [REASON_DNS_EMPTY] = "dns_empty",
    [REASON_CONNECT_REFUSED] = "connect_refused",
    [REASON_CONNECT_TIMEOUT] = "connect_timeout",
    [REASON_CONNECT_UNREACHABLE] = "connect_unreachable",
    [REASON_CONNECT_RESET] = "connect_reset",
    [REASON_CONNECT_LOCAL] = "connect_local",
    [REASON_TLS_HANDSHAKE] = "tls_handshake",
    [REASON_SEND_FAILED] = "send_failed",
    [REASON_READ_TIMEOUT] = "read_timeout",
    [REASON_UNEXPECTED_EOF] = "unexpected_eof",
    [REASON_MISMATCH] = "mismatch",
    [REASON_HTTP_STATUS] = "http_status",
    [REASON_EXEC_EXIT] = "exec_exit",
    [REASON_EXEC_TIMEOUT] = "exec_timeout",
    [REASON_EXEC_SPAWN] = "exec_spawn",
    [REASON_TTL_EXPIRED] = "ttl_expired",
    [REASON_PROBE_OVERRUN] = "probe_overrun",
    [REASON_ADMIN] = "admin",
    [REASON_PASSIVE_CONNECT] = "passive_connect",
    [REASON_HISTORY] = "history",
    [REASON_INITIAL] = "initial",
};
_Static_assert(ARRAY_SIZE(reason_names) == REASONS, "name every reason");

static bool
name_find(const char *const *names, size_t count, const char *name, size_t *index)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            *index = i;
            return true;
        }
    }
    return false;
}

/* A board may come from a newer version, with numbers that this one has no name for. */
const char *
endpoint_state_name(enum endpoint_state state)
{
    return (size_t)state < ARRAY_SIZE(state_names) ? state_names[state] : "?";
}

bool
endpoint_state_parse(const char *name, enum endpoint_state *state)
{
    size_t index;

    if (!name_find(state_names, ARRAY_SIZE(state_names), name, &index))
        return false;
    *state = (enum endpoint_state)index;
    return true;
}

const char *
reason_name(enum reason reason)
{
    return (size_t)reason < ARRAY_SIZE(reason_names) ? reason_names[reason] : "?";
}

bool
reason_parse(const char *name, enum reason *reason)
{
    size_t index;

    if (!name_find(reason_names, ARRAY_SIZE(reason_names), name, &index))
        return false;
    *reason = (enum reason)index;
    return true;
}

bool
endpoint_state_eligible(enum endpoint_state state)
{
    return state == ENDPOINT_UNKNOWN || state == ENDPOINT_AVAILABLE ||
           state == ENDPOINT_FAILING || state == ENDPOINT_WARMING ||
           state == ENDPOINT_DEGRADED;
}

bool
endpoint_state_second_choice(enum endpoint_state state)
{
    return state == ENDPOINT_DEGRADED;
}

bool
endpoint_state_works(enum endpoint_state state)
{
    return state == ENDPOINT_AVAILABLE || state == ENDPOINT_FAILING ||
           state == ENDPOINT_WARMING || state == ENDPOINT_DEGRADED;
}

bool
reason_is_ours(enum reason reason)
{
    return reason == REASON_CONNECT_LOCAL || reason == REASON_PROBE_OVERRUN;
}

enum reason
reason_from_errno(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return REASON_CONNECT_REFUSED;
    case ETIMEDOUT:
        return REASON_CONNECT_TIMEOUT;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return REASON_CONNECT_RESET;
    case EADDRNOTAVAIL:     /* no local port is left */
    case EADDRINUSE:
    case EAGAIN:            /* the same, or no entry in a routing cache */
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return REASON_CONNECT_LOCAL;
    default:                /* ENETUNREACH, EHOSTUNREACH, EACCES and EPERM (a filter); what
                             * trying again cannot mend: EAFNOSUPPORT (this host has no IPv6),
                             * EINVAL (a link-local address without its interface), ... */
        return REASON_CONNECT_UNREACHABLE;
    }
}
