/*
 * replay_read - what the database recorded of an app's probes, by endpoint.
 */
#ifndef FPROXY_PROBES_REPLAY_READ_H
#define FPROXY_PROBES_REPLAY_READ_H

#include "base/names.h"
#include "probes/replay.h"
#include "probes/why_facts.h"

/* One probe of one endpoint. */
struct replay_case {
    char target[TARGET_NAME_BYTES], address[ADDRESS_TEXT_BYTES], probe[PROBE_NAME_BYTES];
    struct replay_result *rows;         /* owned; in the order of time */
    size_t row_count, row_room;
    struct replay_minute *minutes;      /* owned; likewise */
    size_t minute_count, minute_room;
};

struct replay_cases {
    struct why_policy policy;           /* the configured one */
    struct replay_case *cases;          /* owned; sorted by target, address, probe */
    size_t count, room;
};

/* Reads those of `app` whose target or address is `target` (NULL: all). As sqlite_file_read();
 * replay_cases_free() in any case. */
int replay_read(const char *path, const char *app, const char *target,
                struct replay_cases *cases, char *why);
void replay_cases_free(struct replay_cases *cases);

#endif
