/*
 * replay: the sequence that is put together again from sparse rows, and what a policy makes of it.
 *
 * Rows of the tests are letters, a second apart: + a recorded success, - a failure, . a success
 * that has no row. The last one is of the last second of a minute, for only minutes that are over
 * are counted.
 */
#include <setjmp.h>
#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "probes/replay.h"

enum { SECOND_MS = 1000, MINUTE_MS = 60000, ROWS_MAX = 256, MINUTES_MAX = 40, PROBES = 240 };

static const int64_t begin_ms = 1000 * (int64_t)MINUTE_MS;

/* What the prober would have written of a story. */
struct written {
    struct replay_result rows[ROWS_MAX];
    struct replay_minute minutes[MINUTES_MAX];
    size_t row_count, minute_count;
};

/* When each probe of a story ended. */
struct times {
    int64_t at_ms[ROWS_MAX];
};

/* A second apart; the last one is of the last second of a minute. */
static void
evenly(const char *story, struct times *times)
{
    size_t first = (60 - strlen(story) % 60) % 60;

    for (size_t i = 0; story[i] != '\0'; i++)
        times->at_ms[i] = begin_ms + (int64_t)(first + i) * SECOND_MS;
}

static void
write_down(const char *story, const struct times *times, struct written *written)
{
    memset(written, 0, sizeof *written);
    for (size_t i = 0; story[i] != '\0'; i++) {
        size_t minute = (size_t)(times->at_ms[i] - begin_ms) / MINUTE_MS;

        assert_true(minute < MINUTES_MAX);
        written->minutes[minute].minute_ms = begin_ms + (int64_t)minute * MINUTE_MS;
        written->minutes[minute].runs++;
        written->minutes[minute].failures += story[i] == '-';
        written->minute_count = minute + 1;
        if (story[i] == '.')
            continue;
        written->rows[written->row_count++] = (struct replay_result){
            .at_ms = times->at_ms[i],
            .outcome = story[i] == '-' ? REASON_CONNECT_REFUSED : REASON_OK,
        };
    }
}

static const struct health_policy quick = { .fall = 3, .rise = 2, .interval_ms = SECOND_MS };

/* The outcomes of the sequence that is made of what was written, as letters. */
static void
put_together(const struct written *written, const struct health_policy *policy,
             struct replay_sequence *sequence, char *letters)
{
    size_t i;

    assert_int_equal(replay_reconstruct(written->rows, written->row_count, written->minutes,
                                        written->minute_count, policy, sequence), 0);
    for (i = 0; i < sequence->count; i++) {
        letters[i] = sequence->results[i].assumed         ? '.'
                     : sequence->results[i].outcome == REASON_OK ? '+'
                                                                 : '-';
        if (i > 0)
            assert_true(sequence->results[i].at_ms >= sequence->results[i - 1].at_ms);
    }
    letters[i] = '\0';
}

static void
what_has_no_row_is_put_where_it_was(void **state)
{
    static const char *const stories[] = {
        "+....-",
        "+....---+..-+",
        "-",
        "---+",
        "+-+-+-",
        "+.....................................................-+....--+.......+...-+",
        "+...-+......................................................",
    };

    for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
        struct replay_sequence sequence;
        struct written written;
        struct times times;
        char letters[ROWS_MAX];

        evenly(stories[i], &times);
        write_down(stories[i], &times, &written);
        put_together(&written, &quick, &sequence, letters);
        assert_string_equal(letters, stories[i]);
        replay_sequence_free(&sequence);
    }
}

static void
without_a_summary_one_an_interval_is_assumed(void **state)
{
    struct replay_sequence sequence;
    struct written written;
    struct times times;
    char letters[ROWS_MAX];

    evenly("+.....-", &times);
    write_down("+.....-", &times, &written);
    written.minute_count = 0;
    put_together(&written, &quick, &sequence, letters);
    assert_string_equal(letters, "+.....-");
    replay_sequence_free(&sequence);
}

