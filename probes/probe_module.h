/*
 * probe_module - kinds of probes in a file of their own, loaded for the first app that has one.
 *
 * Those over TLS and HTTP bring libcurl, OpenSSL and 40 libraries behind them: 7 MB of a prober
 * that mostly needs none of them. What the module calls (probe.h, base/) is the program's own,
 * which has to export it.
 *
 * The file may be of a newer fproxy than the program that loads it, between an installation and
 * `fproxy upgrade': what both share has to have the same size, or it is refused.
 */
#ifndef FPROXY_PROBES_PROBE_MODULE_H
#define FPROXY_PROBES_PROBE_MODULE_H

#include <stdint.h>

#include "probes/probe.h"

enum { PROBE_MODULE_LAYOUT = 1 };   /* raised when what is shared changes and its size does not */

#define PROBE_MODULE_CURL "fproxy-probe-curl.so"
#define PROBE_MODULE_SYMBOL "fproxy_probe_module"

struct probe_module {
    uint32_t layout;
    uint32_t probe_bytes, ops_bytes, config_bytes, more_bytes;
    const struct probe_ops *const *kinds;       /* ended by NULL */
};

/* For a module's file, once. */
#define PROBE_MODULE(kinds_) {                          \
        .layout = PROBE_MODULE_LAYOUT,                  \
        .probe_bytes = sizeof(struct probe),            \
        .ops_bytes = sizeof(struct probe_ops),          \
        .config_bytes = sizeof(struct app_probe),       \
        .more_bytes = sizeof(struct app_probe_more),    \
        .kinds = (kinds_),                              \
    }

/* The kind `name` of the module `file`, which is loaded now and stays. NULL: there is none, with
 * the reason in `why` (DETAIL_BYTES). The loop's thread only. */
const struct probe_ops *probe_module_kind(const char *file, const char *name, char *why);

/* For programs that are linked with a module, which then is not loaded: tests. */
void probe_module_linked(const struct probe_module *module);
extern const struct probe_module fproxy_probe_module;

#endif
