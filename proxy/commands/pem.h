/*
 * pem - is a text a list of certificates in PEM, as the prober will read it? Pure.
 *
 * Looks at the form alone: lines of base64 between BEGIN and END, and in them the three parts that
 * every certificate has (X.509 in DER), to the byte. Whether one is valid, or trusted, is no
 * question here. Keys and lists of revoked ones may stand between them. So the supervisor's program
 * needs no library of TLS.
 */
#ifndef FPROXY_COMMANDS_PEM_H
#define FPROXY_COMMANDS_PEM_H

#include <stddef.h>

/* The number of certificates, which may be 0; -EINVAL when something is no certificate: then
 * `*line`, from 1, is where it begins; -ENOMEM. `text` may hold any bytes. */
int pem_count(const char *text, size_t length, unsigned *line);

#endif
