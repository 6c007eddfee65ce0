#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/util.h"
#include "probes/gate.h"

enum { TICKETS = 64 };

static struct gate_ticket tickets[TICKETS];
static uint32_t opened[TICKETS], opened_count;  /* in the order of on_open() */
static struct gate *leave_at_once;              /* probes that end as soon as they start */

static void
on_open(struct gate_ticket *ticket)
{
    opened[opened_count++] = (uint32_t)(ticket - tickets);
    if (leave_at_once != NULL)
        gate_leave(leave_at_once, ticket);
}

static int
set_up(void **state)
{
    memset(tickets, 0, sizeof tickets);
    opened_count = 0;
    leave_at_once = NULL;
    return 0;
}

static struct address
at(uint8_t host, uint16_t port)
{
    return (struct address){ .ip = { 10, 0, 0, host }, .port = port, .family = 4 };
}

static int
enter(struct gate *gate, uint32_t ticket, uint8_t host, bool down)
{
    struct address address = at(host, (uint16_t)(ticket + 1));

    return gate_enter(gate, &tickets[ticket], &address, down);
}

static void
leave_all(struct gate *gate)
{
    for (size_t i = 0; i < TICKETS; i++)
        gate_leave(gate, &tickets[i]);
    assert_int_equal(gate_running(gate), 0);
    assert_int_equal(gate_waiting(gate), 0);
    gate_destroy(gate);
}

static void
no_more_than_the_limit_run_at_once(void **state)
{
    struct gate *gate = gate_create(3, 10, on_open);

    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(enter(gate, i, (uint8_t)i, false), 1);
    for (uint32_t i = 3; i < 6; i++)
        assert_int_equal(enter(gate, i, (uint8_t)i, false), 0);
    assert_int_equal(gate_running(gate), 3);
    assert_int_equal(gate_waiting(gate), 3);
    gate_leave(gate, &tickets[1]);
    assert_int_equal(opened_count, 1);
    assert_int_equal(opened[0], 3);
    assert_int_equal(gate_running(gate), 3);
    leave_all(gate);
}

static void
ports_of_one_address_share_its_limit(void **state)
{
    struct gate *gate = gate_create(10, 2, on_open);

    assert_int_equal(enter(gate, 0, 1, false), 1);
    assert_int_equal(enter(gate, 1, 1, false), 1);
    assert_int_equal(enter(gate, 2, 1, false), 0);
    assert_int_equal(enter(gate, 3, 2, false), 1);      /* another address */
    gate_leave(gate, &tickets[3]);
    assert_int_equal(opened_count, 0);
    gate_leave(gate, &tickets[0]);
    assert_int_equal(opened[0], 2);
    leave_all(gate);
}

static void
what_is_down_uses_half_at_most(void **state)
{
    struct gate *gate = gate_create(8, 8, on_open);

    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(enter(gate, i, (uint8_t)i, true), 1);
    assert_int_equal(enter(gate, 4, 4, true), 0);
    for (uint32_t i = 5; i < 9; i++)
        assert_int_equal(enter(gate, i, (uint8_t)i, false), 1);
    assert_int_equal(enter(gate, 9, 9, false), 0);
    /* A place of what is up goes to what is up, although the other waits longer. */
    gate_leave(gate, &tickets[5]);
    assert_int_equal(opened_count, 1);
    assert_int_equal(opened[0], 9);
    gate_leave(gate, &tickets[0]);
    assert_int_equal(opened[1], 4);
    leave_all(gate);
}

static void
half_of_a_destination_as_well(void **state)
{
    struct gate *gate = gate_create(100, 4, on_open);

    assert_int_equal(enter(gate, 0, 1, true), 1);
    assert_int_equal(enter(gate, 1, 1, true), 1);
    assert_int_equal(enter(gate, 2, 1, true), 0);
    assert_int_equal(enter(gate, 3, 1, false), 1);
    assert_int_equal(enter(gate, 4, 1, false), 1);
    assert_int_equal(enter(gate, 5, 1, false), 0);
    leave_all(gate);
}

static void
a_limit_of_one_lets_the_dead_through_too(void **state)
{
    struct gate *gate = gate_create(1, 1, on_open);

    assert_int_equal(enter(gate, 0, 1, true), 1);
    leave_all(gate);
}

static void
destinations_take_turns(void **state)
{
    struct gate *gate = gate_create(1, 1, on_open);

    enter(gate, 0, 9, false);
    for (uint32_t i = 1; i < 4; i++)
        enter(gate, i, 1, false);
    enter(gate, 4, 2, false);
    gate_leave(gate, &tickets[0]);
    gate_leave(gate, &tickets[1]);
    assert_int_equal(opened[0], 1);
    assert_int_equal(opened[1], 4);     /* not 2: the other address has waited, too */
    leave_all(gate);
}

static void
whoever_leaves_the_queue_is_not_called(void **state)
{
    struct gate *gate = gate_create(1, 1, on_open);

    enter(gate, 0, 1, false);
    enter(gate, 1, 1, false);
    enter(gate, 2, 1, true);
    gate_leave(gate, &tickets[1]);
    gate_leave(gate, &tickets[1]);
    gate_leave(gate, &tickets[0]);
    assert_int_equal(opened_count, 1);
    assert_int_equal(opened[0], 2);
    leave_all(gate);
}

static void
probes_that_end_at_once_let_the_next_in(void **state)
{
    struct gate *gate = gate_create(1, 1, on_open);

    enter(gate, 0, 1, false);
    for (uint32_t i = 1; i < TICKETS; i++)
        enter(gate, i, (uint8_t)(i % 5), i % 2 == 0);
    leave_at_once = gate;
    gate_leave(gate, &tickets[0]);
    assert_int_equal(opened_count, TICKETS - 1);
    assert_int_equal(gate_waiting(gate), 0);
    leave_all(gate);
}

static void
a_higher_limit_opens_at_once(void **state)
{
    struct gate *gate = gate_create(1, 1, on_open);

    for (uint32_t i = 0; i < 4; i++)
        enter(gate, i, 1, false);
    gate_set_limits(gate, 3, 3);
    assert_int_equal(opened_count, 2);
    assert_int_equal(gate_running(gate), 3);
    gate_set_limits(gate, 1, 1);
    gate_leave(gate, &tickets[0]);
    assert_int_equal(opened_count, 2);
    leave_all(gate);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(no_more_than_the_limit_run_at_once, set_up),
        cmocka_unit_test_setup(ports_of_one_address_share_its_limit, set_up),
        cmocka_unit_test_setup(what_is_down_uses_half_at_most, set_up),
        cmocka_unit_test_setup(half_of_a_destination_as_well, set_up),
        cmocka_unit_test_setup(a_limit_of_one_lets_the_dead_through_too, set_up),
        cmocka_unit_test_setup(destinations_take_turns, set_up),
        cmocka_unit_test_setup(whoever_leaves_the_queue_is_not_called, set_up),
        cmocka_unit_test_setup(probes_that_end_at_once_let_the_next_in, set_up),
        cmocka_unit_test_setup(a_higher_limit_opens_at_once, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
