/*
 * inspect: boards in a directory, whole and damaged, and the database, as people see them.
 */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "probes/inspect.h"
#include "probes/inspect_print.h"
#include "strategy/board.h"

enum { SLOTS = 4, NOW_MS = 1000000, DUE_MS = 60000 };

struct place {
    char path[64];
    int fd;
};

static int
set_up(void **state)
{
    static struct place place;

    snprintf(place.path, sizeof place.path, "/tmp/fproxy-test-inspect-XXXXXX");
    if (mkdtemp(place.path) == NULL)
        return -1;
    place.fd = open(place.path, O_RDONLY | O_DIRECTORY);
    *state = &place;
    return place.fd < 0 ? -1 : 0;
}

static int
tear_down(void **state)
{
    struct place *place = *state;
    char command[96];

    close(place->fd);
    snprintf(command, sizeof command, "rm -r %s", place->path);
    return system(command);
}

static void
write_file(const struct place *place, const char *name, const void *data, size_t bytes)
{
    int fd = openat(place->fd, name, O_RDWR | O_CREAT | O_TRUNC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, bytes), (int)bytes);
    close(fd);
}

/* A new board of `app`; its prober was last heard at `beat_ms`. */
static struct board *
make_board(const struct place *place, const char *app, uint32_t number, uint64_t beat_ms)
{
    char name[BOARD_NAME_BYTES];
    struct board_summary summary = { .total = 1, .ready = 1 };
    struct board *board = NULL;
    int fd;

    board_file_name(app, number, name);
    fd = openat(place->fd, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)board_bytes(SLOTS)), 0);
    assert_int_equal(board_format(fd, app, number, 7, SLOTS), 0);
    assert_int_equal(board_open(fd, true, &board), 0);
    close(fd);
    board_set_summary(board, &summary);
    if (beat_ms != 0)
        board_beat(board, beat_ms);
    return board;
}

static void
put_endpoint(struct board *board, uint32_t slot, const char *target, const char *ip,
             enum endpoint_state state, enum reason outcome)
{
    struct board_detail detail = {
        .id = slot + 1,
        .state = (uint8_t)state,
        .reason = (uint8_t)outcome,
        .probe_outcome = (uint8_t)outcome,
        .weight = 2,
        .tier = 3,
        .percent = 40,
        .flags = slot == 0 ? BOARD_FLAPPING : 0,
        .probe_duration_us = 1500,
        .probe_lag_ms = 3,
        .eject_count = 2,
        .since_ms = 1700000000000,
        .probe_at_ms = 1700000001000,
        .probe_next_ms = 1700000002000,         /* the wall clock was set since */
        .due_ms = clock_monotonic_ms() + DUE_MS,
        .probe_kind = "tcp",
        .probe_detail = "connect: Connection refused",
    };

    snprintf(detail.target, sizeof detail.target, "%s", target);
    if (ip != NULL)
        assert_int_equal(address_parse_ip(ip, 5001, &detail.address), 0);
    board_set_detail(board, slot, &detail);
}

static void
read_boards(const struct place *place, bool stale, struct inspect_view *view)
{
    memset(view, 0, sizeof *view);
    assert_int_equal(inspect_read_boards(place->fd, stale, NOW_MS, view), 0);
}

static void
a_live_board_shows_its_endpoints(void **state)
{
    const struct place *place = *state;
    struct board *board = make_board(place, "shop", 1, NOW_MS - 500);
    struct inspect_view view;
    const struct inspect_endpoint *endpoint;

    put_endpoint(board, 0, "a.example:5001", "10.0.0.1", ENDPOINT_UNAVAILABLE,
                 REASON_CONNECT_REFUSED);
    put_endpoint(board, 2, "b.example:5001", NULL, ENDPOINT_UNRESOLVED, REASON_NONE);
    read_boards(place, false, &view);

    assert_int_equal(view.count, 1);
    assert_string_equal(view.apps[0].name, "shop");
    assert_true(view.apps[0].ready);
    assert_false(view.apps[0].panic);
    assert_int_equal(view.apps[0].generation, 7);
    assert_int_equal(view.apps[0].count, 2);
    endpoint = &view.apps[0].endpoints[0];
    assert_string_equal(endpoint->target, "a.example:5001");
    assert_string_equal(endpoint->address, "10.0.0.1:5001");
    assert_string_equal(endpoint->state, "unavailable");
    assert_string_equal(endpoint->reason, "connect_refused");
    assert_int_equal(endpoint->weight, 2);
    assert_in_range(endpoint->next_ms, clock_wall_ms() + 1, clock_wall_ms() + DUE_MS);
    assert_string_equal(endpoint->probe.kind, "tcp");
    assert_true(endpoint->probe.duration_ms > 1.49 && endpoint->probe.duration_ms < 1.51);
    assert_string_equal(view.apps[0].endpoints[1].address, "");
    assert_int_equal(view.apps[0].endpoints[1].probe.at_ms, 0);
    inspect_view_free(&view);
    board_close(board);
}