static void
replayed(const char *story, uint32_t fall, uint32_t rise, struct replay_outcome *outcome)
{
    const struct health_policy policy = { .fall = fall, .rise = rise,
                                          .interval_ms = SECOND_MS };
    struct replay_sequence sequence;
    struct written written;
    struct times times;
    char letters[ROWS_MAX];

    evenly(story, &times);
    write_down(story, &times, &written);
    put_together(&written, &quick, &sequence, letters);
    assert_int_equal(replay_run(&sequence, &policy, outcome), 0);
    replay_sequence_free(&sequence);
}

/* ---- stories that nobody chose ---- */

static const struct health_policy usual = { .fall = 3, .rise = 2, .interval_ms = 5000 };

/* What works fails now and then, and what fails goes on for a while. Times are as the prober has
 * them: they depend on the state, and each has its jitter; rows are kept as probe_log.h does. */
static void
invent(uint32_t *seed, char *story, struct times *times)
{
    int64_t at_ms = begin_ms, kept_ms = 0;
    struct health health;
    bool failing = false;

    health_init(&health, ENDPOINT_UNKNOWN, REASON_NONE, (uint64_t)at_ms);
    for (int i = 0; i < PROBES; i++) {
        bool was = failing;

        *seed = *seed * 1664525 + 1013904223;
        failing = (*seed >> 16) % 100 < (was ? 75u : 8u);
        story[i] = failing ? '-' : was || i == 0 || at_ms - kept_ms >= MINUTE_MS ? '+' : '.';
        kept_ms = story[i] == '+' ? at_ms : kept_ms;
        times->at_ms[i] = at_ms;
        health_apply(&health, &usual, failing ? REASON_CONNECT_REFUSED : REASON_OK,
                     (uint64_t)at_ms);
        at_ms += health_interval_ms(&health, &usual) * (90 + (*seed >> 8) % 21) / 100;
    }
    story[PROBES] = '\0';
}

/* All of its probes, none of them assumed. */
static void
tell_all(const char *story, const struct times *times, struct replay_sequence *sequence)
{
    static struct replay_result results[ROWS_MAX];

    *sequence = (struct replay_sequence){ results, strlen(story), ROWS_MAX };
    for (size_t i = 0; i < sequence->count; i++)
        results[i] = (struct replay_result){
            .at_ms = times->at_ms[i],
            .outcome = story[i] == '-' ? REASON_CONNECT_REFUSED : REASON_OK,
        };
}

static bool
same_outcome(const struct replay_outcome *a, const struct replay_outcome *b)
{
    return a->downs == b->downs && a->false_alarms == b->false_alarms && a->blips == b->blips;
}

/* Where successes without a row lie is a guess when a minute has several places for them; what
 * comes of it is nearly always the truth. */
static void
what_is_put_together_leads_to_what_was(void **state)
{
    uint32_t seed = 7, downs = 0, same = 0, stories_told = 500;

    for (uint32_t i = 0; i < stories_told; i++) {
        struct replay_sequence truth, sequence;
        struct replay_outcome expected, found;
        struct written written;
        struct times times;
        char story[ROWS_MAX], letters[2 * ROWS_MAX];

        invent(&seed, story, &times);
        write_down(story, &times, &written);
        put_together(&written, &usual, &sequence, letters);
        tell_all(story, &times, &truth);
        assert_int_equal(replay_run(&truth, &usual, &expected), 0);
        assert_int_equal(replay_run(&sequence, &usual, &found), 0);
        assert_int_equal(found.failures, expected.failures);
        assert_in_range(found.probes, expected.probes - 10, expected.probes + 10);
        downs += (uint32_t)expected.downs;
        same += same_outcome(&found, &expected);
        replay_sequence_free(&sequence);
        replay_outcome_free(&expected);
        replay_outcome_free(&found);
    }
    print_message("%u of %u stories as they were; %u times down\n", same, stories_told, downs);
    assert_true(downs > stories_told);
    assert_true(same >= stories_told * 95 / 100);
}

