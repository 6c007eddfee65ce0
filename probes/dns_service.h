/*
 * dns_service - what an answer about a service (SRV, RFC 2782) says.
 *
 * Reads bytes from the network; the loop's thread only.
 */
#ifndef FPROXY_PROBES_DNS_SERVICE_H
#define FPROXY_PROBES_DNS_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/names.h"

enum { DNS_SERVICES_MAX = 64 };     /* of one answer: of more, those of the best priority */

struct dns_service {
    uint16_t priority;              /* the smallest is asked first */
    uint16_t weight;                /* among those of one priority; 0: hardly ever */
    uint16_t port;
    char host[HOST_NAME_BYTES];     /* lower case, no dot at its end */
};

struct dns_services {
    struct dns_service *list;       /* owned; by priority, host, port; NULL when there is none */
    uint32_t count;
    uint32_t left_out;              /* beyond DNS_SERVICES_MAX, or without a usable host or port */
    uint32_t ttl_s;                 /* the smallest of them */
    uint32_t records;               /* SRV records of any kind: with a count of 0, the answer
                                     * says that there is no such service (host ".") */
};

/* "priority weight port host", as in the database; `text` has TARGET_NAME_BYTES. False when it does
 * not fit there, or is no service. */
bool dns_service_format(const struct dns_service *service, char *text);
bool dns_service_read(const char *text, struct dns_service *service);

/* Adds one in its place, unless its host and port are there or it would be one too many. False
 * when it was not added. */
bool dns_services_add(struct dns_services *services, const struct dns_service *service);

/* 0, or -EPROTO (no DNS message, or it ends too early), -ENOMEM: nothing is left to free. */
int dns_services_parse(struct dns_services *services, const unsigned char *bytes,
                       size_t length);
void dns_services_fini(struct dns_services *services);

#endif
