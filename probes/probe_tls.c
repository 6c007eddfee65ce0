/*
 * The kind "tls": a handshake, and a certificate to be trusted. Nothing is said over it; it ends
 * with close_notify.
 */
#include "probes/curl_probe.h"
#include "probes/probe.h"

static void
tls_judge(struct curl_run *run)
{
    curl_run_tell(run, REASON_OK, "TLS handshake in %.1f ms", curl_run_ms(run));
}

static bool
tls_set_up(struct curl_run *run)
{
    return curl_easy_setopt(run->transfer.easy, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK &&
           curl_easy_setopt(run->transfer.easy, CURLOPT_SSL_ENABLE_ALPN, 0L) == CURLE_OK;
}

static const struct curl_kind tls_kind = {
    .tls = true,
    .set_up = tls_set_up,
    .judge = tls_judge,
};

static int
tls_start(struct probe *probe)
{
    return curl_run_start(probe->state, probe, &tls_kind);
}

static void
tls_cancel(struct probe *probe)
{
    curl_run_cancel(probe->state);
}

const struct probe_ops probe_tls = {
    .name = "tls",
    .flags = PROBE_CONNECTS | PROBE_NAMES | PROBE_AS_CLIENTS,
    .state_bytes = sizeof(struct curl_run),
    .start = tls_start,
    .cancel = tls_cancel,
    .prepare = curl_shared_prepare,
    .release = curl_shared_release,
};
