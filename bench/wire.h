/*
 * wire - what bench_load and bench_backend say to each other.
 *
 * A request has 64 bytes and names the length of its answer, so that one backend serves
 * every workload. Both ends run on one machine: the byte order is the machine's.
 */
#ifndef FPROXY_BENCH_WIRE_H
#define FPROXY_BENCH_WIRE_H

#include <stdint.h>

enum { WIRE_REQUEST_BYTES = 64, WIRE_MAGIC = 0x66703031 };

struct wire_request {
    uint32_t magic;
    uint32_t unused;
    uint64_t answer_bytes;
    uint8_t padding[48];
};

_Static_assert(sizeof(struct wire_request) == WIRE_REQUEST_BYTES, "a request has 64 bytes");

#endif