static void
of_several_boards_of_an_app_the_newest_live_one_counts(void **state)
{
    const struct place *place = *state;
    struct board *boards[] = {
        make_board(place, "shop", 9, NOW_MS),
        make_board(place, "shop", 10, NOW_MS),
        make_board(place, "shop", 11, 0),       /* being filled: nobody was heard from it */
    };
    struct inspect_view view;

    put_endpoint(boards[0], 0, "old:1", NULL, ENDPOINT_UNRESOLVED, REASON_DNS_EMPTY);
    put_endpoint(boards[1], 0, "new:1", NULL, ENDPOINT_UNRESOLVED, REASON_DNS_EMPTY);
    read_boards(place, false, &view);

    assert_int_equal(view.count, 1);
    assert_int_equal(view.apps[0].count, 1);
    assert_string_equal(view.apps[0].endpoints[0].target, "new:1");
    inspect_view_free(&view);
    for (size_t i = 0; i < ARRAY_SIZE(boards); i++)
        board_close(boards[i]);
}

static void
boards_without_a_sign_of_life_count_only_when_asked_for(void **state)
{
    const struct place *place = *state;
    struct board *silent = make_board(place, "silent", 1, NOW_MS - INSPECT_FRESH_MS - 1);
    struct board *rebooted = make_board(place, "rebooted", 1, NOW_MS * 1000);
    struct inspect_view view;

    read_boards(place, false, &view);
    assert_int_equal(view.count, 0);
    read_boards(place, true, &view);
    assert_int_equal(view.count, 2);
    assert_string_equal(view.apps[0].name, "rebooted");
    assert_string_equal(view.apps[1].name, "silent");

    inspect_view_free(&view);
    board_close(silent);
    board_close(rebooted);
}

static void
what_is_no_board_is_passed_over(void **state)
{
    const struct place *place = *state;
    struct board *board = make_board(place, "shop", 1, NOW_MS);
    char zeros[4096] = "";
    struct inspect_view view;

    write_file(place, "board-empty.1", "", 0);
    write_file(place, "board-text.1", "hello", 5);
    write_file(place, "board-zeros.1", zeros, sizeof zeros);
    write_file(place, "board-.1", "x", 1);
    write_file(place, "board-no-number", "x", 1);
    write_file(place, "admin.sock", "x", 1);
    assert_int_equal(mkdirat(place->fd, "board-dir.1", 0700), 0);
    assert_int_equal(mkfifoat(place->fd, "board-fifo.1", 0600), 0);
    assert_int_equal(symlinkat("/dev/zero", place->fd, "board-link.1"), 0);
    read_boards(place, true, &view);

    assert_int_equal(view.count, 1);
    assert_string_equal(view.apps[0].name, "shop");
    inspect_view_free(&view);
    board_close(board);
}

/* Whatever the bytes of a board are, reading and printing it comes to an end. */
static void
a_damaged_board_harms_nobody(void **state)
{
    const struct place *place = *state;
    struct board *board = make_board(place, "shop", 1, NOW_MS);
    size_t bytes = board_bytes(SLOTS);
    unsigned char *content = malloc(bytes), *damaged = malloc(bytes);
    uint32_t seed = 1;
    int fd;

    assert_non_null(content);
    assert_non_null(damaged);
    put_endpoint(board, 0, "a:1", "10.0.0.1", ENDPOINT_AVAILABLE, REASON_OK);
    board_close(board);
    fd = openat(place->fd, "board-shop.1", O_RDONLY);
    assert_int_equal(read(fd, content, bytes), (int)bytes);
    close(fd);
    for (int round = 0; round < 300; round++) {
        struct inspect_view view;
        json_t *json;
        FILE *out = fopen("/dev/null", "w");

        memcpy(damaged, content, bytes);
        for (int i = 0; i < 1 + round * 20; i++) {
            seed = seed * 1664525 + 1013904223;
            damaged[(seed >> 8) % bytes] = (unsigned char)(seed >> 24);
        }
        write_file(place, "board-shop.1", damaged, bytes);
        read_boards(place, true, &view);
        json = inspect_json(&view);
        assert_non_null(json);
        assert_int_equal(inspect_print_table(out, &view, NOW_MS, round % 2,
                                             INSPECT_APPS_ALL), 0);
        fclose(out);
        json_decref(json);
        inspect_view_free(&view);
    }
    free(content);
    free(damaged);
}

