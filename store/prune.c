/*
 * prune - see prune.h.
 *
 * Rows are written in the order of time, or nearly, and ids grow: the oldest ids are the
 * oldest rows, and max(id) - id counts the newer ones without reading them. So a step looks
 * only at the PRUNE_ROWS oldest.
 */
#include "store/prune.h"

#include "base/clock.h"
#include "base/util.h"

/* ?1: rows to keep; ?2: the oldest time to keep; ?3: PRUNE_ROWS */
#define OLDEST(table, id, at)                                                                  \
    "DELETE FROM " table " WHERE " id " IN (SELECT id FROM"                                    \
    " (SELECT " id " AS id, " at " AS at FROM " table " ORDER BY " id " LIMIT ?3)"             \
    " WHERE at < ?2 OR id <= (SELECT max(" id ") FROM " table ") - ?1)"

struct rule {
    const char *sql;
    int64_t rows;
    int days;
};

static const struct rule rules[] = {
    { OLDEST("probe_results", "id", "at"), KEEP_PROBE_ROWS, KEEP_PROBE_DAYS },
    { OLDEST("probe_summary", "rowid", "minute"), KEEP_PROBE_ROWS, KEEP_PROBE_DAYS },
    { OLDEST("transitions", "id", "at"), KEEP_TRANSITION_ROWS, KEEP_DAYS },
    { OLDEST("events", "id", "at"), KEEP_EVENT_ROWS, KEEP_DAYS },
    { OLDEST("crashes", "id", "at"), KEEP_CRASH_ROWS, KEEP_DAYS },
    { "DELETE FROM rollouts WHERE id IN (SELECT id FROM rollouts"
      " WHERE (started_at < ?2 OR id <= (SELECT max(id) FROM rollouts) - ?1)"
      " AND id NOT IN (SELECT max(id) FROM rollouts GROUP BY app) LIMIT ?3)",
      KEEP_ROLLOUT_ROWS, KEEP_DAYS },
    { "DELETE FROM dns_cache WHERE name IN (SELECT name FROM dns_cache GROUP BY name"
      " HAVING max(resolved_at) < ?2 LIMIT ?3)",
      0, KEEP_DNS_DAYS },
    { "DELETE FROM dns_cache WHERE name IN (SELECT name FROM dns_cache GROUP BY name"
      " ORDER BY max(resolved_at) DESC LIMIT ?3 OFFSET ?1)",
      KEEP_DNS_NAMES, 0 },
    /* Looks at the index of apps only, unless one is gone: the texts of the others are many
     * megabytes when there are many apps. */
    { "DELETE FROM config_generations WHERE app IN"
      " (SELECT app FROM config_generations AS gone WHERE NOT EXISTS"
      "  (SELECT 1 FROM config_generations AS good"
      "   WHERE good.app = gone.app AND good.status = 'good')"
      "  GROUP BY app HAVING max(created_at) < ?2 LIMIT ?3)",
      0, KEEP_DAYS },
};

static int
apply_rule(struct database *database, const struct rule *rule, int64_t now_wall_ms, bool *more)
{
    char before[TIME_TEXT_BYTES];
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(database->handle, rule->sql, -1, &statement, NULL);

    if (rc != SQLITE_OK)
        return rc;
    clock_format_utc(now_wall_ms - rule->days * INT64_C(86400000), before);
    sqlite3_bind_int64(statement, 1, rule->rows);
    sqlite3_bind_text(statement, 2, before, -1, SQLITE_STATIC);
    sqlite3_bind_int(statement, 3, PRUNE_ROWS);
    sqlite3_step(statement);
    rc = sqlite3_finalize(statement);
    if (rc == SQLITE_OK && sqlite3_changes(database->handle) >= PRUNE_ROWS)
        *more = true;
    return rc;
}

int
prune_step(struct database *database, int64_t now_wall_ms, bool *more)
{
    int rc = SQLITE_OK;

    *more = false;
    for (size_t i = 0; i < ARRAY_SIZE(rules) && rc == SQLITE_OK; i++)
        rc = apply_rule(database, &rules[i], now_wall_ms, more);
    return rc;
}
