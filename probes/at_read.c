#include "probes/at_read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/sqlite_file.h"
#include "base/util.h"
#include "config/app.h"
#include "probes/inspect_at.h"
#include "probes/rows.h"

/* What was written last counts, whatever its time: where the clock was set back an hour occurs
 * twice, and the later one is told. One pass over all: a target may have thousands of addresses. */
static const char evidence_sql[] =
    "WITH befores AS (SELECT app, target, address, max(id) AS id FROM transitions"
    "                  WHERE at <= ?1 GROUP BY app, target, address),"
    "     afters AS (SELECT app, target, address, min(id) AS id FROM transitions"
    "                 WHERE at > ?1 GROUP BY app, target, address),"
    "     keys AS (SELECT app, target, address FROM endpoints"
    "              UNION SELECT app, target, address FROM befores"
    "              UNION SELECT app, target, address FROM afters)"
    "SELECT k.app, k.target, k.address, b.at, b.to_state, b.reason, b.detail,"
    "       a.at, a.from_state, e.since, e.state, e.reason,"
    "       (SELECT min(at) FROM probe_results WHERE app = k.app AND target = k.target"
    "           AND address = k.address)"
    "  FROM keys k"
    "  LEFT JOIN befores USING (app, target, address)"
    "  LEFT JOIN transitions b ON b.id = befores.id"
    "  LEFT JOIN afters USING (app, target, address)"
    "  LEFT JOIN transitions a ON a.id = afters.id"
    "  LEFT JOIN endpoints e ON e.app = k.app AND e.target = k.target AND e.address = k.address"
    " ORDER BY k.app, k.target, k.address";

static const char around_sql[] =
    "SELECT (SELECT min(at) FROM transitions),"
    "       (SELECT max(at) FROM probe_results WHERE at <= ?1),"
    "       (SELECT min(at) FROM probe_results WHERE at > ?1)";

/* A first rollout had failed by then: nothing was served until one did not. */
#define FAILED_BY_THEN(but)                                                                    \
    "EXISTS (SELECT 1 FROM rollouts WHERE app = ?1 AND outcome = 'failed'"                     \
    "          AND from_generation = 0 AND started_at <= ?2" but ")"

/* What served at ?2; 0: nothing. Without a rollout before, what the first one after it left; an app
 * that had changed its state before it was made was made before the clock was set back, unless it
 * had been tried in vain. */
#define SERVED                                                                                 \
    "coalesce((SELECT to_generation FROM rollouts WHERE app = ?1 AND outcome = 'done'"         \
    "    AND finished_at <= ?2 ORDER BY id DESC LIMIT 1),"                                     \
    "  (SELECT iif(from_generation = 0 AND started_at > ?2 AND EXISTS (SELECT 1"               \
    "      FROM transitions WHERE app = ?1 AND at <= ?2)"                                      \
    "      AND NOT " FAILED_BY_THEN(" AND id < first.id") ", to_generation, from_generation)"  \
    "    FROM rollouts AS first WHERE app = ?1 AND outcome = 'done' AND finished_at > ?2"      \
    "    ORDER BY id LIMIT 1),"                                                                \
    "  iif(" FAILED_BY_THEN("") ", 0, NULL))"

static const char generation_sql[] =
    "SELECT generation, config FROM (SELECT " SERVED " AS served)"
    "  LEFT JOIN config_generations ON app = ?1 AND generation = served"
    " WHERE served IS NOT NULL";

/* What sqlite_file_read() hands on. */
struct reading {
    struct at_past *past;
    char at[TIME_TEXT_BYTES];
};

static void
read_evidence(sqlite3_stmt *row, struct at_evidence *evidence)
{
    evidence->before_ms = row_time(row, 3);
    row_text(row, 4, evidence->before_to, sizeof evidence->before_to);
    row_text(row, 5, evidence->before_reason, sizeof evidence->before_reason);
    row_text(row, 6, evidence->before_detail, sizeof evidence->before_detail);
    evidence->after_ms = row_time(row, 7);
    row_text(row, 8, evidence->after_from, sizeof evidence->after_from);
    evidence->row_since_ms = row_time(row, 9);
    row_text(row, 10, evidence->row_state, sizeof evidence->row_state);
    row_text(row, 11, evidence->row_reason, sizeof evidence->row_reason);
    evidence->first_probe_ms = row_time(row, 12);
}

