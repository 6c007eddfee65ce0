#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/shared_text.h"
#include "proxy/supervisor/apps.h"
#include "proxy/supervisor/rollout_group.h"
#include "proxy/supervisor/supervisor.h"

/* Ports are only names here: nothing is bound. */
static struct app_generation *
generation(struct app *app, const char *ports)
{
    char text[256], why[DETAIL_BYTES];
    struct app_generation *made = NULL;
    struct shared_text *shared;

    snprintf(text, sizeof text, "name = \"%s\"; ports = ( %s ); targets = ( \"127.0.0.1:1\" );",
             app->name, ports);
    shared = shared_text_create(text);
    assert_int_equal(generation_create(app, ++app->generation_last, shared, strdup("file"), &made,
                                       why), 0);
    shared_text_unref(shared);
    return made;
}

static void
hold(struct app *app)
{
    struct app_generation *current = app->current;

    current->ports = calloc(current->config.port_count, sizeof *current->ports);
    for (uint32_t i = 0; i < current->config.port_count; i++) {
        current->ports[i] = listeners_adopt(&app->supervisor->listeners,
                                            &current->config.ports[i].address);
        current->ports[i]->holder = app;
    }
}

/* Serves on `current` (NULL: does not) and shall have `wanted` (NULL: is removed). */
static struct app *
add(struct supervisor *supervisor, const char *name, const char *current, const char *wanted)
{
    struct app *app = app_add(supervisor, name);

    assert_non_null(app);
    if (current != NULL) {
        app->current = generation(app, current);
        app->served = true;
        hold(app);
    }
    if (wanted != NULL)
        app->wanted = generation(app, wanted);
    app->removed = wanted == NULL;
    rollout_want(app);
    return app;
}

/* As a rollout would: what starts is pending no more. */
static size_t
next_group(struct supervisor *supervisor, char *names)
{
    struct app **members;
    size_t count;

    supervisor->groups_formed = false;
    names[0] = '\0';
    if (!rollout_group_next(supervisor, &members, &count))
        return 0;
    for (size_t i = 0; i < count; i++) {
        strcat(names, members[i]->name);
        TAILQ_REMOVE(&supervisor->pending, members[i], of_pending);
        members[i]->pending = false;
    }
    free(members);
    return count;
}

static int
setup(void **state)
{
    struct supervisor *supervisor = calloc(1, sizeof *supervisor);

    assert_non_null(supervisor);
    supervisor->base = event_base_new();
    supervisor->runtime_fd = -1;
    TAILQ_INIT(&supervisor->pending);
    TAILQ_INIT(&supervisor->to_prober);
    *state = supervisor;
    return 0;
}

static int
teardown(void **state)
{
    struct supervisor *supervisor = *state;
    struct app *app;

    while ((app = TAILQ_FIRST(&supervisor->pending)) != NULL) {
        TAILQ_REMOVE(&supervisor->pending, app, of_pending);
        app->pending = false;
    }
    apps_free(supervisor);
    assert_null(supervisor->listeners.by_address);
    event_base_free(supervisor->base);
    free(supervisor);
    return 0;
}

static void
apps_that_share_nothing_go_one_by_one(void **state)
{
    struct supervisor *supervisor = *state;
    char names[64];

    add(supervisor, "a", "5001", "5001, 5003");
    add(supervisor, "b", "5002", "5004");
    add(supervisor, "c", NULL, "5005");
    assert_int_equal(next_group(supervisor, names), 1);
    assert_string_equal(names, "a");
    assert_int_equal(next_group(supervisor, names), 1);
    assert_int_equal(next_group(supervisor, names), 1);
    assert_int_equal(next_group(supervisor, names), 0);
}

static void
a_port_that_moves_ties_two(void **state)
{
    struct supervisor *supervisor = *state;
    char names[64];

    add(supervisor, "a", "5001, 5002", "5001");
    add(supervisor, "b", NULL, "5002");
    add(supervisor, "c", "5003", "5004");
    assert_int_equal(next_group(supervisor, names), 2);
    assert_string_equal(names, "ab");
    assert_int_equal(next_group(supervisor, names), 1);
}

static void
so_does_a_swap_and_a_chain(void **state)
{
    struct supervisor *supervisor = *state;
    char names[64];

    add(supervisor, "a", "5001", "5002");
    add(supervisor, "b", "5002", "5001");
    add(supervisor, "c", "5003", "5004");
    add(supervisor, "d", "5004", "5005");
    add(supervisor, "e", NULL, "5003");
    assert_int_equal(next_group(supervisor, names), 2);
    assert_string_equal(names, "ab");
    assert_int_equal(next_group(supervisor, names), 3);
    assert_string_equal(names, "cde");
}

static void
so_does_an_app_that_goes_and_leaves_its_port_to_another(void **state)
{
    struct supervisor *supervisor = *state;
    char names[64];

    add(supervisor, "old", "5001", NULL);
    add(supervisor, "new", NULL, "\"127.0.0.1:5001\"");      /* overlaps it */
    assert_int_equal(next_group(supervisor, names), 2);
}

static void
who_keeps_a_port_is_tied_to_nobody(void **state)
{
    struct supervisor *supervisor = *state;
    char names[64];

    add(supervisor, "a", "5001", "5001, 5003");
    add(supervisor, "b", NULL, "5001");
    assert_int_equal(next_group(supervisor, names), 1);
    assert_string_equal(names, "a");
    assert_int_equal(next_group(supervisor, names), 1);
}

static void
a_group_waits_for_all_of_it(void **state)
{
    struct supervisor *supervisor = *state;
    char names[64];
    struct app *a = add(supervisor, "a", "5001, 5002", "5001");

    add(supervisor, "b", NULL, "5002");
    add(supervisor, "c", "5003", "5004");
    a->served = false;              /* its first start is still under way */
    a->state = APP_WAITING;
    assert_int_equal(next_group(supervisor, names), 1);
    assert_string_equal(names, "c");
    assert_int_equal(next_group(supervisor, names), 0);
    a->served = true;
    assert_int_equal(next_group(supervisor, names), 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(apps_that_share_nothing_go_one_by_one),
        TEST(a_port_that_moves_ties_two),
        TEST(so_does_a_swap_and_a_chain),
        TEST(so_does_an_app_that_goes_and_leaves_its_port_to_another),
        TEST(who_keeps_a_port_is_tied_to_nobody),
        TEST(a_group_waits_for_all_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
