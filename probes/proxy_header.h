/*
 * proxy_header - what a probe says first to a target that speaks the PROXY protocol.
 *
 * A target that expects the header of its proxy refuses whoever connects without one. A probe is
 * the proxy itself and speaks for no client, and that is what it says: LOCAL (v2), UNKNOWN (v1).
 * For all kinds that connect.
 */
#ifndef FPROXY_PROBES_PROXY_HEADER_H
#define FPROXY_PROBES_PROXY_HEADER_H

#include <stddef.h>

struct app_probe;

/* The header that the probe's `proxy_protocol` asks for, and its length; NULL and 0: none. It is
 * short enough for a connection's first packet. */
const char *proxy_header(const struct app_probe *config, size_t *bytes);

#endif
