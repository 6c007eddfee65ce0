/* Any bytes as an answer, arriving at once and bit by bit: the verdict stays the same. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/http_get.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void
check(int rc, const struct http_answer *answer, size_t bytes)
{
    assert(rc == 0 || rc == 1 || rc == -EPROTO || rc == -EFBIG);
    if (rc != 1)
        return;
    assert(answer->status >= 100 && answer->status <= 999);
    assert(answer->body_at <= bytes && answer->body_bytes <= bytes - answer->body_at);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char *copy = malloc(bytes + 1);
    struct http_answer answer, early;
    size_t step = bytes / 16 + 1;
    int at_end;

    memcpy(copy, data, bytes);
    at_end = http_answer_parse(copy, bytes, true, &answer);
    check(at_end, &answer, bytes);
    assert(at_end != 0);
    for (size_t have = 0; have <= bytes; have += step) {
        int rc = http_answer_parse(copy, have, false, &early);

        check(rc, &early, have);
        if (rc == 0)
            continue;
        assert(rc == at_end);   /* what was final stays so whatever follows */
        assert(rc < 0 || (early.status == answer.status && early.body_at == answer.body_at
                          && early.body_bytes == answer.body_bytes));
        break;
    }
    free(copy);
    return 0;
}
