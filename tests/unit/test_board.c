/*
 * board: the file between prober and readers, whole or damaged.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "strategy/board.h"

enum { SLOTS = 6, CELL_BYTES = 768 };
enum { DETAIL_WRITES = 10000, WRITES_OF_ONE = 4, FREE_RUN = 8 };

static int
file_of(size_t bytes)
{
    int fd = memfd_create("board", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    return fd;
}

static int
board_file(void)
{
    int fd = file_of(board_bytes(SLOTS));

    assert_int_equal(board_format(fd, "shop", 3, 11, SLOTS), 0);
    return fd;
}

/* One board as its prober and as a reader see it. */
struct views {
    struct board *prober, *reader;
    int fd;
};

static int
set_up(void **state)
{
    struct views *views = calloc(1, sizeof *views);
    int fd = board_file();

    if (views == NULL || board_open(fd, true, &views->prober) != 0 ||
        board_open(fd, false, &views->reader) != 0)
        return -1;
    views->fd = fd;
    *state = views;
    return 0;
}

static int
tear_down(void **state)
{
    struct views *views = *state;

    board_close(views->prober);
    board_close(views->reader);
    close(views->fd);
    free(views);
    return 0;
}

/* Everything in it follows from `value`. */
static struct board_detail
detail_of(uint32_t value)
{
    struct board_detail detail = {
        .id = value,
        .state = (uint8_t)value,
        .reason = (uint8_t)value,
        .weight = value,
        .failures = value,
        .since_ms = value,
        .address = { .port = (uint16_t)value, .family = 4 },
    };

    memset(detail.target, 'a' + (int)(value % 26), sizeof detail.target - 1);
    memset(detail.probe_kind, 'a' + (int)(value % 26), sizeof detail.probe_kind - 1);
    memset(detail.probe_detail, 'a' + (int)(value % 26), sizeof detail.probe_detail - 1);
    return detail;
}

static void
a_new_board_is_empty_and_says_whose_it_is(void **state)
{
    struct views *views = *state;
    struct board_detail detail;
    struct board_summary summary;

    assert_string_equal(board_app(views->reader), "shop");
    assert_int_equal(board_number(views->reader), 3);
    assert_int_equal(board_generation(views->reader), 11);
    assert_int_equal(board_slots(views->reader), SLOTS);
    assert_int_equal(board_beat_ms(views->reader), 0);
    assert_int_equal(available_set_endpoints_max(board_available(views->reader)), SLOTS);
    assert_int_equal(available_set_generation(board_available(views->reader)), 0);
    assert_true(board_summary(views->reader, &summary));
    assert_int_equal(summary.total, 0);
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        assert_false(board_detail(views->reader, slot, &detail));
        assert_int_equal(atomic_load(&board_pulse(views->reader, slot)->id), 0);
    }
}

static void
a_file_name_tells_app_and_number_and_nothing_else_passes(void **state)
{
    static const char *const wrong[] = {
        "", "board", "board-", "board-.1", "board-a", "board-a.", "board-a.x", "board-a.1x",
        "board-a.01", "board-a.-1", "board-a.+1", "board-a. 1", "board-a.4294967296",
        "board-a.99999999999999999999", "board-A.1", "board-a_b.1", "board--a.1", "board-a.b.1",
        "xboard-a.1", "traffic-a.b.1", "board-a.1.tmp",
        "board-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.1",
    };
    char name[BOARD_NAME_BYTES], longest[APP_NAME_BYTES], app[APP_NAME_BYTES] = "as before";
    uint32_t number = 77;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(board_file_parse(wrong[i], app, &number));
        assert_string_equal(app, "as before");
    }
    board_file_name("shop-2", 12, name);
    assert_string_equal(name, "board-shop-2.12");
    assert_true(board_file_parse(name, app, &number));
    assert_string_equal(app, "shop-2");
    assert_int_equal(number, 12);
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    board_file_name(longest, UINT32_MAX, name);
    assert_true(board_file_parse(name, app, &number));
    assert_string_equal(app, longest);
    assert_true(number == UINT32_MAX);
}

