#include "probes/inspect_print.h"

#include <errno.h>
#include <inttypes.h>
#include <libsmartcols.h>
#include <string.h>

#include "base/clock.h"
#include "base/util.h"
#include "probes/ladder.h"
#include "probes/table.h"
#include "strategy/endpoint_state.h"

enum { CELL_BYTES = 320, SECOND_MS = 1000, MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400 };

const char *
inspect_age(int64_t age_ms, char *text)
{
    int64_t s = age_ms / SECOND_MS;

    if (s <= 0)
        snprintf(text, INSPECT_AGE_BYTES, "now");
    else if (s < MINUTE_S)
        snprintf(text, INSPECT_AGE_BYTES, "%" PRId64 "s", s);
    else if (s < HOUR_S)
        snprintf(text, INSPECT_AGE_BYTES, "%" PRId64 "m %" PRId64 "s", s / MINUTE_S,
                 s % MINUTE_S);
    else if (s < DAY_S)
        snprintf(text, INSPECT_AGE_BYTES, "%" PRId64 "h %" PRId64 "m", s / HOUR_S,
                 s % HOUR_S / MINUTE_S);
    else
        snprintf(text, INSPECT_AGE_BYTES, "%" PRId64 "d %" PRId64 "h", s / DAY_S,
                 s % DAY_S / HOUR_S);
    return text;
}

const char *
inspect_probe_text(const struct inspect_probe *probe, int64_t now_wall_ms, char *text,
                   size_t text_bytes)
{
    char age[INSPECT_AGE_BYTES];
    bool failed = strcmp(probe->outcome, "ok") != 0;

    if (probe->at_ms == 0) {
        snprintf(text, text_bytes, "-");
        return text;
    }
    inspect_age(now_wall_ms - probe->at_ms, age);
    snprintf(text, text_bytes, "%s %.1f ms %s%s%s%s", probe->outcome, probe->duration_ms, age,
             strcmp(age, "now") == 0 ? "" : " ago", failed && probe->detail[0] ? ": " : "",
             failed ? probe->detail : "");
    return text;
}

/* ---- JSON ---- */

/* Texts of a damaged board or database may be no UTF-8, which JSON cannot hold. */
json_t *
inspect_text_json(const char *text)
{
    json_t *json = json_string(text);

    return json != NULL ? json : json_string("?");
}

json_t *
inspect_time_json(int64_t wall_ms)
{
    char text[TIME_TEXT_BYTES];

    return wall_ms > 0 ? json_string(clock_format_utc(wall_ms, text)) : json_null();
}

json_t *
inspect_probe_json(const struct inspect_probe *probe)
{
    if (probe->at_ms == 0)
        return json_null();
    return json_pack("{s:o, s:o, s:o, s:f, s:o}", "at", inspect_time_json(probe->at_ms),
                     "kind", inspect_text_json(probe->kind),
                     "outcome", inspect_text_json(probe->outcome),
                     "duration_ms", probe->duration_ms,
                     "detail", inspect_text_json(probe->detail));
}

/* What only the board knows of it is null where that is not what was read. */
static json_t *
last_probe_json(const struct inspect_endpoint *endpoint)
{
    bool known = endpoint->handed != INSPECT_HANDED_UNKNOWN && endpoint->address[0] != '\0';
    json_t *json = inspect_probe_json(&endpoint->probe);

    if (json_is_object(json))
        json_object_set_new(json, "lag_ms", known ? json_integer(endpoint->lag_ms) : json_null());
    return json;
}

static json_t *
ejections_json(const struct inspect_endpoint *endpoint)
{
    return endpoint->handed == INSPECT_HANDED_UNKNOWN ? json_null()
                                                      : json_integer(endpoint->ejections);
}

static json_t *
endpoint_json(const struct inspect_endpoint *endpoint)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:b, s:o, s:o, s:o, s:o}",
                     "target", inspect_text_json(endpoint->target),
                     "address", inspect_text_json(endpoint->address),
                     "state", inspect_text_json(endpoint->state),
                     "since", inspect_time_json(endpoint->since_ms),
                     "weight", (json_int_t)endpoint->weight,
                     "percent", (json_int_t)endpoint->percent,
                     "tier", (json_int_t)endpoint->tier,
                     "flapping", (int)endpoint->flapping,
                     "ejections", ejections_json(endpoint),
                     "reason", inspect_text_json(endpoint->reason),
                     "detail", inspect_text_json(endpoint->detail),
                     "last_probe", last_probe_json(endpoint));
}

