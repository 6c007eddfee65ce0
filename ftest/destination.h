/*
 * destination - where to connect to: "host:port" and all addresses that it has.
 *
 * Resolved once, at the start, with getaddrinfo(): a test client may wait for DNS.
 */
#ifndef FPROXY_FTEST_DESTINATION_H
#define FPROXY_FTEST_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

enum { DESTINATION_ADDRESSES_MAX = 16 };

struct destination {
    size_t count;
    socklen_t lengths[DESTINATION_ADDRESSES_MAX];
    struct sockaddr_storage addresses[DESTINATION_ADDRESSES_MAX];
};

/* Resolves `text`. `family` is AF_UNSPEC, AF_INET or AF_INET6. Exits with status 2 and a
 * message in the name of `command` when it cannot be resolved. */
void destination_resolve(const char *command, const char *text, int family,
                         struct destination *destination);

/* The same for an address to listen on: port 0 asks for any free one. */
void destination_resolve_local(const char *command, const char *text,
                               struct destination *destination);

/* "127.0.0.1:7001" of address `index` into ADDRESS_TEXT_BYTES; returns text. */
const char *destination_format(const struct destination *destination, size_t index, char *text);

/* "127.0.0.1:7001" that the socket `fd` is bound to; returns text. */
const char *destination_format_bound(int fd, char *text);

#endif
