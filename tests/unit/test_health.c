#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "probes/health.h"

static const struct health_policy policy = { .rise = 2, .fall = 3, .interval_ms = 5000 };

/* Each letter of `outcomes` is a probe (+ passed, - refused, ! our own fault), each of `states`
 * the state after it: k unknown, a available, f failing, u unavailable, r recovering. */
struct story {
    const char *name;
    enum endpoint_state from;
    const char *outcomes, *states;
};

static const struct story stories[] = {
    { "the first success is believed", ENDPOINT_UNKNOWN, "+", "a" },
    { "the first failure is believed", ENDPOINT_UNKNOWN, "-", "u" },
    { "fall failures in a row take it down", ENDPOINT_UNKNOWN, "+---", "affu" },
    { "a success between begins anew", ENDPOINT_UNKNOWN, "+--+---", "affaffu" },
    { "rise successes in a row bring it back", ENDPOINT_UNKNOWN, "-++", "ura" },
    { "a failure between begins anew", ENDPOINT_UNKNOWN, "-+-++", "urura" },
    { "remembered as up it needs fall failures", ENDPOINT_AVAILABLE, "---", "ffu" },
    { "remembered as down the first success is enough", ENDPOINT_UNAVAILABLE, "+", "a" },
    { "remembered as down and down", ENDPOINT_UNAVAILABLE, "-++", "ura" },
    { "our own fault changes nothing", ENDPOINT_UNKNOWN, "!+!!!-!--", "kaaaafffu" },
    { "our own fault does not spend the first probe", ENDPOINT_UNAVAILABLE, "!+", "ua" },
};

static char
letter(enum endpoint_state state)
{
    switch (state) {
    case ENDPOINT_UNKNOWN:
        return 'k';
    case ENDPOINT_AVAILABLE:
        return 'a';
    case ENDPOINT_FAILING:
        return 'f';
    case ENDPOINT_UNAVAILABLE:
        return 'u';
    case ENDPOINT_RECOVERING:
        return 'r';
    default:
        return '?';
    }
}

static enum reason
outcome(char sign)
{
    if (sign == '+')
        return REASON_OK;
    return sign == '-' ? REASON_CONNECT_REFUSED : REASON_CONNECT_LOCAL;
}

static void
outcomes_make_states(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
        const struct story *story = &stories[i];
        enum endpoint_state was = story->from;
        struct health health;

        health_init(&health, story->from, REASON_HISTORY, 0);
        for (size_t k = 0; story->outcomes[k] != '\0'; k++) {
            enum reason reason = outcome(story->outcomes[k]);
            bool changed = health_apply(&health, &policy, reason, 1000 * k);

            if (letter(health.state) != story->states[k])
                fail_msg("%s: step %zu: %c", story->name, k, letter(health.state));
            assert_int_equal(changed, health.state != was);
            was = health.state;
        }
    }
}

static void
rise_and_fall_of_one_leave_no_state_between(void **state)
{
    static const struct health_policy quick = { .rise = 1, .fall = 1, .interval_ms = 1000 };
    struct health health;

    health_init(&health, ENDPOINT_AVAILABLE, REASON_HISTORY, 0);
    health_apply(&health, &quick, REASON_CONNECT_TIMEOUT, 1);
    assert_int_equal(health.state, ENDPOINT_UNAVAILABLE);
    health_apply(&health, &quick, REASON_OK, 2);
    assert_int_equal(health.state, ENDPOINT_AVAILABLE);
}

static void
the_reason_is_the_last_outcome_that_counted(void **state)
{
    struct health health;

    health_init(&health, ENDPOINT_AVAILABLE, REASON_HISTORY, 0);
    assert_int_equal(health.reason, REASON_HISTORY);
    health_apply(&health, &policy, REASON_CONNECT_TIMEOUT, 1);
    assert_int_equal(health.reason, REASON_CONNECT_TIMEOUT);
    health_apply(&health, &policy, REASON_CONNECT_LOCAL, 2);
    health_apply(&health, &policy, REASON_PROBE_OVERRUN, 2);
    assert_int_equal(health.reason, REASON_CONNECT_TIMEOUT);
    assert_int_equal(health.failures, 1);
    health_apply(&health, &policy, REASON_OK, 3);
    assert_int_equal(health.reason, REASON_OK);
    assert_int_equal(health.failures, 0);
    assert_int_equal(health.successes, 1);
}

