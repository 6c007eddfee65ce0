/*
 * tls_check - whether a target's certificate is to be trusted, and what is wrong with it.
 *
 * Takes the place of libcurl's own check, which tells less and reads the trusted certificates
 * for every connection. The loop's thread only.
 */
#ifndef FPROXY_PROBES_TLS_CHECK_H
#define FPROXY_PROBES_TLS_CHECK_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/names.h"

struct probe;
struct tls_trust;

/* The certificates in the file `path`, or those that the system trusts (NULL); read once, for all
 * that name the same file. 0, or -errno with the reason in `why` (DETAIL_BYTES). */
int tls_trust_get(const char *path, struct tls_trust **trust, char *why);
struct tls_trust *tls_trust_ref(struct tls_trust *trust);
void tls_trust_put(struct tls_trust *trust);

/* Gives the reference back for one of what the file has now: mostly the same. One that cannot be
 * read any more changes nothing. */
struct tls_trust *tls_trust_renew(struct tls_trust *trust);

/* Of one handshake. The caller sets the first ones and leaves the others zero. */
struct tls_check {
    const struct probe *probe;      /* that tells who watches; borrowed */
    struct tls_trust *trust;        /* borrowed; NULL: any certificate is good, and not looked at */
    const char *name;               /* what it must be for, a host or an IP address; borrowed */
    uint32_t warn_ms;               /* expiry nearer than this is a warning; 0: none */
    bool failed;                    /* then `detail` says why */
    bool warning;                   /* it passed; `detail` says when it expires */
    char detail[DETAIL_BYTES];      /* "certificate expired 3 days ago" */
};

/* For a context of one connection; `check` outlives it. False without memory. */
bool tls_check_apply(struct tls_check *check, SSL_CTX *context);

#endif