static json_t *
app_json(const struct inspect_app *app)
{
    json_t *endpoints = json_array();

    for (size_t i = 0; i < app->count; i++)
        json_array_append_new(endpoints, endpoint_json(&app->endpoints[i]));
    return json_pack("{s:o, s:b, s:b, s:s, s:I, s:I, s:o}", "app", inspect_text_json(app->name),
                     "ready", (int)app->ready, "panic", (int)app->panic,
                     "ladder", ladder_name(app->rung), "panics", (json_int_t)app->panics,
                     "generation", (json_int_t)app->generation, "endpoints", endpoints);
}

static json_t *
lag_json(const struct board_lag *lag)
{
    if (lag->probes == 0)
        return json_null();
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "probes", (json_int_t)lag->probes,
                     "p50_ms", (json_int_t)lag->p50_ms, "p99_ms", (json_int_t)lag->p99_ms,
                     "max_ms", (json_int_t)lag->max_ms,
                     "overruns_lately", (json_int_t)lag->overruns_lately,
                     "overruns", (json_int_t)lag->overruns);
}

json_t *
inspect_json(const struct inspect_view *view)
{
    json_t *apps = json_array();

    for (size_t i = 0; i < view->count; i++)
        json_array_append_new(apps, app_json(&view->apps[i]));
    return json_pack("{s:o, s:o}", "apps", apps, "probe_lag", lag_json(&view->lag));
}

/* ---- the table ---- */

enum column { APP, TARGET, ADDRESS, STATE, SINCE, WEIGHT, TIER, REASON, LAST_PROBE, COLUMNS };

static const struct table_column columns[] = {
    [APP] = { "APP", 0 },
    [TARGET] = { "TARGET", 0 },
    [ADDRESS] = { "ADDRESS", 0 },
    [STATE] = { "STATE", 0 },
    [SINCE] = { "SINCE", 0 },
    [WEIGHT] = { "WEIGHT", SCOLS_FL_RIGHT },
    [TIER] = { "TIER", SCOLS_FL_RIGHT },
    [REASON] = { "REASON", 0 },
    [LAST_PROBE] = { "LAST PROBE", 0 },
};
_Static_assert(ARRAY_SIZE(columns) == COLUMNS, "name every column");

/* Green works, red does not, yellow is on its way or not yet known. */
static const char *
colour_of(const char *word)
{
    enum endpoint_state state;

    if (!endpoint_state_parse(word, &state))
        return NULL;
    if (state == ENDPOINT_AVAILABLE)
        return "green";
    if (state == ENDPOINT_UNAVAILABLE || state == ENDPOINT_UNRESOLVED ||
        state == ENDPOINT_EJECTED)
        return "red";
    return "yellow";
}

static int
colour_line(struct libscols_line *line, const char *colour, bool changed)
{
    if (changed)
        return scols_line_set_color(line, "reverse");
    if (colour == NULL)
        return 0;
    return scols_cell_set_color(scols_line_get_cell(line, STATE), colour);
}

static int
add_line(struct libscols_table *table, char cells[COLUMNS][CELL_BYTES], const char *colour,
         bool changed)
{
    struct libscols_line *line = scols_table_new_line(table, NULL);
    int rc = line == NULL ? -ENOMEM : 0;

    for (size_t i = 0; rc == 0 && i < COLUMNS; i++)
        rc = scols_line_set_data(line, i, cells[i]);
    return rc == 0 ? colour_line(line, colour, changed) : rc;
}

static int
add_endpoint(struct libscols_table *table, const struct inspect_app *app,
             const struct inspect_endpoint *endpoint, int64_t now_wall_ms)
{
    char cells[COLUMNS][CELL_BYTES];
    bool changed = endpoint->changed_ms != 0 &&
                   now_wall_ms - endpoint->changed_ms < INSPECT_MARK_MS;
    bool starred = changed && !scols_table_colors_wanted(table);

    snprintf(cells[APP], CELL_BYTES, "%s", app->name);
    snprintf(cells[TARGET], CELL_BYTES, "%s", endpoint->target);
    snprintf(cells[ADDRESS], CELL_BYTES, "%s", endpoint->address[0] ? endpoint->address : "-");
    snprintf(cells[STATE], CELL_BYTES, "%s%s%s", endpoint->state,
             endpoint->flapping ? ", flapping" : "", starred ? " *" : "");
    if (endpoint->since_ms > 0)
        inspect_age(now_wall_ms - endpoint->since_ms, cells[SINCE]);
    else
        snprintf(cells[SINCE], CELL_BYTES, "-");
    if (endpoint->percent < 100)
        snprintf(cells[WEIGHT], CELL_BYTES, "%" PRIu32 "%% of %" PRIu32, endpoint->percent,
                 endpoint->weight);
    else
        snprintf(cells[WEIGHT], CELL_BYTES, "%" PRIu32, endpoint->weight);
    snprintf(cells[TIER], CELL_BYTES, "%" PRIu32, endpoint->tier);
    snprintf(cells[REASON], CELL_BYTES, "%s%s%s", endpoint->reason[0] ? endpoint->reason : "-",
             endpoint->detail[0] ? ": " : "", endpoint->detail);
    inspect_probe_text(&endpoint->probe, now_wall_ms, cells[LAST_PROBE], CELL_BYTES);
    return add_line(table, cells, colour_of(endpoint->state), changed);
}