static void
states_and_reasons_that_do_not_exist_are_shown_as_such(void **state)
{
    const struct place *place = *state;
    struct board *board = make_board(place, "shop", 1, NOW_MS);
    struct inspect_view view;
    json_t *json;

    put_endpoint(board, 0, "\xff\xfe", "10.0.0.1", (enum endpoint_state)200, (enum reason)201);
    read_boards(place, false, &view);

    assert_string_equal(view.apps[0].endpoints[0].state, "?");
    assert_string_equal(view.apps[0].endpoints[0].reason, "?");
    assert_false(inspect_any_eligible(&view.apps[0]));
    json = inspect_json(&view);
    assert_non_null(json);
    json_decref(json);
    inspect_view_free(&view);
    board_close(board);
}

static void
json_has_the_names_of_the_contract(void **state)
{
    const struct place *place = *state;
    struct board *board = make_board(place, "shop", 1, NOW_MS);
    struct inspect_view view;
    json_t *json, *expected;

    put_endpoint(board, 0, "a:1", "::1", ENDPOINT_FAILING, REASON_CONNECT_TIMEOUT);
    put_endpoint(board, 1, "b:1", NULL, ENDPOINT_UNKNOWN, REASON_NONE);
    board_set_lag(board, &(struct board_lag){ 1, 4, 9, 2, 300, 5 });
    read_boards(place, false, &view);
    json = inspect_json(&view);
    expected = json_loads(
        "{\"apps\": [{\"app\": \"shop\", \"ready\": true, \"panic\": false,"
        " \"ladder\": \"normal\", \"panics\": 0, \"generation\": 7,"
        " \"endpoints\": [{\"target\": \"a:1\", \"address\": \"[::1]:5001\","
        "   \"state\": \"failing\", \"since\": \"2023-11-14T22:13:20.000Z\", \"weight\": 2,"
        "   \"percent\": 40, \"tier\": 3, \"flapping\": true, \"ejections\": 2,"
        "   \"reason\": \"connect_timeout\", \"detail\": \"\", \"last_probe\": {"
        "     \"at\": \"2023-11-14T22:13:21.000Z\", \"kind\": \"tcp\","
        "     \"outcome\": \"connect_timeout\", \"duration_ms\": 1.5,"
        "     \"lag_ms\": 3, \"detail\": \"connect: Connection refused\"}},"
        "  {\"target\": \"b:1\", \"address\": \"\", \"state\": \"unknown\","
        "   \"since\": \"2023-11-14T22:13:20.000Z\", \"weight\": 2, \"percent\": 40,"
        "   \"tier\": 3, \"flapping\": false, \"ejections\": 2, \"reason\": \"\","
        "   \"detail\": \"\","
        "   \"last_probe\": null}]}],"
        " \"probe_lag\": {\"probes\": 300, \"p50_ms\": 1, \"p99_ms\": 4, \"max_ms\": 9,"
        "  \"overruns_lately\": 2, \"overruns\": 5}}", 0, NULL);

    assert_non_null(expected);
    assert_true(json_equal(json, expected));
    json_decref(json);
    json_decref(expected);
    inspect_view_free(&view);
    board_close(board);
}

/* One prober writes all boards, but the last word may be on any of them. */
static void
how_late_probes_begin_is_told_by_the_latest_board(void **state)
{
    const struct place *place = *state;
    struct board *boards[] = {
        make_board(place, "first", 1, NOW_MS - 3000),
        make_board(place, "last", 1, NOW_MS - 10),
    };
    struct inspect_view view;

    board_set_lag(boards[0], &(struct board_lag){ .max_ms = 7, .probes = 10 });
    board_set_lag(boards[1], &(struct board_lag){ .max_ms = 8, .probes = 11 });
    read_boards(place, false, &view);
    assert_int_equal(view.lag.probes, 11);
    assert_int_equal(view.lag.max_ms, 8);
    inspect_view_free(&view);
    read_boards(place, true, &view);            /* who does not live is not late */
    assert_int_equal(view.lag.probes, 0);
    inspect_view_free(&view);
    for (size_t i = 0; i < ARRAY_SIZE(boards); i++)
        board_close(boards[i]);
}

