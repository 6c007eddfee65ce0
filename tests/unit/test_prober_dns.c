/* The prober and names: a real process, a real DNS server (tests/scenarios/dns_server.py). */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "prober_harness.h"

struct fixture {
    struct settings settings;
    struct app_config app;
    struct harness *harness;
    struct board *board;
    char zone_path[64];
    pid_t dns_pid;
};

static void
write_zone(const struct fixture *fixture, const char *json)
{
    char path[80];
    FILE *file;

    snprintf(path, sizeof path, "%s.new", fixture->zone_path);
    file = fopen(path, "we");
    assert_non_null(file);
    fputs(json, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(path, fixture->zone_path), 0);
}

/* Starts the server and makes it the only one of the settings. */
static void
start_dns(struct fixture *fixture)
{
    struct address *server = &fixture->settings.dns_servers[0];
    int ends[2];
    char line[64];
    unsigned port;
    FILE *file;

    assert_int_equal(pipe(ends), 0);
    fixture->dns_pid = fork();
    assert_true(fixture->dns_pid >= 0);
    if (fixture->dns_pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        execl("/usr/bin/python3", "python3", FPROXY_DNS_SERVER, fixture->zone_path, NULL);
        _exit(121);
    }
    close(ends[1]);
    file = fdopen(ends[0], "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof line, file));
    assert_int_equal(sscanf(line, "ready 127.0.0.1:%u", &port), 1);
    fclose(file);
    assert_int_equal(address_parse_ip("127.0.0.1", (uint16_t)port, server), 0);
    fixture->settings.dns_server_count = 1;
}

static void
stop_dns(struct fixture *fixture)
{
    if (fixture->dns_pid == 0)
        return;
    kill(fixture->dns_pid, SIGKILL);
    waitpid(fixture->dns_pid, NULL, 0);
    fixture->dns_pid = 0;
}

static int
set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    int fd;

    if (fixture == NULL)
        return 1;
    snprintf(fixture->zone_path, sizeof fixture->zone_path, "/tmp/fproxy-zone-XXXXXX");
    fd = mkstemp(fixture->zone_path);
    if (fd < 0)
        return 1;
    close(fd);
    settings_defaults(&fixture->settings);
    fixture->settings.log_level = LOG_ERROR;
    fixture->settings.dns_ttl_min_ms = 1000;
    fixture->settings.dns_negative_min_ms = 1000;
    fixture->settings.dns_negative_max_ms = 1000;
    fixture->settings.dns_timeout_ms = 200;
    fixture->settings.dns_tries = 2;
    *state = fixture;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;

    if (fixture->harness != NULL)
        harness_stop(fixture->harness);
    stop_dns(fixture);
    unlink(fixture->zone_path);
    board_close(fixture->board);
    app_config_fini(&fixture->app);
    free(fixture);
    return 0;
}

/* Makes the app of `targets`, without probes: what is published is what was resolved. */
static void
make_app(struct fixture *fixture, const char *const *targets, uint32_t count)
{
    harness_app(&fixture->app, "names", targets, count);
    snprintf(fixture->app.probe.kind, sizeof fixture->app.probe.kind, "none");
    fixture->app.drain_timeout_ms = 500;
}

/* Loads the app as it is now, into a prober that is started unless there is one. */
static void
load_app(struct fixture *fixture, uint32_t slots)
{
    if (fixture->harness == NULL)
        fixture->harness = harness_start(&fixture->settings);
    fixture->board = harness_load(fixture->harness, &fixture->app, 1, 1, slots);
}

/* Both. */
static void
load(struct fixture *fixture, const char *const *targets, uint32_t count, uint32_t slots)
{
    make_app(fixture, targets, count);
    load_app(fixture, slots);
}

/* The zone of tests in which the addresses of one name change. */
static void
write_moving(const struct fixture *fixture, const char *addresses)
{
    char json[128];

    snprintf(json, sizeof json, "{\"moving.test\": {\"A\": [%s], \"ttl\": 0}}", addresses);
    write_zone(fixture, json);
}

struct wanted {
    const struct board *board;
    const char *text;
};

static bool
is_published(const struct harness *harness, const void *context)
{
    const struct wanted *wanted = context;
    char text[512];

    return strcmp(harness_published(wanted->board, text, sizeof text), wanted->text) == 0;
}

static void
wait_published(struct fixture *fixture, const char *text)
{
    struct wanted wanted = { fixture->board, text };

    harness_wait(fixture->harness, is_published, &wanted);
}

static bool
first_round_done(const struct harness *harness, const void *context)
{
    return harness->health.first_round_done;
}

