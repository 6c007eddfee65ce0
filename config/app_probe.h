/*
 * app_probe - how one probe of an app's targets is configured.
 *
 * An app has one (`probe`) or several (`probes`), each with a name and a role. What all kinds have
 * lies in the struct; what only some have (a path, a command) is kept by number, so that most
 * probes, which have none of it, stay small.
 */
#ifndef FPROXY_CONFIG_APP_PROBE_H
#define FPROXY_CONFIG_APP_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/names.h"
#include "config/steps.h"

struct print;

enum {
    APP_PROBES_MAX = 8,             /* of one app */
    PROBE_WINDOW_MAX = 64,          /* results that a window rule looks at */
    PROBE_TEXT_BYTES_MAX = 1024,    /* of one text */
    PROBE_LIST_MAX = 32,            /* headers, arguments */
};

/* The meaning that Kubernetes gives to them. */
enum app_probe_role {
    PROBE_READINESS,                /* does the target work? */
    PROBE_STARTUP,                  /* until it passed once, the others do not count */
    PROBE_LIVENESS,                 /* does our own proxy work, through its port? */
};

enum app_probe_close { PROBE_CLOSE_FIN, PROBE_CLOSE_RST, PROBE_CLOSE_BANNER };

/* The header of the PROXY protocol that a probe sends first. */
enum app_probe_proxy { PROBE_PROXY_OFF, PROBE_PROXY_V1, PROBE_PROXY_V2 };

/* Texts that only some kinds have. */
enum app_probe_text {
    PROBE_METHOD,                   /* http, https: "GET" when not given */
    PROBE_PATH,                     /* http, https: "/" */
    PROBE_HOST,                     /* http, https, grpc: Host header; dns: the name asked for */
    PROBE_STATUS,                   /* http, https: "200-299,404", normalised; "200-399" */
    PROBE_BODY,                     /* http, https: a substring of the body */
    PROBE_SNI,                      /* https, tls, grpc: name in handshake and certificate */
    PROBE_CA,                       /* likewise: path of a file of trusted certificates */
    PROBE_SERVICE,                  /* grpc: the service; "": the server as a whole */
    PROBE_USER,                     /* exec, helper: run as this user */
    PROBE_TYPE,                     /* dns: "A", "AAAA", "SOA", ... */
    PROBE_TEXTS
};

enum app_probe_list {
    PROBE_HEADERS,                  /* http, https, grpc: "Name: value" */
    PROBE_COMMAND,                  /* exec, helper: program and arguments */
    PROBE_LISTS
};

struct app_list {
    char **items;                   /* owned, each as well */
    uint32_t count;
};

/* What only some kinds have. */
struct app_probe_more {
    char *texts[PROBE_TEXTS];       /* owned; NULL: not given */
    struct app_list lists[PROBE_LISTS];
    uint32_t close;                 /* enum app_probe_close; tcp, exchange */
    uint32_t proxy_protocol;        /* enum app_probe_proxy; tcp, exchange */
    uint32_t verify;                /* https, tls, grpc: 1: the certificate is checked */
    uint32_t tls;                   /* grpc: 1: over TLS */
    uint32_t certificate_warn_ms;   /* https, tls, grpc: expiry nearer than this is a warning */
    uint32_t ttl_ms;                /* push: silence for so long is a failure; 0: 3 intervals */
    uint32_t cpu_ms;                /* exec, helper: CPU time of one run; 0: as timeout */
};

struct app_probe {
    char name[PROBE_NAME_BYTES];    /* of one of `probes`; "": the only one */
    char kind[16];                  /* "tcp", ..., or "none" */
    uint32_t role;                  /* enum app_probe_role */
    uint32_t interval_ms, timeout_ms;
    uint32_t rise, fall;
    uint32_t window, threshold;     /* of the last `window` results `threshold` must have passed;
                                     * window 0: rise and fall count */
    uint32_t jitter_percent;        /* of the interval, either way */
    uint32_t port;                  /* that is probed; 0: the target's */
    struct address address;         /* likewise, without a port; family 0: the target's */
    struct app_steps steps;         /* what is said once it is connected */
    struct app_probe_more *more;    /* owned; NULL: the defaults of app_probe_more_defaults */
};

/* Several probes of one target. */
struct app_probes {
    struct app_probe *list;         /* owned; NULL: there is the one of the key `probe` */
    uint32_t count;
    uint32_t required;              /* of those for readiness so many must pass; 0: all */
    uint32_t required_of;           /* as told: "2 of 3"; 0: not told */
};

/* Frees the list, not the struct. */
void app_probes_fini(struct app_probes *probes);
/* 0 or -ENOMEM. */
int app_probes_copy(const struct app_probes *from, struct app_probes *to);
/* `probes` and `probes_require`; nothing when there are none. */
void app_probes_print(struct print *print, const struct app_probes *probes);

/* What holds where a probe has no `more`. */
extern const struct app_probe_more app_probe_more_defaults;

/* Never NULL; the defaults where nothing is given. */
const struct app_probe_more *app_probe_more(const struct app_probe *probe);
/* The text, or NULL when it is not given. */
const char *app_probe_text(const struct app_probe *probe, enum app_probe_text which);

/* For readers: `more` of its own to write to. NULL without memory. */
struct app_probe_more *app_probe_make_more(struct app_probe *probe);

/* What is probed of an endpoint at `address`: another port or address may tell more of it than the
 * one that clients use. */
struct address app_probe_where(const struct app_probe *probe, const struct address *address);

/* Of the probe, what its rows in the database are called: its name, else its kind. */
const char *app_probe_title(const struct app_probe *probe);

/* Frees what it owns, not the struct. */
void app_probe_fini(struct app_probe *probe);

/* With texts of its own. 0 or -ENOMEM (then there is nothing to free). */
int app_probe_copy(const struct app_probe *from, struct app_probe *to);

/* Would the one find what the other finds, apart from when and what is made of it: are kind, port,
 * address and all that is said the same? */
bool app_probe_same_check(const struct app_probe *a, const struct app_probe *b);

/* All keys of it: on lines of their own (`indent`), or on the present one. */
void app_probe_print(struct print *print, int indent, const struct app_probe *probe);

#endif
