/* What a slot's former endpoint met is not the next one's, and a look passes over what is as it
 * was, but over nothing else. The process as a whole: see test_prober_evidence.c. */
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

/* The page may know an endpoint before the slot has it: ids are those of all generations. */
static void
who_gets_a_slot_is_looked_at_although_the_page_says_nothing_new(void **state)
{
    struct fixture *fixture = *state;

    fail_tries(fixture, NEXT_ID, ROW);
    look(fixture);
    give_slot(fixture, fixture->next);
    look(fixture);
    assert_int_equal(fixture->next->eject.failures, 0);
}

/* Who touched it would not live to tell. */
static void
an_endpoint_is_left_alone_while_its_page_stays_as_it_is(void **state)
{
    struct fixture *fixture = *state;

    give_slot(fixture, fixture->former);
    fail_tries(fixture, FORMER_ID, 1);
    look(fixture);
    fixture->slots[0] = (struct endpoint *)(uintptr_t)8;
    for (int i = 0; i < 3; i++)
        look(fixture);
    fixture->slots[0] = fixture->former;
}

/* As is the case in every look at a quiet page but the first one. */
static void
what_changes_after_looks_that_passed_over_it_is_seen_by_the_next(void **state)
{
    struct fixture *fixture = *state;

    give_slot(fixture, fixture->former);
    for (int i = 0; i < 5; i++)
        look(fixture);
    assert_int_equal(fixture->former->eject.failures, KNOWN_ROW);
    fail_tries(fixture, FORMER_ID, ROW);
    look(fixture);
    assert_int_equal(fixture->former->eject.failures, 0);
}

static bool
is_busy(const struct prober *prober, const struct prober_app *app)
{
    const struct evidence *evidence;

    TAILQ_FOREACH (evidence, &prober->busy, link) {
        if (evidence == &app->evidence)
            return true;
    }
    return false;
}

static void
try(struct traffic *page)
{
    atomic_fetch_add(&traffic_counters(page, 0)->attempts, 1);
}

static void
an_app_is_busy_for_as_many_looks_as_said_after_its_last_try(void **state)
{
    struct fixture *fixture = *state;

    look(fixture);
    assert_false(is_busy(&fixture->prober, &fixture->app));
    try(fixture->page);
    look(fixture);
    for (int i = 1; i < LOOKS_BUSY; i++) {
        look(fixture);
        assert_true(is_busy(&fixture->prober, &fixture->app));
    }
    look(fixture);
    assert_false(is_busy(&fixture->prober, &fixture->app));
}

/* ---- several apps, of which a look takes one ---- */

enum { APPS = 4 };

struct town {
    struct prober prober;
    struct town_app {
        struct prober_app app;
        struct target target;
        struct endpoint *endpoint;      /* owned: in the last slot */
        struct endpoint *slots[LOOK_QUIET_SLOTS];
        struct traffic *page;
    } apps[APPS];
};

static void
move_in(struct town *town, struct town_app *one)
{
    uint32_t last = LOOK_QUIET_SLOTS - 1;
    int board = file_of(board_bytes(LOOK_QUIET_SLOTS));
    int traffic = file_of(traffic_bytes(1, LOOK_QUIET_SLOTS));
    struct prober_app *app = &one->app;

    app->prober = &town->prober;
    app->config.eject_failures = ROW;
    snprintf(app->config.name, sizeof app->config.name, "web");
    app->writer.slots = one->slots;
    app->writer.slot_count = LOOK_QUIET_SLOTS;
    one->target.app = app;
    if (one->endpoint == NULL)          /* it may have been here before */
        one->endpoint = calloc(1, sizeof *one->endpoint);
    assert_non_null(one->endpoint);
    *one->endpoint = (struct endpoint){ .target = &one->target, .id = 1, .slot = last,
                                        .state = ENDPOINT_UNAVAILABLE,
                                        .eject = { .failures = KNOWN_ROW } };
    one->slots[last] = one->endpoint;
    assert_int_equal(board_format(board, "web", 1, 1, LOOK_QUIET_SLOTS), 0);
    assert_int_equal(board_open(board, true, &app->writer.board), 0);
    assert_int_equal(traffic_format(traffic, "web", "web", 1, 1, LOOK_QUIET_SLOTS), 0);
    assert_int_equal(traffic_open(traffic, true, &one->page), 0);
    evidence_use(app, traffic);
    assert_non_null(app->evidence.traffic);
    close(board);
    close(traffic);
}

static int
set_up_town(void **state)
{
    struct town *town = calloc(1, sizeof *town);

    town->prober.base = event_base_new();
    evidence_init(&town->prober);
    for (int i = 0; i < APPS; i++)
        move_in(town, &town->apps[i]);
    *state = town;
    return 0;
}

