/* One probe of any kind, as configured, of a target that is a process of its own. */
#ifndef FPROXY_TESTS_PROBE_RIG_H
#define FPROXY_TESTS_PROBE_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "config/app_probe.h"
#include "probes/probe.h"

enum { RIG_TIMEOUT_MS = 400, RIG_TOLD_BYTES = 4096 };

/* In the target's process: one connection. It ends when this returns. */
typedef void rig_serve_fn(int client);

struct rig_result {
    enum reason outcome;
    bool warning;
    uint32_t connect_us, took_ms;
    char detail[DETAIL_BYTES];
    char told[RIG_TOLD_BYTES];      /* to who watches: "connected|sent GET / ...|heard ..." */
};

/* What the configuration would be. Its texts are borrowed. */
struct rig_probe {
    struct app_probe config;
    struct app_probe_more more;
};
void rig_init(struct rig_probe *probe, const char *kind);

/* `target` as configured ("web.example:80"), NULL: the address. `serve` NULL: nobody listens. */
struct rig_result rig_run(const struct rig_probe *probe, const char *target, rig_serve_fn *serve);

/* The kind `kind`; the test is linked with the module that has it. */
const struct probe_ops *rig_find(const char *kind);

/* A listening socket on a free port of 127.0.0.1, which `address` gets. */
int rig_listen(struct address *address);

/* -errno of ops->prepare(), with the reason in `why`. */
int rig_prepare(const struct rig_probe *probe, char why[DETAIL_BYTES]);

void rig_say(int client, const char *text);
void rig_send(int client, const void *bytes, size_t count);
/* Until the other side ends. */
void rig_drain(int client);
/* Until an empty line came; what was read, as text. */
const char *rig_read_request(int client);

#endif