struct story {
    const char *name, *story;
    uint32_t fall, rise;
    uint64_t downs, false_alarms, blips;
    int64_t down_s;
    bool down_at_end;
};

static const struct story stories[] = {
    { "a long outage", "+...------+....+", 3, 2, 1, 0, 0, 5, false },
    { "a blip that is ridden out", "+...--+....+", 3, 2, 0, 0, 1, 0, false },
    { "the same blip, more nervous", "+...--+....+", 2, 2, 1, 1, 0, 2, false },
    { "an outage that goes on is no false alarm", "+...---+..+", 2, 2, 1, 0, 0, 3, false },
    { "a failure while it recovers makes it none", "+...--+-+.+", 2, 2, 1, 0, 0, 4, false },
    { "flapping", "+-+-+-+-+.+", 1, 1, 4, 4, 0, 4, false },
    { "flapping ridden out", "+-+-+-+-+.+", 2, 1, 0, 0, 4, 0, false },
    { "still down", "+...----", 3, 2, 1, 0, 0, 1, true },
    { "never up: nothing to detect", "----", 3, 2, 0, 0, 0, 3, true },
    { "no row tells that it came back, but the minute's count does",
      "+...------+.................................................", 3, 2, 1, 0, 0, 5, false },
    { "a row that is not over is no blip", "+..--", 3, 2, 0, 0, 0, 0, false },
};

static void
a_policy_makes_of_it_what_it_says(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
        const struct story *story = &stories[i];
        struct replay_outcome outcome;

        replayed(story->story, story->fall, story->rise, &outcome);
        if (outcome.downs != story->downs || outcome.false_alarms != story->false_alarms ||
            outcome.blips != story->blips || outcome.down_ms != story->down_s * SECOND_MS ||
            outcome.down_at_end != story->down_at_end)
            fail_msg("%s: %d down, %d false, %d blips, %d ms down, %d at the end", story->name,
                     (int)outcome.downs, (int)outcome.false_alarms, (int)outcome.blips,
                     (int)outcome.down_ms, outcome.down_at_end);
        replay_outcome_free(&outcome);
    }
}

static void
the_time_to_detect_begins_at_the_first_failure(void **state)
{
    struct replay_outcome outcome, total = { 0 };
    uint32_t median_ms, max_ms;

    replayed("+...----+..----+..+", 3, 2, &outcome);
    assert_true(replay_detect(&outcome, &median_ms, &max_ms));
    assert_int_equal(median_ms, 2 * SECOND_MS);
    assert_int_equal(max_ms, 2 * SECOND_MS);
    assert_int_equal(replay_add(&total, &outcome), 0);
    replay_outcome_free(&outcome);

    replayed("+..+", 3, 2, &outcome);
    assert_false(replay_detect(&outcome, &median_ms, &max_ms));
    assert_int_equal(replay_add(&total, &outcome), 0);
    assert_int_equal(total.downs, 2);
    assert_int_equal(total.detect_count, 2);
    replay_outcome_free(&outcome);
    replay_outcome_free(&total);
}

static void
our_own_fault_counts_for_nothing(void **state)
{
    const struct health_policy policy = { .fall = 1, .rise = 1, .interval_ms = SECOND_MS };
    struct replay_result results[] = {
        { .at_ms = begin_ms, .outcome = REASON_OK },
        { .at_ms = begin_ms + 1000, .outcome = REASON_CONNECT_LOCAL },
        { .at_ms = begin_ms + 2000, .outcome = REASON_OK },
    };
    const struct replay_sequence sequence = { results, 3, 3 };
    struct replay_outcome outcome;

    assert_int_equal(replay_run(&sequence, &policy, &outcome), 0);
    assert_int_equal(outcome.downs, 0);
    assert_int_equal(outcome.blips, 0);
    replay_outcome_free(&outcome);
}

