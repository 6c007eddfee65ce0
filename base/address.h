/*
 * address - an IP address and a port, in a form that fits shared memory.
 *
 * 24 bytes without padding or pointers, all bytes defined, so that two addresses
 * are equal when memcmp says so. Therefore an address has one form only: IPv4 mapped
 * into IPv6 becomes IPv4. Any thread; nothing is allocated.
 */
#ifndef FPROXY_BASE_ADDRESS_H
#define FPROXY_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/names.h"

struct address {
    uint8_t ip[16];     /* network order; an IPv4 address uses the first four */
    uint16_t port;      /* host order */
    uint8_t family;     /* 4 or 6; 0: no address */
    uint8_t unused;
    uint32_t scope;     /* of a link-local IPv6 address, else 0 */
};
_Static_assert(sizeof(struct address) == 24, "lies in shared files");

/* "10.0.0.7", "::1", "fe80::1%eth0" (no brackets); 0 or -EINVAL. */
int address_parse_ip(const char *text, uint16_t port, struct address *address);

/* Splits "host:port", "1.2.3.4:port" or "[v6]:port". `host` (HOST_NAME_BYTES) gets no
 * brackets. 0, or -EINVAL with a reason in English in `*why` (static storage). */
int address_split(const char *text, char *host, uint16_t *port, const char **why);

/* "10.0.0.7:5001", "[::1]:5001", or "" for none, into ADDRESS_TEXT_BYTES; returns text. */
const char *address_format(const struct address *address, char *text);

/* The same without the port and brackets. */
const char *address_format_ip(const struct address *address, char *text);

bool address_equal(const struct address *a, const struct address *b);

/* `storage` receives a sockaddr_in or sockaddr_in6; returns its length. */
socklen_t address_to_sockaddr(const struct address *address, struct sockaddr_storage *storage);

/* 0 or -EAFNOSUPPORT. */
int address_from_sockaddr(const struct sockaddr *sockaddr, struct address *address);

#endif
