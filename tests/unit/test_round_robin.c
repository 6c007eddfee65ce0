/*
 * round_robin: exact order, by one thread and by several, and what it passes over.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "strategy/strategy.h"

enum { ENDPOINTS = 5, THREADS = 4, PICKS_A_THREAD = 50000 };

struct fixture {
    const struct strategy_ops *ops;
    void *state;
    struct available_snapshot *snapshot;
};

static int
set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    if (fixture == NULL)
        return -1;
    fixture->ops = strategy_find("round_robin");
    if (fixture->ops == NULL)
        return -1;
    fixture->state = aligned_alloc(64, (fixture->ops->state_bytes + 63) / 64 * 64);
    fixture->snapshot = calloc(1, available_snapshot_bytes(ENDPOINTS));
    if (fixture->state == NULL || fixture->snapshot == NULL)
        return -1;
    memset(fixture->state, 0, fixture->ops->state_bytes);
    fixture->ops->init(fixture->state);
    fixture->snapshot->count = ENDPOINTS;
    for (uint32_t i = 0; i < ENDPOINTS; i++)
        fixture->snapshot->endpoints[i].id = i;
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;

    free(fixture->state);
    free(fixture->snapshot);
    free(fixture);
    return 0;
}

static int
pick(struct fixture *fixture, const struct strategy_filter *filter)
{
    return fixture->ops->pick(fixture->state, fixture->snapshot, filter);
}

/* Skips the endpoints whose bit is set in the mask. */
static bool
is_masked(const struct strategy_filter *filter, const struct available_endpoint *endpoint)
{
    const unsigned *mask = filter->context;

    return *mask >> endpoint->id & 1;
}

static void
the_first_pick_is_the_first_endpoint_and_then_all_in_order(void **state)
{
    for (int i = 0; i < 4 * ENDPOINTS; i++)
        assert_int_equal(pick(*state, NULL), i % ENDPOINTS);
}

static void
nothing_is_picked_from_an_empty_set(void **state)
{
    struct fixture *fixture = *state;
    unsigned none = 0;
    struct strategy_filter filter = { is_masked, &none };

    fixture->snapshot->count = 0;
    assert_int_equal(pick(fixture, NULL), -1);
    assert_int_equal(pick(fixture, &filter), -1);
}

static void
the_only_endpoint_is_picked_every_time(void **state)
{
    struct fixture *fixture = *state;

    fixture->snapshot->count = 1;
    for (int i = 0; i < 10; i++)
        assert_int_equal(pick(fixture, NULL), 0);
}

static void
a_set_that_shrank_is_never_left(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 17; i++)
        pick(fixture, NULL);
    fixture->snapshot->count = 2;
    for (int i = 0; i < 10; i++)
        assert_in_range(pick(fixture, NULL), 0, 1);
}

static void
the_share_of_a_skipped_endpoint_spreads_over_all_the_others(void **state)
{
    unsigned mask = 1 << 2;
    struct strategy_filter filter = { is_masked, &mask };
    static const int order[] = { 0, 1, 3, 4 };
    int picked[ENDPOINTS] = { 0 };

    for (int i = 0; i < 400; i++) {
        int index = pick(*state, &filter);

        assert_int_equal(index, order[i % 4]);
        picked[index]++;
    }
    assert_int_equal(picked[0], 100);
    assert_int_equal(picked[1], 100);
    assert_int_equal(picked[2], 0);
    assert_int_equal(picked[3], 100);
    assert_int_equal(picked[4], 100);
}

static void
the_last_one_left_is_found_wherever_it_is(void **state)
{
    for (unsigned left = 0; left < ENDPOINTS; left++) {
        unsigned mask = ~(1U << left);
        struct strategy_filter filter = { is_masked, &mask };

        for (int i = 0; i < ENDPOINTS + 2; i++)
            assert_int_equal(pick(*state, &filter), (int)left);
    }
}

static void
nothing_is_picked_when_every_endpoint_is_skipped(void **state)
{
    unsigned mask = ~0U;
    struct strategy_filter filter = { is_masked, &mask };

    assert_int_equal(pick(*state, &filter), -1);
}

/* As if another thread took numbers between two looks: the odd ones are always gone. */
static bool
skip_even_and_steal(const struct strategy_filter *filter,
                    const struct available_endpoint *endpoint)
{
    struct fixture *fixture = (struct fixture *)(uintptr_t)filter->context;

    if (endpoint->id % 2 == 1)
        return false;
    pick(fixture, NULL);
    return true;
}

static void
an_endpoint_whose_numbers_others_took_is_found_all_the_same(void **state)
{
    struct fixture *fixture = *state;
    struct strategy_filter filter = { skip_even_and_steal, fixture };

    fixture->snapshot->count = 4;
    for (int i = 0; i < 10; i++) {
        int index = pick(fixture, &filter);

        assert_true(index == 1 || index == 3);
        if (index == 3)                     /* begin at an even number again */
            continue;
        while (pick(fixture, NULL) != 3)
            continue;
    }
}

struct picker {
    pthread_t thread;
    struct fixture *fixture;
    uint32_t picked[ENDPOINTS];
    uint32_t wrong;
};

static void *
pick_many(void *argument)
{
    struct picker *picker = argument;

    for (int i = 0; i < PICKS_A_THREAD; i++) {
        int index = pick(picker->fixture, NULL);

        if (index >= 0 && index < ENDPOINTS)
            picker->picked[index]++;
        else
            picker->wrong++;
    }
    return NULL;
}

static void
four_threads_together_give_each_endpoint_exactly_its_share(void **state)
{
    struct picker pickers[THREADS] = { 0 };

    _Static_assert(THREADS * PICKS_A_THREAD % ENDPOINTS == 0, "whole turns");
    for (int i = 0; i < THREADS; i++) {
        pickers[i].fixture = *state;
        assert_int_equal(pthread_create(&pickers[i].thread, NULL, pick_many, &pickers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(pickers[i].thread, NULL), 0);
        assert_int_equal(pickers[i].wrong, 0);
    }
    for (int endpoint = 0; endpoint < ENDPOINTS; endpoint++) {
        uint32_t sum = 0;

        for (int i = 0; i < THREADS; i++)
            sum += pickers[i].picked[endpoint];
        assert_int_equal(sum, THREADS * PICKS_A_THREAD / ENDPOINTS);
    }
    assert_int_equal(pick(*state, NULL), 0);
}

static void
the_table_knows_its_strategies_by_name(void **state)
{
    for (size_t i = 0; strategy_table[i] != NULL; i++)
        assert_ptr_equal(strategy_find(strategy_table[i]->name), strategy_table[i]);
    assert_ptr_equal(strategy_find("round_robin"), &strategy_round_robin);
    assert_null(strategy_find("round-robin"));
    assert_null(strategy_find(""));
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FIXTURE(the_first_pick_is_the_first_endpoint_and_then_all_in_order),
        WITH_FIXTURE(nothing_is_picked_from_an_empty_set),
        WITH_FIXTURE(the_only_endpoint_is_picked_every_time),
        WITH_FIXTURE(a_set_that_shrank_is_never_left),
        WITH_FIXTURE(the_share_of_a_skipped_endpoint_spreads_over_all_the_others),
        WITH_FIXTURE(the_last_one_left_is_found_wherever_it_is),
        WITH_FIXTURE(nothing_is_picked_when_every_endpoint_is_skipped),
        WITH_FIXTURE(an_endpoint_whose_numbers_others_took_is_found_all_the_same),
        WITH_FIXTURE(four_threads_together_give_each_endpoint_exactly_its_share),
        cmocka_unit_test(the_table_knows_its_strategies_by_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
