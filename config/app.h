/*
 * app - the configuration of one app, and its canonical text.
 *
 * The canonical text (libconfig syntax, every key, fixed order, defaults filled in) is the
 * one serialised form of an app: compared and hashed for the diff, stored in SQLite, sent
 * to children. Nothing here opens a file. Needs libconfig only, for workers link it.
 */
#ifndef FPROXY_CONFIG_APP_H
#define FPROXY_CONFIG_APP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/names.h"
#include "config/app_probe.h"

enum {
    APP_PORTS_MAX = 4096,           /* listening ports of one app */
    APP_TARGETS_MAX = 4096,
    APP_ENDPOINTS_MAX = 4096,       /* default of `endpoints_max` */
    APP_THREADS_MAX = 64,
    APP_RETRIES_MAX = 15,
    APP_WEIGHT_MAX = 256,           /* of a target */
    APP_TIER_MAX = 255,
    APP_TEXT_BYTES_MAX = 1 << 21,   /* of a canonical text */
};

enum app_initial { APP_INITIAL_HISTORY, APP_INITIAL_UP, APP_INITIAL_DOWN };
enum app_panic { APP_PANIC_ALL, APP_PANIC_FAIL };

struct app_listen {
    struct address address;         /* family 0: every address, dual-stack */
};

/* Small, for there may be many; the host is in the name: app_target_host(). */
struct app_target {
    char *name;                     /* owned; as configured: "host:port", "srv:_http._tcp.name" */
    struct address address;         /* when the host is an IP literal; else family 0 */
    uint16_t port;                  /* 0: of a service, as its SRV records say */
    uint16_t weight;                /* its share beside the others of its tier; 1: the default */
    uint16_t tier;                  /* the smallest that has an eligible endpoint gets all */
    bool service;
};

struct app_config {
    char name[APP_NAME_BYTES];
    struct app_listen *ports;       /* owned; ranges are expanded */
    uint32_t port_count;
    struct app_target *targets;     /* owned */
    uint32_t target_count;
    char strategy[32];
    struct app_probe probe;         /* the only one, where `probes` is empty */
    struct app_probes probes;
    enum app_initial initial;
    enum app_panic panic;
    uint32_t panic_hold_ms;         /* those that worked within it are tried first in panic */
    uint32_t eject_failures, eject_time_ms, eject_time_max_ms, eject_share_percent;
    uint32_t ready_min_available, ready_timeout_ms;
    uint32_t connect_timeout_ms, connect_per_try_ms, connect_retries, connect_stagger_ms;
    uint32_t idle_timeout_ms;       /* 0: never */
    uint32_t half_close_timeout_ms; /* as idle_timeout unless given */
    uint32_t drain_timeout_ms;      /* of what was removed */
    uint32_t handover_timeout_ms;   /* of an old process's connections; 0: no limit */
    uint32_t user_timeout_ms;       /* TCP_USER_TIMEOUT; 0: off */
    uint32_t slow_start_ms;         /* until a new or returned endpoint has its share; 0: at once */
    uint32_t flap_half_life_ms;     /* of the penalty for changes; 0: nothing is held back */
    uint32_t flap_suppress, flap_reuse;
    uint32_t threads;               /* 0: as daemon.threads */
    uint32_t endpoints_max;
    char worker[APP_NAME_BYTES];    /* apps that name the same share a process; "": none */
};

/* What holds where nothing is configured; `app` is overwritten, nothing is allocated. */
void app_config_defaults(struct app_config *app);

/* Frees what the struct owns, not the struct. */
void app_config_fini(struct app_config *app);

/* The probes that are configured: those of `probes`, else the one of `probe`. */
const struct app_probe *app_config_probes(const struct app_config *app, uint32_t *count);

/* Those of them that look at the targets: all but liveness; and where none has the role readiness,
 * the one of `probe` too. How many. */
uint32_t app_config_target_probes(const struct app_config *app,
                                  const struct app_probe *probes[APP_PROBES_MAX + 1]);
/* The first of those of this kind, or NULL. */
const struct app_probe *app_config_find_probe(const struct app_config *app, const char *kind);

/* Frees what its probes own, which only the prober needs. */
void app_config_forget_probes(struct app_config *app);

/* Frees the targets alone; their count stays. */
void app_config_forget_targets(struct app_config *app);

/* From "host:port" or "srv:_http._tcp.name". 0; -EINVAL with the reason in `*why` (static
 * storage); -ENOMEM. There is something to free only after 0. */
int app_target_init(struct app_target *target, const char *name, const char **why);
void app_target_fini(struct app_target *target);

/* Its host, without brackets, or the name of its service; into HOST_NAME_BYTES. */
void app_target_host(const struct app_target *target, char *host);

/* The canonical text on the heap (the caller frees it), or NULL without memory. */
char *app_config_print(const struct app_config *app);

/* Parses a canonical text (as app_config_print() made it). 0; -EINVAL when it is none, with
 * the reason in `why` (DETAIL_BYTES); -ENOMEM. On failure nothing is left to free. */
int app_config_parse(const char *text, struct app_config *app, char *why);

#endif
