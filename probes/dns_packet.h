/*
 * dns_packet - walks over the records of a DNS message, within its bounds whatever it claims.
 *
 * For dns_reply.c and dns_service.c.
 */
#ifndef FPROXY_PROBES_DNS_PACKET_H
#define FPROXY_PROBES_DNS_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dns_cursor {
    const unsigned char *bytes;     /* borrowed */
    size_t at, length;
};

struct dns_record {
    uint32_t type, class, ttl_s;
    size_t data_at, data_bytes;     /* within the message */
};

/* How many records its sections have, as it claims. */
struct dns_counts {
    uint32_t answers, authorities;
};

/* A number in network order. */
uint32_t dns_number(const unsigned char *bytes, size_t count);

/* Stands before the first answer then; false when the message ends before that. */
bool dns_packet_begin(struct dns_cursor *cursor, const unsigned char *bytes, size_t length,
                      struct dns_counts *counts);

/* Over one record; false when the message ends within it. */
bool dns_packet_next(struct dns_cursor *cursor, struct dns_record *record);

#endif
