#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/shared_text.h"
#include "base/util.h"
#include "proxy/commands/plan_compare.h"
#include "proxy/commands/plan_keys.h"
#include "store/store.h"

enum { ITEMS_MAX = 8 };

/* A change that is being put together; its texts are freed by config_change_free(). */
static struct config_change *change;

static int
begin(void **state)
{
    change = calloc(1, sizeof *change);
    change->items = calloc(ITEMS_MAX, sizeof *change->items);
    return 0;
}

static int
end(void **state)
{
    config_change_free(change);
    return 0;
}

/* "5001 127.0.0.1:5002" and "a:1 b:2" as the canonical text of an app; the caller frees it. */
static char *
text_of(const char *name, const char *ports, const char *targets, uint32_t drain_timeout_ms)
{
    struct app_config app;
    struct app_target target_list[8] = { 0 };
    struct app_listen port_list[8] = { 0 };
    char host[HOST_NAME_BYTES], word[TARGET_NAME_BYTES], *text;
    const char *why;
    int used;

    app_config_defaults(&app);
    strcpy(app.name, name);
    app.ports = port_list;
    app.targets = target_list;
    app.drain_timeout_ms = drain_timeout_ms;
    for (; sscanf(ports, "%263s%n", word, &used) == 1; ports += used) {
        struct address *address = &port_list[app.port_count++].address;

        if (address_split(word, host, &address->port, &why) == 0)
            assert_int_equal(address_parse_ip(host, address->port, address), 0);
        else
            address->port = (uint16_t)atoi(word);
    }
    for (; sscanf(targets, "%263s%n", word, &used) == 1; targets += used)
        target_list[app.target_count++].name = strdup(word);
    text = app_config_print(&app);
    assert_non_null(text);
    for (uint32_t i = 0; i < app.target_count; i++)
        free(target_list[i].name);
    return text;
}

static struct config_item *
add_item(enum config_op op, const char *name)
{
    struct config_item *item = &change->items[change->item_count++];

    assert_true(change->item_count <= ITEMS_MAX);
    item->op = op;
    strcpy(item->app, name);
    item->source = strdup("/conf.d/apps.conf");
    return item;
}

static void
will_be(const char *name, char *text)
{
    add_item(CONFIG_SET, name)->text = shared_text_create(text);
    free(text);
}

static struct plan *
compare(const struct plan_running *running, size_t count)
{
    struct plan *plan = NULL;

    assert_int_equal(plan_compare(running, count, change, &plan), 0);
    return plan;
}

static void
what_is_the_same_is_only_counted(void **state)
{
    char *text = text_of("web", "5001", "a:1", 30000);
    struct plan_running running = { .name = "web", .text = text, .connections = 9 };
    struct plan *plan;

    will_be("web", strdup(text));
    plan = compare(&running, 1);
    assert_int_equal(plan->app_count, 0);
    assert_int_equal(plan->counts[PLAN_UNCHANGED], 1);
    assert_int_equal(plan->drain_most, 0);
    plan_free(plan);
    free(text);
}

static void
a_new_app_is_created_with_all_it_has(void **state)
{
    struct plan *plan;

    will_be("web", text_of("web", "5001 127.0.0.1:5002", "a:1 b:2 c:3", 30000));
    plan = compare(NULL, 0);
    assert_int_equal(plan->counts[PLAN_CREATE], 1);
    assert_int_equal(plan->apps[0].op, PLAN_CREATE);
    assert_int_equal(plan->apps[0].port_added_count, 2);
    assert_int_equal(plan->apps[0].target_added_count, 3);
    assert_int_equal(plan->apps[0].key_count, 0);
    assert_string_equal(plan->apps[0].source, "/conf.d/apps.conf");
    plan_free(plan);
}

static void
of_a_removed_target_exactly_its_connections_drain(void **state)
{
    const struct plan_target targets[] = { { "a:1", 4 }, { "b:2", 2 }, { "a:1", 3 } };
    char *text = text_of("web", "5001", "a:1 b:2", 30000);
    struct plan_running running = { .name = "web", .text = text, .connections = 9,
                                    .targets = targets, .target_count = 3 };
    struct plan *plan;
    struct plan_app *app;

    will_be("web", text_of("web", "5001", "c:3 b:2", 30000));
    plan = compare(&running, 1);
    app = &plan->apps[0];
    assert_int_equal(app->op, PLAN_UPDATE);
    assert_int_equal(app->target_removed_count, 1);
    assert_string_equal(app->targets_removed[0].name, "a:1");
    assert_int_equal(app->targets_removed[0].connections, 7);
    assert_string_equal(app->targets_added[0].name, "c:3");
    assert_int_equal(app->drain_least, 7);
    assert_int_equal(app->drain_most, 7);
    assert_int_equal(app->port_added_count + app->port_removed_count, 0);
    plan_free(plan);
    free(text);
}

