#include "probes/curl_probe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/outgoing.h"
#include "config/app_probe.h"
#include "probes/connect_failed.h"
#include "probes/curl_failed.h"
#include "probes/shown.h"

enum { BUFFER_BYTES = 4096 };

#define USER_AGENT "fproxy-probe/" FPROXY_VERSION
#define SET(option, value) (curl_easy_setopt(run->transfer.easy, option, value) == CURLE_OK)
#define HOST_CHARACTERS                                                                        \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:"

/* ---- of a configuration ---- */

static bool
over_tls(const struct app_probe *config)
{
    return strcmp(config->kind, "https") == 0 || strcmp(config->kind, "tls") == 0 ||
           app_probe_more(config)->tls;
}

int
curl_shared_init(struct curl_shared *shared, const struct app_probe *config,
                 struct event_base *base, char *why)
{
    const char *sni = app_probe_text(config, PROBE_SNI);

    if (sni != NULL && (sni[strspn(sni, HOST_CHARACTERS)] != '\0' ||
                        strlen(sni) >= HOST_NAME_BYTES)) {
        snprintf(why, DETAIL_BYTES, "sni \"%.80s\" is no name of a host", sni);
        return -EINVAL;
    }
    if (over_tls(config) && app_probe_more(config)->verify) {
        int rc = tls_trust_get(app_probe_text(config, PROBE_CA), &shared->trust, why);

        if (rc < 0)
            return rc;
    }
    shared->loop = curl_loop_get(base);
    if (shared->loop != NULL)
        return 0;
    tls_trust_put(shared->trust);
    snprintf(why, DETAIL_BYTES, "no memory");
    return -ENOMEM;
}

void
curl_shared_fini(struct curl_shared *shared)
{
    curl_loop_put(shared->loop);
    tls_trust_put(shared->trust);
}

int
curl_shared_prepare(const struct app_probe *config, struct event_base *base, void **made,
                    char *why)
{
    struct curl_shared *shared = calloc(1, sizeof *shared);
    int rc;

    snprintf(why, DETAIL_BYTES, "no memory");
    if (shared == NULL)
        return -ENOMEM;
    rc = curl_shared_init(shared, config, base, why);
    if (rc < 0)
        free(shared);
    else
        *made = shared;
    return rc;
}

void
curl_shared_release(void *context)
{
    struct curl_shared *shared = context;

    curl_shared_fini(shared);
    free(shared);
}

/* ---- the end ---- */

static void
run_fini(struct curl_run *run)
{
    curl_easy_cleanup(run->transfer.easy);
    curl_slist_free_all(run->headers);
    tls_trust_put(run->check.trust);
}

void
curl_run_tell(struct curl_run *run, enum reason outcome, const char *format, ...)
{
    va_list args;

    run->outcome = outcome;
    va_start(args, format);
    vsnprintf(run->detail, sizeof run->detail, format, args);
    va_end(args);
}

double
curl_run_ms(const struct curl_run *run)
{
    return (double)(clock_monotonic_us() - run->probe->started_us) / 1000.0;
}

