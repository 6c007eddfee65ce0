/*
 * settings - what holds for the whole daemon: the group `daemon` of the configuration.
 *
 * Has a canonical text too, which the supervisor hands to the prober and the workers.
 */
#ifndef FPROXY_CONFIG_SETTINGS_H
#define FPROXY_CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/log.h"
#include "base/names.h"

enum {
    DNS_SERVERS_MAX = 8,
    WORKER_POOL_MAX = 64,
};

struct settings {
    char state_dir[PATH_BYTES];     /* "" where not configured */
    char runtime_dir[PATH_BYTES];
    enum log_level log_level;
    bool log_level_set;             /* the environment and the option win over it */
    enum log_format log_format;
    uint32_t threads;               /* per worker; 0: one per core, at most 4 */
    uint32_t worker_pool;           /* processes for apps without a `worker`; 0: one each */
    uint32_t probe_concurrency;
    uint32_t probe_concurrency_per_destination;
    struct address dns_servers[DNS_SERVERS_MAX];
    uint32_t dns_server_count;      /* 0: those of resolv.conf */
    uint32_t dns_ttl_min_ms, dns_ttl_max_ms;
    uint32_t dns_negative_min_ms, dns_negative_max_ms;
    uint32_t dns_timeout_ms;        /* of one try */
    uint32_t dns_tries;
};

void settings_defaults(struct settings *settings);
/* As app_config_print() and app_config_parse(). */
char *settings_print(const struct settings *settings);
int settings_parse(const char *text, struct settings *settings, char *why);

#endif
