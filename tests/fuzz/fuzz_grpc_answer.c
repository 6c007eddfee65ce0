/* Whatever a target answers: nothing is read beyond it, and what is taken for an answer says so. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "probes/grpc_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size);       /* its end is where a sanitizer looks */
    uint64_t status, again;
    int rc;

    if (copy == NULL)
        return 0;
    memcpy(copy, data, size);
    rc = grpc_answer_read(copy, size, &status);
    assert(rc == 0 || rc == -EBADMSG);
    if (rc == 0) {
        assert(size >= 5);
        assert(grpc_serving_name(status) != NULL);
        copy[0] = 1;
        assert(grpc_answer_read(copy, size, &again) == -EBADMSG);
        copy[0] = 0;
        assert(grpc_answer_read(copy, size - 1, &again) == -EBADMSG);
    }
    free(copy);
    return 0;
}