/* Three apps as a view; the first has two targets. */
static void
make_view(struct inspect_view *view)
{
    static const char *const names[] = { "shop", "mail", "search" };
    struct inspect_endpoint *endpoint;

    memset(view, 0, sizeof *view);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_non_null(inspect_add_app(view, names[i]));
    endpoint = inspect_add_endpoint(&view->apps[0]);
    snprintf(endpoint->target, sizeof endpoint->target, "a.example:5001");
    snprintf(endpoint->address, sizeof endpoint->address, "10.0.0.1:5001");
    snprintf(endpoint->state, sizeof endpoint->state, "unavailable");
    endpoint = inspect_add_endpoint(&view->apps[0]);
    snprintf(endpoint->target, sizeof endpoint->target, "a.example:5001");
    snprintf(endpoint->address, sizeof endpoint->address, "10.0.0.2:5001");
    snprintf(endpoint->state, sizeof endpoint->state, "available");
}

static void
one_app_is_kept_and_an_unknown_one_named_by_the_nearest(void **state)
{
    struct inspect_view view;
    const char *nearest;

    make_view(&view);
    assert_int_equal(inspect_keep_app(&view, "sahop", &nearest), -ENOENT);
    assert_string_equal(nearest, "shop");
    assert_int_equal(inspect_keep_app(&view, "entirely-different", &nearest), -ENOENT);
    assert_null(nearest);
    assert_int_equal(view.count, 3);
    assert_int_equal(inspect_keep_app(&view, "mail", &nearest), 0);
    assert_int_equal(view.count, 1);
    assert_string_equal(view.apps[0].name, "mail");
    inspect_view_free(&view);
}

static void
a_target_is_chosen_by_its_name_or_by_an_address(void **state)
{
    struct inspect_view view;
    const char *nearest;

    make_view(&view);
    assert_int_equal(inspect_keep_target(&view.apps[0], "a.example:501", &nearest), -ENOENT);
    assert_string_equal(nearest, "a.example:5001");
    assert_int_equal(inspect_keep_target(&view.apps[0], "a.example:5001", &nearest), 0);
    assert_int_equal(view.apps[0].count, 2);
    assert_true(inspect_any_eligible(&view.apps[0]));
    assert_int_equal(inspect_keep_target(&view.apps[0], "10.0.0.1:5001", &nearest), 0);
    assert_int_equal(view.apps[0].count, 1);
    assert_false(inspect_any_eligible(&view.apps[0]));
    inspect_view_free(&view);
}

static void
ages_are_told_in_two_units(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        { -5, "now" },            { 999, "now" },          { 2000, "2s" },
        { 59999, "59s" },         { 192000, "3m 12s" },    { 7500000, "2h 5m" },
        { 356400000, "4d 3h" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[INSPECT_AGE_BYTES];

        assert_string_equal(inspect_age(cases[i].ms, text), cases[i].text);
    }
}

static void
a_failed_probe_says_what_went_wrong(void **state)
{
    struct inspect_probe probe = { .at_ms = 10000, .duration_ms = 0.42, .outcome = "ok",
                                   .detail = "connected" };
    char text[128];

    assert_string_equal(inspect_probe_text(&probe, 12000, text, sizeof text),
                        "ok 0.4 ms 2s ago");
    snprintf(probe.outcome, sizeof probe.outcome, "connect_timeout");
    snprintf(probe.detail, sizeof probe.detail, "no answer");
    assert_string_equal(inspect_probe_text(&probe, 10000, text, sizeof text),
                        "connect_timeout 0.4 ms now: no answer");
    probe.at_ms = 0;
    assert_string_equal(inspect_probe_text(&probe, 10000, text, sizeof text), "-");
}

/* The real schema, for its names are the contract. */
static void
make_database(const char *path, const char *rows)
{
    char *schema = calloc(1, 65536), *error = NULL;
    FILE *file = fopen(SCHEMA_SQL, "r");
    sqlite3 *database;

    assert_non_null(file);
    assert_true(fread(schema, 1, 65535, file) > 0);
    fclose(file);
    assert_int_equal(sqlite3_open(path, &database), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, "PRAGMA journal_mode=WAL", NULL, NULL, NULL), 0);
    assert_int_equal(sqlite3_exec(database, schema, NULL, NULL, &error), SQLITE_OK);
    assert_int_equal(sqlite3_exec(database, rows, NULL, NULL, &error), SQLITE_OK);
    sqlite3_close(database);
    free(schema);
}

