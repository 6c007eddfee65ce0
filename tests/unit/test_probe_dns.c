/* The kind "dns" and a server on the same loop that answers in each bad way. */
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/util.h"
#include "config/app_probe.h"
#include "probes/probe.h"

enum { SHORT_MS = 300, LONG_MS = 5000 };

enum way {
    ANSWERS = 1, IS_SILENT, LOSES_THE_FIRST, LIES, LIES_THEN_ANSWERS, BABBLES, TRUNCATES,
    SAYS_NXDOMAIN,
};
enum tcp_way { NO_TCP, TCP_ANSWERS, TCP_CLOSES, TCP_IS_SILENT, TCP_BABBLES };

struct server {
    struct event_base *base;
    struct event *udp_event, *tcp_event;
    struct address address;
    enum way way;
    enum tcp_way tcp_way;
    int udp, tcp, client;       /* -1: none */
    uint32_t asked;
};

struct found {
    enum reason outcome;
    uint32_t sent;
    char detail[DETAIL_BYTES];
};

/* The question with the answer "10.0.0.1"; its length. */
static size_t
answer(unsigned char *bytes, size_t asked_bytes)
{
    static const unsigned char record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 1 };

    bytes[2] |= 0x80;
    bytes[7] = 1;
    memcpy(bytes + asked_bytes, record, sizeof record);
    return asked_bytes + sizeof record;
}

static void
reply(const struct server *server, unsigned char *bytes, size_t length,
      const struct sockaddr_storage *to, socklen_t to_bytes)
{
    if (length > 0)
        assert_int_equal(sendto(server->udp, bytes, length, 0, (const struct sockaddr *)to,
                                to_bytes), length);
}

static void
on_udp(evutil_socket_t fd, short what, void *context)
{
    struct server *server = context;
    struct sockaddr_storage from;
    socklen_t from_bytes = sizeof from;
    unsigned char bytes[512];
    ssize_t heard = recvfrom(fd, bytes, 256, 0, (struct sockaddr *)&from, &from_bytes);
    size_t length = heard < 12 ? 0 : (size_t)heard;

    assert_true(length > 0);
    server->asked++;
    if (server->way == IS_SILENT || (server->way == LOSES_THE_FIRST && server->asked == 1))
        return;
    length = answer(bytes, length);
    if (server->way == BABBLES)
        memset(bytes, 0xff, length);
    if (server->way == TRUNCATES)
        bytes[2] |= 0x02;
    if (server->way == SAYS_NXDOMAIN)
        bytes[3] |= 3;
    if (server->way == LIES || server->way == LIES_THEN_ANSWERS) {
        bytes[0] ^= 0xff;
        reply(server, bytes, length, &from, from_bytes);
        bytes[0] ^= 0xff;
        if (server->way == LIES)
            return;
    }
    reply(server, bytes, length, &from, from_bytes);
}

/* In pieces, of which the first ends within the length. */
static void
on_asked(evutil_socket_t fd, short what, void *context)
{
    const struct server *server = context;
    unsigned char bytes[512];
    ssize_t heard = recv(fd, bytes, 256, 0);
    size_t length;

    assert_true(heard > 14);
    assert_int_equal(bytes[0] << 8 | bytes[1], heard - 2);
    length = answer(bytes + 2, (size_t)heard - 2);
    if (server->tcp_way == TCP_BABBLES)
        memset(bytes, 0xff, length + 2);
    else
        bytes[1] = (unsigned char)length;
    assert_int_equal(send(fd, bytes, 1, MSG_NOSIGNAL), 1);
    assert_int_equal(send(fd, bytes + 1, length + 1, MSG_NOSIGNAL), length + 1);
}

static void
on_tcp(evutil_socket_t fd, short what, void *context)
{
    struct server *server = context;

    server->client = accept(fd, NULL, NULL);
    assert_true(server->client >= 0);
    if (server->tcp_way == TCP_CLOSES) {
        close(server->client);
        server->client = -1;
    } else if (server->tcp_way != TCP_IS_SILENT) {
        event_base_once(server->base, server->client, EV_READ, on_asked, server, NULL);
    }
}

