/*
 * available_set under threads: one writer, several readers, one mapping.
 *
 * Everything in a published set follows from its generation, so that a snapshot mixed of
 * two sets is seen at once. Bounded by numbers of publications, not by time: now and then
 * the writer waits until every reader has verified a snapshot, and runs freely in between.
 * ThreadSanitizer checks the orders of memory in its build.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "strategy/available_set.h"

enum { ROOM = 48, READERS = 3, PUBLICATIONS = 20000, FREE_RUN = 100 };

struct reader {
    pthread_t thread;
    const struct available_set *set;
    _Atomic uint64_t verified;      /* snapshots that were as they must be */
    _Atomic bool failed;
    const char *fault;              /* what was not */
};

static uint32_t
mix(uint64_t generation, uint32_t index)
{
    uint64_t value = (generation * 4096 + index + 1) * UINT64_C(0x9e3779b97f4a7c15);

    return (uint32_t)(value >> 32);
}

static uint32_t
count_of(uint64_t generation)
{
    return mix(generation, ROOM) % (ROOM + 1);
}

static struct available_endpoint
endpoint_of(uint64_t generation, uint32_t index)
{
    uint32_t value = mix(generation, index);
    struct available_endpoint endpoint = {
        .address = { .port = (uint16_t)value, .family = 4, .scope = value },
        .id = value,
        .slot = (uint16_t)(value % ROOM),
        .weight = (uint16_t)(value >> 16),
        .tier = ~value,
        .target = value,
    };

    for (size_t i = 0; i < sizeof endpoint.address.ip; i += sizeof value)
        memcpy(endpoint.address.ip + i, &value, sizeof value);
    return endpoint;
}

static const char *
fault_of(const struct available_snapshot *snapshot, uint64_t seen_before)
{
    uint64_t generation = snapshot->generation;

    if (generation < seen_before)
        return "the generation went backwards";
    if (generation == 0)
        return snapshot->count == 0 ? NULL : "endpoints before the first publication";
    if (snapshot->published_at_ms != generation * 3)
        return "the time is of another set";
    if (snapshot->flags != (uint32_t)(generation & 1))
        return "the flags are of another set";
    if (snapshot->count != count_of(generation))
        return "the count is of another set";
    for (uint32_t i = 0; i < snapshot->count; i++) {
        struct available_endpoint expected = endpoint_of(generation, i);

        if (memcmp(&snapshot->endpoints[i], &expected, sizeof expected) != 0)
            return "an endpoint is of another set";
    }
    return NULL;
}

static void *
read_until_the_last(void *argument)
{
    struct reader *reader = argument;
    struct available_snapshot *snapshot = calloc(1, available_snapshot_bytes(ROOM));
    uint64_t seen = 0;

    while (snapshot != NULL && seen < PUBLICATIONS && reader->fault == NULL) {
        available_set_copy(reader->set, snapshot);
        reader->fault = fault_of(snapshot, seen);
        seen = snapshot->generation;
        atomic_fetch_add(&reader->verified, 1);
    }
    if (snapshot == NULL)
        reader->fault = "no memory";
    atomic_store(&reader->failed, reader->fault != NULL);
    free(snapshot);
    return NULL;
}

static void
wait_for_each_reader(struct reader *readers)
{
    for (size_t i = 0; i < READERS; i++) {
        uint64_t before = atomic_load(&readers[i].verified);

        while (atomic_load(&readers[i].verified) == before &&
               !atomic_load(&readers[i].failed))
            sched_yield();
    }
}

static void
publish_all(struct available_set *set, struct reader *readers)
{
    struct available_endpoint list[ROOM];

    for (uint64_t generation = 1; generation <= PUBLICATIONS; generation++) {
        uint32_t count = count_of(generation);

        for (uint32_t i = 0; i < count; i++)
            list[i] = endpoint_of(generation, i);
        assert_int_equal(available_set_publish(set, list, count, (uint32_t)(generation & 1),
                                               generation * 3), 0);
        if (generation % FREE_RUN == 0 && generation < PUBLICATIONS)
            wait_for_each_reader(readers);
    }
}

static void
no_thread_ever_copies_a_mixed_or_older_set(void **state)
{
    size_t bytes = (available_set_bytes(ROOM) + 63) / 64 * 64;
    struct available_set *set = aligned_alloc(64, bytes);
    struct reader readers[READERS] = { 0 };

    assert_non_null(set);
    memset(set, 0, bytes);
    available_set_init(set, ROOM);
    for (size_t i = 0; i < READERS; i++) {
        readers[i].set = set;
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_until_the_last,
                                        &readers[i]), 0);
    }
    publish_all(set, readers);
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        if (readers[i].fault != NULL)
            fail_msg("reader %zu: %s", i, readers[i].fault);
        assert_true(atomic_load(&readers[i].verified) >= PUBLICATIONS / FREE_RUN);
    }
    free(set);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_thread_ever_copies_a_mixed_or_older_set),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