/* Down, then an hour without any row, then up: as a restart that knows what was. */
static void
a_pause_is_a_restart(void **state)
{
    const struct health_policy policy = { .fall = 1, .rise = 3, .interval_ms = SECOND_MS };
    const struct replay_result rows[] = {
        { .at_ms = begin_ms, .outcome = REASON_OK },
        { .at_ms = begin_ms + 1000, .outcome = REASON_CONNECT_REFUSED },
        { .at_ms = begin_ms + 3000, .outcome = REASON_CONNECT_REFUSED },
        { .at_ms = begin_ms + 3600000, .outcome = REASON_OK },
        { .at_ms = begin_ms + 7200000, .outcome = REASON_OK },
    };
    struct replay_sequence sequence;
    struct replay_outcome outcome;

    assert_int_equal(replay_reconstruct(rows, ARRAY_SIZE(rows), NULL, 0, &quick, &sequence),
                     0);
    assert_int_equal(sequence.count, ARRAY_SIZE(rows));     /* nothing is assumed in a pause */
    assert_int_equal(replay_run(&sequence, &policy, &outcome), 0);
    assert_int_equal(outcome.pauses, 2);
    assert_int_equal(outcome.downs, 1);
    assert_int_equal(outcome.false_alarms, 0);
    assert_int_equal(outcome.down_ms, 2000);
    assert_false(outcome.down_at_end);
    replay_sequence_free(&sequence);
    replay_outcome_free(&outcome);
}

/* Not a prober that wrote that: but it must not fill the memory. */
static void
absurd_counts_are_bounded(void **state)
{
    const struct replay_result rows[] = {
        { .at_ms = begin_ms, .outcome = REASON_OK },
        { .at_ms = begin_ms + 50000, .outcome = REASON_CONNECT_REFUSED },
    };
    const struct health_policy mad = { .fall = 1, .rise = UINT32_MAX, .interval_ms = 0 };
    struct replay_minute minute = { .minute_ms = begin_ms, .runs = UINT32_MAX };
    struct replay_sequence sequence;

    assert_int_equal(replay_reconstruct(rows, 2, &minute, 1, &mad, &sequence), 0);
    assert_true(sequence.count > 1000 && sequence.count < 10000);
    replay_sequence_free(&sequence);
    assert_int_equal(replay_reconstruct(rows, 2, NULL, 0, &mad, &sequence), 0);
    assert_true(sequence.count > 1000 && sequence.count < 10000);
    replay_sequence_free(&sequence);
    minute = (struct replay_minute){ .minute_ms = begin_ms, .runs = 1, .failures = 7 };
    assert_int_equal(replay_reconstruct(rows, 2, &minute, 1, &quick, &sequence), 0);
    assert_int_equal(sequence.count, 2);
    replay_sequence_free(&sequence);
}

static void
nothing_recorded_is_nothing_found(void **state)
{
    const struct health_policy policy = { .fall = 1, .rise = 1, .interval_ms = SECOND_MS };
    struct replay_sequence sequence;
    struct replay_outcome outcome;

    assert_int_equal(replay_reconstruct(NULL, 0, NULL, 0, &quick, &sequence), 0);
    assert_int_equal(replay_run(&sequence, &policy, &outcome), 0);
    assert_int_equal(outcome.probes, 0);
    replay_sequence_free(&sequence);
    replay_outcome_free(&outcome);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_has_no_row_is_put_where_it_was),
        cmocka_unit_test(what_is_put_together_leads_to_what_was),
        cmocka_unit_test(without_a_summary_one_an_interval_is_assumed),
        cmocka_unit_test(a_policy_makes_of_it_what_it_says),
        cmocka_unit_test(the_time_to_detect_begins_at_the_first_failure),
        cmocka_unit_test(our_own_fault_counts_for_nothing),
        cmocka_unit_test(a_pause_is_a_restart),
        cmocka_unit_test(absurd_counts_are_bounded),
        cmocka_unit_test(nothing_recorded_is_nothing_found),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
