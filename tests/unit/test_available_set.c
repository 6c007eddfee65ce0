/*
 * available_set: publishing and copying by one thread. The races are in
 * test_available_set_threads.c and test_available_set_processes.c.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "strategy/available_set.h"

enum { ROOM = 4 };

static struct available_snapshot *snapshot;

static int
set_up(void **state)
{
    size_t bytes = (available_set_bytes(ROOM) + 63) / 64 * 64;
    struct available_set *set = aligned_alloc(64, bytes);

    snapshot = calloc(1, available_snapshot_bytes(ROOM));
    if (set == NULL || snapshot == NULL)
        return -1;
    memset(set, 0, bytes);
    available_set_init(set, ROOM);
    *state = set;
    return 0;
}

static int
tear_down(void **state)
{
    free(*state);
    free(snapshot);
    return 0;
}

static struct available_endpoint
endpoint(uint32_t id)
{
    return (struct available_endpoint){
        .address = { .ip = { 127, 0, 0, (uint8_t)id }, .port = 5001, .family = 4 },
        .id = id,
        .slot = (uint16_t)(id % ROOM),
        .weight = 1,
        .tier = id * 1000,
    };
}

static void
nothing_is_there_before_the_first_publication(void **state)
{
    struct available_set *set = *state;

    assert_int_equal(available_set_endpoints_max(set), ROOM);
    assert_int_equal(available_set_generation(set), 0);
    assert_false(available_set_moved(set, snapshot));
    available_set_copy(set, snapshot);
    assert_int_equal(snapshot->generation, 0);
    assert_int_equal(snapshot->count, 0);
}

static void
a_copy_is_what_was_published(void **state)
{
    struct available_set *set = *state;
    struct available_endpoint list[] = { endpoint(7), endpoint(9) };

    assert_int_equal(available_set_publish(set, list, 2, AVAILABLE_PANIC, 1234), 0);

    assert_true(available_set_moved(set, snapshot));
    available_set_copy(set, snapshot);
    assert_int_equal(snapshot->generation, 1);
    assert_int_equal(snapshot->published_at_ms, 1234);
    assert_int_equal(snapshot->flags, AVAILABLE_PANIC);
    assert_int_equal(snapshot->count, 2);
    assert_memory_equal(snapshot->endpoints, list, sizeof list);
    assert_false(available_set_moved(set, snapshot));
}

static void
each_publication_replaces_the_one_before(void **state)
{
    struct available_set *set = *state;

    for (uint32_t i = 1; i <= 100; i++) {
        struct available_endpoint list[ROOM] = { endpoint(i), endpoint(i + 1), endpoint(i + 2),
                                                 endpoint(i + 3) };
        uint32_t count = i % (ROOM + 1);

        assert_int_equal(available_set_publish(set, list, count, 0, i * 10), 0);
        assert_true(available_set_moved(set, snapshot));
        available_set_copy(set, snapshot);
        assert_int_equal(snapshot->generation, i);
        assert_int_equal(snapshot->published_at_ms, i * 10);
        assert_int_equal(snapshot->count, count);
        assert_memory_equal(snapshot->endpoints, list, count * sizeof list[0]);
    }
}

static void
a_list_too_long_changes_nothing(void **state)
{
    struct available_set *set = *state;
    struct available_endpoint list[ROOM + 1] = { endpoint(1), endpoint(2) };

    assert_int_equal(available_set_publish(set, list, 2, 0, 1000), 0);
    assert_int_equal(available_set_publish(set, list, ROOM + 1, 0, 2000), -E2BIG);

    available_set_copy(set, snapshot);
    assert_int_equal(snapshot->generation, 1);
    assert_int_equal(snapshot->count, 2);
    assert_int_equal(snapshot->published_at_ms, 1000);
}

static void
an_empty_list_is_a_publication_as_any(void **state)
{
    struct available_set *set = *state;
    struct available_endpoint list[] = { endpoint(1) };

    assert_int_equal(available_set_publish(set, list, 1, 0, 1000), 0);
    assert_int_equal(available_set_publish(set, NULL, 0, 0, 2000), 0);

    available_set_copy(set, snapshot);
    assert_int_equal(snapshot->generation, 2);
    assert_int_equal(snapshot->count, 0);
}

static void
a_generation_beyond_32_bits_goes_on(void **state)
{
    struct available_set *set = *state;
    struct available_endpoint list[] = { endpoint(3) };
    uint64_t begin = UINT32_MAX;

    memcpy(set, &begin, sizeof begin);      /* the generation is the first word */
    assert_int_equal(available_set_publish(set, list, 1, 0, 1), 0);

    available_set_copy(set, snapshot);
    assert_true(snapshot->generation == UINT64_C(0x100000000));
    assert_int_equal(snapshot->count, 1);
    assert_false(available_set_moved(set, snapshot));
}