static void
of_a_removed_port_up_to_all_connections_drain(void **state)
{
    const struct plan_target targets[] = { { "a:1", 4 }, { "b:2", 5 } };
    char *text = text_of("web", "5001 5002", "a:1 b:2", 30000);
    struct plan_running running = { .name = "web", .text = text, .connections = 9,
                                    .targets = targets, .target_count = 2 };
    struct plan *plan;

    will_be("web", text_of("web", "5002 5003", "b:2", 30000));
    plan = compare(&running, 1);
    assert_int_equal(plan->apps[0].ports_removed[0].address.port, 5001);
    assert_int_equal(plan->apps[0].ports_added[0].address.port, 5003);
    assert_int_equal(plan->apps[0].drain_least, 4);
    assert_int_equal(plan->apps[0].drain_most, 9);
    assert_int_equal(plan->drain_least, 4);
    assert_int_equal(plan->drain_most, 9);
    plan_free(plan);
    free(text);
}

/* `count` clients of the port, and somebody who listens there. */
static void
come(struct plan_clients *clients, const char *ip, uint16_t port, size_t count)
{
    for (size_t i = 0; i <= count; i++) {
        struct plan_socket *socket = &clients->sockets[clients->count++];

        assert_true(clients->count <= clients->room);
        assert_int_equal(address_parse_ip(ip, port, &socket->local), 0);
        socket->listens = i == 0;
    }
}

static void
of_a_removed_port_exactly_its_clients_drain_where_the_kernel_tells(void **state)
{
    struct plan_socket sockets[32] = { 0 };
    struct plan_clients clients = { sockets, 0, ARRAY_SIZE(sockets) };
    const struct plan_target targets[] = { { "a:1", 4 }, { "b:2", 5 } };
    char *text = text_of("web", "5001 127.0.0.1:5002 5003", "a:1 b:2", 30000);
    struct plan_running running = { .name = "web", .text = text, .connections = 9,
                                    .targets = targets, .target_count = 2,
                                    .clients = &clients };
    struct plan *plan;

    come(&clients, "10.0.0.1", 5003, 4);
    come(&clients, "10.0.0.1", 5001, 2);
    come(&clients, "127.0.0.1", 5002, 3);
    come(&clients, "10.0.0.9", 5002, 7);        /* another program's */
    plan_clients_sort(&clients);

    will_be("web", text_of("web", "5003", "a:1 b:2", 30000));
    plan = compare(&running, 1);
    assert_true(plan->apps[0].port_clients_known);
    assert_int_equal(plan->apps[0].port_clients, 5);
    assert_int_equal(plan->apps[0].drain_least, 5);
    assert_int_equal(plan->apps[0].drain_most, 5);
    plan_free(plan);
    free(text);
}

/* Nobody tells how many of the port's clients are connected to the target. */
static void
of_a_removed_port_and_target_some_may_be_the_same(void **state)
{
    struct plan_socket sockets[8] = { 0 };
    struct plan_clients clients = { sockets, 0, ARRAY_SIZE(sockets) };
    const struct plan_target targets[] = { { "a:1", 4 }, { "b:2", 5 } };
    char *text = text_of("web", "5001 5002", "a:1 b:2", 30000);
    struct plan_running running = { .name = "web", .text = text, .connections = 9,
                                    .targets = targets, .target_count = 2,
                                    .clients = &clients };
    struct plan *plan;

    come(&clients, "::1", 5001, 3);
    will_be("web", text_of("web", "5002", "b:2", 30000));
    plan = compare(&running, 1);
    assert_int_equal(plan->apps[0].drain_least, 4);
    assert_int_equal(plan->apps[0].drain_most, 7);
    plan_free(plan);
    free(text);
}

/* Then we are in another network than the daemon. */
static void
a_port_where_nobody_listens_is_not_known(void **state)
{
    struct plan_socket sockets[8] = { 0 };
    struct plan_clients clients = { sockets, 0, ARRAY_SIZE(sockets) };
    struct app_listen port = { .address.port = 5001 };
    uint64_t count;

    assert_false(plan_clients_of(NULL, &port, &count));
    assert_false(plan_clients_of(&clients, &port, &count));
    come(&clients, "::1", 5000, 0);
    come(&clients, "::1", 5002, 0);
    assert_false(plan_clients_of(&clients, &port, &count));
    port.address.port = 5002;
    assert_true(plan_clients_of(&clients, &port, &count));
    assert_int_equal(count, 0);
}

