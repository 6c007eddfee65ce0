/*
 * history_read - what the database recorded of a time, for people.
 */
#ifndef FPROXY_PROBES_HISTORY_READ_H
#define FPROXY_PROBES_HISTORY_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "probes/inspect.h"
#include "probes/latency_chart.h"

/* A transition, or a probe that ended. */
struct history_event {
    int64_t at_ms;
    char app[APP_NAME_BYTES], target[TARGET_NAME_BYTES], address[ADDRESS_TEXT_BYTES];
    bool is_transition;
    char from_state[INSPECT_WORD_BYTES];    /* of a probe: its name */
    char to_state[INSPECT_WORD_BYTES];      /* of a probe: the same as `reason` */
    char reason[INSPECT_WORD_BYTES];        /* of a probe: its outcome */
    char detail[DETAIL_BYTES];
    double duration_ms;                     /* of a probe */
};

/* The minutes of one probe of one endpoint, in the order of time. */
struct history_line {
    char app[APP_NAME_BYTES], target[TARGET_NAME_BYTES], address[ADDRESS_TEXT_BYTES];
    char probe[PROBE_NAME_BYTES];
    struct chart_minute *minutes;           /* owned */
    size_t count, room;
};

struct history_past {
    struct history_event *events;           /* owned; the latest first */
    size_t event_count, event_room;
    struct history_line *lines;             /* owned; sorted by app, target, address, probe */
    size_t line_count, line_room;
};

/* Reads what is behind `from_ms`, of all apps, one, or one target of it (NULL: all), and of events
 * the last `events_max`. As sqlite_file_read(); history_past_free() in any case. */
int history_read(const char *path, const char *app, const char *target, int64_t from_ms,
                 uint32_t events_max, struct history_past *past, char *why);
void history_past_free(struct history_past *past);

#endif
