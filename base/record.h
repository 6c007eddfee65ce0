/*
 * record - something worth keeping that happened, on its way to the database.
 *
 * Children send records to the supervisor (control_message.h), whose store writes them: a row
 * of the table that the kind names (design, section 8). The same struct comes back at
 * a start as the seed of the prober: what the database last knew. Fixed size, no
 * pointers; texts end with NUL; times are UTC in ms since 1970 (clock_wall_ms).
 */
#ifndef FPROXY_BASE_RECORD_H
#define FPROXY_BASE_RECORD_H

#include <stdint.h>

#include "base/names.h"

enum record_kind {
    RECORD_TRANSITION = 1,  /* transitions: an endpoint changed its state */
    RECORD_ENDPOINT,        /* endpoints: its present row (insert or replace); also a seed */
    RECORD_ENDPOINT_GONE,   /* endpoints: delete the row */
    RECORD_PROBE_RESULT,    /* probe_results: one probe */
    RECORD_PROBE_SUMMARY,   /* probe_summary: one minute of an endpoint */
    RECORD_DNS,             /* dns_cache: one address of an answer; also a seed */
    RECORD_DNS_GONE,        /* dns_cache: delete the rows of `name` and `type`; always sent
                             * before the RECORD_DNS rows of a new answer */
    RECORD_EVENT,           /* events */
    RECORD_KINDS
};

struct record_transition {
    char from_state[16];
    char to_state[16];
    char reason[32];
    char detail[DETAIL_BYTES];
};

struct record_endpoint {
    char state[16];
    char reason[32];
    int64_t since_ms;
    uint32_t weight;
    uint32_t penalty;                   /* for changes of its state, as it was then; 0: none */
    int64_t penalty_at_ms;              /* where there is one */
};

struct record_probe_result {
    char probe[PROBE_NAME_BYTES];       /* the probe's name, else its kind */
    char outcome[32];                   /* "ok" or a failure reason */
    uint32_t duration_us;
    char detail[DETAIL_BYTES];
};

struct record_probe_summary {
    char probe[PROBE_NAME_BYTES];
    int64_t minute_ms;                  /* the minute's begin */
    uint32_t runs, failures, p50_us, max_us;
};

struct record_dns {
    char name[HOST_NAME_BYTES];
    char type[8];                       /* "A", "AAAA" or "SRV" */
    uint32_t ttl_s;                     /* as it came, before clamping */
    int64_t resolved_at_ms, expires_at_ms;
    char status[16];                    /* "ok", "nxdomain", "empty": no address unless ok */
};

struct record_event {
    char kind[32];                      /* as "config_error", "probe_overrun" */
    char level[8];                      /* log_level_name() */
    char message[256];
    char fields[DETAIL_BYTES];          /* JSON object, or "" */
};

struct record {
    uint32_t kind;                      /* enum record_kind */
    uint32_t unused;
    int64_t at_ms;
    char app[APP_NAME_BYTES];           /* "" for RECORD_DNS */
    char target[TARGET_NAME_BYTES];     /* of a RECORD_DNS of type SRV: "priority weight port
                                         * host", which stands for its address */
    char address[ADDRESS_TEXT_BYTES];   /* "ip:port" of an endpoint; a bare IP for RECORD_DNS */
    union {
        struct record_transition transition;
        struct record_endpoint endpoint;
        struct record_probe_result result;
        struct record_probe_summary summary;
        struct record_dns dns;
        struct record_event event;
    } of;
};

/* Checks a record that another process made: the kind is known and every text of it ends
 * within its field. 0 or -EPROTO. */
int record_check(const struct record *record);

#endif