static bool
two_answers_recorded(const struct harness *harness, const void *context)
{
    return harness_records(harness, RECORD_DNS, NULL) >= 3;
}

static bool
is_gone(const struct harness *harness, const void *context)
{
    return harness_records(harness, RECORD_ENDPOINT_GONE, context) > 0;
}

static void
every_address_of_a_name_is_an_endpoint(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[] = { "many.test:80", "127.0.0.9:90" };

    write_zone(fixture, "{\"many.test\": {\"A\": [\"127.0.0.3\", \"127.0.0.2\", \"127.0.0.3\"],"
                        " \"AAAA\": [\"::1\"], \"ttl\": 60}}");
    start_dns(fixture);
    load(fixture, targets, 2, 8);
    wait_published(fixture, "127.0.0.2:80 127.0.0.3:80 [::1]:80 127.0.0.9:90");
    harness_wait(fixture->harness, two_answers_recorded, NULL);
    assert_int_equal(harness_records(fixture->harness, RECORD_DNS_GONE, NULL), 2);
    assert_int_equal(harness_record(fixture->harness, RECORD_DNS, "::1")->of.dns.ttl_s, 60);
    assert_string_equal(harness_record(fixture->harness, RECORD_DNS, "::1")->of.dns.type,
                        "AAAA");
}

static void
the_endpoints_follow_the_answer(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[] = { "moving.test:80" };

    write_moving(fixture, "\"127.0.0.2\", \"127.0.0.3\"");
    start_dns(fixture);
    load(fixture, targets, 1, 4);
    wait_published(fixture, "127.0.0.2:80 127.0.0.3:80");
    write_moving(fixture, "\"127.0.0.3\", \"127.0.0.4\"");
    wait_published(fixture, "127.0.0.3:80 127.0.0.4:80");
    harness_wait(fixture->harness, is_gone, "127.0.0.2:80");
    assert_string_equal(harness_record(fixture->harness, RECORD_TRANSITION, "127.0.0.2:80")
                            ->of.transition.reason,
                        "ttl_expired");
    assert_string_equal(harness_record(fixture->harness, RECORD_TRANSITION, "127.0.0.2:80")
                            ->of.transition.detail,
                        "the name no longer has this address; drained for 0.5 s");
}

/* What is named instead does not work: even without a time to drain the old one stays. */
static void
what_is_all_there_is_does_not_leave(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[1];
    char target[32], wanted[64];
    uint16_t port = 0;
    int listener = harness_listen("127.0.0.2", &port, 64);

    snprintf(target, sizeof target, "moving.test:%u", port);
    targets[0] = target;
    write_moving(fixture, "\"127.0.0.2\"");
    start_dns(fixture);
    harness_app(&fixture->app, "names", targets, 1);
    fixture->app.drain_timeout_ms = 0;
    load_app(fixture, 8);
    snprintf(wanted, sizeof wanted, "127.0.0.2:%u", port);
    wait_published(fixture, wanted);
    harness_wait(fixture->harness, first_round_done, NULL);
    write_moving(fixture, "\"127.0.0.3\"");
    harness_read_for(fixture->harness, 3000);
    wait_published(fixture, wanted);
    assert_int_equal(harness_records(fixture->harness, RECORD_ENDPOINT_GONE, wanted), 0);
    close(listener);
}

/* Those that leave have no clients any more: they are the first to make room. */
static void
what_leaves_makes_room_for_what_comes(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[] = { "moving.test:80" };

    write_moving(fixture, "\"127.0.0.2\", \"127.0.0.3\"");
    start_dns(fixture);
    make_app(fixture, targets, 1);
    fixture->app.endpoints_max = 2;
    fixture->app.drain_timeout_ms = 3600 * 1000;
    load_app(fixture, 4);
    wait_published(fixture, "127.0.0.2:80 127.0.0.3:80");
    write_moving(fixture, "\"127.0.0.4\", \"127.0.0.5\"");
    wait_published(fixture, "127.0.0.4:80 127.0.0.5:80");
    assert_int_equal(harness_records(fixture->harness, RECORD_EVENT, NULL), 0);
}

static bool
is_shown(const struct harness *harness, const void *context)
{
    const struct wanted *wanted = context;
    struct board_detail detail;

    return harness_detail(wanted->board, "srv:_web._tcp.test", wanted->text, &detail);
}