static void
what_the_prober_writes_readers_see(void **state)
{
    struct views *views = *state;
    struct board_detail written = detail_of(5), read;
    struct board_summary summary = { .total = 9, .available = 4, .ready = 1 }, seen;

    board_set_detail(views->prober, SLOTS - 1, &written);
    board_set_summary(views->prober, &summary);
    board_set_generation(views->prober, 12);
    board_beat(views->prober, 123456);
    atomic_store(&board_pulse_writable(views->prober, 2)->connect_us, 250);
    atomic_store(&board_pulse_writable(views->prober, 2)->failed_start_ms, 77);

    assert_true(board_detail(views->reader, SLOTS - 1, &read));
    assert_memory_equal(&read, &written, sizeof read);
    assert_true(board_summary(views->reader, &seen));
    assert_memory_equal(&seen, &summary, sizeof seen);
    assert_int_equal(board_generation(views->reader), 12);
    assert_int_equal(board_beat_ms(views->reader), 123456);
    assert_int_equal(atomic_load(&board_pulse(views->reader, 2)->connect_us), 250);
    assert_int_equal(atomic_load(&board_pulse(views->reader, 2)->failed_start_ms), 77);
}

/* The writer died in the middle: readers are told nothing, the next writer what there is. */
static void
a_detail_left_half_written_is_still_there_for_the_next_prober(void **state)
{
    struct views *views = *state;
    struct board_detail written = detail_of(5), read, torn;
    uint32_t at = 0;
    size_t bytes = board_bytes(SLOTS);
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, views->fd, 0);

    assert_true(memory != MAP_FAILED);
    board_set_detail(views->prober, 1, &written);
    board_set_next_id(views->prober, 99);
    assert_int_equal(board_next_id(views->reader), 99);
    while (at < bytes && memcmp(memory + at, &written, sizeof written) != 0)
        at += sizeof(uint64_t);
    assert_true(at < bytes);
    memory[at - sizeof(uint64_t)] |= 1;         /* the sequence number before it */
    assert_false(board_detail(views->reader, 1, &read));
    assert_true(board_detail_left(views->prober, 1, &torn));
    assert_memory_equal(&torn, &written, sizeof torn);
    assert_false(board_detail_left(views->prober, 2, &torn));
    board_set_detail(views->prober, 1, &written);
    assert_true(board_detail(views->reader, 1, &read));
    munmap(memory, bytes);
}

static void
a_slot_given_back_is_not_shown(void **state)
{
    struct views *views = *state;
    struct board_detail detail = detail_of(5), none = { 0 };

    board_set_detail(views->prober, 0, &detail);
    board_set_detail(views->prober, 0, &none);
    assert_false(board_detail(views->reader, 0, &detail));
}

static void
the_available_set_of_a_board_has_room_for_every_slot(void **state)
{
    struct views *views = *state;
    struct available_endpoint list[SLOTS] = { 0 };
    struct available_snapshot *snapshot = calloc(1, available_snapshot_bytes(SLOTS));

    assert_non_null(snapshot);
    for (uint16_t i = 0; i < SLOTS; i++)
        list[i] = (struct available_endpoint){ .id = 100U + i, .slot = i };
    assert_int_equal(available_set_publish(board_available_writable(views->prober), list,
                                           SLOTS, 0, 9), 0);
    available_set_copy(board_available(views->reader), snapshot);
    assert_int_equal(snapshot->count, SLOTS);
    assert_memory_equal(snapshot->endpoints, list, sizeof list);
    free(snapshot);
}

static void
the_parts_of_a_full_board_do_not_overlap(void **state)
{
    struct views *views = *state;
    struct available_endpoint list[SLOTS] = { 0 };
    struct board_detail detail, read;

    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        detail = detail_of(slot + 1);
        board_set_detail(views->prober, slot, &detail);
        memset(board_pulse_writable(views->prober, slot), 0xff, sizeof(struct board_pulse));
    }
    for (int i = 0; i < 2; i++)
        available_set_publish(board_available_writable(views->prober), list, SLOTS, 0, 9);
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        detail = detail_of(slot + 1);
        assert_true(board_detail(views->reader, slot, &read));
        assert_memory_equal(&read, &detail, sizeof read);
        assert_int_equal(atomic_load(&board_pulse(views->reader, slot)->id), UINT32_MAX);
    }
    assert_string_equal(board_app(views->reader), "shop");
    assert_int_equal(available_set_endpoints_max(board_available(views->reader)), SLOTS);
}

