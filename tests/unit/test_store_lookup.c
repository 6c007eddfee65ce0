/* The generation before the present one, asked and answered without the loop waiting. */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>

#include "tests/unit/store_fixture.h"

/* 2026-01-31T12:34:56.789Z */
#define AT_MS INT64_C(1769862896789)

struct answer {
    struct store *store;
    int calls;
    int rc;
    uint32_t generation;
    char text[128], source[64];
    size_t hash_bytes;
    const void *cancel;     /* NULL: nothing */
};

static void
answered(void *context, int rc, struct store_config *config)
{
    struct answer *answer = context;

    answer->calls++;
    answer->rc = rc;
    assert_int_equal(config != NULL, rc == 0);
    if (answer->cancel != NULL)
        store_cancel(answer->store, answer->cancel);
    if (config == NULL)
        return;
    answer->generation = config->generation;
    answer->hash_bytes = strlen(config->hash);
    snprintf(answer->text, sizeof answer->text, "%s", config->config);
    snprintf(answer->source, sizeof answer->source, "%s", config->source);
}

static int
open_with_notify(struct fixture *fixture)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    assert_true(fd >= 0);
    fixture_open(fixture);
    assert_int_equal(store_set_notify(fixture->store, fd), 0);
    return fd;
}

static void
await(int fd)
{
    struct pollfd readable = { .fd = fd, .events = POLLIN };

    assert_int_equal(poll(&readable, 1, WAIT_MS), 1);
}

static void
written(void *context, int rc)
{
    struct answer *answer = context;

    answer->calls++;
    answer->rc = rc;
}

/* Asks for what was before `generation`, and delivers the answer. */
static struct answer
previous(struct fixture *fixture, int fd, uint32_t generation)
{
    struct answer answer = { 0 };
    struct pollfd readable = { .fd = fd, .events = POLLIN };

    assert_int_equal(store_find_previous(fixture->store, "a", generation, answered, &answer), 0);
    await(fd);
    assert_int_equal(answer.calls, 0);
    store_deliver(fixture->store);
    assert_int_equal(answer.calls, 1);
    assert_int_equal(poll(&readable, 1, 0), 0);
    store_deliver(fixture->store);
    assert_int_equal(answer.calls, 1);
    return answer;
}

static void
assert_previous(struct fixture *fixture, int fd, uint32_t before, uint32_t expected)
{
    struct answer answer = previous(fixture, fd, before);
    char text[64];

    assert_int_equal(answer.rc, 0);
    assert_int_equal(answer.generation, expected);
    snprintf(text, sizeof text, "name = a %u;", expected);
    assert_string_equal(answer.text, text);
    assert_string_equal(answer.source, "/etc/app.conf");
    assert_int_equal(answer.hash_bytes, 64);
}

static void
rolling_back_twice_goes_two_generations_back(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_with_notify(fixture);

    write_good(fixture, "a", 2, AT_MS);
    store_write_config(fixture->store, "a", 3, "failed", "f", "", "", "why", AT_MS);
    write_good(fixture, "a", 4, AT_MS);
    write_good(fixture, "a", 5, AT_MS);
    write_good(fixture, "b", 4, AT_MS);
    assert_previous(fixture, fd, 5, 4);
    write_good(fixture, "a", 4, AT_MS);
    assert_previous(fixture, fd, 4, 2);
    write_good(fixture, "a", 2, AT_MS);
    assert_int_equal(previous(fixture, fd, 2).rc, -ENOENT);
    fixture_await(fixture, "SELECT generation FROM last_good_config WHERE app = 'a'", "2");
    assert_int_equal(previous(fixture, fd, 2).rc, -ENOENT);
    assert_previous(fixture, fd, 4, 2);
    close(fd);
}

/* Since 5 was rejected by an operator, as good as it was once. */
static void
a_generation_made_after_a_rollback_leads_back_to_where_the_rollback_led(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_with_notify(fixture);

    for (uint32_t generation = 3; generation <= 5; generation++)
        write_good(fixture, "a", generation, AT_MS + generation);
    write_good(fixture, "a", 4, AT_MS + 100);
    write_good(fixture, "a", 6, AT_MS + 200);
    assert_previous(fixture, fd, 6, 4);
    fixture_await(fixture, "SELECT generation FROM last_good_config", "6");
    assert_previous(fixture, fd, 6, 4);
    assert_previous(fixture, fd, 4, 3);
    close(fd);
}

