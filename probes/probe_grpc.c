/*
 * The kind "grpc": the standard health service says SERVING, over HTTP/2 without TLS (prior
 * knowledge) or, with `tls`, over TLS.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/app_probe.h"
#include "probes/curl_probe.h"
#include "probes/grpc_answer.h"
#include "probes/probe.h"
#include "probes/shown.h"

enum { NOT_FOUND = 5, UNIMPLEMENTED = 12, CODE_NONE = -1, CODE_MAX = 16 };

#define HINT " (does it speak HTTP/2?)"
#define CHECK_PATH "/grpc.health.v1.Health/Check"
#define SET(option, value) (curl_easy_setopt(run->transfer.easy, option, value) == CURLE_OK)

struct grpc_state {
    struct curl_run run;
    int code;                       /* of the header grpc-status; CODE_NONE: there was none */
    bool too_long;
    uint32_t answer_bytes;
    char message[SHOWN_CHARACTERS]; /* of the header grpc-message */
    uint8_t answer[GRPC_ANSWER_MAX];
    uint8_t request[GRPC_REQUEST_MAX];
};

static struct grpc_state *
state_of(const struct curl_run *run)
{
    return run->probe->state;
}

static const char *
service_of(const struct curl_run *run)
{
    const char *service = app_probe_text(run->probe->config, PROBE_SERVICE);

    return service != NULL ? service : "";
}

/* ---- hearing ---- */

/* What follows "name:" in a line, without spaces; NULL: it is another header. */
static const char *
value_of(const char *line, size_t *length, const char *name)
{
    size_t at = strlen(name);

    if (*length <= at || strncasecmp(line, name, at) != 0 || line[at] != ':')
        return NULL;
    at++;
    while (at < *length && line[at] == ' ')
        at++;
    *length -= at;
    return line + at;
}

/* Up to two digits, and nothing else. */
static int
code_of(const char *text, size_t length)
{
    int code = 0;

    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9' || code > CODE_MAX)
            return CODE_NONE;
        code = code * 10 + (text[i] - '0');
    }
    return length > 0 && code <= CODE_MAX ? code : CODE_NONE;
}

static void
grpc_header(struct curl_run *run, const char *line, size_t length)
{
    struct grpc_state *grpc = state_of(run);
    size_t code_bytes = length, message_bytes = length;
    const char *code = value_of(line, &code_bytes, "grpc-status");
    const char *message = value_of(line, &message_bytes, "grpc-message");

    if (code != NULL)
        grpc->code = code_of(code, code_bytes);
    if (message != NULL)
        shown(grpc->message, message, message_bytes);
}

static bool
grpc_body(struct curl_run *run, const void *bytes, size_t count)
{
    struct grpc_state *grpc = state_of(run);

    if (count > sizeof grpc->answer - grpc->answer_bytes) {
        grpc->too_long = true;
        return false;
    }
    memcpy(grpc->answer + grpc->answer_bytes, bytes, count);
    grpc->answer_bytes += (uint32_t)count;
    return true;
}

/* ---- judging ---- */

static void
tell_code(struct curl_run *run)
{
    const struct grpc_state *grpc = state_of(run);
    const char *service = service_of(run);

    if (grpc->code == UNIMPLEMENTED)
        curl_run_tell(run, REASON_MISMATCH,
                      "it has no health service (grpc.health.v1.Health): UNIMPLEMENTED");
    else if (grpc->code == NOT_FOUND)
        curl_run_tell(run, REASON_MISMATCH, "its health service knows no \"%.80s\": NOT_FOUND",
                      service);
    else
        curl_run_tell(run, REASON_MISMATCH, "gRPC status %d, %s: \"%s\"", grpc->code,
                      grpc_code_name((unsigned long)grpc->code), grpc->message);
}

