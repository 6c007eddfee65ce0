#include "probes/why_facts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sqlite_file.h"
#include "base/util.h"
#include "config/app.h"
#include "probes/rows.h"

static const char config_sql[] = "SELECT config FROM last_good_config WHERE app = ?1";

static const char dns_sql[] =
    "SELECT type, status, address, ttl_s, resolved_at, expires_at FROM dns_cache"
    " WHERE name = lower(?1) ORDER BY type, address";

static const char transitions_sql[] =
    "SELECT at, from_state, to_state, reason, detail FROM transitions"
    " WHERE app = ?1 AND target = ?2 AND address = ?3 ORDER BY at DESC, id DESC LIMIT 5";
_Static_assert(WHY_TRANSITIONS_MAX == 5, "as transitions_sql says");

static const char results_sql[] =
    "SELECT at, probe, outcome, duration_ms, detail FROM probe_results"
    " WHERE app = ?1 AND target = ?2 AND address = ?3 ORDER BY at DESC, id DESC LIMIT 20";
_Static_assert(WHY_RESULTS_MAX == 20, "as results_sql says");

/* That of the target counts more than that of the app. */
static const char override_sql[] =
    "SELECT action, note, since FROM overrides"
    " WHERE app = ?1 AND target IN ('', ?2, ?3) AND action <> 'rollback' ORDER BY target";

bool
why_host(const char *target, char *host)
{
    const char *end = strrchr(target, ':');
    const char *begin = target + (target[0] == '[');
    size_t length = end == NULL ? strlen(begin) : (size_t)(end - begin);
    struct address address;

    if (length > 0 && target[0] == '[' && begin[length - 1] == ']')
        length--;
    snprintf(host, HOST_NAME_BYTES, "%.*s", (int)MIN(length, HOST_NAME_BYTES - 1), begin);
    return address_parse_ip(host, 1, &address) == 0;
}

static void
take_where(const struct app_probe *probe, char *where)
{
    struct address address = probe->address;

    where[0] = '\0';
    if (probe->address.family != 0) {
        address.port = (uint16_t)probe->port;
        address_format(&address, where);
    } else if (probe->port != 0) {
        snprintf(where, ADDRESS_TEXT_BYTES, "port %u", probe->port);
    }
}

/* Which probe of the app is asked for, and what is known of it. */
struct policy_reading {
    const char *probe;
    struct why_policy *policy;
};

static const struct app_probe *
find_probe(const struct app_config *app, const char *title)
{
    const struct app_probe *probes[APP_PROBES_MAX + 1];
    uint32_t count = app_config_target_probes(app, probes);

    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(app_probe_title(probes[i]), title) == 0)
            return probes[i];
    }
    return probes[0];
}

static int
take_config(sqlite3_stmt *row, void *context)
{
    const struct policy_reading *reading = context;
    struct why_policy *policy = reading->policy;
    const struct app_probe *probe;
    const char *text = (const char *)sqlite3_column_text(row, 0);
    char why[DETAIL_BYTES];
    struct app_config app;

    if (text == NULL || app_config_parse(text, &app, why) < 0)
        return 0;       /* of a newer fproxy: then its thresholds are not known */
    probe = find_probe(&app, reading->probe);
    *policy = (struct why_policy){
        .known = true,
        .rise = probe->rise,
        .fall = probe->fall,
        .window = probe->window,
        .threshold = probe->threshold,
        .interval_ms = probe->interval_ms,
        .timeout_ms = probe->timeout_ms,
    };
    snprintf(policy->kind, sizeof policy->kind, "%s", probe->kind);
    take_where(probe, policy->where);
    app_config_fini(&app);
    return 0;
}

static int
take_answer(sqlite3_stmt *row, void *context)
{
    struct why_facts *facts = context;
    struct why_answer *answer = &facts->answers[facts->answer_count];

    if (facts->answer_count == WHY_ANSWERS_MAX) {
        facts->answers_left_out++;
        return 0;
    }
    facts->answer_count++;
    row_text(row, 0, answer->type, sizeof answer->type);
    row_text(row, 1, answer->status, sizeof answer->status);
    row_text(row, 2, answer->address, sizeof answer->address);
    answer->ttl_s = (uint32_t)sqlite3_column_int64(row, 3);
    answer->resolved_at_ms = row_time(row, 4);
    answer->expires_at_ms = row_time(row, 5);
    return 0;
}

static int
take_transition(sqlite3_stmt *row, void *context)
{
    struct why_facts *facts = context;
    void *elements = facts->transitions;
    struct why_transition *transition =
        inspect_add(&elements, &facts->transition_count, &facts->transition_room,
                    sizeof *transition);

    facts->transitions = elements;
    if (transition == NULL)
        return -ENOMEM;
    transition->at_ms = row_time(row, 0);
    row_text(row, 1, transition->from_state, sizeof transition->from_state);
    row_text(row, 2, transition->to_state, sizeof transition->to_state);
    row_text(row, 3, transition->reason, sizeof transition->reason);
    row_text(row, 4, transition->detail, sizeof transition->detail);
    return 0;
}