static void
the_kernel_tells_who_was_accepted_and_who_only_waits(void **state)
{
    struct sockaddr_in where = { .sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t bytes = sizeof where;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), ends[3], accepted[2];
    struct app_listen port = { 0 };
    struct plan_clients clients;
    uint64_t count;

    assert_int_equal(bind(listener, (struct sockaddr *)&where, bytes), 0);
    assert_int_equal(listen(listener, 8), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&where, &bytes), 0);
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        ends[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(ends[i], (struct sockaddr *)&where, bytes), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(accepted); i++)
        accepted[i] = accept(listener, NULL, NULL);
    port.address.port = ntohs(where.sin_port);
    assert_int_equal(plan_clients_read(&clients), 0);
    assert_true(plan_clients_of(&clients, &port, &count));
    assert_int_equal(count, 2);
    plan_clients_free(&clients);
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        close(ends[i]);
    for (size_t i = 0; i < ARRAY_SIZE(accepted); i++)
        close(accepted[i]);
    close(listener);
}

static void
without_any_port_of_before_all_drain(void **state)
{
    char *text = text_of("web", "5001", "a:1", 30000);
    struct plan_running running = { .name = "web", .text = text, .connections = 9 };
    struct plan *plan;

    will_be("web", text_of("web", "5002", "a:1", 30000));
    plan = compare(&running, 1);
    assert_int_equal(plan->apps[0].drain_least, 9);
    assert_int_equal(plan->apps[0].drain_most, 9);
    plan_free(plan);
    free(text);
}

static void
of_a_deleted_app_all_drain_and_its_port_moves(void **state)
{
    char *old_text = text_of("old", "5001 5002", "a:1", 30000);
    char *web_text = text_of("web", "6001", "a:1", 30000);
    const struct plan_running running[] = {     /* in no order */
        { .name = "web", .text = web_text, .connections = 5 },
        { .name = "old", .text = old_text, .connections = 3 },
    };
    struct plan *plan;

    add_item(CONFIG_REMOVE, "old");
    will_be("web", text_of("web", "6001 5002", "a:1", 30000));
    will_be("api", text_of("api", "5001", "a:1", 30000));
    plan = compare(running, 2);
    assert_int_equal(plan->app_count, 3);
    assert_string_equal(plan->apps[0].name, "api");
    assert_string_equal(plan->apps[1].name, "old");
    assert_int_equal(plan->apps[1].op, PLAN_DELETE);
    assert_int_equal(plan->apps[1].drain_least, 3);
    assert_int_equal(plan->drain_most, 3);
    assert_int_equal(plan->move_count, 2);
    assert_int_equal(plan->moves[0].port.address.port, 5001);
    assert_string_equal(plan->moves[0].from, "old");
    assert_string_equal(plan->moves[0].to, "api");
    assert_int_equal(plan->moves[1].port.address.port, 5002);
    assert_string_equal(plan->moves[1].to, "web");
    plan_free(plan);
    free(old_text);
    free(web_text);
}

static void
what_was_never_there_is_not_deleted(void **state)
{
    struct plan *plan;

    add_item(CONFIG_REMOVE, "gone");
    plan = compare(NULL, 0);
    assert_int_equal(plan->app_count, 0);
    assert_int_equal(plan->counts[PLAN_DELETE], 0);
    plan_free(plan);
}

static void
a_broken_app_is_held_back_with_its_reason(void **state)
{
    char *text = text_of("web", "5001", "a:1", 30000);
    struct plan_running running = { .name = "web", .text = text, .connections = 9 };
    struct plan *plan;

    add_item(CONFIG_BROKEN, "web")->reason = strdup("apps.conf:3: web: ports: none");
    add_item(CONFIG_BROKEN, "zed")->reason = strdup("apps.conf:9: zed: ports: none");
    plan = compare(&running, 1);
    assert_int_equal(plan->counts[PLAN_HELD_BACK], 2);
    assert_string_equal(plan->apps[0].reason, "apps.conf:3: web: ports: none");
    assert_true(plan->apps[0].runs);
    assert_false(plan->apps[1].runs);
    assert_false(plan->apps[0].pinned);
    assert_int_equal(plan->drain_most, 0);
    plan_free(plan);
    free(text);
}

