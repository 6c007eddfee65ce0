/*
 * traffic: the page of a worker, its cells and its sums.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "strategy/traffic.h"

enum { THREADS = 3, SLOTS = 5 };

static int
file_of(size_t bytes)
{
    int fd = memfd_create("traffic", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    return fd;
}

static int
page_of(uint32_t threads, uint32_t slots)
{
    int fd = file_of(traffic_bytes(threads, slots));

    assert_int_equal(traffic_format(fd, "pool-1", "shop", 7, threads, slots), 0);
    return fd;
}

static void
assert_refused(int fd)
{
    struct traffic *traffic = NULL;

    assert_int_equal(traffic_open(fd, false, &traffic), -EPROTO);
    assert_null(traffic);
    close(fd);
}

static void
a_page_says_whose_it_is(void **state)
{
    int fd = page_of(THREADS, SLOTS);
    struct traffic *traffic;

    assert_int_equal(traffic_open(fd, false, &traffic), 0);
    close(fd);
    assert_string_equal(traffic_app(traffic), "shop");
    assert_int_equal(traffic_number(traffic), 7);
    assert_int_equal(traffic_threads(traffic), THREADS);
    assert_int_equal(traffic_slots(traffic), SLOTS);
    traffic_close(traffic);
}

static void
a_file_name_tells_worker_app_and_number(void **state)
{
    char name[TRAFFIC_NAME_BYTES];
    char longest[APP_NAME_BYTES];

    traffic_file_name("pool-1", "shop", 7, name);
    assert_string_equal(name, "traffic-pool-1.shop.7");
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    traffic_file_name(longest, longest, UINT32_MAX, name);
    assert_string_equal(strrchr(name, '.'), ".4294967295");
}

static void
sums_are_over_all_threads_and_seen_by_readers(void **state)
{
    int fd = page_of(THREADS, SLOTS);
    struct traffic *worker, *reader;
    struct traffic_totals totals;

    assert_int_equal(traffic_open(fd, true, &worker), 0);
    assert_int_equal(traffic_open(fd, false, &reader), 0);
    close(fd);
    for (uint32_t i = 0; i < THREADS; i++) {
        struct traffic_counters *counters = traffic_counters(worker, i);

        atomic_store(&counters->accepted, 10 + i);
        atomic_store(&counters->bytes_to_client, UINT64_C(1) << 40);
        atomic_store(&counters->accept_pauses, 1);
        atomic_store(&counters->closed[CLOSE_PROTOCOL], i);
    }
    traffic_sum(reader, &totals);
    assert_int_equal(totals.accepted, 33);
    assert_true(totals.bytes_to_client == UINT64_C(3) << 40);
    assert_int_equal(totals.accept_pauses, 3);
    assert_int_equal(totals.closed[CLOSE_PROTOCOL], 3);
    assert_int_equal(totals.closed[CLOSE_CLIENT_FIN], 0);
    assert_int_equal(totals.retries, 0);
    traffic_close(worker);
    traffic_close(reader);
}

static void
tries_are_summed_only_where_they_count_this_endpoint(void **state)
{
    int fd = page_of(THREADS, SLOTS);
    struct traffic *traffic;
    uint64_t connected, failed, active;

    assert_int_equal(traffic_open(fd, true, &traffic), 0);
    close(fd);
    for (uint32_t i = 0; i < THREADS; i++) {
        struct traffic_tries *tries = traffic_tries(traffic, i, 4);

        atomic_store(&tries->id, i == 1 ? 8 : 9);   /* thread 1 still has the former one */
        atomic_store(&tries->connected, 100 * (i + 1));
        atomic_store(&tries->failed, 10 * (i + 1));
        atomic_store(&tries->active, i + 1);
    }
    traffic_sum_tries(traffic, 4, 9, &connected, &failed, &active);
    assert_int_equal(connected, 400);
    assert_int_equal(failed, 40);
    assert_int_equal(active, 4);
    traffic_sum_tries(traffic, 3, 9, &connected, &failed, &active);
    assert_int_equal(connected + failed + active, 0);
    traffic_close(traffic);
}