long
curl_run_status(const struct curl_run *run)
{
    long status = 0;

    curl_easy_getinfo(run->transfer.easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static void
note_connected(const struct curl_run *run)
{
    curl_off_t connect_us = 0;

    if (run->probe->connect_us != 0)        /* on_tls() was there */
        return;
    curl_easy_getinfo(run->transfer.easy, CURLINFO_CONNECT_TIME_T, &connect_us);
    run->probe->connect_us = (uint32_t)MIN(connect_us, (curl_off_t)UINT32_MAX);
}

static void
finish(struct curl_run *run)
{
    struct probe *probe = run->probe;
    bool warning = run->outcome == REASON_OK && run->check.warning;
    char detail[2 * DETAIL_BYTES + 4];
    enum reason outcome = run->outcome;

    snprintf(detail, sizeof detail, "%s%s%s", run->detail, warning ? "; " : "",
             warning ? run->check.detail : "");
    run_fini(run);
    probe->warning = warning;
    probe_done(probe, outcome, "%.*s", DETAIL_BYTES - 1, detail);
}

static void
on_end(struct curl_transfer *transfer, CURLcode code)
{
    struct curl_run *run = CONTAINER_OF(transfer, struct curl_run, transfer);
    struct probe *probe = run->probe;
    int error;

    note_connected(run);
    if (code == CURLE_OK || run->enough || (run->kind->settled != NULL && run->kind->settled(run)))
        run->kind->judge(run);
    else if (curl_failed_to_connect(run, code, &error)) {
        run_fini(run);
        probe_connect_failed(probe, error);
        return;
    } else {
        curl_failed_tell(run, code);
    }
    finish(run);
}

/* ---- called by libcurl ---- */

/* It was told of an address that is none: here is the right one. */
static curl_socket_t
on_open(void *context, curlsocktype purpose, struct curl_sockaddr *to)
{
    struct curl_run *run = context;
    struct sockaddr_storage storage;
    socklen_t bytes = address_to_sockaddr(&run->probe->address, &storage);
    int fd = outgoing_socket(storage.ss_family);

    if (fd < 0) {
        run->socket_error = -fd;
        return CURL_SOCKET_BAD;
    }
    to->family = storage.ss_family;
    to->addrlen = bytes;
    memcpy(&to->addr, &storage, bytes);
    return fd;
}

static CURLcode
on_tls(CURL *easy, void *tls_context, void *context)
{
    struct curl_run *run = context;
    struct probe *probe = run->probe;

    /* libcurl's own measure is not there when the handshake fails. */
    probe->connect_us = (uint32_t)MAX(clock_monotonic_us() - probe->started_us, (uint64_t)1);
    probe_tell(probe, "connected", NULL, 0);
    return tls_check_apply(&run->check, tls_context) ? CURLE_OK : CURLE_OUT_OF_MEMORY;
}

/* Before the request is sent. */
static int
on_request(void *context, char *address, char *local_address, int port, int local_port)
{
    const struct curl_run *run = context;

    probe_tell(run->probe, run->kind->tls ? "TLS handshake done" : "connected", NULL, 0);
    return CURL_PREREQFUNC_OK;
}

static size_t
on_header(char *line, size_t size, size_t count, void *context)
{
    struct curl_run *run = context;
    size_t length = count;

    run->header_bytes += (uint32_t)count;
    if (run->header_bytes > CURL_HEADERS_MAX)
        return CURL_WRITEFUNC_ERROR;
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
        length--;
    if (run->kind->header != NULL)
        run->kind->header(run, line, length);
    return count;
}

static size_t
on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct curl_run *run = context;

    run->enough = run->kind->body == NULL || !run->kind->body(run, bytes, count);
    return run->enough ? CURL_WRITEFUNC_ERROR : count;
}

static int
on_debug(CURL *easy, curl_infotype type, char *bytes, size_t count, void *context)
{
    const struct curl_run *run = context;

    if (type == CURLINFO_HEADER_OUT || type == CURLINFO_DATA_OUT)
        probe_tell(run->probe, "sent", bytes, count);
    else if (type == CURLINFO_HEADER_IN || type == CURLINFO_DATA_IN)
        probe_tell(run->probe, "heard", bytes, count);
    return 0;
}

/* ---- the beginning ---- */

/* Of the target as configured; else the address. */
static void
choose_name(struct curl_run *run)
{
    const char *sni = app_probe_text(run->probe->config, PROBE_SNI), *why;
    char text[ADDRESS_TEXT_BYTES];
    uint16_t port;

    if (sni != NULL)
        snprintf(run->name, sizeof run->name, "%s", sni);
    else if (run->probe->target == NULL ||
             address_split(run->probe->target, run->name, &port, &why) < 0)
        snprintf(run->name, sizeof run->name, "%s",
                 address_format_ip(&run->probe->address, text));
}

static bool
is_ip(const char *name)
{
    struct address ip;

    return address_parse_ip(name, 0, &ip) == 0;
}

/* The name is for TLS. The rest is that of no host, for libcurl to look nothing up. */
static bool
set_where(struct curl_run *run)
{
    static char port_1[] = "::127.0.0.1:1";
    static struct curl_slist nowhere = { port_1, NULL };
    char url[HOST_NAME_BYTES + 16];

    snprintf(url, sizeof url, "%s://%s/", run->kind->tls ? "https" : "http",
             !run->kind->tls || is_ip(run->name) ? "127.0.0.1" : run->name);
    return SET(CURLOPT_URL, url) && SET(CURLOPT_CONNECT_TO, &nowhere) &&
           SET(CURLOPT_OPENSOCKETFUNCTION, on_open) && SET(CURLOPT_OPENSOCKETDATA, run) &&
           SET(CURLOPT_PROXY, "") && SET(CURLOPT_PROTOCOLS_STR, "http,https");
}

static bool
set_bounds(struct curl_run *run)
{
    long timeout_ms = (long)run->probe->config->timeout_ms;

    return SET(CURLOPT_TIMEOUT_MS, timeout_ms) && SET(CURLOPT_CONNECTTIMEOUT_MS, timeout_ms) &&
           SET(CURLOPT_FRESH_CONNECT, 1L) && SET(CURLOPT_FORBID_REUSE, 1L) &&
           SET(CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES) && SET(CURLOPT_NOSIGNAL, 1L) &&
           SET(CURLOPT_HEADERFUNCTION, on_header) && SET(CURLOPT_HEADERDATA, run) &&
           SET(CURLOPT_WRITEFUNCTION, on_body) && SET(CURLOPT_WRITEDATA, run) &&
           SET(CURLOPT_ERRORBUFFER, run->error) && SET(CURLOPT_USERAGENT, USER_AGENT);
}

/* All checks are ours (tls_check.h). A resumed session would show no certificate. */
static bool
set_tls(struct curl_run *run)
{
    struct curl_shared *shared = run->probe->shared;

    if (!run->kind->tls)
        return true;
    shared->trust = tls_trust_renew(shared->trust);
    run->check = (struct tls_check){
        .probe = run->probe,
        .trust = tls_trust_ref(shared->trust),
        .name = run->name,
        .warn_ms = app_probe_more(run->probe->config)->certificate_warn_ms,
    };
    return SET(CURLOPT_SSL_VERIFYPEER, 0L) && SET(CURLOPT_SSL_VERIFYHOST, 0L) &&
           SET(CURLOPT_CAINFO, NULL) && SET(CURLOPT_CAPATH, NULL) &&
           SET(CURLOPT_SSL_SESSIONID_CACHE, 0L) && SET(CURLOPT_SSL_CTX_FUNCTION, on_tls) &&
           SET(CURLOPT_SSL_CTX_DATA, run);
}

static bool
set_watched(struct curl_run *run)
{
    if (run->probe->trace == NULL)
        return true;
    return SET(CURLOPT_VERBOSE, 1L) && SET(CURLOPT_DEBUGFUNCTION, on_debug) &&
           SET(CURLOPT_DEBUGDATA, run) && SET(CURLOPT_PREREQFUNCTION, on_request) &&
           SET(CURLOPT_PREREQDATA, run);
}

bool
curl_run_add_header(struct curl_run *run, const char *line)
{
    struct curl_slist *longer = curl_slist_append(run->headers, line);

    if (longer == NULL)
        return false;
    run->headers = longer;
    return true;
}

static bool
has_header(const struct app_list *list, const char *name)
{
    size_t length = strlen(name);

    for (uint32_t i = 0; i < list->count; i++) {
        if (strncasecmp(list->items[i], name, length) == 0 && list->items[i][length] == ':')
            return true;
    }
    return false;
}

/* The name of the target; with an address the port belongs to it. */
static bool
add_host(struct curl_run *run)
{
    const char *host = app_probe_text(run->probe->config, PROBE_HOST), *why;
    char line[PROBE_TEXT_BYTES_MAX + 16], name[HOST_NAME_BYTES], text[ADDRESS_TEXT_BYTES];
    uint16_t port;

    if (host == NULL && run->probe->target != NULL &&
        address_split(run->probe->target, name, &port, &why) == 0 && !is_ip(name))
        host = name;
    if (host == NULL)
        host = address_format(&run->probe->address, text);
    snprintf(line, sizeof line, "Host: %s", host);
    return curl_run_add_header(run, line);
}

bool
curl_run_set_headers(struct curl_run *run, bool close)
{
    const struct app_list *list = &app_probe_more(run->probe->config)->lists[PROBE_HEADERS];
    bool whole = true;

    if (!has_header(list, "Host"))
        whole = add_host(run);
    if (close && !has_header(list, "Connection"))
        whole = whole && curl_run_add_header(run, "Connection: close");
    for (uint32_t i = 0; whole && i < list->count; i++)
        whole = curl_run_add_header(run, list->items[i]);
    return whole && SET(CURLOPT_HTTPHEADER, run->headers);
}

int
curl_run_start(struct curl_run *run, struct probe *probe, const struct curl_kind *kind)
{
    const struct curl_shared *shared = probe->shared;
    int rc = -ENOMEM;

    run->probe = probe;
    run->kind = kind;
    run->transfer = (struct curl_transfer){ curl_easy_init(), on_end };
    if (run->transfer.easy == NULL)
        return rc;
    choose_name(run);
    if (set_where(run) && set_bounds(run) && set_tls(run) && set_watched(run) &&
        kind->set_up(run))
        rc = curl_loop_add(shared->loop, &run->transfer);
    if (rc < 0)
        run_fini(run);
    return rc;
}

void
curl_run_cancel(struct curl_run *run)
{
    const struct curl_shared *shared = run->probe->shared;

    curl_loop_remove(shared->loop, &run->transfer);
    run_fini(run);
}