static struct inspect_app *
app_of(struct inspect_view *view, const char *name)
{
    if (view->count > 0 && strcmp(view->apps[view->count - 1].name, name) == 0)
        return &view->apps[view->count - 1];
    return inspect_add_app(view, name);
}

static int
take_endpoint(sqlite3_stmt *row, void *context)
{
    struct at_past *past = context;
    struct at_evidence evidence;
    struct inspect_endpoint judged = { 0 }, *endpoint;
    struct inspect_app *app;
    char name[APP_NAME_BYTES];
    enum at_verdict verdict;

    read_evidence(row, &evidence);
    row_text(row, 0, name, sizeof name);
    app = app_of(&past->view, name);
    if (app == NULL)
        return -ENOMEM;
    verdict = at_judge(&evidence, past->at_ms, &judged);
    app->not_known += verdict == AT_NOT_KNOWN && evidence.row_since_ms != 0;
    if (verdict != AT_KNOWN)
        return 0;
    endpoint = inspect_add_endpoint(app);
    if (endpoint == NULL)
        return -ENOMEM;
    *endpoint = judged;
    row_text(row, 1, endpoint->target, sizeof endpoint->target);
    row_text(row, 2, endpoint->address, sizeof endpoint->address);
    return 0;
}

static int
take_around(sqlite3_stmt *row, void *context)
{
    struct at_past *past = context;

    past->history_from_ms = row_time(row, 0);
    past->probed_before_ms = row_time(row, 1);
    past->probed_after_ms = row_time(row, 2);
    return 0;
}

static bool
names(const struct app_config *config, const char *target)
{
    for (uint32_t i = 0; i < config->target_count; i++) {
        if (strcmp(config->targets[i].name, target) == 0)
            return true;
    }
    return false;
}

/* Endpoints of targets that the configuration of then does not have are left out. */
static int
take_generation(sqlite3_stmt *row, void *context)
{
    struct inspect_app *app = context;
    const char *text = (const char *)sqlite3_column_text(row, 1);
    char why[DETAIL_BYTES];
    struct app_config config;
    size_t kept = 0;

    if (sqlite3_column_type(row, 0) == SQLITE_NULL || text == NULL)
        return 0;           /* it is pruned */
    app->generation = (uint32_t)sqlite3_column_int64(row, 0);
    if (app_config_parse(text, &config, why) < 0)
        return 0;
    for (size_t i = 0; i < app->count; i++) {
        if (names(&config, app->endpoints[i].target))
            app->endpoints[kept++] = app->endpoints[i];
    }
    app->count = kept;
    app_config_fini(&config);
    return 0;
}

static int
take_absence(sqlite3_stmt *row, void *context)
{
    struct inspect_app *app = context;

    app->count = 0;
    return 0;
}

/* An app that a rollout removed, or that the first one created later, did not serve. */
static const char absent_sql[] = "SELECT 1 WHERE " SERVED " = 0";

static int
read_generations(sqlite3 *database, const struct reading *reading)
{
    struct inspect_view *view = &reading->past->view;
    int code = SQLITE_OK;

    for (size_t i = 0; code == SQLITE_OK && i < view->count; i++) {
        const char *values[] = { view->apps[i].name, reading->at };

        code = rows_each(database, generation_sql, values, 2, take_generation, &view->apps[i]);
        if (code == SQLITE_OK)
            code = rows_each(database, absent_sql, values, 2, take_absence, &view->apps[i]);
    }
    return code;
}

static int
read_past(sqlite3 *database, void *context)
{
    struct reading *reading = context;
    const char *values[] = { reading->at };
    int code = sqlite3_exec(database, "BEGIN", NULL, NULL, NULL);

    at_past_free(reading->past);            /* of an earlier try */
    if (code == SQLITE_OK)
        code = rows_each(database, around_sql, values, 1, take_around, reading->past);
    if (code == SQLITE_OK)
        code = rows_each(database, evidence_sql, values, 1, take_endpoint, reading->past);
    return code == SQLITE_OK ? read_generations(database, reading) : code;
}

int
at_read(const char *path, struct at_past *past, char *why)
{
    struct reading reading = { .past = past };

    clock_format_utc(past->at_ms, reading.at);
    return sqlite_file_read(path, read_past, &reading, why);
}

void
at_past_free(struct at_past *past)
{
    inspect_view_free(&past->view);
}