static int
bound(int type, struct address *address)
{
    struct sockaddr_storage storage;
    socklen_t bytes = address_to_sockaddr(address, &storage);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    if (bind(fd, (struct sockaddr *)&storage, bytes) < 0) {
        close(fd);
        return -1;
    }
    bytes = sizeof storage;
    assert_int_equal(getsockname(fd, (struct sockaddr *)&storage, &bytes), 0);
    assert_int_equal(address_from_sockaddr((struct sockaddr *)&storage, address), 0);
    return fd;
}

/* One port that is free for both. */
static void
open_server(struct server *server, enum way way, enum tcp_way tcp_way)
{
    *server = (struct server){ .way = way, .tcp_way = tcp_way, .udp = -1, .client = -1 };
    server->base = event_base_new();
    for (int i = 0; i < 50 && server->udp < 0; i++) {
        assert_int_equal(address_parse_ip("127.0.0.1", 0, &server->address), 0);
        server->tcp = bound(SOCK_STREAM, &server->address);
        server->udp = bound(SOCK_DGRAM, &server->address);
        if (server->udp < 0)
            close(server->tcp);
    }
    assert_true(server->udp >= 0);
    server->udp_event = event_new(server->base, server->udp, EV_READ | EV_PERSIST, on_udp, server);
    server->tcp_event = event_new(server->base, server->tcp, EV_READ | EV_PERSIST, on_tcp, server);
    event_add(server->udp_event, NULL);
    if (tcp_way == NO_TCP)
        return;
    assert_int_equal(listen(server->tcp, 4), 0);
    event_add(server->tcp_event, NULL);
}

static void
close_server(struct server *server)
{
    event_free(server->udp_event);
    event_free(server->tcp_event);
    event_base_free(server->base);
    if (server->client >= 0)
        close(server->client);
    close(server->udp);
    close(server->tcp);
}

static void
on_done(struct probe *probe, const struct probe_result *result)
{
    struct found *found = probe->context;

    found->outcome = result->outcome;
    snprintf(found->detail, sizeof found->detail, "%s", result->detail);
    event_base_loopbreak(probe->base);
}

static void
on_trace(void *context, const char *what, const void *bytes, size_t length)
{
    struct found *found = context;

    found->sent += strcmp(what, "sent") == 0;
}

static struct found
probe_it(const struct server *server, uint32_t timeout_ms)
{
    struct app_probe_more more = { .texts[PROBE_HOST] = (char[]){ "www.example" } };
    const struct app_probe config = { .kind = "dns", .timeout_ms = timeout_ms, .more = &more };
    struct found found = { REASON_NONE, 0, "" };
    char why[DETAIL_BYTES];
    struct probe probe;

    probe_init(&probe, probe_find("dns", why), server->base, &server->address);
    assert_int_equal(probe.ops->prepare(&config, server->base, &probe.shared, why), 0);
    probe.config = &config;
    probe.on_done = on_done;
    probe.context = probe.trace_context = &found;
    probe.trace = on_trace;
    assert_int_equal(probe_start(&probe), 0);
    event_base_dispatch(server->base);
    probe_fini(&probe);
    probe.ops->release(probe.shared);
    return found;
}

static struct found
run(enum way way, enum tcp_way tcp_way, uint32_t timeout_ms)
{
    struct server server;
    struct found found;

    open_server(&server, way, tcp_way);
    found = probe_it(&server, timeout_ms);
    close_server(&server);
    return found;
}

static void
one_that_answers_passes(void **state)
{
    struct found found = run(ANSWERS, NO_TCP, LONG_MS);

    assert_int_equal(found.outcome, REASON_OK);
    assert_int_equal(found.sent, 1);
    assert_non_null(strstr(found.detail, "1 A record of www.example in "));
    found = run(SAYS_NXDOMAIN, NO_TCP, LONG_MS);
    assert_int_equal(found.outcome, REASON_DNS_NXDOMAIN);
    assert_string_equal(found.detail, "A www.example: NXDOMAIN");
}

