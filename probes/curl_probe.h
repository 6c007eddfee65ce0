/*
 * curl_probe - what the kinds over libcurl have in common: exactly the probed address is
 * connected to, over a connection of its own; everything is bounded; every ending has a reason.
 *
 *   kind: curl_run_start() -> [ header(), body() ]... -> judge(), when the answer is whole
 *                                                     -> or a reason of its own
 *         probe_done() follows either way
 *
 * libcurl looks up no name, follows no redirect, and reads no environment and no file.
 */
#ifndef FPROXY_PROBES_CURL_PROBE_H
#define FPROXY_PROBES_CURL_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/curl_loop.h"
#include "probes/probe.h"
#include "probes/tls_check.h"

enum { CURL_HEADERS_MAX = 64 * 1024 };     /* bytes of them all */

struct curl_run;

/* What all runs of one configured probe share; the first member of the kind's own. */
struct curl_shared {
    struct curl_loop *loop;
    struct tls_trust *trust;    /* NULL: no TLS, or certificates are not checked */
};

struct curl_kind {
    bool tls;
    const char *hint;           /* where it closes without an answer; NULL: none */
    /* Sets its options on run->easy; false without memory. */
    bool (*set_up)(struct curl_run *run);
    /* A header line without its end; NULL: they do not matter. */
    void (*header)(struct curl_run *run, const char *line, size_t length);
    /* False: enough, judge() now. NULL: there is none. */
    bool (*body)(struct curl_run *run, const void *bytes, size_t count);
    /* Has been heard what will not change, however this ends? Then judge() tells it. */
    bool (*settled)(const struct curl_run *run);
    /* Calls curl_run_tell() once. */
    void (*judge)(struct curl_run *run);
};

/* The first member of the kind's state. */
struct curl_run {
    struct curl_transfer transfer;
    struct probe *probe;
    const struct curl_kind *kind;
    struct curl_slist *headers;         /* owned */
    struct tls_check check;             /* with a reference to its trust */
    char name[HOST_NAME_BYTES];         /* of the target in TLS: a host name or an IP address */
    bool enough;                        /* the kind has heard what it wanted */
    int socket_error;                   /* errno of socket() */
    uint32_t header_bytes;
    enum reason outcome;                /* of curl_run_tell() */
    char detail[DETAIL_BYTES];
    char error[CURL_ERROR_SIZE];        /* by libcurl */
};

/* 0, or -errno with the reason in `why` (DETAIL_BYTES). */
int curl_shared_init(struct curl_shared *shared, const struct app_probe *config,
                     struct event_base *base, char *why);
void curl_shared_fini(struct curl_shared *shared);

/* For kinds that share nothing else. */
probe_prepare_fn curl_shared_prepare;
probe_release_fn curl_shared_release;

/* As probe_ops.start and .cancel, for a state that is zero. */
int curl_run_start(struct curl_run *run, struct probe *probe, const struct curl_kind *kind);
void curl_run_cancel(struct curl_run *run);

/* For set_up(): those of the configuration, `Host` if none is among them, and for HTTP/1.1 that the
 * connection is not kept. */
bool curl_run_set_headers(struct curl_run *run, bool close);
bool curl_run_add_header(struct curl_run *run, const char *line);

/* For judge(): what came of it. */
void curl_run_tell(struct curl_run *run, enum reason outcome, const char *format, ...)
    PRINTF_LIKE(3, 4);
/* Since the start. */
double curl_run_ms(const struct curl_run *run);
/* Of HTTP; 0: none came. */
long curl_run_status(const struct curl_run *run);

#endif
