/*
 * inspect_database - the view from what the database last knew.
 *
 * Reads the public tables of fproxy.db (docs/sql.md) with a connection of its own, read-only.
 */
#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#include "base/sqlite_file.h"
#include "probes/inspect.h"
#include "probes/rows.h"

/* An app that has no endpoint yet is one too. */
static const char endpoints_sql[] =
    "SELECT g.app, g.generation, e.target, e.address, e.state, e.since, e.reason, e.weight,"
    "       p.at, p.probe, p.outcome, p.duration_ms, p.detail"
    "  FROM last_good_config g"
    "  LEFT JOIN endpoints e ON e.app = g.app"
    "  LEFT JOIN probe_results p ON p.id ="
    "       (SELECT id FROM probe_results WHERE app = e.app AND target = e.target"
    "           AND address = e.address ORDER BY at DESC, id DESC LIMIT 1)"
    " ORDER BY g.app, e.target, e.address";

enum column {
    COLUMN_APP, COLUMN_GENERATION, COLUMN_TARGET, COLUMN_ADDRESS, COLUMN_STATE, COLUMN_SINCE,
    COLUMN_REASON, COLUMN_WEIGHT, COLUMN_PROBE_AT, COLUMN_PROBE, COLUMN_OUTCOME,
    COLUMN_DURATION, COLUMN_DETAIL,
};

static void
read_endpoint(sqlite3_stmt *row, struct inspect_endpoint *endpoint)
{
    struct inspect_probe *probe = &endpoint->probe;

    row_text(row, COLUMN_TARGET, endpoint->target, sizeof endpoint->target);
    row_text(row, COLUMN_ADDRESS, endpoint->address, sizeof endpoint->address);
    row_text(row, COLUMN_STATE, endpoint->state, sizeof endpoint->state);
    row_text(row, COLUMN_REASON, endpoint->reason, sizeof endpoint->reason);
    endpoint->since_ms = row_time(row, COLUMN_SINCE);
    endpoint->weight = (uint32_t)sqlite3_column_int64(row, COLUMN_WEIGHT);
    endpoint->percent = 100;
    probe->at_ms = row_time(row, COLUMN_PROBE_AT);
    if (probe->at_ms == 0)
        return;
    probe->duration_ms = sqlite3_column_double(row, COLUMN_DURATION);
    row_text(row, COLUMN_PROBE, probe->kind, sizeof probe->kind);
    row_text(row, COLUMN_OUTCOME, probe->outcome, sizeof probe->outcome);
    row_text(row, COLUMN_DETAIL, probe->detail, sizeof probe->detail);
}

static int
read_row(sqlite3_stmt *row, void *context)
{
    struct inspect_view *view = context;
    struct inspect_app *app = view->count > 0 ? &view->apps[view->count - 1] : NULL;
    struct inspect_endpoint *endpoint;
    char name[APP_NAME_BYTES];

    row_text(row, COLUMN_APP, name, sizeof name);
    if (app == NULL || strcmp(app->name, name) != 0)
        app = inspect_add_app(view, name);
    if (app == NULL)
        return -ENOMEM;
    app->generation = (uint32_t)sqlite3_column_int64(row, COLUMN_GENERATION);
    if (sqlite3_column_type(row, COLUMN_TARGET) == SQLITE_NULL)
        return 0;
    endpoint = inspect_add_endpoint(app);
    if (endpoint == NULL)
        return -ENOMEM;
    read_endpoint(row, endpoint);
    return 0;
}

static int
query(sqlite3 *database, void *context)
{
    inspect_view_free(context);         /* of an earlier try */
    return rows_each(database, endpoints_sql, NULL, 0, read_row, context);
}

int
inspect_read_database(const char *path, struct inspect_view *view, char *why)
{
    int rc = sqlite_file_read(path, query, view, why);

    if (rc < 0)
        inspect_view_free(view);
    else
        inspect_sort(view);
    return rc;
}
