/* As in haproxy's doc/proxy-protocol.txt, 2.1 and 2.2. */
#include "probes/proxy_header.h"

#include "config/app_probe.h"

static const char v1[] = "PROXY UNKNOWN\r\n";

/* The signature; version 2, command LOCAL; family and protocol unspecified; no addresses follow. */
static const char v2[] = "\r\n\r\n\0\r\nQUIT\n" "\x20" "\0" "\0\0";
_Static_assert(sizeof v2 - 1 == 16, "a header of version 2 without addresses");

const char *
proxy_header(const struct app_probe *config, size_t *bytes)
{
    switch (app_probe_more(config)->proxy_protocol) {
    case PROBE_PROXY_V1:
        *bytes = sizeof v1 - 1;
        return v1;
    case PROBE_PROXY_V2:
        *bytes = sizeof v2 - 1;
        return v2;
    default:
        *bytes = 0;
        return NULL;
    }
}
