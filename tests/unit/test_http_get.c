#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/http_get.h"
#include "base/util.h"

enum { LONG_ENOUGH_MS = 20000 };

/* A server for one request: it sends `answer` in two parts and closes, or keeps open. */
static struct {
    char directory[256];
    char path[300];
    int listener;
    pthread_t thread;
    const char *answer;
    size_t answer_bytes;
    int keeps_open;             /* until the client is gone */
    char request[512];
} server;

static void
receive_request(int client)
{
    size_t have = 0;

    while (strstr(server.request, "\r\n\r\n") == NULL) {
        ssize_t n = recv(client, server.request + have, sizeof server.request - 1 - have, 0);

        if (n <= 0)
            return;
        have += (size_t)n;
    }
}

static void *
serve_one(void *unused)
{
    int client = accept(server.listener, NULL, NULL);
    size_t half = server.answer_bytes / 2;
    char byte;

    memset(server.request, 0, sizeof server.request);
    receive_request(client);
    send(client, server.answer, half, MSG_NOSIGNAL);
    for (size_t at = half; at < server.answer_bytes;) {
        ssize_t n = send(client, server.answer + at, server.answer_bytes - at, MSG_NOSIGNAL);

        if (n <= 0)
            break;
        at += (size_t)n;
    }
    if (server.keeps_open)
        recv(client, &byte, 1, 0);
    close(client);
    return NULL;
}

static void
start_server(const char *directory_suffix, const char *answer, size_t bytes, int keeps_open)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    int dir_fd;

    strcpy(server.directory, "/tmp/test_http_get.XXXXXX");
    assert_non_null(mkdtemp(server.directory));
    strcat(server.directory, directory_suffix);
    mkdir(server.directory, 0700);
    snprintf(server.path, sizeof server.path, "%s/admin.sock", server.directory);
    server.answer = answer;
    server.answer_bytes = bytes;
    server.keeps_open = keeps_open;

    dir_fd = open(server.directory, O_PATH | O_DIRECTORY);
    snprintf(name.sun_path, sizeof name.sun_path, "/proc/self/fd/%d/admin.sock", dir_fd);
    server.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.listener, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(server.listener, 5), 0);
    close(dir_fd);
    assert_int_equal(pthread_create(&server.thread, NULL, serve_one, NULL), 0);
}

static void
stop_server(void)
{
    char *suffix;

    pthread_join(server.thread, NULL);
    close(server.listener);
    unlink(server.path);
    rmdir(server.directory);
    suffix = strchr(server.directory + strlen("/tmp/"), '/');
    if (suffix != NULL) {
        *suffix = '\0';
        rmdir(server.directory);
    }
}

/* One GET of /v1/status from a server that answers so. */
static int
get(const char *answer, int keeps_open, int *status, char **body, size_t *bytes)
{
    int rc;

    start_server("", answer, strlen(answer), keeps_open);
    rc = http_get_unix(server.path, "/v1/status", LONG_ENOUGH_MS, status, body, bytes);
    stop_server();
    return rc;
}

static void
a_body_with_a_length_is_complete_without_the_end(void **state)
{
    int status = 0;
    char *body = NULL;
    size_t bytes = 0;

    assert_int_equal(get("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
                         "content-length: 5 \r\n\r\nhello and more", 1, &status, &body, &bytes),
                     0);
    assert_int_equal(status, 200);
    assert_int_equal(bytes, 5);
    assert_string_equal(body, "hello");
    assert_string_equal(server.request,
                        "GET /v1/status HTTP/1.0\r\nHost: localhost\r\n\r\n");
    free(body);
}

static void
a_post_has_an_empty_body_and_any_status_is_an_answer(void **state)
{
    static const char answer[] = "HTTP/1.0 409 Conflict\r\nContent-Type: application/json\r\n"
                                 "Content-Length: 14\r\n\r\n{\"error\":\"no\"}";
    int status = 0;
    char *body = NULL;
    size_t bytes = 0;

    start_server("", answer, strlen(answer), 0);
    assert_int_equal(http_request_unix(server.path, "POST", "/v1/reload", LONG_ENOUGH_MS,
                                       &status, &body, &bytes), 0);
    stop_server();
    assert_int_equal(status, 409);
    assert_string_equal(body, "{\"error\":\"no\"}");
    assert_string_equal(server.request, "POST /v1/reload HTTP/1.0\r\nHost: localhost\r\n"
                                        "Content-Length: 0\r\n\r\n");
    free(body);
}

