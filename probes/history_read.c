#include "probes/history_read.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sqlite_file.h"
#include "base/util.h"
#include "probes/rows.h"

enum { MINUTE_MS = 60000 };

#define ASKED_FOR                                                                              \
    " (?2 = '' OR app = ?2) AND (?3 = '' OR target = ?3 OR address = ?3)"

/* A probe stands before the transition that it led to. ?4 is a number in a text. */
static const char events_sql[] =
    "SELECT at, app, target, address, 1 AS moved, from_state, to_state, reason, detail, 0.0, id"
    "  FROM transitions WHERE at >= ?1 AND" ASKED_FOR
    " UNION ALL "
    "SELECT at, app, target, address, 0, probe, outcome, outcome, detail, duration_ms, id"
    "  FROM probe_results WHERE at >= ?1 AND" ASKED_FOR
    " ORDER BY 1 DESC, moved DESC, id DESC LIMIT CAST(?4 AS INTEGER)";

/* The minute that is not over yet has no summary: then the recorded results stand for it. */
static const char minutes_sql[] =
    "SELECT app, target, address, probe, minute, runs, failures, p50_ms, max_ms"
    "  FROM probe_summary WHERE minute >= ?5 AND" ASKED_FOR
    " UNION ALL "
    "SELECT app, target, address, probe, substr(at, 1, 17) || '00.000Z' AS began, count(*),"
    "       sum(outcome <> 'ok'), avg(duration_ms), max(duration_ms)"
    "  FROM probe_results AS r WHERE at >= ?5 AND" ASKED_FOR
    "   AND NOT EXISTS (SELECT 1 FROM probe_summary AS s WHERE s.app = r.app"
    "       AND s.target = r.target AND s.address = r.address AND s.probe = r.probe"
    "       AND s.minute = substr(r.at, 1, 17) || '00.000Z')"
    " GROUP BY app, target, address, probe, began"
    " ORDER BY 1, 2, 3, 4, 5";

struct reading {
    const char *values[5];          /* from, app, target, how many, from as a whole minute */
    struct history_past *past;
};

static int
take_event(sqlite3_stmt *row, void *context)
{
    struct history_past *past = context;
    struct history_event *event;
    void *elements = past->events;

    event = inspect_add(&elements, &past->event_count, &past->event_room, sizeof *event);
    past->events = elements;
    if (event == NULL)
        return -ENOMEM;
    event->at_ms = row_time(row, 0);
    row_text(row, 1, event->app, sizeof event->app);
    row_text(row, 2, event->target, sizeof event->target);
    row_text(row, 3, event->address, sizeof event->address);
    event->is_transition = sqlite3_column_int(row, 4) != 0;
    row_text(row, 5, event->from_state, sizeof event->from_state);
    row_text(row, 6, event->to_state, sizeof event->to_state);
    row_text(row, 7, event->reason, sizeof event->reason);
    row_text(row, 8, event->detail, sizeof event->detail);
    event->duration_ms = sqlite3_column_double(row, 9);
    return 0;
}

static bool
is_of(sqlite3_stmt *row, const struct history_line *line)
{
    const char *const texts[] = { line->app, line->target, line->address, line->probe };

    for (int i = 0; i < (int)ARRAY_SIZE(texts); i++) {
        const char *value = (const char *)sqlite3_column_text(row, i);

        if (value == NULL || strcmp(value, texts[i]) != 0)
            return false;
    }
    return true;
}

static struct history_line *
line_of(sqlite3_stmt *row, struct history_past *past)
{
    struct history_line *line = past->line_count > 0 ? &past->lines[past->line_count - 1] : NULL;
    void *elements = past->lines;

    if (line != NULL && is_of(row, line))
        return line;
    line = inspect_add(&elements, &past->line_count, &past->line_room, sizeof *line);
    past->lines = elements;
    if (line == NULL)
        return NULL;
    row_text(row, 0, line->app, sizeof line->app);
    row_text(row, 1, line->target, sizeof line->target);
    row_text(row, 2, line->address, sizeof line->address);
    row_text(row, 3, line->probe, sizeof line->probe);
    return line;
}

static int
take_minute(sqlite3_stmt *row, void *context)
{
    struct history_line *line = line_of(row, context);
    struct chart_minute *minute;
    void *elements;

    if (line == NULL)
        return -ENOMEM;
    elements = line->minutes;
    minute = inspect_add(&elements, &line->count, &line->room, sizeof *minute);
    line->minutes = elements;
    if (minute == NULL)
        return -ENOMEM;
    minute->minute_ms = row_time(row, 4);
    minute->runs = (uint32_t)sqlite3_column_int64(row, 5);
    minute->failures = (uint32_t)sqlite3_column_int64(row, 6);
    minute->p50_ms = sqlite3_column_double(row, 7);
    minute->max_ms = sqlite3_column_double(row, 8);
    return 0;
}

static int
read_past(sqlite3 *database, void *context)
{
    struct reading *reading = context;
    int code = sqlite3_exec(database, "BEGIN", NULL, NULL, NULL);

    history_past_free(reading->past);       /* of an earlier try */
    if (code == SQLITE_OK)
        code = rows_each(database, events_sql, reading->values, 4, take_event, reading->past);
    if (code == SQLITE_OK)
        code = rows_each(database, minutes_sql, reading->values, 5, take_minute, reading->past);
    return code;
}

int
history_read(const char *path, const char *app, const char *target, int64_t from_ms,
             uint32_t events_max, struct history_past *past, char *why)
{
    char from[TIME_TEXT_BYTES], minute[TIME_TEXT_BYTES], limit[16];
    struct reading reading = {
        .values = { from, app != NULL ? app : "", target != NULL ? target : "", limit, minute },
        .past = past,
    };

    *past = (struct history_past){ 0 };
    clock_format_utc(from_ms, from);
    clock_format_utc(from_ms - from_ms % MINUTE_MS, minute);
    snprintf(limit, sizeof limit, "%" PRIu32, events_max);
    return sqlite_file_read(path, read_past, &reading, why);
}

void
history_past_free(struct history_past *past)
{
    for (size_t i = 0; i < past->line_count; i++)
        free(past->lines[i].minutes);
    free(past->lines);
    free(past->events);
    *past = (struct history_past){ 0 };
}