static void
a_change_is_watched_closely(void **state)
{
    static const struct health_policy hasty = { .rise = 2, .fall = 3, .interval_ms = 300 };
    struct health health;

    health_init(&health, ENDPOINT_UNKNOWN, REASON_NONE, 0);
    assert_int_equal(health_interval_ms(&health, &policy), 1000);
    health_apply(&health, &policy, REASON_OK, 0);
    assert_int_equal(health_interval_ms(&health, &policy), 5000);
    health_apply(&health, &policy, REASON_CONNECT_REFUSED, 5000);
    assert_int_equal(health_interval_ms(&health, &policy), 1000);
    assert_int_equal(health_interval_ms(&health, &hasty), 300);
}

static void
what_stays_down_is_probed_less_and_less(void **state)
{
    static const uint32_t wanted_ms[] = { 7500, 11250, 16875, 25312, 30000, 30000 };
    struct health health;
    uint64_t now_ms = 0;

    health_init(&health, ENDPOINT_UNKNOWN, REASON_NONE, 0);
    for (; now_ms <= 60000; now_ms += 5000) {
        health_apply(&health, &policy, REASON_CONNECT_REFUSED, now_ms);
        assert_int_equal(health_interval_ms(&health, &policy), 5000);
    }
    for (size_t i = 0; i < ARRAY_SIZE(wanted_ms); i++) {
        health_apply(&health, &policy, REASON_CONNECT_REFUSED, now_ms);
        assert_int_equal(health_interval_ms(&health, &policy), wanted_ms[i]);
        now_ms += wanted_ms[i];
    }
    /* Any sign of life, and it is as if it had just gone down. */
    health_apply(&health, &policy, REASON_OK, now_ms);
    assert_int_equal(health_interval_ms(&health, &policy), 1000);
    health_apply(&health, &policy, REASON_CONNECT_REFUSED, now_ms + 1000);
    assert_int_equal(health_interval_ms(&health, &policy), 5000);
}

static void
an_interval_is_never_shortened_by_being_down(void **state)
{
    static const struct health_policy lazy = { .rise = 2, .fall = 3, .interval_ms = 120000 };
    struct health health;

    health_init(&health, ENDPOINT_UNAVAILABLE, REASON_HISTORY, 0);
    assert_int_equal(health_interval_ms(&health, &lazy), 120000);
    for (uint64_t now_ms = 0; now_ms < 1000000; now_ms += 120000) {
        health_apply(&health, &lazy, REASON_CONNECT_REFUSED, now_ms);
        assert_int_equal(health_interval_ms(&health, &lazy), 120000);
    }
}

static void
what_was_on_its_way_starts_where_it_came_from(void **state)
{
    assert_int_equal(health_seed_state(ENDPOINT_AVAILABLE), ENDPOINT_AVAILABLE);
    assert_int_equal(health_seed_state(ENDPOINT_FAILING), ENDPOINT_AVAILABLE);
    assert_int_equal(health_seed_state(ENDPOINT_RECOVERING), ENDPOINT_UNAVAILABLE);
    assert_int_equal(health_seed_state(ENDPOINT_UNAVAILABLE), ENDPOINT_UNAVAILABLE);
    assert_int_equal(health_seed_state(ENDPOINT_UNRESOLVED), ENDPOINT_UNKNOWN);
    assert_int_equal(health_seed_state(ENDPOINT_MAINTENANCE), ENDPOINT_UNKNOWN);
}

/* ---- the window ---- */

static const struct story window_stories[] = {      /* 3 of the last 4 must have passed */
    { "one that begins well is in at once", ENDPOINT_UNKNOWN, "+", "a" },
    { "one that begins badly shows three", ENDPOINT_UNKNOWN, "-+++", "urra" },
    { "every other one failing takes it down", ENDPOINT_UNKNOWN, "+-+-", "afau" },
    { "one in four failing does not", ENDPOINT_UNKNOWN, "+-+++-+++-", "afaaafaaaf" },
    { "passes that are not in a row bring it back", ENDPOINT_UNKNOWN, "--++-+++", "uurruaaa" },
    { "remembered as up", ENDPOINT_AVAILABLE, "--", "fu" },
    { "remembered as down the first success is enough", ENDPOINT_UNAVAILABLE, "+", "a" },
    { "our own fault is no result", ENDPOINT_UNKNOWN, "!+!-!!-", "kaafffu" },
};

