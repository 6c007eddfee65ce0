/* What a slot's former endpoint met is not the next one's. The process as a whole: see
 * test_prober_evidence.c. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "probes/board_writer.h"
#include "probes/evidence.h"
#include "probes/prober_priv.h"

enum { FORMER_ID = 7, NEXT_ID = 8, ROW = 3, KNOWN_ROW = 5 };

struct fixture {
    struct prober prober;
    struct prober_app app;
    struct target target;
    struct endpoint *former, *next;
    struct endpoint *slots[1];
    struct traffic *page;               /* as the worker has it */
};

static int
file_of(size_t bytes)
{
    int fd = memfd_create("page", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    return fd;
}

static void
make_pages(struct fixture *fixture)
{
    int board = file_of(board_bytes(1)), traffic = file_of(traffic_bytes(1, 1));

    assert_int_equal(board_format(board, "web", 1, 1, 1), 0);
    assert_int_equal(board_open(board, true, &fixture->app.writer.board), 0);
    assert_int_equal(traffic_format(traffic, "web", "web", 1, 1, 1), 0);
    assert_int_equal(traffic_open(traffic, true, &fixture->page), 0);
    evidence_use(&fixture->app, traffic);
    assert_non_null(fixture->app.evidence.traffic);
    close(board);
    close(traffic);
}

static struct endpoint *
make_endpoint(struct fixture *fixture, uint32_t id)
{
    struct endpoint *endpoint = calloc(1, sizeof *endpoint);

    assert_non_null(endpoint);
    endpoint->target = &fixture->target;
    endpoint->id = id;
    endpoint->slot = SLOT_NONE;
    endpoint->state = ENDPOINT_UNAVAILABLE;
    /* It was ejected for so many in a row before: fewer of them mean a connection between. */
    endpoint->eject.failures = KNOWN_ROW;
    return endpoint;
}

static int
set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    struct prober_app *app = &fixture->app;

    fixture->prober.base = event_base_new();
    evidence_init(&fixture->prober);
    app->prober = &fixture->prober;
    snprintf(app->config.name, sizeof app->config.name, "web");
    app->config.eject_failures = ROW;
    app->writer.slots = fixture->slots;
    app->writer.slot_count = 1;
    fixture->target.app = app;
    fixture->former = make_endpoint(fixture, FORMER_ID);
    fixture->next = make_endpoint(fixture, NEXT_ID);
    make_pages(fixture);
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;

    evidence_fini(&fixture->app);
    event_del(&fixture->prober.look);
    traffic_close(fixture->page);
    board_close(fixture->app.writer.board);
    event_base_free(fixture->prober.base);
    free(fixture->prober.marks.list);
    free(fixture->former);
    free(fixture->next);
    free(fixture);
    return 0;
}

/* The worker had so many failed tries in a row. */
static void
fail_tries(struct fixture *fixture, uint32_t id, uint16_t row)
{
    struct traffic_knowledge *cell = traffic_knowledge(fixture->page, 0);

    atomic_store(&cell->id, id);
    atomic_store(&cell->failed_in_row, row);
}

static void
look(struct fixture *fixture)
{
    event_active(&fixture->prober.look, EV_TIMEOUT, 0);
    event_base_loop(fixture->prober.base, EVLOOP_NONBLOCK);
}

static void
give_slot(struct fixture *fixture, struct endpoint *endpoint)
{
    fixture->slots[0] = NULL;
    fixture->app.writer.slot_next = 0;
    board_writer_take_slot(endpoint);
    assert_int_equal(endpoint->slot, 0);
}

static void
as_many_in_a_row_as_the_former_had_are_looked_at(void **state)
{
    struct fixture *fixture = *state;

    give_slot(fixture, fixture->former);
    fail_tries(fixture, FORMER_ID, ROW);
    look(fixture);
    assert_int_equal(fixture->former->eject.failures, 0);

    give_slot(fixture, fixture->next);
    fail_tries(fixture, NEXT_ID, ROW);
    look(fixture);
    assert_int_equal(fixture->next->eject.failures, 0);
}

/* As long as the worker has not tried the new one, its cell is still the former's. */
static void
likewise_when_the_page_told_of_the_former_for_longer(void **state)
{
    struct fixture *fixture = *state;

    give_slot(fixture, fixture->former);
    fail_tries(fixture, FORMER_ID, ROW);
    give_slot(fixture, fixture->next);
    look(fixture);
    assert_int_equal(fixture->next->eject.failures, KNOWN_ROW);  /* those were not its own */
    fail_tries(fixture, NEXT_ID, ROW);
    look(fixture);
    assert_int_equal(fixture->next->eject.failures, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(as_many_in_a_row_as_the_former_had_are_looked_at, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(likewise_when_the_page_told_of_the_former_for_longer,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
