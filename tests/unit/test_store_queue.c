/* The queue is bounded, and knows what to give up first. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/queue.h"

static struct entry *
entry_of(enum write_kind write, const char *key)
{
    struct entry *entry = ENTRY(write, value_text(key, SIZE_MAX));

    assert_non_null(entry);
    return entry;
}

static int
put(struct queue *queue, enum write_kind write, const char *key)
{
    return queue_put(queue, entry_of(write, key), 3);
}

/* Takes one; its key into `key`. */
static void
take(struct queue *queue, char key[8])
{
    struct entry_list batch = STAILQ_HEAD_INITIALIZER(batch);

    assert_int_equal(queue_take(queue, &batch, 1), 1);
    snprintf(key, 8, "%s", entry_key(STAILQ_FIRST(&batch)));
    entry_list_free(&batch);
}

static void
assert_takes(struct queue *queue, const char *expected)
{
    char key[8];

    take(queue, key);
    assert_string_equal(key, expected);
}

static int
setup(void **state)
{
    struct queue *queue = malloc(sizeof *queue);

    queue_init(queue);
    *state = queue;
    return 0;
}

static int
teardown(void **state)
{
    queue_fini(*state);
    free(*state);
    return 0;
}

static void
entries_of_one_worth_keep_their_order(void **state)
{
    struct queue *queue = *state;

    put(queue, WRITE_DNS_GONE, "1");
    put(queue, WRITE_DNS, "2");
    put(queue, WRITE_ENDPOINT, "3");
    assert_takes(queue, "1");
    assert_takes(queue, "2");
    assert_takes(queue, "3");
    assert_int_equal(queue->count, 0);
    assert_int_equal(queue->bytes, 0);
}

static void
the_most_precious_is_taken_first(void **state)
{
    struct queue *queue = *state;

    put(queue, WRITE_PROBE_RESULT, "probe");
    put(queue, WRITE_TRANSITION, "move");
    put(queue, WRITE_CONFIG_GOOD, "config");
    assert_int_equal(queue->at_once, 1);
    assert_takes(queue, "config");
    assert_int_equal(queue->at_once, 0);
    assert_takes(queue, "move");
    assert_takes(queue, "probe");
}

static void
a_full_queue_refuses_probe_history(void **state)
{
    struct queue *queue = *state;

    put(queue, WRITE_PROBE_RESULT, "1");
    put(queue, WRITE_PROBE_RESULT, "2");
    put(queue, WRITE_PROBE_RESULT, "3");
    assert_int_equal(put(queue, WRITE_PROBE_SUMMARY, "4"), -ENOBUFS);
    assert_int_equal(queue->dropped, 1);
    assert_takes(queue, "1");
}

static void
facts_push_out_the_oldest_history(void **state)
{
    struct queue *queue = *state;

    put(queue, WRITE_PROBE_RESULT, "1");
    put(queue, WRITE_PROBE_RESULT, "2");
    put(queue, WRITE_TRANSITION, "move1");
    assert_int_equal(put(queue, WRITE_TRANSITION, "move2"), 0);
    assert_int_equal(queue->dropped, 1);
    assert_takes(queue, "move1");
    assert_takes(queue, "move2");
    assert_takes(queue, "2");
}

static void
a_configuration_pushes_out_facts_when_no_history_is_left(void **state)
{
    struct queue *queue = *state;

    put(queue, WRITE_TRANSITION, "1");
    put(queue, WRITE_TRANSITION, "2");
    put(queue, WRITE_ROLLOUT, "r");
    assert_int_equal(put(queue, WRITE_TRANSITION, "3"), -ENOBUFS);
    assert_int_equal(put(queue, WRITE_CONFIG_GOOD, "c"), 0);
    assert_takes(queue, "r");
    assert_takes(queue, "c");
    assert_takes(queue, "2");
    assert_int_equal(queue->dropped, 2);
}

static void
a_queue_of_nothing_but_precious_entries_refuses_more(void **state)
{
    struct queue *queue = *state;

    put(queue, WRITE_ROLLOUT, "1");
    put(queue, WRITE_ROLLOUT, "2");
    put(queue, WRITE_ROLLOUT, "3");
    assert_int_equal(put(queue, WRITE_CONFIG_GOOD, "4"), -ENOBUFS);
    assert_int_equal(queue->count, 3);
    assert_int_equal(queue->at_once, 3);
}

static void
bytes_are_bounded_as_well_as_entries(void **state)
{
    struct queue *queue = *state;
    size_t bytes = QUEUE_BYTES_MAX / 2;
    char *text = malloc(bytes + 1);

    memset(text, 'x', bytes);
    text[bytes] = '\0';
    assert_int_equal(queue_put(queue, entry_of(WRITE_CONFIG_GOOD, text), 100), 0);
    assert_int_equal(queue_put(queue, entry_of(WRITE_CONFIG_GOOD, text), 100), -ENOBUFS);
    assert_int_equal(queue_put(queue, entry_of(WRITE_CONFIG_GOOD, "small"), 100), 0);
    free(text);
}

static void
an_entry_takes_no_more_than_its_texts_need(void **state)
{
    struct entry *entry = ENTRY(WRITE_PROBE_RESULT, value_time(1), value_text("app", 64),
                                value_text("10.0.0.7:5001", 264), value_null(),
                                value_real(0.5), value_integer(1));

    assert_in_range(entry->bytes, 1, 80);
    assert_int_equal(entry->count, 6);
    free(entry);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(entries_of_one_worth_keep_their_order),
        TEST(the_most_precious_is_taken_first),
        TEST(a_full_queue_refuses_probe_history),
        TEST(facts_push_out_the_oldest_history),
        TEST(a_configuration_pushes_out_facts_when_no_history_is_left),
        TEST(a_queue_of_nothing_but_precious_entries_refuses_more),
        TEST(bytes_are_bounded_as_well_as_entries),
        cmocka_unit_test(an_entry_takes_no_more_than_its_texts_need),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