static int
add_app(struct libscols_table *table, const struct inspect_app *app, int64_t now_wall_ms)
{
    char cells[COLUMNS][CELL_BYTES];
    int rc = 0;

    for (size_t i = 0; rc == 0 && i < app->count; i++)
        rc = add_endpoint(table, app, &app->endpoints[i], now_wall_ms);
    if (app->count > 0)
        return rc;
    for (size_t i = 0; i < COLUMNS; i++)
        snprintf(cells[i], CELL_BYTES, "%s", i == APP ? app->name : "-");
    return add_line(table, cells, NULL, false);
}

/* What connections are offered when nothing is eligible. */
static const char *
ladder_text(const struct inspect_app *app)
{
    switch (app->rung) {
    case LADDER_LAST_GOOD:
        return "; PANIC: none is eligible: all are tried, those first that worked last";
    case LADDER_ALL:
        return "; PANIC: none is eligible, so connections try them all";
    case LADDER_FAIL:
        return "; none may be tried: clients are reset at once";
    default:
        return app->panic ? "; PANIC" : "";
    }
}

static void
print_app(FILE *out, const struct inspect_app *app)
{
    size_t works = 0;

    for (size_t i = 0; i < app->count; i++) {
        enum endpoint_state state;

        works += endpoint_state_parse(app->endpoints[i].state, &state) &&
                 endpoint_state_works(state);
    }
    fprintf(out, "%s: %s, generation %" PRIu32 ", %zu of %zu endpoints work%s\n", app->name,
            app->ready ? "ready" : "not ready", app->generation, works, app->count,
            ladder_text(app));
}

void
inspect_print_lag(FILE *out, const struct board_lag *lag)
{
    if (lag->probes == 0)
        return;
    fprintf(out, "prober: %" PRIu32 " probes in the last minute began up to %u ms late (median %u, "
            "p99 %u ms); %u of them later than their jitter, %" PRIu32 " since it started\n",
            lag->probes, lag->max_ms, lag->p50_ms, lag->p99_ms, lag->overruns_lately,
            lag->overruns);
}

static struct libscols_table *
new_table(FILE *out, bool colours)
{
    struct libscols_table *table = table_new(out, columns, COLUMNS);

    if (table != NULL)
        scols_table_enable_colors(table, colours);
    return table;
}

static int
print_in(FILE *out, struct libscols_table *table, const struct inspect_view *view,
         int64_t now_wall_ms, enum inspect_apps apps)
{
    int rc = table == NULL ? -ENOMEM : 0;

    for (size_t i = 0; rc == 0 && i < view->count; i++)
        rc = add_app(table, &view->apps[i], now_wall_ms);
    if (rc == 0)
        rc = scols_print_table(table);
    scols_unref_table(table);
    for (size_t i = 0; rc == 0 && apps != INSPECT_APPS_NONE && i < view->count; i++) {
        const struct inspect_app *app = &view->apps[i];

        if (apps == INSPECT_APPS_ALL || app->panic || !app->ready)
            print_app(out, app);
    }
    if (rc == 0 && apps != INSPECT_APPS_NONE && view->lag.overruns_lately > 0)
        inspect_print_lag(out, &view->lag);
    return rc;
}

int
inspect_print_table(FILE *out, const struct inspect_view *view, int64_t now_wall_ms,
                    bool colours, enum inspect_apps apps)
{
    return print_in(out, new_table(out, colours), view, now_wall_ms, apps);
}

int
inspect_draw_table(FILE *out, const struct inspect_view *view, int64_t now_wall_ms,
                   bool colours, enum inspect_apps apps, unsigned width)
{
    struct libscols_table *table = new_table(out, colours);

    if (table != NULL) {
        scols_table_set_termforce(table, SCOLS_TERMFORCE_ALWAYS);
        scols_table_set_termwidth(table, width);
        scols_column_set_flags(scols_table_get_column(table, LAST_PROBE), SCOLS_FL_TRUNC);
    }
    return print_in(out, table, view, now_wall_ms, apps);
}