static void
what_an_operator_went_back_from_is_held_back_until_it_changes(void **state)
{
    char *text = text_of("web", "5001", "a:1", 30000);
    char *left = text_of("web", "5001", "b:2", 30000), *other;
    char hash[65];
    struct plan_running running = { .name = "web", .text = text, .gone_back_from = hash };
    struct plan *plan;

    store_hash(left, hash);
    will_be("web", left);
    plan = compare(&running, 1);
    assert_int_equal(plan->apps[0].op, PLAN_HELD_BACK);
    assert_true(plan->apps[0].pinned);
    plan_free(plan);

    shared_text_unref(change->items[0].text);
    other = text_of("web", "5001", "c:3", 30000);
    change->items[0].text = shared_text_create(other);
    free(other);
    plan = compare(&running, 1);
    assert_int_equal(plan->apps[0].op, PLAN_UPDATE);
    plan_free(plan);
    free(text);
}

static void
other_keys_are_told_by_name_before_and_after(void **state)
{
    char *text = text_of("web", "5001", "a:1", 30000);
    struct plan_running running = { .name = "web", .text = text };
    struct plan *plan;

    will_be("web", text_of("web", "5001", "a:1", 10000));
    plan = compare(&running, 1);
    assert_int_equal(plan->apps[0].key_count, 1);
    assert_string_equal(plan->apps[0].keys[0].name, "drain_timeout");
    assert_string_equal(plan->apps[0].keys[0].before, "\"30s\"");
    assert_string_equal(plan->apps[0].keys[0].after, "\"10s\"");
    plan_free(plan);
    free(text);
}

static void
a_text_that_is_none_is_refused(void **state)
{
    struct plan_running running = { .name = "web", .text = "what?" };
    struct plan *plan = NULL;

    will_be("web", text_of("web", "5001", "a:1", 10000));
    assert_int_equal(plan_compare(&running, 1, change, &plan), -EINVAL);
    assert_null(plan);
}

static void
keys_of_groups_have_their_name_and_lists_are_left_out(void **state)
{
    static const char before[] = "name = \"a\";\nports = (1);\ntargets = (\n  \"x:1\"\n);\n"
                                 "probe = {\n  kind = \"tcp\";\n  rise = 2;\n};\n"
                                 "rise = 1;\ngone = \"a = b;\";\n";
    static const char after[] = "name = \"b\";\nports = (2);\ntargets = (\n  \"y:1\"\n);\n"
                                "probe = {\n  kind = \"tcp\";\n  rise = 5;\n};\n"
                                "rise = 1;\nnew = 3;\n";
    struct plan_key *keys;
    size_t count;

    assert_int_equal(plan_keys_compare(before, after, &keys, &count), 0);
    assert_int_equal(count, 3);
    assert_string_equal(keys[0].name, "probe.rise");
    assert_string_equal(keys[0].before, "2");
    assert_string_equal(keys[0].after, "5");
    assert_string_equal(keys[1].name, "new");
    assert_string_equal(keys[1].before, "");
    assert_string_equal(keys[2].name, "gone");
    assert_string_equal(keys[2].before, "\"a = b;\"");
    assert_string_equal(keys[2].after, "");
    plan_keys_free(keys, count);
}

int
main(void)
{
#define PLAN_TEST(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        PLAN_TEST(what_is_the_same_is_only_counted),
        PLAN_TEST(a_new_app_is_created_with_all_it_has),
        PLAN_TEST(of_a_removed_target_exactly_its_connections_drain),
        PLAN_TEST(of_a_removed_port_up_to_all_connections_drain),
        PLAN_TEST(of_a_removed_port_exactly_its_clients_drain_where_the_kernel_tells),
        PLAN_TEST(of_a_removed_port_and_target_some_may_be_the_same),
        PLAN_TEST(a_port_where_nobody_listens_is_not_known),
        PLAN_TEST(the_kernel_tells_who_was_accepted_and_who_only_waits),
        PLAN_TEST(without_any_port_of_before_all_drain),
        PLAN_TEST(of_a_deleted_app_all_drain_and_its_port_moves),
        PLAN_TEST(what_was_never_there_is_not_deleted),
        PLAN_TEST(a_broken_app_is_held_back_with_its_reason),
        PLAN_TEST(what_an_operator_went_back_from_is_held_back_until_it_changes),
        PLAN_TEST(other_keys_are_told_by_name_before_and_after),
        PLAN_TEST(a_text_that_is_none_is_refused),
        PLAN_TEST(keys_of_groups_have_their_name_and_lists_are_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
