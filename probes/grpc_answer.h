/*
 * grpc_answer - the bytes of gRPC's standard health service, grpc.health.v1.Health/Check.
 *
 *   message = 0 | length, 4 bytes, big-endian | protobuf
 *   HealthCheckRequest  { string service = 1; }
 *   HealthCheckResponse { ServingStatus status = 1; }      a varint; not there: 0
 *
 * Any code; nothing is allocated.
 */
#ifndef FPROXY_PROBES_GRPC_ANSWER_H
#define FPROXY_PROBES_GRPC_ANSWER_H

#include <stddef.h>
#include <stdint.h>

enum {
    GRPC_SERVICE_MAX = 1024,
    GRPC_REQUEST_MAX = 5 + 3 + GRPC_SERVICE_MAX,
    GRPC_ANSWER_MAX = 1024,         /* bytes of an answer, more is none */
};

enum grpc_serving {
    GRPC_UNKNOWN = 0,
    GRPC_SERVING = 1,
    GRPC_NOT_SERVING = 2,
    GRPC_SERVICE_UNKNOWN = 3,
};

/* The message that asks for `service` ("": the server as a whole, at most GRPC_SERVICE_MAX bytes),
 * into `request` (GRPC_REQUEST_MAX); returns its length. */
size_t grpc_request_write(const char *service, uint8_t *request);

/* 0 and the status, which may be one that has no name here, or -EBADMSG when that is no answer:
 * cut short, compressed, several, or no protobuf. */
int grpc_answer_read(const uint8_t *bytes, size_t count, uint64_t *status);

/* "NOT_FOUND"; "UNKNOWN" for what has no name. */
const char *grpc_code_name(unsigned long code);
/* Likewise, "NOT_SERVING". */
const char *grpc_serving_name(uint64_t status);

#endif
