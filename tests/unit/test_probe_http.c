/* The kind http: what it asks, what it takes for an answer, and targets that give none. */
#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/util.h"
#include "probes/stream_match.h"
#include "probe_rig.h"

/* ---- targets ---- */

static void
answers_200(int client)
{
    rig_read_request(client);
    rig_say(client, "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nall is in tune");
    rig_drain(client);
}

/* The request is the body. */
static void
mirrors(int client)
{
    const char *request = rig_read_request(client);
    char head[128];

    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
             strlen(request));
    rig_say(client, head);
    rig_say(client, request);
    rig_drain(client);
}

static void
is_broken(int client)
{
    rig_read_request(client);
    rig_say(client, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nsick");
    rig_drain(client);
}

static void
is_broken_and_slow(int client)
{
    rig_read_request(client);
    rig_say(client, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 400\r\n\r\nsick");
    rig_drain(client);
}

static void
redirects(int client)
{
    rig_read_request(client);
    rig_say(client, "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                    "Content-Length: 0\r\n\r\n");
    rig_drain(client);
}

/* The text that is looked for lies across two pieces. */
static void
answers_in_pieces(int client)
{
    rig_read_request(client);
    rig_say(client, "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nit is re");
    poll(NULL, 0, 10);
    rig_say(client, "ady");
    rig_drain(client);
}

static void
says_nothing(int client)
{
    rig_drain(client);
}

static void
drips_a_head(int client)
{
    rig_say(client, "HTTP/1.1 200 OK\r\nX: ");
    while (send(client, "x", 1, MSG_NOSIGNAL) == 1)
        poll(NULL, 0, 20);
}

static void
drips_a_body(int client)
{
    rig_say(client, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    while (send(client, "x", 1, MSG_NOSIGNAL) == 1)
        poll(NULL, 0, 20);
}

static void
closes(int client)
{
    rig_read_request(client);
    shutdown(client, SHUT_RDWR);
}

static void
closes_within_the_body(int client)
{
    rig_read_request(client);
    rig_say(client, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nno more");
    shutdown(client, SHUT_WR);
    rig_drain(client);
}

static void
resets(int client)
{
    const struct linger now = { .l_onoff = 1 };

    rig_read_request(client);
    setsockopt(client, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

static void
speaks_something_else(int client)
{
    rig_say(client, "SSH-2.0-OpenSSH_9.2p1\r\n");
    rig_drain(client);
}

static void
pours(int client, const char *head, const char *again)
{
    char junk[8192];

    rig_read_request(client);
    rig_say(client, head);
    for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = again[i % strlen(again)];
    while (send(client, junk, sizeof junk, MSG_NOSIGNAL) > 0)
        continue;
}

static void
pours_a_body(int client)
{
    pours(client, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", "megabytes ");
}

static void
pours_headers(int client)
{
    pours(client, "HTTP/1.1 200 OK\r\n", "X-A: b\r\n");
}

static void
pours_one_header(int client)
{
    pours(client, "HTTP/1.1 200 OK\r\nX-A: ", "long");
}

static void
pours_hopes(int client)
{
    pours(client, "", "HTTP/1.1 100 Continue\r\n\r\n");
}

static void
pours_garbage(int client)
{
    pours(client, "", "\x01\xff\xfe\x7f");
}

static void
garbles_chunks(int client)
{
    rig_read_request(client);
    rig_say(client, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\nhello\r\n");
    rig_drain(client);
}

/* ---- what is asked ---- */

static struct rig_probe
probe_http_make(const char *path, const char *body)
{
    struct rig_probe probe;

    rig_init(&probe, "http");
    probe.more.texts[PROBE_PATH] = (char *)path;
    probe.more.texts[PROBE_BODY] = (char *)body;
    return probe;
}

static void
a_good_answer_passes(void **state)
{
    struct rig_probe probe = probe_http_make(NULL, NULL);
    struct rig_result heard = rig_run(&probe, "web.example:80", answers_200);

    assert_int_equal(heard.outcome, REASON_OK);
    assert_int_equal(strncmp(heard.detail, "HTTP 200 in ", 12), 0);
    assert_true(heard.connect_us > 0);
    assert_non_null(strstr(heard.told, "connected |sent GET / HTTP/1.1\r\nHost: web.example\r\n"));
    assert_non_null(strstr(heard.told, "Connection: close\r\n"));
    assert_non_null(strstr(heard.told, "|heard HTTP/1.1 200 OK\r\n|"));
    assert_non_null(strstr(heard.told, "|heard all is in tune|"));
}

static void
what_is_configured_is_asked(void **state)
{
    char *headers[] = { (char *)"X-One: 1", (char *)"connection: keep-alive" };
    struct rig_probe probe = probe_http_make("/a?b=%20c#d/../e", NULL);
    struct rig_result heard;

    probe.more.texts[PROBE_METHOD] = (char *)"OPTIONS";
    probe.more.texts[PROBE_HOST] = (char *)"other.example:8080";
    probe.more.lists[PROBE_HEADERS] = (struct app_list){ headers, 2 };
    probe.more.texts[PROBE_BODY] = (char *)"OPTIONS /a?b=%20c#d/../e HTTP/1.1\r\n"
                                           "Host: other.example:8080\r\n";
    heard = rig_run(&probe, "web.example:80", mirrors);
    assert_int_equal(heard.outcome, REASON_OK);
    assert_non_null(strstr(heard.told, "X-One: 1\r\nconnection: keep-alive\r\n"));
    assert_null(strstr(heard.told, "Connection: close"));
}

static void
a_target_that_is_an_address_is_asked_with_its_port(void **state)
{
    struct rig_probe probe = probe_http_make(NULL, "Host: 127.0.0.1:");

    assert_int_equal(rig_run(&probe, "127.0.0.1:80", mirrors).outcome, REASON_OK);
    assert_int_equal(rig_run(&probe, NULL, mirrors).outcome, REASON_OK);
    assert_int_equal(rig_run(&probe, "web.example:80", mirrors).outcome, REASON_MISMATCH);
}

static void
the_environment_has_no_say(void **state)
{
    struct rig_probe probe = probe_http_make(NULL, NULL);

    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    assert_int_equal(rig_run(&probe, "web.example:80", answers_200).outcome, REASON_OK);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
}

static void
what_cannot_be_asked_is_no_configuration(void **state)
{
    struct rig_probe probe = probe_http_make("/a b", NULL);
    char why[DETAIL_BYTES];

    assert_int_equal(rig_prepare(&probe, why), -EINVAL);
    assert_string_equal(why, "path \"/a b\" has a space; write %20");
    probe = probe_http_make("/", NULL);
    probe.more.texts[PROBE_METHOD] = (char *)"GET / HTTP/1.1";
    assert_int_equal(rig_prepare(&probe, why), -EINVAL);
    assert_non_null(strstr(why, "written in capitals"));
}

/* ---- what is an answer ---- */

static void
the_status_decides(void **state)
{
    struct rig_probe probe = probe_http_make(NULL, NULL);
    struct rig_result heard = rig_run(&probe, "web.example:80", is_broken);

    assert_int_equal(heard.outcome, REASON_HTTP_STATUS);
    assert_int_equal(strncmp(heard.detail, "HTTP 503 in ", 12), 0);
    assert_non_null(strstr(heard.detail, " ms (wanted 200-399)"));
    assert_int_equal(rig_run(&probe, NULL, is_broken_and_slow).outcome, REASON_HTTP_STATUS);
    assert_int_equal(rig_run(&probe, NULL, redirects).outcome, REASON_OK);  /* not followed */

    probe.more.texts[PROBE_STATUS] = (char *)"200-299,503";
    assert_int_equal(rig_run(&probe, NULL, is_broken).outcome, REASON_OK);
    heard = rig_run(&probe, NULL, redirects);
    assert_int_equal(heard.outcome, REASON_HTTP_STATUS);
    assert_non_null(strstr(heard.detail, "(wanted 200-299,503)"));
}

static void
so_does_the_body(void **state)
{
    struct rig_probe probe = probe_http_make(NULL, "ready");
    struct rig_result heard = rig_run(&probe, NULL, answers_in_pieces);

    assert_int_equal(heard.outcome, REASON_OK);
    heard = rig_run(&probe, NULL, answers_200);
    assert_int_equal(heard.outcome, REASON_MISMATCH);
    assert_string_equal(heard.detail, "HTTP 200, but no \"ready\" in 14 bytes: "
                                      "\"all is in tune\"");
}

static void
a_head_has_no_body(void **state)
{
    struct rig_probe probe = probe_http_make(NULL, NULL);

    probe.more.texts[PROBE_METHOD] = (char *)"HEAD";
    assert_int_equal(rig_run(&probe, NULL, answers_200).outcome, REASON_OK);
}

static void
a_text_is_found_wherever_the_stream_is_cut(void **state)
{
    static const char text[] = "abaabababac", stream[] = "xxabaababaabababacy";
    static struct stream_match match;

    stream_match_init(&match, text);
    for (size_t cut = 0; cut < sizeof stream; cut++) {
        uint16_t fits = 0;
        bool found = stream_match_feed(&match, &fits, stream, cut) ||
                     stream_match_feed(&match, &fits, stream + cut, sizeof stream - 1 - cut);

        assert_true(found);
        fits = 0;
        assert_false(stream_match_feed(&match, &fits, stream, sizeof stream - 3));
    }
}

/* ---- bad targets ---- */

static void
ends(const char *body, rig_serve_fn *serve, enum reason outcome, const char *detail)
{
    struct rig_probe probe = probe_http_make(NULL, body);
    struct rig_result heard = rig_run(&probe, "web.example:80", serve);

    if (heard.outcome != outcome || strstr(heard.detail, detail) == NULL)
        fail_msg("%s: %s, instead of %s: %s", reason_name(heard.outcome), heard.detail,
                 reason_name(outcome), detail);
    assert_in_range(heard.took_ms, 0, 5000);
}

static void
one_that_is_not_there_is_refused(void **state)
{
    ends(NULL, NULL, REASON_CONNECT_REFUSED, "connection refused");
}

static void
silence_ends_in_time(void **state)
{
    ends(NULL, says_nothing, REASON_READ_TIMEOUT, "connected, but no answer within 0.4 s");
    ends(NULL, drips_a_head, REASON_READ_TIMEOUT, "after 0.4 s the answer is not whole");
    ends(NULL, drips_a_body, REASON_READ_TIMEOUT,
         "after 0.4 s the answer is not whole (HTTP 200)");
}

static void
one_that_closes_says_so(void **state)
{
    ends(NULL, closes, REASON_UNEXPECTED_EOF, "it closed without an answer");
    ends(NULL, closes_within_the_body, REASON_UNEXPECTED_EOF, "the answer broke off (HTTP 200)");
    ends(NULL, resets, REASON_UNEXPECTED_EOF, "while listening: Connection reset by peer");
}

static void
what_is_no_http_is_a_mismatch(void **state)
{
    ends(NULL, speaks_something_else, REASON_MISMATCH, "no HTTP that can be understood: ");
    ends(NULL, pours_garbage, REASON_MISMATCH, "no HTTP that can be understood: ");
    ends(NULL, garbles_chunks, REASON_MISMATCH, "no HTTP that can be understood: ");
}

static void
megabytes_are_not_read(void **state)
{
    struct rusage before, after;

    getrusage(RUSAGE_SELF, &before);
    ends(NULL, pours_a_body, REASON_OK, "HTTP 200 in ");
    ends("nowhere", pours_a_body, REASON_MISMATCH, "no \"nowhere\" in 65536 bytes: \"megabytes");
    ends("megabytes", pours_a_body, REASON_OK, "HTTP 200 in ");
    ends(NULL, pours_headers, REASON_MISMATCH, "its headers are over 64 KiB");
    ends(NULL, pours_one_header, REASON_MISMATCH, "its headers are over 64 KiB");
    ends(NULL, pours_hopes, REASON_MISMATCH, "its headers are over 64 KiB");
    getrusage(RUSAGE_SELF, &after);
    assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 16 * 1024);
}

/* ---- the loop ---- */

static void
never(struct probe *probe, const struct probe_result *result)
{
    fail_msg("a probe that was cancelled has ended");
}

static void
it_can_be_cancelled_at_any_time(void **state)
{
    struct event_base *base = event_base_new();
    struct app_probe config = { .kind = "http", .timeout_ms = RIG_TIMEOUT_MS };
    struct address address;
    const struct probe_ops *ops = rig_find("http");
    struct probe probes[3];
    char why[DETAIL_BYTES];
    void *shared;

    assert_int_equal(address_parse_ip("127.0.0.1", 1, &address), 0);
    assert_int_equal(ops->prepare(&config, base, &shared, why), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(probes); i++) {
        probe_init(&probes[i], ops, base, &address);
        probes[i].config = &config;
        probes[i].shared = shared;
        probes[i].on_done = never;
        assert_int_equal(probe_start(&probes[i]), 0);
    }
    probe_cancel(&probes[0]);
    assert_false(probes[0].running);
    assert_int_equal(probe_start(&probes[0]), 0);
    for (unsigned i = 0; i < ARRAY_SIZE(probes); i++)
        probe_fini(&probes[i]);
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    ops->release(shared);
    event_base_free(base);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_answer_passes),
        cmocka_unit_test(what_is_configured_is_asked),
        cmocka_unit_test(a_target_that_is_an_address_is_asked_with_its_port),
        cmocka_unit_test(the_environment_has_no_say),
        cmocka_unit_test(what_cannot_be_asked_is_no_configuration),
        cmocka_unit_test(the_status_decides),
        cmocka_unit_test(so_does_the_body),
        cmocka_unit_test(a_head_has_no_body),
        cmocka_unit_test(a_text_is_found_wherever_the_stream_is_cut),
        cmocka_unit_test(one_that_is_not_there_is_refused),
        cmocka_unit_test(silence_ends_in_time),
        cmocka_unit_test(one_that_closes_says_so),
        cmocka_unit_test(what_is_no_http_is_a_mismatch),
        cmocka_unit_test(megabytes_are_not_read),
        cmocka_unit_test(it_can_be_cancelled_at_any_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