static void
the_database_tells_what_it_last_knew(void **state)
{
    static const char rows[] =
        "INSERT INTO config_generations VALUES"
        " ('shop', 3, 'superseded', 'f', 'c', 'h', '', '2026-01-01T00:00:00.000Z'),"
        " ('shop', 4, 'good', 'f', 'c', 'h', '', '2026-01-01T00:00:00.000Z'),"
        " ('quiet', 1, 'good', 'f', 'c', 'h', '', '2026-01-01T00:00:00.000Z');"
        "INSERT INTO endpoints VALUES ('shop', 'a:1', '10.0.0.1:1', 'unavailable',"
        " '2026-01-31T12:34:56.789Z', 'connect_refused', 3, '2026-01-31T12:34:56.789Z');"
        "INSERT INTO probe_results (at, app, target, address, probe, outcome, duration_ms,"
        " detail) VALUES"
        " ('2026-01-31T12:00:00.000Z', 'shop', 'a:1', '10.0.0.1:1', 'tcp', 'ok', 1, ''),"
        " ('2026-01-31T12:34:56.000Z', 'shop', 'a:1', '10.0.0.1:1', 'tcp', 'connect_refused',"
        " 2.5, 'why');";
    const struct place *place = *state;
    struct inspect_view view = { 0 };
    char path[96], why[DETAIL_BYTES], text[TIME_TEXT_BYTES];
    const struct inspect_endpoint *endpoint;

    snprintf(path, sizeof path, "%s/fproxy.db", place->path);
    assert_int_equal(inspect_read_database(path, &view, why), -ENOENT);
    make_database(path, rows);
    assert_int_equal(inspect_read_database(path, &view, why), 0);

    assert_int_equal(view.count, 2);
    assert_string_equal(view.apps[0].name, "quiet");
    assert_int_equal(view.apps[0].count, 0);
    assert_int_equal(view.apps[1].generation, 4);
    assert_false(view.apps[1].ready);
    assert_int_equal(view.apps[1].count, 1);
    endpoint = &view.apps[1].endpoints[0];
    assert_string_equal(endpoint->state, "unavailable");
    assert_int_equal(endpoint->weight, 3);
    assert_string_equal(clock_format_utc(endpoint->since_ms, text), "2026-01-31T12:34:56.789Z");
    assert_string_equal(endpoint->probe.outcome, "connect_refused");
    assert_string_equal(endpoint->probe.detail, "why");
    inspect_view_free(&view);
    /* Nothing was left beside it. */
    assert_int_equal(faccessat(place->fd, "fproxy.db-shm", F_OK, 0), -1);
    assert_int_equal(faccessat(place->fd, "fproxy.db-wal", F_OK, 0), -1);
}

static void
a_database_that_is_none_is_told_and_harms_nobody(void **state)
{
    const struct place *place = *state;
    struct inspect_view view = { 0 };
    char path[96], why[DETAIL_BYTES] = "";

    snprintf(path, sizeof path, "%s/fproxy.db", place->path);
    write_file(place, "fproxy.db", "this is no database at all", 26);

    assert_int_equal(inspect_read_database(path, &view, why), -EIO);
    assert_true(why[0] != '\0');
    assert_int_equal(view.count, 0);
}

static void
a_locked_directory_is_held_by_a_supervisor(void **state)
{
    const struct place *place = *state;
    int holder = openat(place->fd, ".", O_RDONLY | O_DIRECTORY);

    assert_false(inspect_is_held(place->fd));
    assert_int_equal(flock(holder, LOCK_EX | LOCK_NB), 0);
    assert_true(inspect_is_held(place->fd));
    close(holder);
    assert_false(inspect_is_held(place->fd));
}

#define PLACE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(a_live_board_shows_its_endpoints),
        PLACE_TEST(of_several_boards_of_an_app_the_newest_live_one_counts),
        PLACE_TEST(boards_without_a_sign_of_life_count_only_when_asked_for),
        PLACE_TEST(what_is_no_board_is_passed_over),
        PLACE_TEST(a_damaged_board_harms_nobody),
        PLACE_TEST(states_and_reasons_that_do_not_exist_are_shown_as_such),
        PLACE_TEST(json_has_the_names_of_the_contract),
        PLACE_TEST(how_late_probes_begin_is_told_by_the_latest_board),
        cmocka_unit_test(one_app_is_kept_and_an_unknown_one_named_by_the_nearest),
        cmocka_unit_test(a_target_is_chosen_by_its_name_or_by_an_address),
        cmocka_unit_test(ages_are_told_in_two_units),
        cmocka_unit_test(a_failed_probe_says_what_went_wrong),
        PLACE_TEST(the_database_tells_what_it_last_knew),
        PLACE_TEST(a_database_that_is_none_is_told_and_harms_nobody),
        PLACE_TEST(a_locked_directory_is_held_by_a_supervisor),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
