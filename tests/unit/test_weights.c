/*
 * weights: each endpoint gets its share exactly, and evenly; and what happens when some are passed
 * over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "strategy/strategy.h"
#include "strategy/weights.h"

enum { ROOM = 64 };

static struct available_snapshot *
snapshot_of(const uint16_t *weights, uint32_t count)
{
    struct available_snapshot *snapshot = calloc(1, available_snapshot_bytes(count));

    assert_non_null(snapshot);
    snapshot->count = count;
    for (uint32_t i = 0; i < count; i++) {
        snapshot->endpoints[i].id = i;
        snapshot->endpoints[i].weight = weights[i];
    }
    weights_prepare(snapshot);
    return snapshot;
}

static void
assert_order(const uint16_t *weights, uint32_t count, const char *order)
{
    struct available_snapshot *snapshot = snapshot_of(weights, count);
    char found[ROOM + 1] = "";

    for (size_t i = 0; i < strlen(order); i++)
        found[i] = (char)('A' + weights_index(snapshot, i));
    assert_string_equal(found, order);
    free(snapshot);
}

#define ORDER(order, ...)                                                                      \
    assert_order((const uint16_t[]){ __VA_ARGS__ }, ARRAY_SIZE(((uint16_t[]){ __VA_ARGS__ })), \
                 order)

static void
turns_are_spread_evenly(void **state)
{
    ORDER("AAAA", 5);
    ORDER("ABCABC", 7, 7, 7);
    ORDER("AABAAB", 2, 1);
    ORDER("ABCABDABC", 2, 2, 1, 1);         /* begins anew after six */
    ORDER("AAAABAAAAB", 4, 1);
    ORDER("ABABABABABC", 5, 5, 1);
    ORDER("AABAAC", 4, 1, 1);
}

/* Numbers that nobody sorted, as a damaged file may hold them. */
static void
fill(uint16_t *weights, uint32_t count, uint64_t *seed)
{
    for (uint32_t i = 0; i < count; i++) {
        *seed = *seed * 6364136223846793005u + 1442695040888963407u;
        weights[i] = (uint16_t)(*seed >> 40) % 12;      /* with zeros: they count as one */
    }
}

static void
a_round_has_exactly_as_many_turns_of_each_as_its_weight(void **state)
{
    uint64_t seed = 4;

    for (int round = 0; round < 500; round++) {
        uint16_t weights[ROOM];
        uint32_t count = (uint32_t)(round % ROOM) + 1, turns[ROOM] = { 0 };
        struct available_snapshot *snapshot;
        uint64_t first = (uint64_t)round * 1234567891011u;

        fill(weights, count, &seed);
        snapshot = snapshot_of(weights, count);
        for (uint32_t i = 0; i < snapshot->weight_total; i++) {
            uint32_t index = weights_index(snapshot, first + i);

            assert_true(index < count);
            turns[index]++;
        }
        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(turns[i] * (snapshot->run_count == 1 ? count : 1),
                             snapshot->run_count == 1 ? snapshot->weight_total
                                                      : MAX(weights[i], 1));
        free(snapshot);
    }
}

/* Of any number of turns in a row everyone gets its share, give or take less than two. */
static void
no_stretch_favours_anybody(void **state)
{
    static const uint16_t weights[] = { 100, 100, 100, 100, 100, 100, 100, 10, 3, 3, 1 };
    struct available_snapshot *snapshot = snapshot_of(weights, ARRAY_SIZE(weights));
    uint32_t total = snapshot->weight_total;

    for (uint32_t begin = 0; begin < total; begin++) {
        uint32_t turns[ARRAY_SIZE(weights)] = { 0 };

        for (uint32_t i = 1; i <= total; i++) {
            turns[weights_index(snapshot, begin + i - 1)]++;
            for (uint32_t k = 0; k < ARRAY_SIZE(weights); k++) {
                double share = (double)i * weights[k] / total;

                assert_true(turns[k] < share + 2 && turns[k] + 2 > share);
            }
        }
    }
    free(snapshot);
}

/* ---- with the strategy ---- */

static bool
is_masked(const struct strategy_filter *filter, const struct available_endpoint *endpoint)
{
    const unsigned *mask = filter->context;

    return *mask >> endpoint->id & 1;
}

static void
count_picks(const struct available_snapshot *snapshot, unsigned mask, uint32_t picks,
            uint32_t *turns)
{
    const struct strategy_ops *ops = strategy_find("round_robin");
    struct strategy_filter filter = { is_masked, &mask };
    void *state = aligned_alloc(64, (ops->state_bytes + 63) / 64 * 64);

    assert_non_null(state);
    ops->init(state);
    memset(turns, 0, snapshot->count * sizeof *turns);
    for (uint32_t i = 0; i < picks; i++) {
        int index = ops->pick(state, snapshot, &filter);

        assert_in_range(index, 0, snapshot->count - 1);
        turns[index]++;
    }
    free(state);
}

static void
the_strategy_gives_everyone_its_share(void **state)
{
    static const uint16_t weights[] = { 6, 3, 1 };
    struct available_snapshot *snapshot = snapshot_of(weights, 3);
    uint32_t turns[3];

    count_picks(snapshot, 0, 1000, turns);
    assert_int_equal(turns[0], 600);
    assert_int_equal(turns[1], 300);
    assert_int_equal(turns[2], 100);
    free(snapshot);
}

static void
what_is_passed_over_leaves_its_share_by_weight(void **state)
{
    static const uint16_t weights[] = { 250, 30, 10, 10 };
    struct available_snapshot *snapshot = snapshot_of(weights, 4);
    uint32_t turns[4];

    count_picks(snapshot, 1u << 0, 10000, turns);
    assert_int_equal(turns[0], 0);
    assert_in_range(turns[1], 5500, 6500);
    assert_in_range(turns[2], 1700, 2300);
    assert_in_range(turns[3], 1700, 2300);
    count_picks(snapshot, 1u << 0 | 1u << 1 | 1u << 3, 100, turns);
    assert_int_equal(turns[2], 100);
    free(snapshot);
}

static void
with_all_passed_over_nothing_is_left(void **state)
{
    static const uint16_t weights[] = { 2, 1 };
    struct available_snapshot *snapshot = snapshot_of(weights, 2);
    struct strategy_filter filter = { is_masked, &(unsigned){ 3 } };
    const struct strategy_ops *ops = strategy_find("round_robin");
    void *robin = aligned_alloc(64, 64);

    assert_non_null(robin);
    ops->init(robin);
    assert_int_equal(ops->pick(robin, snapshot, &filter), -1);
    free(robin);
    free(snapshot);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_are_spread_evenly),
        cmocka_unit_test(a_round_has_exactly_as_many_turns_of_each_as_its_weight),
        cmocka_unit_test(no_stretch_favours_anybody),
        cmocka_unit_test(the_strategy_gives_everyone_its_share),
        cmocka_unit_test(what_is_passed_over_leaves_its_share_by_weight),
        cmocka_unit_test(with_all_passed_over_nothing_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
