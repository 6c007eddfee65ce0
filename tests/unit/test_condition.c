#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/condition.h"

enum { LONG_MS = 60000 };

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    bool open;
};

static void *
open_it(void *context)
{
    struct gate *gate = context;

    pthread_mutex_lock(&gate->lock);
    gate->open = true;
    pthread_cond_signal(&gate->moved);
    pthread_mutex_unlock(&gate->lock);
    return NULL;
}

static void
who_is_signalled_waits_no_longer(void **state)
{
    struct gate gate = { .lock = PTHREAD_MUTEX_INITIALIZER };
    uint64_t until_ms = clock_monotonic_ms() + LONG_MS;
    bool in_time = true;
    pthread_t thread;

    assert_int_equal(condition_init(&gate.moved), 0);
    assert_int_equal(pthread_create(&thread, NULL, open_it, &gate), 0);
    pthread_mutex_lock(&gate.lock);
    while (!gate.open && in_time)
        in_time = condition_wait_until(&gate.moved, &gate.lock, until_ms);
    pthread_mutex_unlock(&gate.lock);
    assert_true(gate.open);
    assert_true(clock_monotonic_ms() < until_ms);
    pthread_join(thread, NULL);
    pthread_cond_destroy(&gate.moved);
}

/* Those of the other clock lie decades away: it would wait for ever, or not at all. */
static void
its_deadline_is_an_instant_of_the_monotonic_clock(void **state)
{
    struct gate gate = { .lock = PTHREAD_MUTEX_INITIALIZER };
    uint64_t until_ms = clock_monotonic_ms() + 20;

    assert_int_equal(condition_init(&gate.moved), 0);
    pthread_mutex_lock(&gate.lock);
    while (condition_wait_until(&gate.moved, &gate.lock, until_ms))
        ;
    assert_true(clock_monotonic_ms() >= until_ms);
    assert_true(clock_monotonic_ms() < until_ms + LONG_MS);
    assert_false(condition_wait_until(&gate.moved, &gate.lock, until_ms));
    pthread_mutex_unlock(&gate.lock);
    pthread_cond_destroy(&gate.moved);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_signalled_waits_no_longer),
        cmocka_unit_test(its_deadline_is_an_instant_of_the_monotonic_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