/* The hosts of a service: the first priority is published, its weights with it. */
static void
a_service_has_a_target_for_each_record(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[] = { "srv:_web._tcp.test" };
    struct wanted wanted = { .text = "127.0.0.3:81" };
    struct board_detail detail;

    write_zone(fixture, "{\"_web._tcp.test\": {\"SRV\": [\"20 0 81 b.test\", \"10 7 80 a.test\","
                        " \"10 0 82 a.test\"], \"ttl\": 0},"
                        " \"a.test\": {\"A\": [\"127.0.0.2\"], \"AAAA\": [\"::1\"], \"ttl\": 0},"
                        " \"b.test\": {\"A\": [\"127.0.0.3\"], \"ttl\": 0}}");
    start_dns(fixture);
    load(fixture, targets, 1, 8);
    wait_published(fixture, "127.0.0.2:80 [::1]:80 127.0.0.2:82 [::1]:82");
    assert_true(harness_detail(fixture->board, targets[0], "127.0.0.2:80", &detail));
    assert_int_equal(detail.weight, 7);
    assert_int_equal(detail.tier, 0);
    assert_true(harness_detail(fixture->board, targets[0], "127.0.0.2:82", &detail));
    assert_int_equal(detail.weight, 1);
    wanted.board = fixture->board;
    harness_wait(fixture->harness, is_shown, &wanted);
    assert_true(harness_detail(fixture->board, targets[0], "127.0.0.3:81", &detail));
    assert_int_equal(detail.tier, 1);
    /* A record goes: so do its endpoints. One changes: so do they. */
    write_zone(fixture, "{\"_web._tcp.test\": {\"SRV\": [\"5 9 81 b.test\"], \"ttl\": 0},"
                        " \"b.test\": {\"A\": [\"127.0.0.3\"], \"ttl\": 0}}");
    wait_published(fixture, "127.0.0.3:81");
    assert_true(harness_detail(fixture->board, targets[0], "127.0.0.3:81", &detail));
    assert_int_equal(detail.weight, 9);
    harness_wait(fixture->harness, is_gone, "127.0.0.2:80");
    /* What cannot be looked up is kept. */
    write_zone(fixture, "{\"_web._tcp.test\": {\"status\": \"servfail\"},"
                        " \"b.test\": {\"A\": [\"127.0.0.3\"], \"ttl\": 0}}");
    harness_read_for(fixture->harness, 2500);
    wait_published(fixture, "127.0.0.3:81");
}

static void
no_service_is_no_target(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[] = { "srv:_web._tcp.test" };
    struct board_detail detail;

    write_zone(fixture, "{\"_web._tcp.test\": {\"SRV\": [\"0 0 0 .\"]}}");
    start_dns(fixture);
    load(fixture, targets, 1, 8);
    harness_wait(fixture->harness, first_round_done, NULL);
    assert_true(harness_detail(fixture->board, targets[0], "", &detail));
    assert_int_equal(detail.state, ENDPOINT_UNRESOLVED);
    assert_int_equal(detail.reason, REASON_DNS_EMPTY);
    assert_string_equal(detail.probe_detail,
                        "no SRV records, or they say that there is no such service");
}

/* Until the records are known again the board tells them. */
static void
a_service_outlives_its_prober_while_dns_is_dead(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[] = { "srv:_web._tcp.test" };
    struct board_detail detail;

    write_zone(fixture, "{\"_web._tcp.test\": {\"SRV\": [\"1 3 80 a.test\"]},"
                        " \"a.test\": {\"A\": [\"127.0.0.2\"]}}");
    start_dns(fixture);
    load(fixture, targets, 1, 8);
    wait_published(fixture, "127.0.0.2:80");
    stop_dns(fixture);
    harness_replace(fixture->harness, &fixture->settings);
    harness_load_again(fixture->harness, &fixture->app, 1, 1);
    harness_read_for(fixture->harness, 1500);
    wait_published(fixture, "127.0.0.2:80");
    assert_true(harness_detail(fixture->board, targets[0], "127.0.0.2:80", &detail));
    assert_int_equal(detail.weight, 3);
    assert_int_equal(harness_records(fixture->harness, RECORD_ENDPOINT_GONE, "127.0.0.2:80"),
                     0);
    /* So does an edit of the app. */
    board_close(fixture->board);
    fixture->board = harness_load(fixture->harness, &fixture->app, 2, 2, 8);
    harness_unload(fixture->harness, "names", 1);
    harness_read_for(fixture->harness, 500);
    wait_published(fixture, "127.0.0.2:80");
}

