/*
 * The kinds of probes, and which keys they have.
 */
#include <string.h>

#include "base/util.h"
#include "config/probe_read_priv.h"
#include "config/probe_words.h"

/* In the order of the flags. Mirrors kinds[] of probes/probe.c, which lies in a layer that this
 * one may not include; `none` is no kind there. */
const char *const kinds[] = {
    "tcp", "exchange", "http", "https", "tls", "grpc", "exec",
    "helper", "dns", "push", "traffic", "none", NULL,
};

const char *const probe_role_words[] = { [PROBE_READINESS] = "readiness",
                                         [PROBE_STARTUP] = "startup",
                                         [PROBE_LIVENESS] = "liveness",
                                         NULL };
const char *const probe_close_words[] = { [PROBE_CLOSE_FIN] = "fin",
                                          [PROBE_CLOSE_RST] = "rst",
                                          [PROBE_CLOSE_BANNER] = "banner",
                                          NULL };
const char *const probe_proxy_words[] = { [PROBE_PROXY_OFF] = "off",
                                          [PROBE_PROXY_V1] = "v1",
                                          [PROBE_PROXY_V2] = "v2",
                                          NULL };
const char *const probe_text_keys[PROBE_TEXTS] = {
    [PROBE_METHOD] = "method", [PROBE_PATH] = "path",       [PROBE_HOST] = "host",
    [PROBE_STATUS] = "status", [PROBE_BODY] = "body",       [PROBE_SNI] = "sni",
    [PROBE_CA] = "ca",         [PROBE_SERVICE] = "service", [PROBE_USER] = "user",
    [PROBE_TYPE] = "type",
};
const char *const probe_list_keys[PROBE_LISTS] = { [PROBE_HEADERS] = "headers",
                                                   [PROBE_COMMAND] = "command" };

/* Mirrors the types of probes/dns_question.c. */
const char *const dns_types[] = { "A",  "AAAA", "CNAME", "MX",  "NS",
                                         "PTR", "SOA",  "SRV",   "TXT", NULL };

/* Keys that only some kinds have. */
static const struct {
    const char *key;
    unsigned kinds;
} belongs[] = {
    { "send", TALKS },          { "expect", TALKS },      { "steps", TALKS },
    { "preset", TALKS },        { "close", TALKS },       { "method", WEB },
    { "path", WEB },            { "host", WEB | GRPC | DNS }, { "status", WEB },
    { "body", WEB },            { "headers", WEB | GRPC }, { "sni", CERTIFIED },
    { "ca", CERTIFIED },        { "verify", CERTIFIED },  { "certificate_warn", CERTIFIED },
    { "service", GRPC },        { "tls", GRPC },          { "command", PROGRAM },
    { "user", PROGRAM },        { "cpu_time", PROGRAM },  { "type", DNS },
    { "port", ~(unsigned)PUSH }, { "address", ~(unsigned)PUSH },
    { "ttl", PUSH },            { "proxy_protocol", TALKS },
};

unsigned
kinds_with(const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(belongs); i++) {
        if (strcmp(belongs[i].key, key) == 0)
            return belongs[i].kinds;
    }
    return ~0u;
}

unsigned
kind_flag(const char *kind)
{
    for (unsigned i = 0; kinds[i] != NULL; i++) {
        if (strcmp(kinds[i], kind) == 0)
            return 1u << i;
    }
    return 0;
}
