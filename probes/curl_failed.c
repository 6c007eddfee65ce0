#include "probes/curl_failed.h"

#include <errno.h>
#include <string.h>

#include "base/util.h"
#include "config/app_probe.h"
#include "probes/curl_probe.h"
#include "probes/shown.h"

static int
errno_of(const struct curl_run *run)
{
    long error = 0;

    curl_easy_getinfo(run->transfer.easy, CURLINFO_OS_ERRNO, &error);
    return (int)error;
}

static curl_off_t
time_of(const struct curl_run *run, CURLINFO which)
{
    curl_off_t us = 0;

    curl_easy_getinfo(run->transfer.easy, which, &us);
    return us;
}

static bool
shook_hands(const struct curl_run *run)
{
    return time_of(run, CURLINFO_APPCONNECT_TIME_T) > 0;
}

bool
curl_failed_to_connect(const struct curl_run *run, CURLcode code, int *error)
{
    if (code != CURLE_COULDNT_CONNECT)
        return false;
    *error = run->socket_error != 0 ? run->socket_error : errno_of(run);
    if (*error == 0)
        *error = EHOSTUNREACH;
    return true;
}

static void
tell_late(struct curl_run *run)
{
    double timeout_s = run->probe->config->timeout_ms / 1000.0;
    long status = curl_run_status(run);

    if (run->probe->connect_us == 0)
        curl_run_tell(run, REASON_CONNECT_TIMEOUT, "no answer within %g s", timeout_s);
    else if (run->kind->tls && !shook_hands(run))
        curl_run_tell(run, REASON_TLS_HANDSHAKE, "after %g s the TLS handshake is not over",
                      timeout_s);
    else if (run->header_bytes == 0)
        curl_run_tell(run, REASON_READ_TIMEOUT, "connected, but no answer within %g s",
                      timeout_s);
    else
        curl_run_tell(run, REASON_READ_TIMEOUT, "after %g s the answer is not whole (HTTP %ld)",
                      timeout_s, status);
}

/* "error:0A00010B:SSL routines::wrong version number, errno 0" -> "wrong version number" */
static const char *
tls_error(const struct curl_run *run, int *length)
{
    const char *text = strstr(run->error, "error:");
    const char *colon = text == NULL ? NULL : strrchr(text, ':');

    text = colon == NULL ? run->error : colon + 1;
    *length = (int)strcspn(text, ",");
    return text;
}

static void
tell_tls(struct curl_run *run)
{
    int length;
    const char *error = tls_error(run, &length);

    if (run->check.failed)
        curl_run_tell(run, REASON_TLS_HANDSHAKE, "%s", run->check.detail);
    else if (strstr(error, "wrong version number") != NULL)
        curl_run_tell(run, REASON_TLS_HANDSHAKE, "it does not speak TLS on this port");
    else if (strstr(error, "SSL_ERROR_SYSCALL") != NULL || strstr(error, "unexpected eof") != NULL)
        curl_run_tell(run, REASON_TLS_HANDSHAKE, "it closed during the TLS handshake");
    else
        curl_run_tell(run, REASON_TLS_HANDSHAKE, "TLS handshake: %.*s", MIN(length, 120), error);
}

static void
tell_end(struct curl_run *run)
{
    if (run->header_bytes == 0)
        curl_run_tell(run, REASON_UNEXPECTED_EOF, "it closed without an answer%s",
                      run->kind->hint != NULL ? run->kind->hint : "");
    else
        curl_run_tell(run, REASON_UNEXPECTED_EOF, "the answer broke off (HTTP %ld)",
                      curl_run_status(run));
}

static void
tell_garbled(struct curl_run *run)
{
    char text[SHOWN_CHARACTERS];

    curl_run_tell(run, REASON_MISMATCH, "no HTTP that can be understood: %s",
                  shown(text, run->error, strlen(run->error)));
}

/* With TLS 1.3 a target may turn us down, for want of a certificate of ours, when the handshake is
 * over on our side. */
static bool
is_turned_down(const struct curl_run *run)
{
    return run->kind->tls && (!shook_hands(run) || strstr(run->error, " alert ") != NULL);
}

/* It was being read: closing is an end, and so is a reset. */
static void
tell_unread(struct curl_run *run)
{
    int error = errno_of(run);

    if (is_turned_down(run))
        tell_tls(run);
    else if (error == ECONNRESET || error == EPIPE)
        curl_run_tell(run, REASON_UNEXPECTED_EOF, "while listening: %s", strerror(error));
    else
        tell_garbled(run);
}

static void
tell_unsent(struct curl_run *run)
{
    int error = errno_of(run);

    if (is_turned_down(run))
        tell_tls(run);
    else
        curl_run_tell(run, REASON_SEND_FAILED, "cannot send: %s",
                      error != 0 ? strerror(error) : "it has closed");
}

void
curl_failed_tell(struct curl_run *run, CURLcode code)
{
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        tell_late(run);
        break;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
        tell_tls(run);
        break;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        tell_end(run);
        break;
    case CURLE_SEND_ERROR:
        tell_unsent(run);
        break;
    case CURLE_RECV_ERROR:
        tell_unread(run);
        break;
    case CURLE_WRITE_ERROR:             /* on_header() had enough */
    case CURLE_OUT_OF_MEMORY:           /* also a line that libcurl will not keep any more of */
        if (run->probe->connect_us > 0)
            curl_run_tell(run, REASON_MISMATCH, "its headers are over %d KiB",
                          CURL_HEADERS_MAX / 1024);
        else
            curl_run_tell(run, REASON_CONNECT_LOCAL, "no memory");
        break;
    default:
        if (run->probe->connect_us > 0)
            tell_garbled(run);
        else
            curl_run_tell(run, REASON_CONNECT_LOCAL, "libcurl: %.100s",
                          curl_easy_strerror(code));
    }
}