/* A prober that is replaced goes on draining: nothing comes back for a moment. */
static void
what_leaves_goes_on_leaving_under_the_next_prober(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[] = { "moving.test:80" };
    struct board_detail detail;

    write_moving(fixture, "\"127.0.0.2\", \"127.0.0.3\"");
    start_dns(fixture);
    make_app(fixture, targets, 1);
    fixture->app.drain_timeout_ms = 3600 * 1000;
    load_app(fixture, 4);
    wait_published(fixture, "127.0.0.2:80 127.0.0.3:80");
    write_moving(fixture, "\"127.0.0.3\"");
    wait_published(fixture, "127.0.0.3:80");
    harness_replace(fixture->harness, &fixture->settings);
    harness_load_again(fixture->harness, &fixture->app, 1, 1);
    wait_published(fixture, "127.0.0.3:80");
    harness_read_for(fixture->harness, 1500);
    wait_published(fixture, "127.0.0.3:80");
    assert_true(harness_detail(fixture->board, targets[0], "127.0.0.2:80", &detail));
    assert_int_equal(detail.state, ENDPOINT_DRAINING);
    write_moving(fixture, "\"127.0.0.2\", \"127.0.0.3\"");
    wait_published(fixture, "127.0.0.2:80 127.0.0.3:80");
    assert_true(harness_detail(fixture->board, targets[0], "127.0.0.2:80", &detail));
    assert_int_equal(detail.state, ENDPOINT_AVAILABLE);
}

static void
a_failing_server_takes_no_address_away(void **state)
{
    static const char *const failures[] = {
        "{\"kept.test\": {\"status\": \"servfail\"}}", "{}",
        "{\"kept.test\": {\"status\": \"empty\"}}",
        "{\"kept.test\": {\"status\": \"silence\"}}",
    };
    struct fixture *fixture = *state;
    const char *targets[] = { "kept.test:80" };
    struct board_detail detail;

    write_zone(fixture, "{\"kept.test\": {\"A\": [\"127.0.0.2\"], \"ttl\": 0}}");
    start_dns(fixture);
    load(fixture, targets, 1, 4);
    wait_published(fixture, "127.0.0.2:80");
    for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
        write_zone(fixture, failures[i]);
        harness_read_for(fixture->harness, 1500);
        wait_published(fixture, "127.0.0.2:80");
    }
    assert_true(harness_detail(fixture->board, "kept.test:80", "127.0.0.2:80", &detail));
    assert_int_equal(harness_records(fixture->harness, RECORD_ENDPOINT_GONE, "127.0.0.2:80"),
                     0);
}

static void
why_there_is_no_address_is_told(void **state)
{
    static const struct {
        const char *target;
        enum reason reason;
    } wanted[] = {
        { "no.test:1", REASON_DNS_NXDOMAIN },  { "bad.test:1", REASON_DNS_SERVFAIL },
        { "none.test:1", REASON_DNS_EMPTY },   { "mute.test:1", REASON_DNS_TIMEOUT },
        { "half.test:1", REASON_DNS_TIMEOUT },
    };
    struct fixture *fixture = *state;
    const char *targets[ARRAY_SIZE(wanted)];
    struct board_detail detail;

    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        targets[i] = wanted[i].target;
    write_zone(fixture, "{\"bad.test\": {\"status\": \"servfail\"},"
                        " \"none.test\": {\"status\": \"empty\"},"
                        " \"mute.test\": {\"status\": \"silence\"},"
                        " \"half.test\": {\"AAAA\": {\"status\": \"silence\"}}}");
    start_dns(fixture);
    load(fixture, targets, ARRAY_SIZE(wanted), 16);
    harness_wait(fixture->harness, first_round_done, NULL);
    assert_int_equal(fixture->harness->health.total, ARRAY_SIZE(wanted));
    assert_int_equal(fixture->harness->health.eligible, 0);
    assert_int_equal(fixture->harness->health.panic, 0);
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        assert_true(harness_detail(fixture->board, wanted[i].target, "", &detail));
        assert_int_equal(detail.state, ENDPOINT_UNRESOLVED);
        assert_int_equal(detail.reason, wanted[i].reason);
        assert_string_not_equal(detail.probe_detail, "");
    }
    /* A name that begins to exist is used. */
    write_zone(fixture, "{\"no.test\": {\"A\": [\"127.0.0.2\"]}}");
    wait_published(fixture, "127.0.0.2:1");
}

static void
one_family_does_not_wait_for_the_other(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[] = { "half.test:80" };
    uint64_t begin_ms;

    fixture->settings.dns_timeout_ms = 2000;
    write_zone(fixture, "{\"half.test\": {\"A\": [\"127.0.0.2\"],"
                        " \"AAAA\": {\"status\": \"silence\"}}}");
    start_dns(fixture);
    begin_ms = clock_monotonic_ms();
    load(fixture, targets, 1, 4);
    wait_published(fixture, "127.0.0.2:80");
    harness_wait(fixture->harness, first_round_done, NULL);
    assert_true(clock_monotonic_ms() - begin_ms < 1500);
}