static void
a_body_without_a_length_goes_to_the_end(void **state)
{
    int status = 0;
    char *body = NULL;
    size_t bytes = 0;

    assert_int_equal(get("HTTP/1.0 503 Service Unavailable\r\n\r\nnot ready\n", 0, &status,
                         &body, &bytes), 0);
    assert_int_equal(status, 503);
    assert_string_equal(body, "not ready\n");
    assert_int_equal(bytes, 10);
    free(body);
}

static void
an_answer_cut_short_or_of_another_protocol_is_an_error(void **state)
{
    static const char *const answers[] = {
        "", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        int status = 0;
        char *body = NULL;
        size_t bytes = 0;

        assert_int_equal(get(answers[i], 0, &status, &body, &bytes), -EPROTO);
        assert_null(body);
    }
}

static void
a_large_body_arrives_whole(void **state)
{
    const size_t head = strlen("HTTP/1.0 200 OK\n\n");
    const size_t size = 3 << 20;
    char *answer = malloc(head + size);
    int status = 0;
    char *body = NULL;
    size_t bytes = 0;

    memcpy(answer, "HTTP/1.0 200 OK\n\n", head);
    for (size_t i = 0; i < size; i++)
        answer[head + i] = (char)(i * 31 % 251);
    start_server("", answer, head + size, 0);
    assert_int_equal(http_get_unix(server.path, "/", LONG_ENOUGH_MS, &status, &body, &bytes),
                     0);
    stop_server();
    assert_int_equal(bytes, size);
    assert_memory_equal(body, answer + head, size);
    free(body);
    free(answer);
}

static void
a_body_that_never_ends_is_refused(void **state)
{
    const size_t size = HTTP_BODY_MAX_BYTES + (1 << 20);
    char *answer = malloc(size);
    int status;
    char *body = NULL;
    size_t bytes;

    memset(answer, 'x', size);
    memcpy(answer, "HTTP/1.0 200 OK\n\n", strlen("HTTP/1.0 200 OK\n\n"));
    start_server("", answer, size, 0);
    assert_int_equal(http_get_unix(server.path, "/", LONG_ENOUGH_MS, &status, &body, &bytes),
                     -EFBIG);
    stop_server();
    assert_null(body);
    free(answer);
}

static void
a_silent_server_is_given_up(void **state)
{
    static const char answer[] = "HTTP/1.0 200 OK\r\n\r\nthe rest never";
    uint64_t before_ms = clock_monotonic_ms();
    int status;
    char *body;
    size_t bytes;

    start_server("", answer, sizeof answer - 1, 1);
    assert_int_equal(http_get_unix(server.path, "/", 30, &status, &body, &bytes), -ETIMEDOUT);
    stop_server();
    assert_true(clock_monotonic_ms() - before_ms >= 30);
}

static void
a_path_longer_than_a_socket_name_is_reached(void **state)
{
    static const char answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";
    char suffix[160];
    int status;
    char *body = NULL;
    size_t bytes;

    memset(suffix, 'd', sizeof suffix);
    suffix[0] = '/';
    suffix[sizeof suffix - 1] = '\0';
    start_server(suffix, answer, sizeof answer - 1, 0);
    assert_int_equal(http_get_unix(server.path, "/", LONG_ENOUGH_MS, &status, &body, &bytes),
                     0);
    stop_server();
    assert_string_equal(body, "ok");
    free(body);
}

static void
nobody_there_is_told(void **state)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int status;
    char *body;
    size_t bytes;

    assert_int_equal(http_get_unix("/nowhere/admin.sock", "/", 100, &status, &body, &bytes),
                     -ENOENT);
    snprintf(name.sun_path, sizeof name.sun_path, "/tmp/test_http_get.%d", (int)getpid());
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(http_get_unix(name.sun_path, "/", 100, &status, &body, &bytes),
                     -ECONNREFUSED);
    unlink(name.sun_path);
    close(fd);
}