static void
tell_serving(struct curl_run *run)
{
    const struct grpc_state *grpc = state_of(run);
    char text[SHOWN_CHARACTERS];
    uint64_t status;

    if (grpc_answer_read(grpc->answer, grpc->answer_bytes, &status) < 0)
        curl_run_tell(run, REASON_MISMATCH, "its answer is none of the health service: \"%s\"",
                      shown(text, grpc->answer, grpc->answer_bytes));
    else if (status != GRPC_SERVING)
        curl_run_tell(run, REASON_MISMATCH, "it says %s (%llu)", grpc_serving_name(status),
                      (unsigned long long)status);
    else
        curl_run_tell(run, REASON_OK, "SERVING in %.1f ms", curl_run_ms(run));
}

static void
grpc_judge(struct curl_run *run)
{
    const struct grpc_state *grpc = state_of(run);
    long status = curl_run_status(run), version = 0;

    curl_easy_getinfo(run->transfer.easy, CURLINFO_HTTP_VERSION, &version);
    if (version != CURL_HTTP_VERSION_2_0)
        curl_run_tell(run, REASON_MISMATCH, "it does not speak HTTP/2 (HTTP %ld)", status);
    else if (status != 200)
        curl_run_tell(run, REASON_HTTP_STATUS, "HTTP %ld in %.1f ms (gRPC answers with 200)",
                      status, curl_run_ms(run));
    else if (grpc->too_long)
        curl_run_tell(run, REASON_MISMATCH, "its answer is over %d bytes", GRPC_ANSWER_MAX);
    else if (grpc->code == CODE_NONE)
        curl_run_tell(run, REASON_MISMATCH, "its answer has no grpc-status: no gRPC server");
    else if (grpc->code != 0)
        tell_code(run);
    else
        tell_serving(run);
}

/* ---- asking ---- */

static bool
set_headers(struct curl_run *run)
{
    char timeout[64];

    snprintf(timeout, sizeof timeout, "grpc-timeout: %um", run->probe->config->timeout_ms);
    return curl_run_add_header(run, "Content-Type: application/grpc") &&
           curl_run_add_header(run, "TE: trailers") && curl_run_add_header(run, timeout) &&
           curl_run_set_headers(run, false);
}

static bool
grpc_set_up(struct curl_run *run)
{
    struct grpc_state *grpc = state_of(run);
    long version =
        run->kind->tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
    size_t bytes = grpc_request_write(service_of(run), grpc->request);

    grpc->code = CODE_NONE;
    return SET(CURLOPT_HTTP_VERSION, version) && SET(CURLOPT_REQUEST_TARGET, CHECK_PATH) &&
           SET(CURLOPT_POST, 1L) && SET(CURLOPT_POSTFIELDSIZE, (long)bytes) &&
           SET(CURLOPT_POSTFIELDS, (const char *)grpc->request) && set_headers(run);
}

static const struct curl_kind grpc_plain = {
    .hint = HINT,
    .set_up = grpc_set_up,
    .header = grpc_header,
    .body = grpc_body,
    .judge = grpc_judge,
};

static const struct curl_kind grpc_tls = {
    .tls = true,
    .hint = HINT,
    .set_up = grpc_set_up,
    .header = grpc_header,
    .body = grpc_body,
    .judge = grpc_judge,
};

static int
grpc_start(struct probe *probe)
{
    struct grpc_state *grpc = probe->state;

    return curl_run_start(&grpc->run, probe,
                          app_probe_more(probe->config)->tls ? &grpc_tls : &grpc_plain);
}

static void
grpc_cancel(struct probe *probe)
{
    struct grpc_state *grpc = probe->state;

    curl_run_cancel(&grpc->run);
}

const struct probe_ops probe_grpc = {
    .name = "grpc",
    .flags = PROBE_CONNECTS | PROBE_NAMES | PROBE_AS_CLIENTS,
    .state_bytes = sizeof(struct grpc_state),
    .start = grpc_start,
    .cancel = grpc_cancel,
    .prepare = curl_shared_prepare,
    .release = curl_shared_release,
};
