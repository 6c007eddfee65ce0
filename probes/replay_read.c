#include "probes/replay_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/sqlite_file.h"
#include "base/util.h"
#include "probes/inspect.h"
#include "probes/rows.h"

#define OF_THE_APP                                                                             \
    " WHERE app = ?1 AND (?2 = '' OR target = ?2 OR address = ?2)"

static const char rows_sql[] =
    "SELECT target, address, probe, at, outcome FROM probe_results" OF_THE_APP
    " ORDER BY target, address, probe, at, id";

static const char minutes_sql[] =
    "SELECT target, address, probe, minute, runs, failures FROM probe_summary" OF_THE_APP
    " ORDER BY target, address, probe, minute";

struct reading {
    const char *app, *target;
    struct replay_cases *cases;
    size_t hint;                        /* of the case of the last minute */
};

static bool
is_of(sqlite3_stmt *row, const struct replay_case *one)
{
    const char *const texts[] = { one->target, one->address, one->probe };

    for (int i = 0; i < (int)ARRAY_SIZE(texts); i++) {
        const char *value = (const char *)sqlite3_column_text(row, i);

        if (value == NULL || strcmp(value, texts[i]) != 0)
            return false;
    }
    return true;
}

static struct replay_case *
case_of(sqlite3_stmt *row, struct replay_cases *cases)
{
    struct replay_case *last = cases->count > 0 ? &cases->cases[cases->count - 1] : NULL;
    void *elements = cases->cases;

    if (last != NULL && is_of(row, last))
        return last;
    last = inspect_add(&elements, &cases->count, &cases->room, sizeof *last);
    cases->cases = elements;
    if (last == NULL)
        return NULL;
    row_text(row, 0, last->target, sizeof last->target);
    row_text(row, 1, last->address, sizeof last->address);
    row_text(row, 2, last->probe, sizeof last->probe);
    return last;
}

/* A failure that this version has no name for is one all the same. */
static enum reason
outcome_of(sqlite3_stmt *row, int column)
{
    const char *word = (const char *)sqlite3_column_text(row, column);
    enum reason reason;

    if (word == NULL || !reason_parse(word, &reason) || reason == REASON_NONE)
        return REASON_MISMATCH;
    return reason;
}

static int
take_row(sqlite3_stmt *row, void *context)
{
    struct reading *reading = context;
    struct replay_case *one = case_of(row, reading->cases);
    struct replay_result *result;
    void *elements;

    if (one == NULL)
        return -ENOMEM;
    elements = one->rows;
    result = inspect_add(&elements, &one->row_count, &one->row_room, sizeof *result);
    one->rows = elements;
    if (result == NULL)
        return -ENOMEM;
    result->at_ms = row_time(row, 3);
    result->outcome = outcome_of(row, 4);
    return 0;
}

/* Minutes and cases have one order. A minute of a case without rows says nothing. */
static int
take_minute(sqlite3_stmt *row, void *context)
{
    struct reading *reading = context;
    struct replay_cases *cases = reading->cases;
    struct replay_minute *minute;
    struct replay_case *one;
    void *elements;
    size_t i = reading->hint;

    while (i < cases->count && !is_of(row, &cases->cases[i]))
        i++;
    if (i == cases->count)
        return 0;
    reading->hint = i;
    one = &cases->cases[i];
    elements = one->minutes;
    minute = inspect_add(&elements, &one->minute_count, &one->minute_room, sizeof *minute);
    one->minutes = elements;
    if (minute == NULL)
        return -ENOMEM;
    minute->minute_ms = row_time(row, 3);
    minute->runs = (uint32_t)sqlite3_column_int64(row, 4);
    minute->failures = (uint32_t)sqlite3_column_int64(row, 5);
    return 0;
}

static int
read_cases(sqlite3 *database, void *context)
{
    struct reading *reading = context;
    const char *values[] = { reading->app, reading->target != NULL ? reading->target : "" };
    int code = sqlite3_exec(database, "BEGIN", NULL, NULL, NULL);

    replay_cases_free(reading->cases);      /* of an earlier try */
    reading->hint = 0;
    if (code == SQLITE_OK)
        code = why_policy_read(database, reading->app, "", &reading->cases->policy);
    if (code == SQLITE_OK)
        code = rows_each(database, rows_sql, values, 2, take_row, reading);
    if (code == SQLITE_OK)
        code = rows_each(database, minutes_sql, values, 2, take_minute, reading);
    return code;
}

int
replay_read(const char *path, const char *app, const char *target, struct replay_cases *cases,
            char *why)
{
    struct reading reading = { .app = app, .target = target, .cases = cases };

    *cases = (struct replay_cases){ 0 };
    return sqlite_file_read(path, read_cases, &reading, why);
}

void
replay_cases_free(struct replay_cases *cases)
{
    for (size_t i = 0; i < cases->count; i++) {
        free(cases->cases[i].rows);
        free(cases->cases[i].minutes);
    }
    free(cases->cases);
    *cases = (struct replay_cases){ 0 };
}