static int
take_result(sqlite3_stmt *row, void *context)
{
    struct why_facts *facts = context;
    void *elements = facts->results;
    struct inspect_probe *result = inspect_add(&elements, &facts->result_count,
                                               &facts->result_room, sizeof *result);

    facts->results = elements;
    if (result == NULL)
        return -ENOMEM;
    result->at_ms = row_time(row, 0);
    row_text(row, 1, result->kind, sizeof result->kind);
    row_text(row, 2, result->outcome, sizeof result->outcome);
    result->duration_ms = sqlite3_column_double(row, 3);
    row_text(row, 4, result->detail, sizeof result->detail);
    return 0;
}

static int
take_override(sqlite3_stmt *row, void *context)
{
    struct why_override *override = context;

    row_text(row, 0, override->action, sizeof override->action);
    row_text(row, 1, override->note, sizeof override->note);
    override->since_ms = row_time(row, 2);
    return 0;
}

static int
read_endpoint(sqlite3 *database, const char *app, const struct inspect_endpoint *endpoint,
              struct why_facts *facts)
{
    const char *values[] = { app, endpoint->target, endpoint->address };
    char host[HOST_NAME_BYTES];
    const char *name[] = { host };
    int code = SQLITE_OK;

    if (!why_host(endpoint->target, host))
        code = rows_each(database, dns_sql, name, 1, take_answer, facts);
    if (code == SQLITE_OK)
        code = rows_each(database, transitions_sql, values, 3, take_transition, facts);
    if (code == SQLITE_OK)
        code = rows_each(database, results_sql, values, 3, take_result, facts);
    if (code == SQLITE_OK)
        code = rows_each(database, override_sql, values, 3, take_override, &facts->override);
    return code;
}

/* What sqlite_file_read() hands on. */
struct reading {
    const struct inspect_view *view;
    struct why_all *all;
};

static void
forget(struct why_all *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->facts[i].transitions);
        free(all->facts[i].results);
        all->facts[i] = (struct why_facts){ 0 };
    }
}

int
why_policy_read(sqlite3 *database, const char *app, const char *probe,
                struct why_policy *policy)
{
    struct policy_reading reading = { .probe = probe, .policy = policy };

    *policy = (struct why_policy){ 0 };
    return rows_each(database, config_sql, &app, 1, take_config, &reading);
}

static int
read_app(sqlite3 *database, const struct inspect_app *app, struct why_facts *facts)
{
    const char *probe = NULL;
    int code = SQLITE_OK;

    for (size_t i = 0; code == SQLITE_OK && i < app->count; i++) {
        const char *shown = app->endpoints[i].probe.kind;

        if (probe != NULL && strcmp(probe, shown) == 0)
            facts[i].policy = facts[i - 1].policy;
        else
            code = why_policy_read(database, app->name, shown, &facts[i].policy);
        probe = shown;
        if (code == SQLITE_OK)
            code = read_endpoint(database, app->name, &app->endpoints[i], &facts[i]);
    }
    return code;
}

/* One transaction: all of it is of one moment. */
static int
read_all(sqlite3 *database, void *context)
{
    const struct reading *reading = context;
    struct why_facts *facts = reading->all->facts;
    int code = sqlite3_exec(database, "BEGIN", NULL, NULL, NULL);

    forget(reading->all);               /* of an earlier try */
    for (size_t i = 0; code == SQLITE_OK && i < reading->view->count; i++) {
        code = read_app(database, &reading->view->apps[i], facts);
        facts += reading->view->apps[i].count;
    }
    return code;
}

int
why_facts_read(const char *path, const struct inspect_view *view, struct why_all *all,
               char *trouble)
{
    struct reading reading = { .view = view, .all = all };
    int rc;

    *all = (struct why_all){ 0 };
    trouble[0] = '\0';
    for (size_t i = 0; i < view->count; i++)
        all->count += view->apps[i].count;
    all->facts = calloc(MAX(all->count, 1), sizeof *all->facts);
    if (all->facts == NULL) {
        all->count = 0;
        return -ENOMEM;
    }
    rc = sqlite_file_read(path, read_all, &reading, trouble);
    if (rc < 0)
        forget(all);
    if (rc == -ENOENT)
        snprintf(trouble, DETAIL_BYTES, "there is none");
    return rc;
}

void
why_facts_free(struct why_all *all)
{
    forget(all);
    free(all->facts);
    *all = (struct why_all){ 0 };
}