static void
garbage_in_the_words_stays_within_the_snapshot(void **state)
{
    struct available_set *set = *state;
    struct available_endpoint list[] = { endpoint(3) };
    size_t head = 64;                       /* generation and size, a cache line */

    assert_int_equal(available_set_publish(set, list, 1, 0, 1), 0);
    memset((char *)set + head, 0xff, available_set_bytes(ROOM) - head);

    /* The count is bounded by the room; endpoints outside every table are dropped. The
     * snapshot is on the heap: the address sanitizer sees a word too many. */
    available_set_copy(set, snapshot);
    assert_int_equal(snapshot->count, 0);
}

static void
endpoints_with_a_slot_outside_the_tables_are_dropped(void **state)
{
    struct available_set *set = *state;
    struct available_endpoint list[] = { endpoint(1), endpoint(2), endpoint(3) };
    size_t bytes = available_set_bytes(ROOM);
    struct available_endpoint *damaged;

    assert_int_equal(available_set_publish(set, list, 3, 0, 1), 0);
    damaged = memmem(set, bytes, &list[1], sizeof list[1]);
    assert_non_null(damaged);
    damaged->slot = ROOM;

    available_set_copy(set, snapshot);
    assert_int_equal(snapshot->count, 2);
    assert_int_equal(snapshot->endpoints[0].id, 1);
    assert_int_equal(snapshot->endpoints[1].id, 3);
}

static void
the_reserve_lies_behind_what_is_picked_from(void **state)
{
    struct available_set *set = *state;
    struct available_endpoint list[ROOM] = { endpoint(0), endpoint(1), endpoint(2), endpoint(3) };

    list[0].weight = 2;
    assert_int_equal(available_set_publish(set, list, ROOM, 2u << AVAILABLE_RESERVE_SHIFT, 5), 0);
    available_set_copy(set, snapshot);
    assert_int_equal(snapshot->count, 2);
    assert_int_equal(snapshot->reserve, 2);
    assert_int_equal(snapshot->flags, 0);
    assert_int_equal(snapshot->run_count, 2);       /* the weights of the first two */
    assert_int_equal(snapshot->weight_total, 3);
    for (uint32_t i = 0; i < ROOM; i++)
        assert_int_equal(snapshot->endpoints[i].id, i);

    /* No prober publishes a larger reserve than there are endpoints; a damaged file may. */
    assert_int_equal(available_set_publish(set, list, 1, 9u << AVAILABLE_RESERVE_SHIFT, 5), 0);
    available_set_copy(set, snapshot);
    assert_int_equal(snapshot->count, 0);
    assert_int_equal(snapshot->reserve, 1);
    assert_int_equal(available_set_publish(set, list, 3, AVAILABLE_PANIC, 5), 0);
    available_set_copy(set, snapshot);
    assert_int_equal(snapshot->count, 3);
    assert_int_equal(snapshot->reserve, 0);
    assert_int_equal(snapshot->flags, AVAILABLE_PANIC);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_there_before_the_first_publication, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_copy_is_what_was_published, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_publication_replaces_the_one_before, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_list_too_long_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_empty_list_is_a_publication_as_any, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_generation_beyond_32_bits_goes_on, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(garbage_in_the_words_stays_within_the_snapshot, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(endpoints_with_a_slot_outside_the_tables_are_dropped,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_reserve_lies_behind_what_is_picked_from, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
