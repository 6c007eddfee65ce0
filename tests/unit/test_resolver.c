/* The resolver on a loop, with a hosts file of its own and DNS servers that nobody runs. */
#include <event2/event.h>
#include <event2/event_struct.h>
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

#include "base/clock.h"
#include "base/util.h"
#include "probes/resolver.h"

enum { WAIT_S = 10 };

struct fixture {
    struct event_base *base;
    struct settings settings;
    struct resolver_options options;
    struct resolver *resolver;
    char hosts[64], resolv_conf[64];
    int mute;                       /* the DNS server: a socket that never answers */
    uint32_t told, told_wanted;
    enum reason last[DNS_FAMILIES];
    char address[DNS_FAMILIES][ADDRESS_TEXT_BYTES];
    uint32_t records;
};

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static void
make_file(char *path, const char *text)
{
    int fd;

    snprintf(path, 64, "/tmp/fproxy-resolver-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    write_file(path, text);
}

static void
on_record(void *context, const struct record *record)
{
    ((struct fixture *)context)->records++;
}

/* A socket that never answers, as one more server of `settings`. */
static int
add_mute_server(struct settings *settings)
{
    struct address *server = &settings->dns_servers[settings->dns_server_count++];
    struct sockaddr_storage storage;
    socklen_t bytes;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    address_parse_ip("127.0.0.1", 0, server);
    bytes = address_to_sockaddr(server, &storage);
    assert_int_equal(bind(fd, (struct sockaddr *)&storage, bytes), 0);
    bytes = sizeof storage;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&storage, &bytes), 0);
    address_from_sockaddr((struct sockaddr *)&storage, server);
    return fd;
}

static int
set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    fixture->base = event_base_new();
    settings_defaults(&fixture->settings);
    log_set_level(LOG_ERROR);
    fixture->settings.dns_timeout_ms = 50;
    fixture->settings.dns_tries = 1;
    fixture->mute = add_mute_server(&fixture->settings);
    make_file(fixture->hosts, "10.0.0.1 known.test\n");
    make_file(fixture->resolv_conf, "search example.test\n");
    fixture->options = (struct resolver_options){ fixture->hosts, fixture->resolv_conf,
                                                  on_record, fixture };
    fixture->resolver = resolver_create(fixture->base, &fixture->settings, &fixture->options);
    *state = fixture;
    return fixture->resolver == NULL;
}

static int
tear_down(void **state)
{
    struct fixture *fixture = *state;

    resolver_destroy(fixture->resolver);
    event_base_free(fixture->base);
    close(fixture->mute);
    unlink(fixture->hosts);
    unlink(fixture->resolv_conf);
    free(fixture);
    return 0;
}

static void
on_changed(void *context, enum dns_family family, const struct resolver_answer *answer)
{
    struct fixture *fixture = context;

    fixture->last[family] = answer->last;
    fixture->address[family][0] = '\0';
    if (answer->count > 0)
        address_format_ip(&answer->addresses[0], fixture->address[family]);
    if (++fixture->told == fixture->told_wanted)
        event_base_loopbreak(fixture->base);
}

/* Runs the loop until lookups ended `times` more. */
static void
wait_told(struct fixture *fixture, uint32_t times)
{
    const struct timeval limit = { .tv_sec = WAIT_S };

    fixture->told_wanted = fixture->told + times;
    event_base_loopexit(fixture->base, &limit);
    event_base_dispatch(fixture->base);
    assert_int_equal(fixture->told, fixture->told_wanted);
}

static void
the_hosts_file_goes_first_and_is_read_again(void **state)
{
    struct fixture *fixture = *state;
    struct resolver_watch *watch =
        resolver_watch(fixture->resolver, "Known.test", on_changed, fixture);

    wait_told(fixture, 2);
    assert_int_equal(fixture->last[DNS_A], REASON_OK);
    assert_string_equal(fixture->address[DNS_A], "10.0.0.1");
    assert_int_equal(fixture->last[DNS_AAAA], REASON_DNS_EMPTY);
    write_file(fixture->hosts, "# moved\n10.0.0.2 known.test\n::2 known.test\n");
    wait_told(fixture, 2);
    assert_string_equal(fixture->address[DNS_A], "10.0.0.2");
    assert_string_equal(fixture->address[DNS_AAAA], "::2");
    assert_int_equal(fixture->records, 0);      /* a file is no cache of DNS */
    resolver_unwatch(watch);
}

