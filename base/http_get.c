#include "base/http_get.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/names.h"
#include "base/util.h"

/* What was received so far. */
struct received {
    char *data;                 /* owned */
    size_t bytes, room;
};

/* A line of the head: its text without the line end; `*at` moves behind it. False: no more. */
static bool
next_line(const char *data, size_t bytes, size_t *at, const char **line, size_t *line_bytes)
{
    const char *end = memchr(data + *at, '\n', bytes - *at);

    if (end == NULL)
        return false;
    *line = data + *at;
    *line_bytes = (size_t)(end - *line);
    *at += *line_bytes + 1;
    if (*line_bytes > 0 && (*line)[*line_bytes - 1] == '\r')
        (*line_bytes)--;
    return true;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "HTTP/1.1 200 OK" */
static int
parse_status(const char *line, size_t bytes, int *status)
{
    if (bytes < 12 || memcmp(line, "HTTP/1.", 7) != 0 || !is_digit(line[7]) || line[8] != ' ')
        return -EPROTO;
    if (!is_digit(line[9]) || !is_digit(line[10]) || !is_digit(line[11]))
        return -EPROTO;
    if (bytes > 12 && line[12] != ' ')
        return -EPROTO;
    *status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
    return *status >= 100 ? 0 : -EPROTO;
}

static bool
is_header(const char *line, size_t bytes, const char *name)
{
    size_t chars = strlen(name);

    return bytes > chars && strncasecmp(line, name, chars) == 0 && line[chars] == ':';
}

/* "Content-Length: 123" from its colon on. */
static int
parse_length(const char *text, size_t bytes, int64_t *length)
{
    int64_t value = 0;
    size_t i = 1;
    size_t digits = 0;

    while (i < bytes && (text[i] == ' ' || text[i] == '\t'))
        i++;
    for (; i < bytes && is_digit(text[i]); i++, digits++)
        value = MIN(value * 10 + (text[i] - '0'), (int64_t)HTTP_BODY_MAX_BYTES + 1);
    while (i < bytes && (text[i] == ' ' || text[i] == '\t'))
        i++;
    if (digits == 0 || i < bytes || (*length >= 0 && *length != value))
        return -EPROTO;
    *length = value;
    return value <= HTTP_BODY_MAX_BYTES ? 0 : -EFBIG;
}

/* One header line: only those that say where the body ends concern us. */
static int
parse_header(const char *line, size_t bytes, int64_t *length)
{
    static const char length_name[] = "Content-Length";

    if (memchr(line, ':', bytes) == NULL)
        return -EPROTO;
    if (is_header(line, bytes, "Transfer-Encoding"))
        return -EPROTO;         /* we asked in HTTP/1.0, which has none */
    if (is_header(line, bytes, length_name))
        return parse_length(line + strlen(length_name), bytes - strlen(length_name), length);
    return 0;
}

/* The head. 1: `*at` is behind it; 0: more is needed. `*length` is -1 when not told. */
static int
parse_head(const char *data, size_t bytes, size_t *at, int *status, int64_t *length)
{
    size_t head_max = MIN(bytes, (size_t)HTTP_HEAD_MAX_BYTES);
    const char *line;
    size_t line_bytes;
    int rc;

    *at = 0;
    *length = -1;
    if (!next_line(data, head_max, at, &line, &line_bytes))
        return bytes >= HTTP_HEAD_MAX_BYTES ? -EFBIG : 0;
    rc = parse_status(line, line_bytes, status);
    while (rc == 0) {
        if (!next_line(data, head_max, at, &line, &line_bytes))
            return bytes >= HTTP_HEAD_MAX_BYTES ? -EFBIG : 0;
        if (line_bytes == 0)
            return 1;
        rc = parse_header(line, line_bytes, length);
    }
    return rc;
}

int
http_answer_parse(const char *data, size_t bytes, bool ended, struct http_answer *answer)
{
    size_t body_bytes;
    int64_t length;
    int rc = parse_head(data, bytes, &answer->body_at, &answer->status, &length);

    if (rc < 0)
        return rc;
    if (rc == 0)
        return ended ? -EPROTO : 0;
    body_bytes = bytes - answer->body_at;
    if (length >= 0 && body_bytes < (size_t)length)
        return ended ? -EPROTO : 0;
    if (length < 0 && body_bytes > HTTP_BODY_MAX_BYTES)
        return -EFBIG;
    if (length < 0 && !ended)
        return 0;
    answer->body_bytes = length >= 0 ? (size_t)length : body_bytes;
    return 1;
}

/* A socket's name is short: a longer path goes through its directory's descriptor. */
static int
set_path(const char *path, struct sockaddr_un *name, int *dir_fd)
{
    const char *slash = strrchr(path, '/');
    char directory[PATH_BYTES];
    int chars;

    *dir_fd = -1;
    name->sun_family = AF_UNIX;
    if (strlen(path) < sizeof name->sun_path) {
        strcpy(name->sun_path, path);
        return 0;
    }
    if (slash == NULL || (size_t)(slash - path) >= sizeof directory)
        return -ENAMETOOLONG;
    memcpy(directory, path, (size_t)(slash - path));
    directory[slash - path] = '\0';
    *dir_fd = open(directory[0] == '\0' ? "/" : directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (*dir_fd < 0)
        return -errno;
    chars = snprintf(name->sun_path, sizeof name->sun_path, "/proc/self/fd/%d%s", *dir_fd,
                     slash);
    return chars < (int)sizeof name->sun_path ? 0 : -ENAMETOOLONG;
}

/* connect() to a unix socket waits for room in the queue, at most the send timeout. */
static int
connect_within(int fd, const struct sockaddr_un *name, int timeout_ms)
{
    struct timeval limit = { timeout_ms / 1000, timeout_ms % 1000 * 1000 };

    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)name, sizeof *name) == 0)
        return 0;
    return errno == EAGAIN ? -ETIMEDOUT : -errno;
}

