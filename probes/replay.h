/*
 * replay - recorded results through the policy of health.h, with other thresholds.
 *
 * Recorded are every failure, every change of outcome and one success a minute; a summary counts
 * all probes of each minute. So between a recorded success and the next row there are only
 * successes, and nowhere else: their number is what the summaries have more than the rows. Where a
 * minute has several such places they are shared out by how many probes were due in each, by the
 * policy that was in force: every `interval_ms`, and sooner while it recovered. Behind the last row
 * there is as much as the summaries count. Without a summary there is what was due.
 *
 * A pause of more than two minutes and two intervals without any row is an end and a new start:
 * the state is kept as after a restart, and the pause counts for nothing.
 *
 * Definitions: it is *declared down* when it becomes unavailable after it was available. That is
 * a *false alarm* when no failure followed: the next results were successes
 * until it was available again. *Time to detect* reaches from the first failure in a row to the
 * declaration. A *blip* is a row of failures that led to no declaration. Pure; times are wall ms.
 */
#ifndef FPROXY_PROBES_REPLAY_H
#define FPROXY_PROBES_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/health.h"

enum { REPLAY_DETECTS_MAX = 4096 };     /* times to detect that are kept, for the median */

struct replay_result {
    int64_t at_ms;
    enum reason outcome;
    bool assumed;                       /* not a row: put in between */
};

/* The rows of probe_summary. */
struct replay_minute {
    int64_t minute_ms;
    uint32_t runs, failures;
};

/* Owned; in the order of time. */
struct replay_sequence {
    struct replay_result *results;
    size_t count, room;
};

struct replay_outcome {
    uint64_t probes, failures, assumed;
    uint64_t downs, false_alarms, blips;
    uint64_t pauses;
    uint32_t *detects_ms;               /* owned; sorted when it is over */
    size_t detect_count, detect_room;
    int64_t down_ms;                    /* in all, unavailable or recovering */
    bool down_at_end;
    int64_t from_ms, to_ms;
};

/* Makes the whole sequence out of rows and minutes, each in the order of time, of an endpoint that
 * was probed by `policy`. 0 or -ENOMEM; replay_sequence_free() in any case. */
int replay_reconstruct(const struct replay_result *rows, size_t row_count,
                       const struct replay_minute *minutes, size_t minute_count,
                       const struct health_policy *policy, struct replay_sequence *sequence);
void replay_sequence_free(struct replay_sequence *sequence);

/* Feeds the sequence through the policy. 0 or -ENOMEM; replay_outcome_free() in any case. */
int replay_run(const struct replay_sequence *sequence, const struct health_policy *policy,
               struct replay_outcome *outcome);
void replay_outcome_free(struct replay_outcome *outcome);

/* Adds one outcome to a total. 0 or -ENOMEM. */
int replay_add(struct replay_outcome *total, const struct replay_outcome *outcome);

/* Of the times to detect; false when there is none. */
bool replay_detect(const struct replay_outcome *outcome, uint32_t *median_ms, uint32_t *max_ms);

#endif