static void
localhost_needs_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct resolver_watch *watch =
        resolver_watch(fixture->resolver, "db.localhost", on_changed, fixture);

    wait_told(fixture, 2);
    assert_string_equal(fixture->address[DNS_A], "127.0.0.1");
    assert_string_equal(fixture->address[DNS_AAAA], "::1");
    resolver_unwatch(watch);
}

static void
equal_names_are_asked_for_once(void **state)
{
    struct fixture *fixture = *state;
    struct resolver_watch *first =
        resolver_watch(fixture->resolver, "mute.test", on_changed, fixture);
    struct resolver_watch *second =
        resolver_watch(fixture->resolver, "MUTE.test", on_changed, fixture);

    assert_int_equal(resolver_names(fixture->resolver), 1);
    wait_told(fixture, 4);      /* both families, both watchers */
    assert_int_equal(fixture->last[DNS_A], REASON_DNS_TIMEOUT);
    resolver_unwatch(first);
    resolver_unwatch(second);
    assert_int_equal(resolver_asking(fixture->resolver), 0);
}

static void
many_names_are_no_storm(void **state)
{
    struct fixture *fixture = *state;
    struct resolver_watch *watches[1000];
    const struct timeval soon = { .tv_usec = 20000 };
    char name[32];

    for (size_t i = 0; i < ARRAY_SIZE(watches); i++) {
        snprintf(name, sizeof name, "n%zu.test", i);
        watches[i] = resolver_watch(fixture->resolver, name, on_changed, fixture);
        assert_non_null(watches[i]);
    }
    event_base_loopexit(fixture->base, &soon);
    event_base_dispatch(fixture->base);
    assert_int_equal(resolver_asking(fixture->resolver), RESOLVER_QUERIES_MAX);
    /* On a busy machine the first have timed out by now. */
    assert_in_range(resolver_waiting(fixture->resolver), 1, 2000 - RESOLVER_QUERIES_MAX);
    wait_told(fixture, 1900);
    for (size_t i = 0; i < ARRAY_SIZE(watches); i++)
        resolver_unwatch(watches[i]);
    assert_int_equal(resolver_asking(fixture->resolver), 0);
    assert_int_equal(resolver_waiting(fixture->resolver), 0);
}

/* Did the server get a question with `label` in it since the last look? */
static bool
was_asked(struct fixture *fixture, const char *label)
{
    char packet[512];
    ssize_t bytes;
    bool found = false;

    while ((bytes = recv(fixture->mute, packet, sizeof packet, MSG_DONTWAIT)) > 0)
        found = found || memmem(packet, (size_t)bytes, label, strlen(label)) != NULL;
    return found;
}

static uint32_t
questions_at(int server)
{
    char packet[512];
    uint32_t count = 0;

    while (recv(server, packet, sizeof packet, MSG_DONTWAIT) > 0)
        count++;
    return count;
}

static void
a_silent_server_leaves_time_to_ask_the_others(void **state)
{
    struct fixture *fixture = *state;
    struct settings settings = fixture->settings;
    int second = add_mute_server(&settings), third = add_mute_server(&settings);
    struct resolver_watch *watch;

    resolver_set_settings(fixture->resolver, &settings);
    watch = resolver_watch(fixture->resolver, "a.test", on_changed, fixture);
    wait_told(fixture, DNS_FAMILIES);
    assert_int_equal(questions_at(fixture->mute), DNS_FAMILIES);
    assert_int_equal(questions_at(second), DNS_FAMILIES);
    assert_int_equal(questions_at(third), DNS_FAMILIES);
    resolver_unwatch(watch);
    close(second);
    close(third);
}

static void
resolv_conf_is_read_again(void **state)
{
    struct fixture *fixture = *state;
    struct resolver_watch *watch =
        resolver_watch(fixture->resolver, "short", on_changed, fixture);
    bool seen = false;

    wait_told(fixture, 2);
    assert_true(was_asked(fixture, "example"));
    write_file(fixture->resolv_conf, "search another.test\n");
    for (int i = 0; i < 20 && !seen; i++) {
        wait_told(fixture, 1);
        seen = was_asked(fixture, "another");
    }
    assert_true(seen);
    resolver_unwatch(watch);
}

