/* Any packet, as the answer to a question: the judgement is sound, whatever it claims. Its first
 * two bytes are the id that it should have. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "probes/dns_question.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct dns_question question;
    struct dns_verdict verdict;
    uint16_t id = bytes < 2 ? 0 : (uint16_t)(data[0] << 8 | data[1]);

    if (question.bytes == 0 && dns_question_make("www.example", "A", &question) < 0)
        abort();
    dns_question_judge(&question, id, data, bytes, &verdict);
    assert(verdict.what != NULL);
    assert(verdict.records <= DNS_RECORDS_MAX);
    assert(verdict.ours || verdict.reason == REASON_MISMATCH);
    assert(verdict.truncated || (verdict.reason == REASON_OK) == (verdict.records > 0));
    return 0;
}
