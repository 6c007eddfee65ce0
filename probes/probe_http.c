/*
 * The kinds "http" and "https": a request is answered with a status that is wanted, and with a body
 * that has what is wanted in its first 64 KiB. More than that is not read.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/app_probe.h"
#include "probes/curl_probe.h"
#include "probes/probe.h"
#include "probes/shown.h"
#include "probes/stream_match.h"

enum { BODY_MAX = 64 * 1024 };

#define STATUS_USUAL "200-399"
#define SET(option, value) (curl_easy_setopt(run->transfer.easy, option, value) == CURLE_OK)

struct http_shared {
    struct curl_shared curl;
    struct stream_match *body;  /* owned; NULL: any is good */
};

struct http_state {
    struct curl_run run;
    uint16_t fits;              /* stream_match.h */
    bool found;
    uint8_t begin_bytes;
    uint32_t body_bytes;
    char begin[SHOWN_BYTES + 1];    /* of the body */
};

static struct http_state *
state_of(const struct curl_run *run)
{
    return run->probe->state;
}

static const struct stream_match *
wanted_body(const struct curl_run *run)
{
    const struct http_shared *shared = run->probe->shared;

    return shared->body;
}

/* ---- judging ---- */

static const char *
wanted_status(const struct curl_run *run)
{
    const char *text = app_probe_text(run->probe->config, PROBE_STATUS);

    return text != NULL ? text : STATUS_USUAL;
}

/* Is it one of "200-299,404"? */
static bool
is_wanted(const char *list, long status)
{
    char *end;

    for (;; list = end + 1) {
        long from = strtol(list, &end, 10), to = from;

        if (*end == '-')
            to = strtol(end + 1, &end, 10);
        if (status >= from && status <= to)
            return true;
        if (*end != ',')
            return false;
    }
}

static bool
http_settled(const struct curl_run *run)
{
    long status = curl_run_status(run);

    return status >= 200 && !is_wanted(wanted_status(run), status);
}

static void
tell_body(struct curl_run *run)
{
    const struct http_state *http = state_of(run);
    const struct stream_match *body = wanted_body(run);
    char wanted[SHOWN_CHARACTERS], begin[SHOWN_CHARACTERS];

    curl_run_tell(run, REASON_MISMATCH, "HTTP %ld, but no \"%s\" in %u bytes: \"%s\"",
                  curl_run_status(run), shown(wanted, body->text, body->length),
                  MIN(http->body_bytes, (uint32_t)BODY_MAX),
                  shown(begin, http->begin, http->begin_bytes));
}

static void
http_judge(struct curl_run *run)
{
    const struct http_state *http = state_of(run);
    const char *wanted = wanted_status(run);
    long status = curl_run_status(run);

    if (!is_wanted(wanted, status))
        curl_run_tell(run, REASON_HTTP_STATUS, "HTTP %ld in %.1f ms (wanted %s)", status,
                      curl_run_ms(run), wanted);
    else if (wanted_body(run) != NULL && !http->found)
        tell_body(run);
    else
        curl_run_tell(run, REASON_OK, "HTTP %ld in %.1f ms", status, curl_run_ms(run));
}

static bool
http_body(struct curl_run *run, const void *bytes, size_t count)
{
    struct http_state *http = state_of(run);
    const struct stream_match *body = wanted_body(run);
    size_t kept = MIN(count, sizeof http->begin - http->begin_bytes);
    size_t looked_at = MIN(count, (size_t)BODY_MAX - http->body_bytes);

    memcpy(http->begin + http->begin_bytes, bytes, kept);
    http->begin_bytes += (uint8_t)kept;
    http->found = body != NULL && stream_match_feed(body, &http->fits, bytes, looked_at);
    http->body_bytes += (uint32_t)looked_at;
    return !http->found && http->body_bytes < BODY_MAX;
}

/* ---- asking ---- */

static bool
http_set_up(struct curl_run *run)
{
    const struct app_probe *config = run->probe->config;
    const char *method = app_probe_text(config, PROBE_METHOD);
    const char *path = app_probe_text(config, PROBE_PATH);
    bool head = method != NULL && strcmp(method, "HEAD") == 0;

    return SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) &&
           SET(CURLOPT_REQUEST_TARGET, path != NULL ? path : "/") &&
           SET(CURLOPT_NOBODY, head ? 1L : 0L) &&
           (head || SET(CURLOPT_CUSTOMREQUEST, method)) && curl_run_set_headers(run, true);
}

static const struct curl_kind http_plain = {
    .set_up = http_set_up,
    .body = http_body,
    .settled = http_settled,
    .judge = http_judge,
};

static const struct curl_kind http_tls = {
    .tls = true,
    .set_up = http_set_up,
    .body = http_body,
    .settled = http_settled,
    .judge = http_judge,
};

static const struct curl_kind *
kind_of(const struct app_probe *config)
{
    return strcmp(config->kind, "https") == 0 ? &http_tls : &http_plain;
}

static int
http_start(struct probe *probe)
{
    struct http_state *http = probe->state;

    return curl_run_start(&http->run, probe, kind_of(probe->config));
}

static void
http_cancel(struct probe *probe)
{
    struct http_state *http = probe->state;

    curl_run_cancel(&http->run);
}

/* ---- of a configuration ---- */

/* What would make another request of it than one reads. */
static bool
check(const struct app_probe *config, char *why)
{
    const char *method = app_probe_text(config, PROBE_METHOD);
    const char *path = app_probe_text(config, PROBE_PATH);

    if (path != NULL && strchr(path, ' ') != NULL)
        snprintf(why, DETAIL_BYTES, "path \"%.80s\" has a space; write %%20", path);
    else if (method != NULL && strspn(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") != strlen(method))
        snprintf(why, DETAIL_BYTES, "method \"%.80s\" is none; they are written in capitals",
                 method);
    else
        return true;
    return false;
}

static void
http_release(void *context)
{
    struct http_shared *shared = context;

    curl_shared_fini(&shared->curl);
    free(shared->body);
    free(shared);
}

static int
http_prepare(const struct app_probe *config, struct event_base *base, void **made, char *why)
{
    const char *body = app_probe_text(config, PROBE_BODY);
    struct http_shared *shared;
    int rc;

    if (!check(config, why))
        return -EINVAL;
    snprintf(why, DETAIL_BYTES, "no memory");
    shared = calloc(1, sizeof *shared);
    if (shared == NULL)
        return -ENOMEM;
    shared->body = body == NULL ? NULL : malloc(sizeof *shared->body);
    rc = body != NULL && shared->body == NULL
             ? -ENOMEM
             : curl_shared_init(&shared->curl, config, base, why);
    if (rc < 0) {
        free(shared->body);
        free(shared);
        return rc;
    }
    if (body != NULL)
        stream_match_init(shared->body, body);
    *made = shared;
    return 0;
}

const struct probe_ops probe_http = {
    .name = "http",
    .flags = PROBE_CONNECTS | PROBE_NAMES | PROBE_AS_CLIENTS,
    .state_bytes = sizeof(struct http_state),
    .start = http_start,
    .cancel = http_cancel,
    .prepare = http_prepare,
    .release = http_release,
};

const struct probe_ops probe_https = {
    .name = "https",
    .flags = PROBE_CONNECTS | PROBE_NAMES | PROBE_AS_CLIENTS,
    .state_bytes = sizeof(struct http_state),
    .start = http_start,
    .cancel = http_cancel,
    .prepare = http_prepare,
    .release = http_release,
};