static int
tear_down_town(void **state)
{
    struct town *town = *state;

    for (int i = 0; i < APPS; i++) {
        evidence_fini(&town->apps[i].app);
        traffic_close(town->apps[i].page);
        board_close(town->apps[i].app.writer.board);
        free(town->apps[i].endpoint);
    }
    assert_int_equal(town->prober.marks.apps, 0);
    assert_true(town->prober.marks.count <= APPS);      /* who comes takes a place that is free */
    assert_true(TAILQ_EMPTY(&town->prober.busy));
    free(town->prober.marks.list);
    event_del(&town->prober.look);
    event_base_free(town->prober.base);
    free(town);
    return 0;
}

static void
refuse(struct town_app *one)
{
    struct traffic_knowledge *cell = traffic_knowledge(one->page, one->endpoint->slot);

    atomic_store(&cell->id, one->endpoint->id);
    atomic_store(&cell->failed_in_row, ROW);
    one->endpoint->eject.failures = KNOWN_ROW;
}

static bool
was_seen(const struct town_app *one)
{
    return one->endpoint->eject.failures == 0;
}

static void
look_around(struct town *town, int looks)
{
    for (int i = 0; i < looks; i++) {
        event_active(&town->prober.look, EV_TIMEOUT, 0);
        event_base_loop(town->prober.base, EVLOOP_NONBLOCK);
    }
}

static int
seen_of(const struct town *town)
{
    int seen = 0;

    for (int i = 0; i < APPS; i++)
        seen += was_seen(&town->apps[i]);
    return seen;
}

static void
quiet_apps_take_turns(void **state)
{
    struct town *town = *state;

    look_around(town, APPS + 1);        /* somewhere within a round */
    for (int i = 0; i < APPS; i++)
        refuse(&town->apps[i]);
    for (int looks = 1; looks <= APPS; looks++) {
        look_around(town, 1);
        assert_int_equal(seen_of(town), looks);
    }
}

static void
calm_down(struct town *town)
{
    for (int i = 0; i < APPS; i++) {
        struct traffic *page = town->apps[i].page;

        atomic_store(&traffic_knowledge(page, LOOK_QUIET_SLOTS - 1)->failed_in_row, 0);
    }
    look_around(town, APPS);
}

/* All fail in the middle of a round, and one goes some looks later. */
static void
go_while_others_wait(struct town *town, int looks_before, int looks_between, int gone)
{
    struct town_app *one = &town->apps[gone];

    look_around(town, looks_before);
    for (int i = 0; i < APPS; i++)
        refuse(&town->apps[i]);
    look_around(town, looks_between);
    evidence_fini(&one->app);
    look_around(town, APPS - looks_between);
    for (int i = 0; i < APPS; i++)
        assert_true(i == gone || was_seen(&town->apps[i]));
    traffic_close(one->page);
    board_close(one->app.writer.board);
    move_in(town, one);
    calm_down(town);
}

static void
none_waits_longer_than_a_round_when_another_goes(void **state)
{
    for (int before = 0; before < APPS; before++) {
        for (int between = 0; between <= APPS; between++) {
            for (int gone = 0; gone < APPS; gone++)
                go_while_others_wait(*state, before, between, gone);
        }
    }
}

static void
whom_nobody_follows_is_passed_over(void **state)
{
    struct town *town = *state;

    evidence_fini(&town->apps[0].app);
    evidence_fini(&town->apps[2].app);
    refuse(&town->apps[1]);
    refuse(&town->apps[3]);
    look_around(town, 2);
    assert_int_equal(seen_of(town), 2);
}

static void
who_becomes_busy_does_not_wait_for_its_turn(void **state)
{
    struct town *town = *state;
    struct town_app *busy = &town->apps[1];

    try(busy->page);
    look_around(town, APPS);
    assert_true(is_busy(&town->prober, &busy->app));
    for (int i = 0; i < APPS; i++) {
        refuse(busy);
        look_around(town, 1);
        assert_true(was_seen(busy));
        atomic_store(&traffic_knowledge(busy->page, LOOK_QUIET_SLOTS - 1)->failed_in_row, 0);
        look_around(town, 1);
    }
    refuse(&town->apps[2]);               /* nor does it take the turns of the others */
    look_around(town, APPS - 1);
    assert_true(was_seen(&town->apps[2]));
    evidence_fini(&busy->app);
    assert_true(TAILQ_EMPTY(&town->prober.busy));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(as_many_in_a_row_as_the_former_had_are_looked_at, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(likewise_when_the_page_told_of_the_former_for_longer,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            who_gets_a_slot_is_looked_at_although_the_page_says_nothing_new, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_endpoint_is_left_alone_while_its_page_stays_as_it_is,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            what_changes_after_looks_that_passed_over_it_is_seen_by_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            an_app_is_busy_for_as_many_looks_as_said_after_its_last_try, set_up, tear_down),
        cmocka_unit_test_setup_teardown(quiet_apps_take_turns, set_up_town, tear_down_town),
        cmocka_unit_test_setup_teardown(none_waits_longer_than_a_round_when_another_goes,
                                        set_up_town, tear_down_town),
        cmocka_unit_test_setup_teardown(whom_nobody_follows_is_passed_over, set_up_town,
                                        tear_down_town),
        cmocka_unit_test_setup_teardown(who_becomes_busy_does_not_wait_for_its_turn,
                                        set_up_town, tear_down_town),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
