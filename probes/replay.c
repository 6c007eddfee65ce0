/* Reconstruction first, then the policy. */
#include "probes/replay.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"

enum {
    MINUTE_MS = 60000,
    PAUSE_MS = 120000,
    MINUTE_SUCCESSES_MAX = 6000,        /* whatever a damaged row says */
    SUCCESSES_TRIED_MAX = 1000,
    FIRST_ROOM = 64,
};

static int64_t
longest_wait_ms(uint32_t interval_ms)
{
    return PAUSE_MS + 2 * (int64_t)interval_ms;
}

/* ---- reconstruction ---- */

static int
append(struct replay_sequence *sequence, const struct replay_result *result)
{
    if (sequence->count == sequence->room) {
        size_t room = sequence->room == 0 ? FIRST_ROOM : sequence->room * 2;
        struct replay_result *grown =
            reallocarray(sequence->results, room, sizeof *grown);

        if (grown == NULL)
            return -ENOMEM;
        sequence->results = grown;
        sequence->room = room;
    }
    sequence->results[sequence->count++] = *result;
    return 0;
}

/* What replay_reconstruct() was given. */
struct material {
    const struct replay_result *rows;
    size_t row_count;
    const struct replay_minute *minutes;
    size_t minute_count;
    const struct health_policy *policy;     /* by which was probed */
    uint16_t *fast;                         /* owned; behind each row, how many successes came at
                                             * the pace of a change */
};

/* Where the time behind a row ends: at the next one; behind the last one, with what is counted. */
static int64_t
end_of(const struct material *material, size_t row)
{
    int64_t counted_ms = 0;

    if (row + 1 < material->row_count)
        return material->rows[row + 1].at_ms;
    if (material->minute_count > 0)
        counted_ms = material->minutes[material->minute_count - 1].minute_ms + MINUTE_MS;
    return MAX(counted_ms, material->rows[row].at_ms);
}

/* Where successes may be missing: behind a success, up to the next row. */
static bool
is_gap(const struct material *material, size_t row)
{
    return material->rows[row].outcome == REASON_OK &&
           end_of(material, row) - material->rows[row].at_ms <=
               longest_wait_ms(material->policy->interval_ms);
}

/* How much of the gap behind `row` lies in the minute. */
static int64_t
overlap_ms(const struct material *material, size_t row, int64_t minute_ms)
{
    int64_t from_ms = MAX(material->rows[row].at_ms, minute_ms);
    int64_t to_ms = MIN(end_of(material, row), minute_ms + MINUTE_MS);

    return MAX(to_ms - from_ms, 0);
}

static int64_t
fast_pace_ms(const struct material *material)
{
    return MAX(MIN(material->policy->interval_ms, HEALTH_CHANGING_INTERVAL_MS), 1);
}

/* When the probe number `j` behind a row was due, from the row on. */
static int64_t
due_ms(const struct material *material, size_t row, int64_t j)
{
    int64_t fast = MIN(material->fast[row], j);

    return fast * fast_pace_ms(material) + (j - fast) * MAX(material->policy->interval_ms, 1);
}

/* How many probes were due behind a row and before `limit_ms`. */
static int64_t
due_before(const struct material *material, size_t row, int64_t limit_ms)
{
    int64_t span_ms = limit_ms - material->rows[row].at_ms;
    int64_t fast_ms = due_ms(material, row, material->fast[row]);

    if (span_ms <= 0)
        return 0;
    if (span_ms <= fast_ms)
        return (span_ms - 1) / fast_pace_ms(material);
    return material->fast[row] +
           (span_ms - fast_ms - 1) / MAX(material->policy->interval_ms, 1);
}

/* Up to where probes behind a row are others than the next row: jitter may have made that one a
 * little late. */
static int64_t
limit_of(const struct material *material, size_t row)
{
    int64_t end_ms = end_of(material, row);
    int64_t slow_ms = material->rows[row].at_ms + due_ms(material, row, material->fast[row]) +
                      material->policy->interval_ms / 2;

    if (row + 1 == material->row_count)
        return end_ms;
    return end_ms - (end_ms > slow_ms ? material->policy->interval_ms : fast_pace_ms(material)) / 2;
}