static void
only_files_of_the_right_size_are_formatted(void **state)
{
    int fd = file_of(board_bytes(SLOTS) - 1);

    assert_int_equal(board_format(fd, "shop", 1, 1, SLOTS), -EINVAL);
    assert_int_equal(ftruncate(fd, (off_t)board_bytes(SLOTS)), 0);
    assert_int_equal(board_format(fd, "shop", 1, 1, SLOTS + 1), -EINVAL);
    assert_int_equal(board_format(fd, "shop", 1, 1, 0), -EINVAL);
    assert_int_equal(board_format(fd, "shop", 1, 1, 65536), -EINVAL);
    assert_int_equal(board_format(fd, "no name", 1, 1, SLOTS), -EINVAL);
    assert_int_equal(board_format(fd, "shop", 1, 1, SLOTS), 0);
    close(fd);
}

static void
assert_refused(int fd)
{
    struct board *board = NULL;

    assert_int_equal(board_open(fd, false, &board), -EPROTO);
    assert_null(board);
    close(fd);
}

static void
assert_refused_with(off_t offset, const void *bytes, size_t count)
{
    int fd = board_file();

    assert_int_equal(pwrite(fd, bytes, count, offset), count);
    assert_refused(fd);
}

static void
what_is_no_board_is_refused(void **state)
{
    char unterminated[APP_NAME_BYTES];
    uint32_t more = SLOTS + 1, none = 0;
    int ends[2], fd = board_file();

    memset(unterminated, 'a', sizeof unterminated);
    assert_int_equal(ftruncate(fd, (off_t)board_bytes(SLOTS) - 64), 0);
    assert_refused(fd);
    assert_refused(file_of(0));
    assert_refused(file_of(100));
    assert_refused(file_of(board_bytes(SLOTS)));
    assert_refused_with(0, "x", 1);                                         /* magic */
    assert_refused_with(4, "\x01", 1);                                      /* layout */
    assert_refused_with(4, "\x7f", 1);
    assert_refused_with(20, &more, sizeof more);                            /* slots */
    assert_refused_with(20, &none, sizeof none);
    assert_refused_with(24, unterminated, sizeof unterminated);             /* app */
    assert_refused_with(24, "", 1);
    assert_int_equal(pipe(ends), 0);
    assert_refused(ends[0]);
    close(ends[1]);
}

static void
a_set_that_claims_more_room_than_the_file_has_is_refused(void **state)
{
    int fd = board_file();
    size_t bytes = board_bytes(SLOTS);
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct board *board;
    uint32_t *endpoints_max = NULL;

    assert_true(memory != MAP_FAILED);
    /* Behind the head (there SLOTS is the page's) it is the only word of this value. */
    for (size_t i = 128; i < bytes; i += sizeof *endpoints_max) {
        if (*(uint32_t *)(void *)(memory + i) == SLOTS)
            endpoints_max = (uint32_t *)(void *)(memory + i);
    }
    assert_non_null(endpoints_max);
    *endpoints_max = UINT32_MAX;
    assert_int_equal(board_open(fd, false, &board), -EPROTO);
    munmap(memory, bytes);
    close(fd);
}

static void
a_detail_left_half_written_is_hidden_until_it_is_written_again(void **state)
{
    int fd = board_file();
    off_t last_cell = (off_t)board_bytes(SLOTS) - CELL_BYTES;
    struct board *board;
    struct board_detail detail = detail_of(1), read;
    uint64_t odd = 7;

    assert_int_equal(board_open(fd, true, &board), 0);
    board_set_detail(board, SLOTS - 1, &detail);
    assert_true(board_detail(board, SLOTS - 1, &read));
    assert_int_equal(pwrite(fd, &odd, sizeof odd, last_cell), sizeof odd);
    close(fd);
    assert_false(board_detail(board, SLOTS - 1, &read));
    board_set_detail(board, SLOTS - 1, &detail);
    assert_true(board_detail(board, SLOTS - 1, &read));
    board_close(board);
}