static void
other_settings_are_used_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct resolver_watch *watch =
        resolver_watch(fixture->resolver, "mute.test", on_changed, fixture);
    uint64_t begin_ms;

    wait_told(fixture, 2);
    begin_ms = clock_monotonic_ms();
    resolver_set_settings(fixture->resolver, &fixture->settings);
    wait_told(fixture, 2);
    /* By itself it would have asked again after 0.9 s at the earliest. */
    assert_true(clock_monotonic_ms() - begin_ms < 700);
    resolver_unwatch(watch);
}

static void
seeds_are_known_before_any_answer_and_kept_without(void **state)
{
    struct fixture *fixture = *state;
    struct record seed = { .kind = RECORD_DNS, .address = "10.0.0.9" };
    struct resolver_answer answer;
    struct resolver_watch *watch;

    snprintf(seed.of.dns.name, sizeof seed.of.dns.name, "mute.test");
    snprintf(seed.of.dns.status, sizeof seed.of.dns.status, "ok");
    resolver_seed(fixture->resolver, &seed);
    resolver_seed(fixture->resolver, &seed);
    snprintf(seed.address, sizeof seed.address, "no address");
    resolver_seed(fixture->resolver, &seed);
    watch = resolver_watch(fixture->resolver, "mute.test", on_changed, fixture);
    resolver_peek(watch, DNS_A, &answer);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.last, REASON_NONE);
    wait_told(fixture, 2);
    assert_int_equal(fixture->last[DNS_A], REASON_DNS_TIMEOUT);
    assert_string_equal(fixture->address[DNS_A], "10.0.0.9");
    resolver_unwatch(watch);
}

static void
names_that_nobody_watches_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct record seed = { .kind = RECORD_DNS, .address = "10.0.0.9" };

    snprintf(seed.of.dns.status, sizeof seed.of.dns.status, "ok");
    for (int i = 0; i < RESOLVER_IDLE_MAX + 50; i++) {
        snprintf(seed.of.dns.name, sizeof seed.of.dns.name, "n%d.test", i);
        resolver_seed(fixture->resolver, &seed);
    }
    assert_int_equal(resolver_names(fixture->resolver), RESOLVER_IDLE_MAX);
}

/* ---- a server that answers ---- */

enum { HEADER_BYTES = 12, TYPE_AAAA = 28, NXDOMAIN = 3, ANSWER_BYTES = 12 };

/* What it knows: the one address of each name, in the form of the wire. */
struct zone {
    struct event event;
    uint32_t questions;
    struct host {
        const char *name;
        bool v6;
    } hosts[4];
};

static bool
zone_has(const struct zone *zone, const char *name, bool v6, bool *known)
{
    bool found = false;

    *known = false;
    for (size_t i = 0; i < ARRAY_SIZE(zone->hosts) && zone->hosts[i].name != NULL; i++) {
        bool same = strcmp(zone->hosts[i].name, name) == 0;

        *known = *known || same;
        found = found || (same && zone->hosts[i].v6 == v6);
    }
    return found;
}

/* A TTL of 200 s, and the address of one byte repeated. */
static size_t
put_answer(char *packet, size_t end, bool v6)
{
    size_t address_bytes = v6 ? 16 : 4;
    const char head[ANSWER_BYTES] = { '\300', HEADER_BYTES, 0, v6 ? TYPE_AAAA : 1, 0, 1,
                                      0, 0, 0, '\310', 0, (char)address_bytes };

    memcpy(packet + end, head, sizeof head);
    memset(packet + end + sizeof head, v6 ? 0x26 : 10, address_bytes);
    return end + sizeof head + address_bytes;
}