static int
connect_to(const char *path, int timeout_ms)
{
    struct sockaddr_un name = { 0 };
    int fd = -1;
    int dir_fd;
    int rc = set_path(path, &name, &dir_fd);

    if (rc == 0) {
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        rc = fd < 0 ? -errno : connect_within(fd, &name, timeout_ms);
    }
    if (dir_fd >= 0)
        close(dir_fd);
    if (rc < 0 && fd >= 0)
        close(fd);
    return rc < 0 ? rc : fd;
}

static int
wait_for(int fd, short events, uint64_t deadline_ms)
{
    struct pollfd poll_fd = { .fd = fd, .events = events };
    int rc;

    do {
        uint64_t now_ms = clock_monotonic_ms();

        if (now_ms >= deadline_ms)
            return -ETIMEDOUT;
        rc = poll(&poll_fd, 1, (int)MIN(deadline_ms - now_ms, 60000U));
    } while (rc == 0 || (rc < 0 && errno == EINTR));
    return rc < 0 ? -errno : 0;
}

static int
send_request(int fd, const char *request, size_t bytes, uint64_t deadline_ms)
{
    while (bytes > 0) {
        ssize_t n = send(fd, request, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN) {
            int rc = wait_for(fd, POLLOUT, deadline_ms);

            if (rc < 0)
                return rc;
            continue;
        }
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            request += n;
            bytes -= (size_t)n;
        }
    }
    return 0;
}

