/*
 * http_get - the operator's commands ask the supervisor over its admin socket.
 *
 * A blocking HTTP/1.0 request on a unix socket, bounded in time and size. For
 * commands, never for a daemon's loop.
 */
#ifndef FPROXY_BASE_HTTP_GET_H
#define FPROXY_BASE_HTTP_GET_H

#include <stdbool.h>
#include <stddef.h>

enum { HTTP_BODY_MAX_BYTES = 16 << 20, HTTP_HEAD_MAX_BYTES = 16 << 10 };

/* Sends `method` ("GET", "POST") for `request_path` ("/v1/status") to the server at
 * `socket_path` (of any length) and waits for its answer, `timeout_ms` in all. 0: `*status`
 * is the HTTP status, whatever it is, and `*body` its `*bytes` with a NUL behind them (caller
 * frees). Else -errno: -ENOENT and -ECONNREFUSED (nobody listens), -EACCES, -ETIMEDOUT,
 * -EFBIG, -EPROTO (the answer is no HTTP or cut), -EINVAL (the path has bytes that a request
 * line cannot hold). */
int http_request_unix(const char *socket_path, const char *method, const char *request_path,
                      int timeout_ms, int *status, char **body, size_t *bytes);

/* The same as POST with `json` as the body. */
int http_post_unix(const char *socket_path, const char *request_path, const char *json,
                   int timeout_ms, int *status, char **body, size_t *bytes);

int http_get_unix(const char *socket_path, const char *request_path, int timeout_ms,
                  int *status, char **body, size_t *bytes);

struct http_answer {
    int status;
    size_t body_at, body_bytes;     /* within what was parsed */
};

/* What has arrived so far of an answer; `ended`: nothing follows. 1: complete, `answer` is
 * filled; 0: more is needed; -EPROTO or -EFBIG. Pure; reads `bytes` of `data` only. */
int http_answer_parse(const char *data, size_t bytes, bool ended, struct http_answer *answer);

#endif