static void
on_question(evutil_socket_t fd, short what, void *context)
{
    struct zone *zone = context;
    struct sockaddr_storage from;
    socklen_t from_bytes = sizeof from;
    char packet[512 + 64];
    ssize_t bytes = recvfrom(fd, packet, 512, 0, (struct sockaddr *)&from, &from_bytes);
    size_t end = HEADER_BYTES + strlen(packet + HEADER_BYTES) + 1;
    bool v6 = packet[end + 1] == TYPE_AAAA, known, found;

    assert_true(bytes > HEADER_BYTES);
    zone->questions++;
    found = zone_has(zone, packet + HEADER_BYTES, v6, &known);
    memcpy(packet + 2, (char[]){ '\201', (char)(0x80 | (known ? 0 : NXDOMAIN)) }, 2);
    packet[7] = found;
    end += 4;
    end = found ? put_answer(packet, end, v6) : end;
    sendto(fd, packet, end, 0, (struct sockaddr *)&from, from_bytes);
}

static void
serve(struct fixture *fixture, struct zone *zone)
{
    event_assign(&zone->event, fixture->base, fixture->mute, EV_READ | EV_PERSIST, on_question,
                 zone);
    event_add(&zone->event, NULL);
}

/* The A record of another host than that of the AAAA record is none of this name's. */
static void
both_families_are_of_one_domain(void **state)
{
    struct fixture *fixture = *state;
    struct zone zone = { .hosts = { { "\2db\1a\4test", true }, { "\2db\1b\4test", false } } };
    struct resolver_watch *watch;

    serve(fixture, &zone);
    write_file(fixture->resolv_conf, "search a.test b.test\n");
    resolver_set_settings(fixture->resolver, &fixture->settings);
    watch = resolver_watch(fixture->resolver, "db", on_changed, fixture);
    while (fixture->last[DNS_A] != REASON_DNS_EMPTY || fixture->last[DNS_AAAA] != REASON_OK)
        wait_told(fixture, 1);
    assert_string_not_equal(fixture->address[DNS_AAAA], "");
    resolver_unwatch(watch);
    event_del(&zone.event);
}

static void
a_name_with_dots_is_tried_as_it_is_first(void **state)
{
    struct fixture *fixture = *state;
    struct zone zone = { .hosts = { { "\2db\1x", false }, { "\2db\1x\1a\4test", true } } };
    struct resolver_watch *watch;

    serve(fixture, &zone);
    write_file(fixture->resolv_conf, "search a.test\noptions ndots:1\n");
    resolver_set_settings(fixture->resolver, &fixture->settings);
    watch = resolver_watch(fixture->resolver, "db.x", on_changed, fixture);
    while (fixture->last[DNS_A] != REASON_OK || fixture->last[DNS_AAAA] != REASON_DNS_EMPTY)
        wait_told(fixture, 1);
    assert_string_equal(fixture->address[DNS_A], "10.10.10.10");
    resolver_unwatch(watch);
    event_del(&zone.event);
}

/* The next would be due in 160 s; many doubts are one question, ttl_min after the last. */
static void
a_doubt_asks_again(void **state)
{
    struct fixture *fixture = *state;
    struct zone zone = { .hosts = { { "\1n\4test", false }, { "\1n\4test", true } } };
    struct resolver_watch *watch;
    uint64_t begin_ms = clock_monotonic_ms();

    serve(fixture, &zone);
    fixture->settings.dns_ttl_min_ms = 300;
    resolver_set_settings(fixture->resolver, &fixture->settings);
    watch = resolver_watch(fixture->resolver, "n.test", on_changed, fixture);
    wait_told(fixture, 2);
    assert_int_equal(zone.questions, 2);
    for (int i = 0; i < 100; i++)
        resolver_hurry(watch);
    wait_told(fixture, 2);
    assert_int_equal(zone.questions, 4);
    assert_true(clock_monotonic_ms() - begin_ms >= 300);
    resolver_unwatch(watch);
    event_del(&zone.event);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_hosts_file_goes_first_and_is_read_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(localhost_needs_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(equal_names_are_asked_for_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(many_names_are_no_storm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_silent_server_leaves_time_to_ask_the_others, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(resolv_conf_is_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(other_settings_are_used_at_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(seeds_are_known_before_any_answer_and_kept_without,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_that_nobody_watches_are_bounded, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(both_families_are_of_one_domain, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_name_with_dots_is_tried_as_it_is_first, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_doubt_asks_again, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