static void
a_request_cannot_be_smuggled_through_the_path(void **state)
{
    int status;
    char *body;
    size_t bytes;

    assert_int_equal(http_get_unix("/x", "/a b", 100, &status, &body, &bytes), -EINVAL);
    assert_int_equal(http_get_unix("/x", "/a\r\nX: y", 100, &status, &body, &bytes), -EINVAL);
    assert_int_equal(http_get_unix("/x", "", 100, &status, &body, &bytes), -EINVAL);
    assert_int_equal(http_get_unix("/x", "/\x7f", 100, &status, &body, &bytes), -EINVAL);
}

static void
an_answer_is_judged_as_soon_as_it_can_be(void **state)
{
    static const struct {
        const char *text;
        int expected;
    } cases[] = {
        { "", 0 },
        { "HTTP/1.0 20", 0 },
        { "HTTP/1.0 200 OK\r\n", 0 },
        { "HTTP/1.0 200 OK\r\nA: b\r\n\r", 0 },
        { "HTTP/1.0 200\r\nContent-Length: 0\r\n\r\n", 1 },
        { "HTTP/1.0 200\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", 1 },
        { "HTTP/1.0 200\r\nContent-Length: 0\r\nContent-Length: 1\r\n\r\n", -EPROTO },
        { "HTTP/1.0 200\r\nContent-Length: -1\r\n\r\n", -EPROTO },
        { "HTTP/1.0 200\r\nContent-Length:\r\n\r\n", -EPROTO },
        { "HTTP/1.0 200\r\nContent-Length: 1x\r\n\r\n", -EPROTO },
        { "HTTP/1.0 200\r\nContent-Length: 99999999999999999999999\r\n\r\n", -EFBIG },
        { "HTTP/1.0 200\r\nContent-Length: 16777217\r\n\r\n", -EFBIG },
        { "HTTP/1.0 2x0 OK\r\n", -EPROTO },
        { "HTTP/1.0 2000 OK\r\n", -EPROTO },
        { "HTTP/1.0 099 OK\r\n", -EPROTO },
        { "HTTP/2.0 200 OK\r\n", -EPROTO },
        { "HTTP/1.0  200 OK\r\n", -EPROTO },
        { "HTTP/1.0 200 OK\r\nno colon\r\n\r\n", -EPROTO },
        { "\r\n", -EPROTO },
    };
    struct http_answer answer;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        int rc = http_answer_parse(cases[i].text, strlen(cases[i].text), false, &answer);

        if (rc != cases[i].expected)
            fail_msg("%s: %d instead of %d", cases[i].text, rc, cases[i].expected);
    }
}

static void
a_head_without_an_end_is_refused(void **state)
{
    static char head[HTTP_HEAD_MAX_BYTES + 10];
    struct http_answer answer;

    memset(head, 'x', sizeof head);
    assert_int_equal(http_answer_parse(head, sizeof head, false, &answer), -EFBIG);
    memcpy(head, "HTTP/1.0 200\r\nA:", 16);
    assert_int_equal(http_answer_parse(head, HTTP_HEAD_MAX_BYTES - 1, false, &answer), 0);
    assert_int_equal(http_answer_parse(head, sizeof head, false, &answer), -EFBIG);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_with_a_length_is_complete_without_the_end),
        cmocka_unit_test(a_post_has_an_empty_body_and_any_status_is_an_answer),
        cmocka_unit_test(a_body_without_a_length_goes_to_the_end),
        cmocka_unit_test(an_answer_cut_short_or_of_another_protocol_is_an_error),
        cmocka_unit_test(a_large_body_arrives_whole),
        cmocka_unit_test(a_body_that_never_ends_is_refused),
        cmocka_unit_test(a_silent_server_is_given_up),
        cmocka_unit_test(a_path_longer_than_a_socket_name_is_reached),
        cmocka_unit_test(nobody_there_is_told),
        cmocka_unit_test(a_request_cannot_be_smuggled_through_the_path),
        cmocka_unit_test(an_answer_is_judged_as_soon_as_it_can_be),
        cmocka_unit_test(a_head_without_an_end_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