static void
a_window_makes_states(void **state)
{
    static const struct health_policy of_four = { .rise = 2, .fall = 3, .window = 4,
                                                  .threshold = 3, .interval_ms = 5000 };

    for (size_t i = 0; i < ARRAY_SIZE(window_stories); i++) {
        const struct story *story = &window_stories[i];
        struct health health;

        health_init(&health, story->from, REASON_HISTORY, 0);
        for (size_t k = 0; story->outcomes[k] != '\0'; k++) {
            health_apply(&health, &of_four, outcome(story->outcomes[k]), 1000 * k);
            if (letter(health.state) != story->states[k])
                fail_msg("%s: step %zu: %c", story->name, k, letter(health.state));
        }
    }
}

/* The rule as a list of results that is searched anew each time. */
static enum endpoint_state
naive_state(const bool *results, uint32_t count, bool assumed, const struct health_policy *rule)
{
    uint32_t passes = 0;

    for (uint32_t i = 0; i < rule->window; i++)
        passes += i < count ? results[count - 1 - i] : assumed;
    if (passes >= rule->threshold)
        return results[count - 1] ? ENDPOINT_AVAILABLE : ENDPOINT_FAILING;
    return results[count - 1] ? ENDPOINT_RECOVERING : ENDPOINT_UNAVAILABLE;
}

enum { NAIVE_STEPS = 10 };

static void
compare(const struct health_policy *rule, enum endpoint_state from, unsigned bits)
{
    bool results[NAIVE_STEPS], assumed = from == ENDPOINT_AVAILABLE || bits & 1;
    struct health health;

    health_init(&health, from, REASON_HISTORY, 0);
    for (uint32_t i = 0; i < NAIVE_STEPS; i++) {
        results[i] = bits >> i & 1;
        health_apply(&health, rule, results[i] ? REASON_OK : REASON_MISMATCH, i);
        assert_int_equal(health.state, naive_state(results, i + 1, assumed, rule));
    }
}

static void
every_window_and_every_history_is_as_the_naive_rule_says(void **state)
{
    static const enum endpoint_state froms[] = { ENDPOINT_UNKNOWN, ENDPOINT_AVAILABLE,
                                                 ENDPOINT_UNAVAILABLE };
    struct health_policy rule = policy;

    for (rule.window = 1; rule.window <= NAIVE_STEPS + 2; rule.window++)
        for (rule.threshold = 1; rule.threshold <= rule.window; rule.threshold++)
            for (size_t i = 0; i < ARRAY_SIZE(froms); i++)
                for (unsigned bits = 0; bits < 1u << NAIVE_STEPS; bits++)
                    compare(&rule, froms[i], bits);
}

static void
the_largest_window_counts_all_bits(void **state)
{
    static const struct health_policy large = { .rise = 1, .fall = 1, .window = 64,
                                                .threshold = 64, .interval_ms = 1000 };
    struct health health;

    health_init(&health, ENDPOINT_UNKNOWN, REASON_NONE, 0);
    health_apply(&health, &large, REASON_MISMATCH, 0);
    for (int i = 0; i < 63; i++) {
        health_apply(&health, &large, REASON_OK, 0);
        assert_int_equal(health.state, ENDPOINT_RECOVERING);
    }
    health_apply(&health, &large, REASON_OK, 0);
    assert_int_equal(health.state, ENDPOINT_AVAILABLE);
    assert_int_equal(health.result_count, 64);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outcomes_make_states),
        cmocka_unit_test(rise_and_fall_of_one_leave_no_state_between),
        cmocka_unit_test(the_reason_is_the_last_outcome_that_counted),
        cmocka_unit_test(a_change_is_watched_closely),
        cmocka_unit_test(what_stays_down_is_probed_less_and_less),
        cmocka_unit_test(an_interval_is_never_shortened_by_being_down),
        cmocka_unit_test(a_window_makes_states),
        cmocka_unit_test(every_window_and_every_history_is_as_the_naive_rule_says),
        cmocka_unit_test(the_largest_window_counts_all_bits),
        cmocka_unit_test(what_was_on_its_way_starts_where_it_came_from),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