static void
a_lost_packet_is_sent_again_and_silence_ends(void **state)
{
    struct found found = run(LOSES_THE_FIRST, NO_TCP, 600);
    uint64_t began_ms;

    assert_int_equal(found.outcome, REASON_OK);
    assert_int_equal(found.sent, 2);
    began_ms = clock_monotonic_ms();
    found = run(IS_SILENT, NO_TCP, SHORT_MS);
    assert_in_range(clock_monotonic_ms() - began_ms, SHORT_MS - 5, SHORT_MS + 5000);
    assert_int_equal(found.outcome, REASON_DNS_TIMEOUT);
    assert_int_equal(found.sent, 2);
}

static void
lies_and_garbage_are_waited_out(void **state)
{
    struct found found = run(LIES_THEN_ANSWERS, NO_TCP, LONG_MS);

    assert_int_equal(found.outcome, REASON_OK);
    found = run(LIES, NO_TCP, SHORT_MS);
    assert_int_equal(found.outcome, REASON_MISMATCH);
    assert_string_equal(found.detail, "it answers another question, and nothing better came "
                                      "within 0.3 s");
    assert_int_equal(run(BABBLES, NO_TCP, SHORT_MS).outcome, REASON_MISMATCH);
}

static void
what_is_truncated_is_asked_over_tcp(void **state)
{
    struct found found = run(TRUNCATES, TCP_ANSWERS, LONG_MS);

    assert_int_equal(found.outcome, REASON_OK);
    assert_int_equal(found.sent, 2);
    assert_int_equal(run(TRUNCATES, TCP_CLOSES, LONG_MS).outcome, REASON_UNEXPECTED_EOF);
    found = run(TRUNCATES, TCP_IS_SILENT, SHORT_MS);
    assert_int_equal(found.outcome, REASON_DNS_TIMEOUT);
    assert_non_null(strstr(found.detail, "TCP"));
    assert_int_equal(run(TRUNCATES, NO_TCP, LONG_MS).outcome, REASON_CONNECT_REFUSED);
    /* It promises 65,535 bytes, which never come. */
    assert_int_equal(run(TRUNCATES, TCP_BABBLES, SHORT_MS).outcome, REASON_DNS_TIMEOUT);
}

static void
where_nobody_listens_it_is_refused(void **state)
{
    struct server server;
    struct found found;

    open_server(&server, ANSWERS, NO_TCP);
    event_del(server.udp_event);
    close(server.udp);
    found = probe_it(&server, LONG_MS);
    server.udp = dup(server.tcp);
    close_server(&server);
    assert_int_equal(found.outcome, REASON_CONNECT_REFUSED);
}

static void
one_that_is_cancelled_leaves_nothing(void **state)
{
    struct app_probe_more more = { .texts[PROBE_HOST] = (char[]){ "www.example" } };
    const struct app_probe config = { .kind = "dns", .timeout_ms = LONG_MS, .more = &more };
    struct server server;
    struct probe probe;
    char why[DETAIL_BYTES];

    open_server(&server, IS_SILENT, NO_TCP);
    probe_init(&probe, probe_find("dns", why), server.base, &server.address);
    assert_int_equal(probe.ops->prepare(&config, server.base, &probe.shared, why), 0);
    probe.config = &config;
    assert_int_equal(probe_start(&probe), 0);
    event_base_loop(server.base, EVLOOP_NONBLOCK);
    probe_fini(&probe);
    probe.ops->release(probe.shared);
    close_server(&server);
    assert_null(probe.state);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_answers_passes),
        cmocka_unit_test(a_lost_packet_is_sent_again_and_silence_ends),
        cmocka_unit_test(lies_and_garbage_are_waited_out),
        cmocka_unit_test(what_is_truncated_is_asked_over_tcp),
        cmocka_unit_test(where_nobody_listens_it_is_refused),
        cmocka_unit_test(one_that_is_cancelled_leaves_nothing),
    };

    return cmocka_run_group_tests_name("probe_dns", tests, NULL, NULL);
}