/* How many probes were due in the part of the gap that is in this minute. */
static int64_t
due_in(const struct material *material, size_t row, int64_t minute_ms)
{
    int64_t until_ms = MIN(limit_of(material, row), minute_ms + MINUTE_MS);

    return MAX(due_before(material, row, until_ms) - due_before(material, row, minute_ms), 0);
}

/* What that part counts when the successes of a minute are shared out: by what was due, and where
 * nothing was, by its length. */
static int64_t
weight_of(const struct material *material, size_t row, int64_t minute_ms)
{
    return due_in(material, row, minute_ms) * MINUTE_MS + overlap_ms(material, row, minute_ms);
}

/* The first row at or behind `at_ms`. */
static size_t
first_row(const struct material *material, int64_t at_ms)
{
    size_t low = 0, high = material->row_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (material->rows[middle].at_ms < at_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const struct replay_minute *
find_minute(const struct material *material, int64_t minute_ms)
{
    size_t low = 0, high = material->minute_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (material->minutes[middle].minute_ms < minute_ms)
            low = middle + 1;
        else
            high = middle;
    }
    return low < material->minute_count && material->minutes[low].minute_ms == minute_ms
               ? &material->minutes[low]
               : NULL;
}

/* Successes of the minute that have no row, and the weight of all gaps in it. */
static int64_t
missing_in(const struct material *material, const struct replay_minute *minute, int64_t *weight)
{
    int64_t missing = (int64_t)minute->runs - minute->failures;
    size_t row = first_row(material, minute->minute_ms);

    *weight = 0;
    if (row > 0 && is_gap(material, row - 1))
        *weight += weight_of(material, row - 1, minute->minute_ms);
    for (; row < material->row_count &&
           material->rows[row].at_ms < minute->minute_ms + MINUTE_MS; row++) {
        missing -= material->rows[row].outcome == REASON_OK;
        if (is_gap(material, row))
            *weight += weight_of(material, row, minute->minute_ms);
    }
    return MIN(MAX(missing, 0), MINUTE_SUCCESSES_MAX);
}

/* How many successes lie in the part of the gap behind `row` that is in this minute. */
static int64_t
share_of(const struct material *material, size_t row, int64_t minute_ms)
{
    const struct replay_minute *minute = find_minute(material, minute_ms);
    int64_t weight, missing;

    if (minute == NULL)
        return MIN(due_in(material, row, minute_ms), MINUTE_SUCCESSES_MAX);
    missing = missing_in(material, minute, &weight);
    if (weight == 0)
        return 0;
    return (missing * weight_of(material, row, minute_ms) + weight / 2) / weight;
}

/* Puts the successes of one minute of a gap into it: the first ones when they were due, if that was
 * at the pace of a change, the others evenly. */
static int
fill_part(const struct material *material, size_t row, int64_t minute_ms,
          struct replay_sequence *sequence)
{
    int64_t row_ms = material->rows[row].at_ms;
    int64_t last_ms = MAX(row_ms, minute_ms);
    int64_t end_ms = last_ms + overlap_ms(material, row, minute_ms);
    int64_t count = end_ms > last_ms ? share_of(material, row, minute_ms) : 0;
    int64_t before = due_before(material, row, minute_ms);
    int rc = 0;

    for (int64_t i = 1; rc == 0 && i <= count; i++) {
        struct replay_result success = { .outcome = REASON_OK, .assumed = true };

        success.at_ms = last_ms + (end_ms - last_ms) / (count - i + 2);
        if (before + i <= material->fast[row])
            success.at_ms = MIN(success.at_ms, row_ms + due_ms(material, row, before + i));
        last_ms = MAX(last_ms, success.at_ms);
        rc = append(sequence, &success);
    }
    return rc;
}

static int
fill_gap(const struct material *material, size_t row, struct replay_sequence *sequence)
{
    int64_t at_ms = material->rows[row].at_ms, end_ms = end_of(material, row);
    int rc = 0;

    for (int64_t minute_ms = at_ms - at_ms % MINUTE_MS; rc == 0 && minute_ms < end_ms;
         minute_ms += MINUTE_MS)
        rc = fill_part(material, row, minute_ms, sequence);
    return rc;
}

/* Goes through the rows as the prober did, to know at which pace it probed behind each. */
static void
learn_paces(struct material *material)
{
    const struct health_policy *policy = material->policy;
    struct health health;

    health_init(&health, ENDPOINT_UNKNOWN, REASON_NONE, 0);
    for (size_t i = 0; i < material->row_count; i++) {
        const struct replay_result *row = &material->rows[i];
        int64_t wait_ms = i > 0 ? row->at_ms - material->rows[i - 1].at_ms : 0;
        int64_t successes;

        if (wait_ms > longest_wait_ms(policy->interval_ms))
            health_init(&health, health_seed_state(health.state), REASON_HISTORY, 0);
        health_apply(&health, policy, row->outcome, (uint64_t)row->at_ms);
        if (!is_gap(material, i))
            continue;
        if (health.state == ENDPOINT_RECOVERING)
            material->fast[i] = (uint16_t)MIN(policy->rise - health.successes, UINT16_MAX);
        successes = due_before(material, i, limit_of(material, i));
        for (int64_t j = MIN(MIN(successes, policy->rise), SUCCESSES_TRIED_MAX); j > 0; j--)
            health_apply(&health, policy, REASON_OK, (uint64_t)row->at_ms);
    }
}

int
replay_reconstruct(const struct replay_result *rows, size_t row_count,
                   const struct replay_minute *minutes, size_t minute_count,
                   const struct health_policy *policy, struct replay_sequence *sequence)
{
    struct material material = { rows, row_count, minutes, minute_count, policy, NULL };
    int rc = 0;

    *sequence = (struct replay_sequence){ 0 };
    material.fast = calloc(MAX(row_count, 1), sizeof *material.fast);
    if (material.fast == NULL)
        return -ENOMEM;
    learn_paces(&material);
    for (size_t i = 0; rc == 0 && i < row_count; i++) {
        rc = append(sequence, &rows[i]);
        if (rc == 0 && is_gap(&material, i))
            rc = fill_gap(&material, i, sequence);
    }
    free(material.fast);
    return rc;
}

void
replay_sequence_free(struct replay_sequence *sequence)
{
    free(sequence->results);
    *sequence = (struct replay_sequence){ 0 };
}

/* ---- the policy ---- */

struct run {
    const struct health_policy *policy;
    struct replay_outcome *outcome;
    struct health health;
    int64_t first_failure_ms;       /* of the present row of failures; 0: there is none */
    int64_t down_since_ms;          /* 0: it is not down */
    bool declared;                  /* the present row of failures led to a declaration */
    bool doubtful;                  /* declared, and nothing failed since */
};

static bool
is_down(enum endpoint_state state)
{
    return state == ENDPOINT_UNAVAILABLE || state == ENDPOINT_RECOVERING;
}

static int
keep_detect(struct replay_outcome *outcome, int64_t detect_ms)
{
    if (outcome->detect_count == REPLAY_DETECTS_MAX)
        return 0;
    if (outcome->detect_count == outcome->detect_room) {
        size_t room = outcome->detect_room == 0 ? FIRST_ROOM : outcome->detect_room * 2;
        uint32_t *grown = reallocarray(outcome->detects_ms, room, sizeof *grown);

        if (grown == NULL)
            return -ENOMEM;
        outcome->detects_ms = grown;
        outcome->detect_room = room;
    }
    outcome->detects_ms[outcome->detect_count++] = (uint32_t)MIN(detect_ms, UINT32_MAX);
    return 0;
}

static void
count_down_time(struct run *run, int64_t until_ms)
{
    if (run->down_since_ms != 0)
        run->outcome->down_ms += until_ms - run->down_since_ms;
    run->down_since_ms = 0;
}

/* The row of failures, if there is one, is over. */
static void
end_failures(struct run *run)
{
    run->outcome->blips += run->first_failure_ms != 0 && !run->declared;
    run->first_failure_ms = 0;
    run->declared = false;
}

static int
declare(struct run *run, enum endpoint_state was, int64_t at_ms)
{
    run->down_since_ms = at_ms;
    run->declared = true;
    /* Out of unknown nothing was up, so there is nothing to detect. */
    if (was != ENDPOINT_AVAILABLE && was != ENDPOINT_FAILING)
        return 0;
    run->outcome->downs++;
    run->doubtful = true;
    return keep_detect(run->outcome, at_ms - run->first_failure_ms);
}

static int
step(struct run *run, const struct replay_result *result)
{
    enum endpoint_state was = run->health.state;
    bool failed = result->outcome != REASON_OK;

    if (reason_is_ours(result->outcome))
        return 0;
    if (failed && run->first_failure_ms == 0) {
        run->first_failure_ms = result->at_ms;
        run->declared = is_down(was);       /* of an outage that is known */
    } else if (!failed) {
        end_failures(run);
    }
    if (failed)
        run->doubtful = false;
    health_apply(&run->health, run->policy, result->outcome, (uint64_t)result->at_ms);
    if (!is_down(was) && is_down(run->health.state))
        return declare(run, was, result->at_ms);
    if (is_down(was) && !is_down(run->health.state)) {
        run->outcome->false_alarms += run->doubtful;
        run->doubtful = false;
        count_down_time(run, result->at_ms);
    }
    return 0;
}

/* As a restart: what was known stays, and the first success is believed. */
static void
pause_here(struct run *run, int64_t last_ms, int64_t at_ms)
{
    bool down = is_down(run->health.state);

    run->outcome->pauses++;
    end_failures(run);
    count_down_time(run, last_ms);
    health_init(&run->health, health_seed_state(run->health.state), REASON_HISTORY,
                (uint64_t)at_ms);
    run->doubtful = false;
    if (down)
        run->down_since_ms = at_ms;
}

static int
compare(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

    return (left > right) - (left < right);
}

static void
sort_detects(struct replay_outcome *outcome)
{
    if (outcome->detect_count > 0)
        qsort(outcome->detects_ms, outcome->detect_count, sizeof *outcome->detects_ms, compare);
}

static void
end_run(struct run *run, int64_t last_ms)
{
    run->outcome->down_at_end = is_down(run->health.state);
    count_down_time(run, last_ms);
    sort_detects(run->outcome);
}

int
replay_run(const struct replay_sequence *sequence, const struct health_policy *policy,
           struct replay_outcome *outcome)
{
    struct run run = { .policy = policy, .outcome = outcome };
    int64_t last_ms = sequence->count > 0 ? sequence->results[0].at_ms : 0;
    int rc = 0;

    *outcome = (struct replay_outcome){ .from_ms = last_ms };
    health_init(&run.health, ENDPOINT_UNKNOWN, REASON_NONE, (uint64_t)last_ms);
    for (size_t i = 0; rc == 0 && i < sequence->count; i++) {
        const struct replay_result *result = &sequence->results[i];

        if (result->at_ms - last_ms > longest_wait_ms(policy->interval_ms))
            pause_here(&run, last_ms, result->at_ms);
        outcome->probes++;
        outcome->failures += result->outcome != REASON_OK;
        outcome->assumed += result->assumed;
        rc = step(&run, result);
        last_ms = result->at_ms;
    }
    outcome->to_ms = last_ms;
    end_run(&run, last_ms);
    return rc;
}

int
replay_add(struct replay_outcome *total, const struct replay_outcome *outcome)
{
    int rc = 0;

    total->probes += outcome->probes;
    total->failures += outcome->failures;
    total->assumed += outcome->assumed;
    total->downs += outcome->downs;
    total->false_alarms += outcome->false_alarms;
    total->blips += outcome->blips;
    total->pauses += outcome->pauses;
    total->down_ms += outcome->down_ms;
    total->down_at_end = total->down_at_end || outcome->down_at_end;
    for (size_t i = 0; rc == 0 && i < outcome->detect_count; i++)
        rc = keep_detect(total, outcome->detects_ms[i]);
    sort_detects(total);
    return rc;
}

void
replay_outcome_free(struct replay_outcome *outcome)
{
    free(outcome->detects_ms);
    *outcome = (struct replay_outcome){ 0 };
}

bool
replay_detect(const struct replay_outcome *outcome, uint32_t *median_ms, uint32_t *max_ms)
{
    if (outcome->detect_count == 0)
        return false;
    *median_ms = outcome->detects_ms[(outcome->detect_count - 1) / 2];
    *max_ms = outcome->detects_ms[outcome->detect_count - 1];
    return true;
}