/* Receives what is there. 1: something came; 0: the end; -errno. */
static int
receive_some(int fd, struct received *received, uint64_t deadline_ms)
{
    ssize_t n;
    int rc;

    if (received->bytes == received->room) {
        size_t room = MAX(received->room * 2, (size_t)4096);
        char *data = realloc(received->data, room + 1);

        if (data == NULL)
            return -ENOMEM;
        received->data = data;
        received->room = room;
    }
    rc = wait_for(fd, POLLIN, deadline_ms);
    if (rc < 0)
        return rc;
    n = recv(fd, received->data + received->bytes, received->room - received->bytes,
             MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? 1 : -errno;
    received->bytes += (size_t)n;
    return n > 0;
}

static int
receive_answer(int fd, struct received *received, struct http_answer *answer,
               uint64_t deadline_ms)
{
    for (;;) {
        int more = receive_some(fd, received, deadline_ms);
        int rc;

        if (more < 0)
            return more;
        rc = http_answer_parse(received->data, received->bytes, more == 0, answer);
        if (rc != 0)
            return rc < 0 ? rc : 0;
    }
}

/* What changes something has a body, if only an empty one (RFC 9110, 8.6). `json` may be NULL. */
static char *
make_request(const char *method, const char *request_path, const char *json)
{
    char *request = NULL;
    int bytes;

    if (strcmp(method, "GET") == 0)
        bytes = asprintf(&request, "%s %s HTTP/1.0\r\nHost: localhost\r\n\r\n", method,
                         request_path);
    else
        bytes = asprintf(&request, "%s %s HTTP/1.0\r\nHost: localhost\r\n%sContent-Length: %zu\r\n"
                         "\r\n%s", method, request_path,
                         json == NULL ? "" : "Content-Type: application/json\r\n",
                         json == NULL ? 0 : strlen(json), json == NULL ? "" : json);
    return bytes < 0 ? NULL : request;
}

static int
exchange(int fd, const char *request, uint64_t deadline_ms, struct received *received,
         struct http_answer *answer)
{
    int rc = send_request(fd, request, strlen(request), deadline_ms);

    return rc < 0 ? rc : receive_answer(fd, received, answer, deadline_ms);
}

static bool
fits_request_line(const char *path)
{
    for (const char *c = path; *c != '\0'; c++) {
        if (*c <= ' ' || *c == 0x7f)
            return false;
    }
    return path[0] == '/';
}

static int
ask(const char *socket_path, const char *request, int timeout_ms, int *status, char **body,
    size_t *bytes)
{
    uint64_t deadline_ms = clock_monotonic_ms() + (uint64_t)MAX(timeout_ms, 1);
    struct received received = { 0 };
    struct http_answer answer;
    int fd;
    int rc;

    fd = connect_to(socket_path, MAX(timeout_ms, 1));
    if (fd < 0)
        return fd;
    rc = exchange(fd, request, deadline_ms, &received, &answer);
    close(fd);
    if (rc < 0) {
        free(received.data);
        return rc;
    }
    memmove(received.data, received.data + answer.body_at, answer.body_bytes);
    received.data[answer.body_bytes] = '\0';
    *status = answer.status;
    *body = received.data;
    *bytes = answer.body_bytes;
    return 0;
}

static int
ask_with(const char *socket_path, const char *method, const char *request_path, const char *json,
         int timeout_ms, int *status, char **body, size_t *bytes)
{
    char *request;
    int rc;

    if (!fits_request_line(request_path))
        return -EINVAL;
    request = make_request(method, request_path, json);
    rc = request == NULL ? -ENOMEM : ask(socket_path, request, timeout_ms, status, body, bytes);
    free(request);
    return rc;
}

int
http_request_unix(const char *socket_path, const char *method, const char *request_path,
                  int timeout_ms, int *status, char **body, size_t *bytes)
{
    return ask_with(socket_path, method, request_path, NULL, timeout_ms, status, body, bytes);
}

int
http_post_unix(const char *socket_path, const char *request_path, const char *json,
               int timeout_ms, int *status, char **body, size_t *bytes)
{
    return ask_with(socket_path, "POST", request_path, json, timeout_ms, status, body, bytes);
}

int
http_get_unix(const char *socket_path, const char *request_path, int timeout_ms, int *status,
              char **body, size_t *bytes)
{
    return http_request_unix(socket_path, "GET", request_path, timeout_ms, status, body, bytes);
}