static void
a_clock_set_back_changes_no_order(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_with_notify(fixture);

    write_good(fixture, "a", 1, AT_MS + 7200000);   /* the clock was two hours ahead */
    write_good(fixture, "a", 2, AT_MS);
    write_good(fixture, "a", 3, AT_MS + 1000);
    fixture_await(fixture, "SELECT generation FROM last_good_config", "3");
    assert_previous(fixture, fd, 3, 2);
    close(fd);
}

static void
an_app_that_nobody_knows_has_no_generation_before(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_with_notify(fixture);

    write_good(fixture, "b", 1, AT_MS);
    assert_int_equal(previous(fixture, fd, 9).rc, -ENOENT);
    close(fd);
}

/* Another connection that keeps everybody from writing. */
static sqlite3 *
lock_database(struct fixture *fixture)
{
    sqlite3 *handle = NULL;

    assert_int_equal(sqlite3_open(fixture->path, &handle), SQLITE_OK);
    sqlite3_busy_timeout(handle, 5000);
    assert_int_equal(sqlite3_exec(handle, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return handle;
}

static void
what_waits_for_a_locked_database_counts_as_written(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_with_notify(fixture);
    sqlite3 *lock;

    write_good(fixture, "a", 1, AT_MS);
    fixture_await(fixture, "SELECT generation FROM last_good_config", "1");
    lock = lock_database(fixture);
    write_good(fixture, "a", 2, AT_MS);     /* in hand of the thread ... */
    fixture_await_state(fixture, "locked by another process");
    write_good(fixture, "a", 3, AT_MS);     /* ... and in the queue */
    write_good(fixture, "a", 4, AT_MS);
    write_good(fixture, "b", 9, AT_MS);
    assert_previous(fixture, fd, 4, 3);
    assert_previous(fixture, fd, 3, 2);
    assert_previous(fixture, fd, 2, 1);
    assert_int_equal(previous(fixture, fd, 1).rc, -ENOENT);
    sqlite3_close(lock);
    close(fd);
}

static void
a_database_that_cannot_be_read_is_an_error(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_with_notify(fixture);

    write_good(fixture, "a", 1, AT_MS);
    fixture_await(fixture, "SELECT generation FROM last_good_config", "1");
    unlink(fixture->path);
    assert_int_equal(previous(fixture, fd, 2).rc, -EIO);
    close(fd);
}

/* Delivers until `answer` has come; the descriptor may tell of others. */
static void
deliver(struct fixture *fixture, int fd, const struct answer *answer)
{
    while (answer->calls == 0) {
        await(fd);
        store_deliver(fixture->store);
    }
    assert_int_equal(answer->calls, 1);
}

static void
what_was_cancelled_is_never_delivered(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_with_notify(fixture);
    struct answer first = { .store = fixture->store };
    struct answer second = { 0 }, third = { 0 }, last = { 0 };

    first.cancel = &second;
    write_good(fixture, "a", 1, AT_MS);
    store_find_previous(fixture->store, "a", 2, answered, &third);
    store_cancel(fixture->store, &third);   /* asked, in hand or answered */
    store_find_previous(fixture->store, "a", 2, answered, &first);
    store_find_previous(fixture->store, "a", 2, answered, &second);
    deliver(fixture, fd, &first);
    store_find_previous(fixture->store, "a", 2, answered, &last);
    deliver(fixture, fd, &last);        /* they are answered in the order they were asked */
    assert_int_equal(second.calls, 0);
    assert_int_equal(third.calls, 0);
    close(fd);
}

static void
what_nobody_fetched_is_dropped_when_the_store_is_closed(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_with_notify(fixture);
    struct answer answer = { 0 };

    write_good(fixture, "a", 1, AT_MS);
    for (int i = 0; i < 10; i++)
        store_find_previous(fixture->store, "a", 2, answered, &answer);
    fixture_close(fixture);
    assert_int_equal(answer.calls, 0);
    close(fd);
}

static void
questions_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_with_notify(fixture);
    struct answer answer = { 0 }, last = { 0 };
    int i;

    for (i = 0; i < STORE_LOOKUPS_MAX; i++)
        assert_int_equal(store_find_previous(fixture->store, "a", 2, answered, &answer), 0);
    assert_int_equal(store_find_previous(fixture->store, "a", 2, answered, &answer), -ENOBUFS);
    while (answer.calls < STORE_LOOKUPS_MAX) {
        await(fd);
        store_deliver(fixture->store);
    }
    assert_int_equal(store_find_previous(fixture->store, "a", 2, answered, &last), 0);
    deliver(fixture, fd, &last);    /* the word of the one before may come late: nothing with it */
    assert_int_equal(last.rc, -ENOENT);
    close(fd);
}

struct rows {
    int calls, rc;
    size_t count;
    char last[APP_NAME_BYTES];
};

static void
told(void *context, int rc, const struct store_override *overrides, size_t count)
{
    struct rows *rows = context;

    rows->calls++;
    rows->rc = rc;
    rows->count = count;
    if (count > 0)
        snprintf(rows->last, sizeof rows->last, "%s", overrides[count - 1].app);
}

static void
overrides_are_told_later_too(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_with_notify(fixture);
    struct answer answer = { 0 };
    struct rows rows = { 0 };

    store_write_override(fixture->store, "a", "t:1", "drain", "", AT_MS);
    store_write_override(fixture->store, "b", "t:1", "maintain", "", AT_MS);
    assert_int_equal(store_when_written(fixture->store, written, &answer), 0);
    await(fd);
    store_deliver(fixture->store);
    assert_int_equal(store_find_overrides(fixture->store, told, &rows), 0);
    while (rows.calls == 0) {
        await(fd);
        store_deliver(fixture->store);
    }
    assert_int_equal(rows.rc, 0);
    assert_int_equal(rows.count, 2);
    assert_string_equal(rows.last, "b");

    assert_int_equal(store_find_overrides(fixture->store, told, &rows), 0);
    store_cancel(fixture->store, &rows);
    assert_int_equal(previous(fixture, fd, 2).rc, -ENOENT);     /* asked and answered after it */
    assert_int_equal(rows.calls, 1);
    close(fd);
}

static void
a_descriptor_that_might_block_is_refused(void **state)
{
    struct fixture *fixture = *state;
    int fd = eventfd(0, EFD_CLOEXEC);

    assert_true(fd >= 0);
    fixture_open(fixture);
    assert_int_equal(store_set_notify(fixture->store, fd), -EINVAL);
    close(fd);
    assert_int_equal(store_set_notify(fixture->store, fd), -EBADF);
    assert_int_equal(store_set_notify(fixture->store, -1), 0);
}

static void
what_was_queued_is_on_the_disk_when_that_is_said(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_with_notify(fixture);
    struct answer answer = { 0 };

    store_write_override(fixture->store, "a", "t:1", "drain", "", AT_MS);
    assert_int_equal(store_when_written(fixture->store, written, &answer), 0);
    await(fd);
    store_deliver(fixture->store);
    assert_int_equal(answer.calls, 1);
    assert_int_equal(answer.rc, 0);
    fixture_await(fixture, "SELECT action FROM overrides", "drain");
    close(fd);
}

static void
what_cannot_be_written_now_is_said_as_well(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_with_notify(fixture);
    struct answer answer = { 0 };
    sqlite3 *lock;

    write_good(fixture, "a", 1, AT_MS);
    fixture_await(fixture, "SELECT generation FROM last_good_config", "1");
    lock = lock_database(fixture);
    store_write_override(fixture->store, "a", "t:1", "drain", "", AT_MS);
    assert_int_equal(store_when_written(fixture->store, written, &answer), 0);
    await(fd);
    store_deliver(fixture->store);
    assert_int_equal(answer.rc, -EIO);
    sqlite3_close(lock);
    fixture_await(fixture, "SELECT action FROM overrides", "drain");    /* but not forgotten */
    close(fd);
}

static void
without_anything_queued_it_is_said_at_once(void **state)
{
    struct fixture *fixture = *state;
    int fd = open_with_notify(fixture);
    struct answer answer = { 0 }, other = { 0 };

    assert_int_equal(store_when_written(fixture->store, written, &answer), 0);
    assert_int_equal(store_when_written(fixture->store, written, &other), 0);
    store_cancel(fixture->store, &other);
    await(fd);
    store_deliver(fixture->store);
    assert_int_equal(answer.calls, 1);
    assert_int_equal(other.calls, 0);
    close(fd);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rolling_back_twice_goes_two_generations_back),
        TEST(a_generation_made_after_a_rollback_leads_back_to_where_the_rollback_led),
        TEST(a_clock_set_back_changes_no_order),
        TEST(an_app_that_nobody_knows_has_no_generation_before),
        TEST(what_waits_for_a_locked_database_counts_as_written),
        TEST(a_database_that_cannot_be_read_is_an_error),
        TEST(what_was_cancelled_is_never_delivered),
        TEST(what_nobody_fetched_is_dropped_when_the_store_is_closed),
        TEST(overrides_are_told_later_too),
        TEST(questions_are_bounded),
        TEST(what_was_queued_is_on_the_disk_when_that_is_said),
        TEST(what_cannot_be_written_now_is_said_as_well),
        TEST(without_anything_queued_it_is_said_at_once),
        TEST(a_descriptor_that_might_block_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