static void
texts_without_an_end_get_one(void **state)
{
    struct views *views = *state;
    struct board_detail detail, read;

    memset(&detail, 0xff, sizeof detail);
    board_set_detail(views->prober, 1, &detail);
    assert_true(board_detail(views->reader, 1, &read));
    assert_int_equal(strlen(read.target), sizeof read.target - 1);
    assert_int_equal(strlen(read.probe_kind), sizeof read.probe_kind - 1);
    assert_int_equal(strlen(read.probe_detail), sizeof read.probe_detail - 1);
    assert_int_equal(read.address.family, 0);
}

/* A writer that waits for the reader now and then, and runs freely in between. */
struct writer {
    pthread_t thread;
    struct board *board;
    _Atomic uint32_t reads;     /* looks of the reader so far */
    _Atomic bool reader_ended;
};

static void *
write_details(void *argument)
{
    struct writer *writer = argument;

    for (uint32_t i = 1; i <= DETAIL_WRITES; i++) {
        struct board_detail detail = detail_of(i);
        struct board_summary summary = { .total = i, .available = i, .eligible = i };
        uint32_t reads = atomic_load(&writer->reads);

        for (int k = 0; k < WRITES_OF_ONE; k++) {
            detail.successes = (uint32_t)k;
            board_set_detail(writer->board, 3, &detail);
            board_set_summary(writer->board, &summary);
        }
        while (i % FREE_RUN == 0 && atomic_load(&writer->reads) == reads &&
               !atomic_load(&writer->reader_ended))
            sched_yield();
    }
    return NULL;
}

/* What is wrong with what a reader finds now; NULL: nothing. */
static const char *
fault_of_read(const struct board *board, uint32_t *seen)
{
    struct board_detail detail, expected;
    struct board_summary summary;

    if (board_summary(board, &summary) &&
        (summary.total != summary.available || summary.total != summary.eligible))
        return "a summary was mixed";
    if (!board_detail(board, 3, &detail))
        return NULL;
    expected = detail_of(detail.id);
    expected.successes = detail.successes;
    if (memcmp(&detail, &expected, sizeof detail) != 0)
        return "a detail was mixed";
    if (detail.id < *seen)
        return "a detail was older than the one before";
    *seen = detail.id;
    return NULL;
}

static void
what_changes_while_it_is_read_is_never_mixed(void **state)
{
    struct views *views = *state;
    struct writer writer = { .board = views->prober };
    const char *fault = NULL;
    uint32_t seen = 0;

    assert_int_equal(pthread_create(&writer.thread, NULL, write_details, &writer), 0);
    while (seen < DETAIL_WRITES && fault == NULL) {
        fault = fault_of_read(views->reader, &seen);
        atomic_fetch_add(&writer.reads, 1);
    }
    atomic_store(&writer.reader_ended, true);
    assert_int_equal(pthread_join(writer.thread, NULL), 0);
    if (fault != NULL)
        fail_msg("%s", fault);
}

#define WITH_VIEWS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_VIEWS(a_new_board_is_empty_and_says_whose_it_is),
        cmocka_unit_test(a_file_name_tells_app_and_number_and_nothing_else_passes),
        WITH_VIEWS(what_the_prober_writes_readers_see),
        WITH_VIEWS(a_detail_left_half_written_is_still_there_for_the_next_prober),
        WITH_VIEWS(a_slot_given_back_is_not_shown),
        WITH_VIEWS(the_available_set_of_a_board_has_room_for_every_slot),
        WITH_VIEWS(the_parts_of_a_full_board_do_not_overlap),
        cmocka_unit_test(only_files_of_the_right_size_are_formatted),
        cmocka_unit_test(what_is_no_board_is_refused),
        cmocka_unit_test(a_set_that_claims_more_room_than_the_file_has_is_refused),
        cmocka_unit_test(a_detail_left_half_written_is_hidden_until_it_is_written_again),
        WITH_VIEWS(texts_without_an_end_get_one),
        WITH_VIEWS(what_changes_while_it_is_read_is_never_mixed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
