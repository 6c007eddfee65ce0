/* The kind grpc: the bytes of its health service, and targets that answer in frames of HTTP/2 made
 * by hand, or not at all. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "base/util.h"
#include "probes/grpc_answer.h"
#include "probe_rig.h"

/* ---- bytes ---- */

static void
the_request_is_protobuf(void **state)
{
    uint8_t request[GRPC_REQUEST_MAX];
    char service[301];

    assert_int_equal(grpc_request_write("", request), 5);
    assert_memory_equal(request, "\0\0\0\0\0", 5);
    assert_int_equal(grpc_request_write("a.B", request), 10);
    assert_memory_equal(request, "\0\0\0\0\5\n\3a.B", 10);
    memset(service, 's', 300);
    service[300] = '\0';
    assert_int_equal(grpc_request_write(service, request), 308);
    assert_memory_equal(request, "\0\0\0\x01\x2f\n\xac\x02sss", 11);
}

static void
answer_is(const char *bytes, size_t count, int rc, uint64_t status)
{
    uint64_t found;

    assert_int_equal(grpc_answer_read((const uint8_t *)bytes, count, &found), rc);
    if (rc == 0)
        assert_int_equal(found, status);
}
#define ANSWER_IS(text, rc, status) answer_is(text, sizeof text - 1, rc, status)

static void
an_answer_is_read(void **state)
{
    ANSWER_IS("\0\0\0\0\2\x08\x01", 0, GRPC_SERVING);
    ANSWER_IS("\0\0\0\0\2\x08\x02", 0, GRPC_NOT_SERVING);
    ANSWER_IS("\0\0\0\0\0", 0, GRPC_UNKNOWN);
    ANSWER_IS("\0\0\0\0\3\x08\x81\0", 0, GRPC_SERVING);         /* longer than it need be */
    ANSWER_IS("\0\0\0\0\x0f\x12\2hi\x19" "12345678\x08\x01", 0, GRPC_SERVING);  /* more fields */
    ANSWER_IS("\0\0\0\0\4\x08\x01\x08\x02", 0, GRPC_NOT_SERVING);
}

static void
what_is_none_is_told(void **state)
{
    ANSWER_IS("", -EBADMSG, 0);
    ANSWER_IS("\0\0\0\0", -EBADMSG, 0);
    ANSWER_IS("\1\0\0\0\2\x08\x01", -EBADMSG, 0);               /* compressed */
    ANSWER_IS("\0\0\0\0\3\x08\x01", -EBADMSG, 0);               /* cut short */
    ANSWER_IS("\0\0\0\0\1\x08\x01", -EBADMSG, 0);               /* more than one */
    ANSWER_IS("\0\xff\xff\xff\xff\x08\x01", -EBADMSG, 0);
    ANSWER_IS("\0\0\0\0\1\x08", -EBADMSG, 0);
    ANSWER_IS("\0\0\0\0\2\x0b\x0c", -EBADMSG, 0);               /* groups */
    ANSWER_IS("\0\0\0\0\2\x12\x05", -EBADMSG, 0);               /* a text beyond the end */
    ANSWER_IS("\0\0\0\0\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", -EBADMSG, 0);
}

/* ---- targets ---- */

/* "200" is in HPACK's table; the others are literals. */
#define OK_HEADERS "\x88\0\x0c" "content-type\x10" "application/grpc"
#define STATUS(code) "\0\x0b" "grpc-status\x01" code

static void
send_frame(int client, uint8_t type, uint8_t flags, uint32_t stream, const void *bytes,
           size_t count)
{
    const uint8_t head[9] = { 0, (uint8_t)(count >> 8), (uint8_t)count, type, flags, 0, 0, 0,
                              (uint8_t)stream };

    rig_send(client, head, sizeof head);
    rig_send(client, bytes, count);
}
#define FRAME(type, flags, text) send_frame(client, type, flags, 1, text, sizeof text - 1)

enum { DATA = 0, HEADERS = 1, SETTINGS = 4, END_STREAM = 1, END_HEADERS = 4, ACK = 1 };

/* Preface, settings, and whatever comes at once; the rest is not looked at. */
static void
begin(int client)
{
    char bytes[4096];

    (void)!recv(client, bytes, 24 + 9, MSG_WAITALL);
    send_frame(client, SETTINGS, 0, 0, "", 0);
    send_frame(client, SETTINGS, ACK, 0, "", 0);
}

static void
serves(int client)
{
    begin(client);
    FRAME(HEADERS, END_HEADERS, OK_HEADERS);
    FRAME(DATA, 0, "\0\0\0\0\2\x08\x01");
    FRAME(HEADERS, END_HEADERS | END_STREAM, STATUS("0"));
    rig_drain(client);
}

static void
serves_no_more(int client)
{
    begin(client);
    FRAME(HEADERS, END_HEADERS, OK_HEADERS);
    FRAME(DATA, 0, "\0\0\0\0\2\x08\x02");
    FRAME(HEADERS, END_HEADERS | END_STREAM, STATUS("0"));
    rig_drain(client);
}

static void
knows_no_health(int client)
{
    begin(client);
    FRAME(HEADERS, END_HEADERS | END_STREAM, OK_HEADERS "\0\x0b" "grpc-status\x02" "12");
    rig_drain(client);
}

