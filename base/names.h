/*
 * names - how long the names that cross processes may be.
 *
 * An app's name fits [a-z0-9][a-z0-9-]{0,62} (a DNS label). A target is a host
 * name (253 bytes, RFC 1035) or an IP literal in brackets, a colon and a port.
 * All sizes include the final NUL.
 */
#ifndef FPROXY_BASE_NAMES_H
#define FPROXY_BASE_NAMES_H

enum {
    APP_NAME_BYTES = 64,
    HOST_NAME_BYTES = 256,
    TARGET_NAME_BYTES = 264,
    ADDRESS_TEXT_BYTES = 72,    /* "[ip6%scope]:port" */
    PROBE_NAME_BYTES = 32,
    DETAIL_BYTES = 160,         /* a sentence for the operator */
    TIME_TEXT_BYTES = 32,       /* "2026-01-31T12:34:56.789Z" */
    PATH_BYTES = 4096,          /* PATH_MAX */
};

#endif
