/* Any rows and minutes: what is put together is in order, has all rows, and is bounded; whatever a
 * policy makes of it adds up. Each four bytes are a row or a minute. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/util.h"
#include "probes/replay.h"

enum { ROWS_MAX = 64, MINUTES_MAX = 64, MINUTE_MS = 60000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void
check(const struct replay_sequence *sequence, size_t rows)
{
    size_t assumed = 0;

    for (size_t i = 0; i < sequence->count; i++) {
        assumed += sequence->results[i].assumed;
        assert(i == 0 || sequence->results[i].at_ms >= sequence->results[i - 1].at_ms);
        assert(!sequence->results[i].assumed || sequence->results[i].outcome == REASON_OK);
    }
    assert(sequence->count - assumed == rows);
}

static void
run(const struct replay_sequence *sequence, const struct health_policy *policy)
{
    struct replay_outcome outcome;

    assert(replay_run(sequence, policy, &outcome) == 0);
    assert(outcome.false_alarms <= outcome.downs);
    assert(outcome.downs + outcome.blips <= outcome.failures);
    assert(outcome.down_ms >= 0 && outcome.down_ms <= outcome.to_ms - outcome.from_ms);
    replay_outcome_free(&outcome);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct replay_result rows[ROWS_MAX];
    struct replay_minute minutes[MINUTES_MAX];
    size_t row_count = 0, minute_count = 0;
    int64_t at_ms = INT64_C(1000) * MINUTE_MS, minute_ms = at_ms;
    struct health_policy policy = { .rise = 1, .fall = 1, .interval_ms = 1000 };
    struct replay_sequence sequence;

    if (bytes >= 4) {
        policy.rise = 1 + data[0] % 5;
        policy.fall = 1 + data[1] % 5;
        policy.interval_ms = 100u * (1 + data[2]);
    }
    for (size_t i = 4; i + 4 <= bytes; i += 4) {
        if (data[i] % 4 == 0 && minute_count < MINUTES_MAX) {
            minutes[minute_count++] = (struct replay_minute){ minute_ms, data[i + 1], data[i + 2] };
            minute_ms += (int64_t)(1 + data[i + 3] % 3) * MINUTE_MS;
        } else if (row_count < ROWS_MAX) {
            at_ms += data[i + 1] * 500 + data[i + 2];
            rows[row_count++] = (struct replay_result){
                .at_ms = at_ms, .outcome = data[i + 3] % 2 ? REASON_OK : REASON_MISMATCH,
            };
        }
    }
    assert(replay_reconstruct(rows, row_count, minutes, minute_count, &policy, &sequence) == 0);
    check(&sequence, row_count);
    run(&sequence, &policy);
    replay_sequence_free(&sequence);
    return 0;
}
