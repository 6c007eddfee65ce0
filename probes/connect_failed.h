/*
 * connect_failed - the end of a probe whose connect() failed, whatever its kind.
 */
#ifndef FPROXY_PROBES_CONNECT_FAILED_H
#define FPROXY_PROBES_CONNECT_FAILED_H

struct probe;

/* Ends the run as probe_done() does. `error` is the errno of socket() or connect(). */
void probe_connect_failed(struct probe *probe, int error);

#endif