static void
long_answers_come_by_tcp_and_late_ones_count(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[] = { "big.test:80", "slow.test:80" };

    write_zone(fixture, "{\"big.test\": {\"A\": [\"127.0.0.2\"], \"truncated\": true},"
                        " \"slow.test\": {\"A\": [\"127.0.0.3\"], \"delay_ms\": 300}}");
    start_dns(fixture);
    load(fixture, targets, 2, 8);
    wait_published(fixture, "127.0.0.2:80 127.0.0.3:80");
}

static void
what_the_database_remembers_serves_while_dns_is_dead(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[] = { "cached.test:80" };
    struct record seeds[2] = { { .kind = RECORD_DNS }, { .kind = RECORD_DNS } };

    for (size_t i = 0; i < 2; i++) {
        struct record_dns *dns = &seeds[i].of.dns;

        snprintf(dns->name, sizeof dns->name, "cached.test");
        snprintf(dns->type, sizeof dns->type, i == 0 ? "A" : "AAAA");
        snprintf(dns->status, sizeof dns->status, "ok");
        snprintf(seeds[i].address, sizeof seeds[i].address, i == 0 ? "127.0.0.7" : "::1");
    }
    start_dns(fixture);
    stop_dns(fixture);
    fixture->harness = harness_start(&fixture->settings);
    harness_seed(fixture->harness, seeds, 2);
    load(fixture, targets, 1, 4);
    wait_published(fixture, "127.0.0.7:80 [::1]:80");
    /* Also when the first lookups have failed. */
    harness_read_for(fixture->harness, 1500);
    wait_published(fixture, "127.0.0.7:80 [::1]:80");
}

static bool
asks_to_grow(const struct harness *harness, const void *context)
{
    return harness->grow_count > 0;
}

static const char three_addresses[] =
    "{\"many.test\": {\"A\": [\"127.0.0.2\", \"127.0.0.3\", \"127.0.0.4\"]}}";

static void
a_board_that_is_too_small_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[] = { "many.test:80", "127.0.0.9:90" };

    write_zone(fixture, three_addresses);
    start_dns(fixture);
    load(fixture, targets, 2, 2);
    harness_wait(fixture->harness, asks_to_grow, NULL);
    assert_int_equal(fixture->harness->grow.count, 4);
    board_close(fixture->board);
    fixture->board = harness_grow(fixture->harness, "names", 1, 2, 6);
    wait_published(fixture, "127.0.0.2:80 127.0.0.3:80 127.0.0.4:80 127.0.0.9:90");
    assert_int_equal(fixture->harness->grow_count, 1);
}

static void
more_endpoints_than_allowed_are_left_out_and_told(void **state)
{
    struct fixture *fixture = *state;
    const char *targets[] = { "many.test:80" };

    write_zone(fixture, three_addresses);
    start_dns(fixture);
    make_app(fixture, targets, 1);
    fixture->app.endpoints_max = 2;
    load_app(fixture, 4);
    wait_published(fixture, "127.0.0.2:80 127.0.0.3:80");
    harness_read_for(fixture->harness, 100);
    assert_int_equal(harness_records(fixture->harness, RECORD_EVENT, NULL), 1);
    assert_int_equal(fixture->harness->grow_count, 0);
}

#define DNS_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        DNS_TEST(every_address_of_a_name_is_an_endpoint),
        DNS_TEST(the_endpoints_follow_the_answer),
        DNS_TEST(a_failing_server_takes_no_address_away),
        DNS_TEST(what_is_all_there_is_does_not_leave),
        DNS_TEST(what_leaves_makes_room_for_what_comes),
        DNS_TEST(a_service_has_a_target_for_each_record),
        DNS_TEST(no_service_is_no_target),
        DNS_TEST(a_service_outlives_its_prober_while_dns_is_dead),
        DNS_TEST(what_leaves_goes_on_leaving_under_the_next_prober),
        DNS_TEST(why_there_is_no_address_is_told),
        DNS_TEST(one_family_does_not_wait_for_the_other),
        DNS_TEST(long_answers_come_by_tcp_and_late_ones_count),
        DNS_TEST(what_the_database_remembers_serves_while_dns_is_dead),
        DNS_TEST(a_board_that_is_too_small_is_replaced),
        DNS_TEST(more_endpoints_than_allowed_are_left_out_and_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