static void
knows_no_such_service(int client)
{
    begin(client);
    FRAME(HEADERS, END_HEADERS | END_STREAM, OK_HEADERS STATUS("5"));
    rig_drain(client);
}

static void
is_unavailable(int client)
{
    begin(client);
    FRAME(HEADERS, END_HEADERS | END_STREAM,
          OK_HEADERS "\0\x0b" "grpc-status\x02" "14\0\x0c" "grpc-message\x07" "go away");
    rig_drain(client);
}

static void
is_some_web_server(int client)
{
    begin(client);
    FRAME(HEADERS, END_HEADERS, "\x88");
    FRAME(DATA, END_STREAM, "<html>");
    rig_drain(client);
}

static void
has_no_such_page(int client)
{
    begin(client);
    FRAME(HEADERS, END_HEADERS | END_STREAM, "\x8d");       /* 404 */
    rig_drain(client);
}

static void
answers_nonsense(int client)
{
    begin(client);
    FRAME(HEADERS, END_HEADERS, OK_HEADERS);
    FRAME(DATA, 0, "nonsense");
    FRAME(HEADERS, END_HEADERS | END_STREAM, STATUS("0"));
    rig_drain(client);
}

static void
answers_too_much(int client)
{
    char junk[2048] = "";

    begin(client);
    FRAME(HEADERS, END_HEADERS, OK_HEADERS);
    send_frame(client, DATA, 0, 1, junk, sizeof junk);
    rig_drain(client);
}

static void
says_settings_only(int client)
{
    begin(client);
    rig_drain(client);
}

static void
speaks_http_1(int client)
{
    rig_read_request(client);
    rig_say(client, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    rig_drain(client);
}

static void
closes(int client)
{
    begin(client);
    shutdown(client, SHUT_WR);
    rig_drain(client);
}

static void
pours_settings(int client)
{
    begin(client);
    for (uint8_t head[9] = { 0, 0, 0, SETTINGS };
         send(client, head, sizeof head, MSG_NOSIGNAL) > 0;)
        continue;
}

/* ---- probes ---- */

static void
ends(const char *service, rig_serve_fn *serve, enum reason outcome, const char *detail)
{
    struct rig_probe probe;
    struct rig_result heard;

    rig_init(&probe, "grpc");
    probe.more.texts[PROBE_SERVICE] = (char *)service;
    heard = rig_run(&probe, "grpc.example:50051", serve);
    if (heard.outcome != outcome || strncmp(heard.detail, detail, strlen(detail)) != 0)
        fail_msg("%s: %s, instead of %s: %s", reason_name(heard.outcome), heard.detail,
                 reason_name(outcome), detail);
    assert_in_range(heard.took_ms, 0, 5000);
}

static void
what_the_service_says_decides(void **state)
{
    ends(NULL, serves, REASON_OK, "SERVING in ");
    ends("a.B", serves, REASON_OK, "SERVING in ");
    ends(NULL, serves_no_more, REASON_MISMATCH, "it says NOT_SERVING (2)");
}

static void
what_it_cannot_say_is_clear(void **state)
{
    ends(NULL, knows_no_health, REASON_MISMATCH,
         "it has no health service (grpc.health.v1.Health): UNIMPLEMENTED");
    ends("a.B", knows_no_such_service, REASON_MISMATCH,
         "its health service knows no \"a.B\": NOT_FOUND");
    ends(NULL, is_unavailable, REASON_MISMATCH, "gRPC status 14, UNAVAILABLE: \"go away\"");
}

static void
what_is_no_grpc_is_clear(void **state)
{
    ends(NULL, is_some_web_server, REASON_MISMATCH, "its answer has no grpc-status");
    ends(NULL, has_no_such_page, REASON_HTTP_STATUS, "HTTP 404 in ");
    ends(NULL, answers_nonsense, REASON_MISMATCH,
         "its answer is none of the health service: \"nonsense\"");
    ends(NULL, answers_too_much, REASON_MISMATCH, "its answer is over 1024 bytes");
    ends(NULL, speaks_http_1, REASON_UNEXPECTED_EOF,
         "it closed without an answer (does it speak HTTP/2?)");
}

static void
bad_targets_end_in_time(void **state)
{
    ends(NULL, NULL, REASON_CONNECT_REFUSED, "connection refused");
    ends(NULL, rig_drain, REASON_READ_TIMEOUT, "connected, but no answer within 0.4 s");
    ends(NULL, says_settings_only, REASON_READ_TIMEOUT, "connected, but no answer within 0.4 s");
    ends(NULL, closes, REASON_UNEXPECTED_EOF, "it closed without an answer");
    ends(NULL, pours_settings, REASON_MISMATCH, "no HTTP that can be understood: ");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_is_protobuf),
        cmocka_unit_test(an_answer_is_read),
        cmocka_unit_test(what_is_none_is_told),
        cmocka_unit_test(what_the_service_says_decides),
        cmocka_unit_test(what_it_cannot_say_is_clear),
        cmocka_unit_test(what_is_no_grpc_is_clear),
        cmocka_unit_test(bad_targets_end_in_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
