#include "probes/grpc_answer.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/util.h"

enum {
    PREFIX_BYTES = 5,
    VARINT_BYTES_MAX = 10,
    FIELD = 1,                      /* the only one of either message */
    WIRE_VARINT = 0,
    WIRE_64 = 1,
    WIRE_BYTES = 2,
    WIRE_32 = 5,
};

/* What is still to be read. */
struct rest {
    const uint8_t *at;
    size_t left;
};

/* ---- writing ---- */

size_t
grpc_request_write(const char *service, uint8_t *request)
{
    size_t length = strlen(service), at = PREFIX_BYTES;

    assert(length <= GRPC_SERVICE_MAX);
    if (length > 0) {
        request[at++] = FIELD << 3 | WIRE_BYTES;
        if (length > 0x7f)
            request[at++] = (uint8_t)(0x80 | (length & 0x7f));
        request[at++] = (uint8_t)(length > 0x7f ? length >> 7 : length);
        memcpy(request + at, service, length);
        at += length;
    }
    length = at - PREFIX_BYTES;
    request[0] = request[1] = request[2] = 0;
    request[3] = (uint8_t)(length >> 8);
    request[4] = (uint8_t)length;
    return at;
}

/* ---- reading ---- */

static bool
skip(struct rest *rest, uint64_t count)
{
    if (count > rest->left)
        return false;
    rest->at += count;
    rest->left -= (size_t)count;
    return true;
}

static bool
varint(struct rest *rest, uint64_t *value)
{
    *value = 0;
    for (unsigned i = 0; i < VARINT_BYTES_MAX && rest->left > 0; i++) {
        uint8_t byte = *rest->at;

        skip(rest, 1);
        if (i == VARINT_BYTES_MAX - 1 && byte > 1)
            return false;           /* more than 64 bits */
        *value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* What a later version of the message may have. */
static bool
skip_field(struct rest *rest, unsigned wire)
{
    uint64_t value;

    switch (wire) {
    case WIRE_VARINT:
        return varint(rest, &value);
    case WIRE_64:
        return skip(rest, 8);
    case WIRE_BYTES:
        return varint(rest, &value) && skip(rest, value);
    case WIRE_32:
        return skip(rest, 4);
    default:
        return false;
    }
}

int
grpc_answer_read(const uint8_t *bytes, size_t count, uint64_t *status)
{
    struct rest rest = { bytes, count };
    uint64_t key;

    *status = GRPC_UNKNOWN;
    if (count < PREFIX_BYTES || bytes[0] != 0)
        return -EBADMSG;
    skip(&rest, PREFIX_BYTES);
    if (rest.left != ((uint32_t)bytes[1] << 24 | (uint32_t)bytes[2] << 16 |
                      (uint32_t)bytes[3] << 8 | bytes[4]))
        return -EBADMSG;
    while (rest.left > 0) {
        bool whole = varint(&rest, &key) && key >> 3 != 0;

        if (whole && key == (FIELD << 3 | WIRE_VARINT))
            whole = varint(&rest, status);      /* of several the last one counts */
        else if (whole)
            whole = skip_field(&rest, key & 7);
        if (!whole)
            return -EBADMSG;
    }
    return 0;
}

/* ---- names ---- */

const char *
grpc_code_name(unsigned long code)
{
    static const char *const names[] = {
        "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
        "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
        "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
        "UNAUTHENTICATED",
    };

    return code < ARRAY_SIZE(names) ? names[code] : "UNKNOWN";
}

const char *
grpc_serving_name(uint64_t status)
{
    static const char *const names[] = { "UNKNOWN", "SERVING", "NOT_SERVING",
                                         "SERVICE_UNKNOWN" };

    return status < ARRAY_SIZE(names) ? names[status] : "UNKNOWN";
}
