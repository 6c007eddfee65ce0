/* The kinds of probes over libcurl, as a module (probe_module.h). */
#include "config/app_probe.h"
#include "probes/probe_module.h"

extern const struct probe_ops probe_http, probe_https, probe_grpc, probe_tls;

static const struct probe_ops *const kinds[] = {
    &probe_http, &probe_https, &probe_tls, &probe_grpc, NULL,
};

const struct probe_module fproxy_probe_module = PROBE_MODULE(kinds);
