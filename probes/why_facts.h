/*
 * why_facts - what the database adds to the view of an endpoint: what DNS said, the thresholds,
 * what happened before.
 *
 * Read for people, so bounded: the last few of each. All zeroes where there is no database.
 */
#ifndef FPROXY_PROBES_WHY_FACTS_H
#define FPROXY_PROBES_WHY_FACTS_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/inspect.h"

enum {
    WHY_TRANSITIONS_MAX = 5,
    WHY_RESULTS_MAX = 20,
    WHY_ANSWERS_MAX = 16,
};

/* A row of dns_cache. */
struct why_answer {
    char type[8], status[16];
    char address[ADDRESS_TEXT_BYTES];       /* "" unless status is ok */
    uint32_t ttl_s;
    int64_t resolved_at_ms, expires_at_ms;
};

struct why_transition {
    int64_t at_ms;
    char from_state[INSPECT_WORD_BYTES], to_state[INSPECT_WORD_BYTES];
    char reason[INSPECT_WORD_BYTES];
    char detail[DETAIL_BYTES];
};

/* What the app's last good configuration says of its probe. */
struct why_policy {
    bool known;
    uint32_t rise, fall, interval_ms, timeout_ms;
    uint32_t window, threshold;             /* window 0: rise and fall count */
    char kind[16];
    char where[ADDRESS_TEXT_BYTES];         /* "" unless it asks another address or port */
};

/* What an operator did, of the table overrides. */
struct why_override {
    char action[INSPECT_WORD_BYTES];        /* "": nothing */
    char note[DETAIL_BYTES];
    int64_t since_ms;
};

struct why_facts {
    struct why_policy policy;
    struct why_override override;
    struct why_answer answers[WHY_ANSWERS_MAX];
    size_t answer_count;
    size_t answers_left_out;
    struct why_transition *transitions;     /* owned; the latest first */
    size_t transition_count, transition_room;
    struct inspect_probe *results;          /* owned; the latest first */
    size_t result_count, result_room;
};

/* The facts of every endpoint of a view, in its order. */
struct why_all {
    struct why_facts *facts;                /* owned */
    size_t count;
};

/* The host of a target, without port and brackets, into HOST_NAME_BYTES; true when it is an IP
 * literal. */
bool why_host(const char *target, char *host);

/* Reads what the app's last good configuration says of the probe of this name, else of its first
 * one; unknown where there is none. SQLITE_OK or an SQLite code. */
int why_policy_read(sqlite3 *database, const char *app, const char *probe,
                    struct why_policy *policy);

/* Reads the facts of all endpoints of the view from the database `path`. On failure all facts are
 * there, without anything in them, and `trouble` (DETAIL_BYTES) says why; -ENOMEM: there are
 * none. Call why_facts_free() in any case. */
int why_facts_read(const char *path, const struct inspect_view *view, struct why_all *all,
                   char *trouble);

void why_facts_free(struct why_all *all);

#endif