static void
cells_do_not_overlap_and_all_lie_in_the_file(void **state)
{
    int fd = page_of(THREADS, SLOTS);
    struct traffic *traffic;

    assert_int_equal(traffic_open(fd, true, &traffic), 0);
    close(fd);
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        memset(traffic_knowledge(traffic, slot), 1, sizeof(struct traffic_knowledge));
        for (uint32_t thread = 0; thread < THREADS; thread++)
            memset(traffic_tries(traffic, thread, slot), 2, sizeof(struct traffic_tries));
    }
    for (uint32_t thread = 0; thread < THREADS; thread++)
        memset(traffic_counters(traffic, thread), 3, sizeof(struct traffic_counters));

    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        assert_int_equal(atomic_load(&traffic_knowledge(traffic, slot)->id), 0x01010101);
        assert_int_equal(atomic_load(&traffic_knowledge(traffic, slot)->failures), 0x01010101);
        for (uint32_t thread = 0; thread < THREADS; thread++)
            assert_int_equal(atomic_load(&traffic_tries(traffic, thread, slot)->id),
                             0x02020202);
    }
    assert_string_equal(traffic_app(traffic), "shop");
    assert_int_equal(traffic_number(traffic), 7);
    traffic_close(traffic);
}

static void
threads_share_no_cache_line(void **state)
{
    int fd = page_of(THREADS, SLOTS);
    struct traffic *traffic;

    assert_int_equal(traffic_open(fd, true, &traffic), 0);
    close(fd);
    for (uint32_t i = 0; i < THREADS; i++) {
        assert_int_equal((uintptr_t)traffic_counters(traffic, i) % 64, 0);
        assert_int_equal((uintptr_t)traffic_tries(traffic, i, 0) % 64, 0);
    }
    traffic_close(traffic);
}

static void
wrong_sizes_and_names_are_not_formatted(void **state)
{
    int fd = file_of(traffic_bytes(1, 1));

    assert_int_equal(traffic_format(fd, "w", "shop", 1, 1, 9), -EINVAL);
    assert_int_equal(traffic_format(fd, "w", "shop", 1, 0, 1), -EINVAL);
    assert_int_equal(traffic_format(fd, "w", "shop", 1, 65, 1), -EINVAL);
    assert_int_equal(traffic_format(fd, "w", "shop", 1, 1, 0), -EINVAL);
    assert_int_equal(traffic_format(fd, "w", "Shop", 1, 1, 1), -EINVAL);
    assert_int_equal(traffic_format(fd, "", "shop", 1, 1, 1), -EINVAL);
    assert_int_equal(traffic_format(fd, "w", "shop", 1, 1, 1), 0);
    close(fd);
}

static void
what_is_no_page_is_refused(void **state)
{
    int fd;

    assert_refused(file_of(0));
    assert_refused(file_of(traffic_bytes(THREADS, SLOTS)));
    fd = page_of(THREADS, SLOTS);
    assert_int_equal(ftruncate(fd, (off_t)traffic_bytes(THREADS, SLOTS) - 1), 0);
    assert_refused(fd);
    fd = page_of(THREADS, SLOTS);
    assert_int_equal(pwrite(fd, "\xff\xff", 2, 20), 2);     /* slots: too many */
    assert_refused(fd);
    fd = page_of(THREADS, SLOTS);
    assert_int_equal(pwrite(fd, "\x02", 1, 88), 1);         /* threads: too few */
    assert_refused(fd);
    fd = page_of(THREADS, SLOTS);
    assert_int_equal(pwrite(fd, "a b", 3, 24), 3);          /* app */
    assert_refused(fd);
}

static void
every_close_reason_has_a_name_of_its_own(void **state)
{
    for (int i = 0; i < CLOSE_REASONS; i++) {
        for (int k = 0; k < i; k++)
            assert_string_not_equal(traffic_close_reason_name((enum close_reason)i),
                                    traffic_close_reason_name((enum close_reason)k));
    }
    assert_string_equal(traffic_close_reason_name(CLOSE_CLIENT_FIN), "client_fin");
    assert_string_equal(traffic_close_reason_name(CLOSE_REASONS), "?");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_says_whose_it_is),
        cmocka_unit_test(a_file_name_tells_worker_app_and_number),
        cmocka_unit_test(sums_are_over_all_threads_and_seen_by_readers),
        cmocka_unit_test(tries_are_summed_only_where_they_count_this_endpoint),
        cmocka_unit_test(cells_do_not_overlap_and_all_lie_in_the_file),
        cmocka_unit_test(threads_share_no_cache_line),
        cmocka_unit_test(wrong_sizes_and_names_are_not_formatted),
        cmocka_unit_test(what_is_no_page_is_refused),
        cmocka_unit_test(every_close_reason_has_a_name_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
