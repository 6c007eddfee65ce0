/* Which of the addresses that DNS does not name any more goes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "probes/prober_hold.h"

enum { COUNT = 4 };

struct fixture {
    struct target target;
    struct endpoint *endpoints[COUNT];
};

/* All work and are leaving, the first one since the shortest time. */
static int
set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    TAILQ_INIT(&fixture->target.endpoints);
    for (int i = 0; i < COUNT; i++) {
        struct endpoint *endpoint = calloc(1, sizeof *endpoint);

        endpoint->probed = ENDPOINT_AVAILABLE;
        endpoint->leaving = true;
        endpoint->leave_ms = (uint64_t)(1000 - i);
        TAILQ_INSERT_TAIL(&fixture->target.endpoints, endpoint, link);
        fixture->endpoints[i] = endpoint;
    }
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < COUNT; i++)
        free(fixture->endpoints[i]);
    free(fixture);
    return 0;
}

static void
of_those_that_work_the_one_that_leaves_for_longest(void **state)
{
    struct fixture *fixture = *state;

    assert_ptr_equal(target_hold_first_out(&fixture->target), fixture->endpoints[3]);
    fixture->endpoints[3]->leaving = false;
    assert_ptr_equal(target_hold_first_out(&fixture->target), fixture->endpoints[2]);
}

static void
one_that_does_not_work_goes_before_them(void **state)
{
    struct fixture *fixture = *state;

    fixture->endpoints[0]->probed = ENDPOINT_UNAVAILABLE;
    assert_ptr_equal(target_hold_first_out(&fixture->target), fixture->endpoints[0]);
    fixture->endpoints[1]->eject.until_ms = 1;
    assert_ptr_equal(target_hold_first_out(&fixture->target), fixture->endpoints[1]);
}

static void
one_that_stays_never_does(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < COUNT; i++)
        fixture->endpoints[i]->leaving = false;
    fixture->endpoints[0]->probed = ENDPOINT_UNAVAILABLE;
    assert_null(target_hold_first_out(&fixture->target));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_those_that_work_the_one_that_leaves_for_longest, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_that_does_not_work_goes_before_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_that_stays_never_does, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
