/* writes - see writes.h. */
#include "store/writes.h"

#include <stddef.h>

#define STRING_(x) #x
#define STRING(x) STRING_(x)
#define KEEP_CONFIGS_SQL 20
_Static_assert(KEEP_CONFIGS_SQL == KEEP_CONFIGS, "the one in the text");

/* A generation that worked once is used again: its number gets its text of now. */
#define INSERT_CONFIG                                                                          \
    "INSERT OR REPLACE INTO config_generations"                                                \
    " (app, generation, status, source, config, hash, reason, created_at)"                     \
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"

/* What failed never takes the place of what worked. */
#define INSERT_FAILED                                                                          \
    "INSERT INTO config_generations"                                                           \
    " (app, generation, status, source, config, hash, reason, created_at)"                     \
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"                                                 \
    " ON CONFLICT (app, generation) DO UPDATE SET source = excluded.source,"                   \
    " config = excluded.config, hash = excluded.hash, reason = excluded.reason,"               \
    " created_at = excluded.created_at WHERE status = 'failed'"

/* Of either kind by itself: a file that was saved broken a hundred times must not push out
 * the generations that a rollback may return to. */
#define TRIM(kind)                                                                             \
    "DELETE FROM config_generations WHERE app = ?1 AND status = '" kind "' AND generation <="  \
    " (SELECT generation FROM config_generations WHERE app = ?1 AND status = '" kind "'"       \
    "  ORDER BY generation DESC LIMIT 1 OFFSET " STRING(KEEP_CONFIGS_SQL) ")"

#define SUPERSEDE                                                                              \
    "UPDATE config_generations SET status = 'superseded' WHERE app = ?1 AND status = 'good'"

/* Nobody went back from this text (`fproxy rollback`), as far as the database knows. */
#define NOT_PINNED                                                                             \
    " NOT EXISTS (SELECT 1 FROM overrides WHERE app = ?1 AND target = ''"                      \
    " AND action = 'rollback' AND note = ?6)"

#define INSERT_UNPINNED                                                                        \
    "INSERT OR REPLACE INTO config_generations"                                                \
    " (app, generation, status, source, config, hash, reason, created_at)"                     \
    " SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE" NOT_PINNED

/* A prober that came back within a minute sends a second part of it: parts are added up. */
#define INSERT_SUMMARY                                                                         \
    "INSERT INTO probe_summary"                                                                \
    " (app, target, address, probe, minute, runs, failures, p50_ms, max_ms)"                   \
    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"                                             \
    " ON CONFLICT (app, target, address, probe, minute) DO UPDATE SET"                         \
    " p50_ms = iif(excluded.runs > runs, excluded.p50_ms, p50_ms),"                            \
    " max_ms = max(max_ms, excluded.max_ms),"                                                  \
    " runs = runs + excluded.runs, failures = failures + excluded.failures"

const struct write_ops writes[WRITE_KINDS] = {
    [WRITE_CONFIG_FAILED] = { WORTH_PRECIOUS, true, { INSERT_FAILED, TRIM("failed") } },
    [WRITE_CONFIG_GOOD] = { WORTH_PRECIOUS, true, {
        SUPERSEDE, INSERT_CONFIG, TRIM("superseded") } },
    [WRITE_CONFIG_UNPINNED] = { WORTH_PRECIOUS, true, {
        SUPERSEDE " AND" NOT_PINNED, INSERT_UNPINNED, TRIM("superseded") } },
    [WRITE_CONFIG_FORGET] = { WORTH_PRECIOUS, true, { SUPERSEDE } },
    [WRITE_GROUP] = { WORTH_PRECIOUS, true, {
        "INSERT OR REPLACE INTO config_groups (name, source, config, hash, created_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5)" } },
    [WRITE_GROUP_FORGET] = { WORTH_PRECIOUS, true, {
        "DELETE FROM config_groups WHERE name = ?1" } },
    [WRITE_OVERRIDE] = { WORTH_PRECIOUS, true, {
        "INSERT OR REPLACE INTO overrides (app, target, action, since, note)"
        " VALUES (?1, ?2, ?3, ?4, ?5)" } },
    [WRITE_OVERRIDE_FORGET] = { WORTH_PRECIOUS, true, {
        "DELETE FROM overrides WHERE app = ?1 AND target = ?2" } },
    [WRITE_ROLLOUT] = { WORTH_PRECIOUS, true, {
        "INSERT INTO rollouts (app, from_generation, to_generation, outcome, reason,"
        " started_at, finished_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        " ON CONFLICT (app, started_at) DO UPDATE SET"
        " from_generation = excluded.from_generation, to_generation = excluded.to_generation,"
        " outcome = excluded.outcome, reason = excluded.reason,"
        " finished_at = excluded.finished_at" } },
    [WRITE_ROLLOUTS_CLOSE] = { WORTH_PRECIOUS, true, {
        "UPDATE rollouts SET outcome = 'failed', reason = ?2, finished_at = ?1"
        " WHERE outcome IS NULL" } },
    [WRITE_CRASH] = { WORTH_PRECIOUS, false, {
        "INSERT INTO crashes (at, process, app, pid, signal, exit_code, restart_delay_ms)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)" } },
    [WRITE_TRANSITION] = { WORTH_FACT, false, {
        "INSERT INTO transitions"
        " (at, app, target, address, from_state, to_state, reason, detail)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)" } },
    [WRITE_ENDPOINT] = { WORTH_FACT, false, {
        "INSERT OR REPLACE INTO endpoints"
        " (app, target, address, state, since, reason, weight, updated_at, penalty, penalty_at)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)" } },
    [WRITE_ENDPOINT_GONE] = { WORTH_FACT, false, {
        "DELETE FROM endpoints WHERE app = ?1 AND target = ?2 AND address = ?3" } },
    [WRITE_ENDPOINTS_FORGET] = { WORTH_FACT, false, {
        "DELETE FROM endpoints WHERE app = ?1" } },
    [WRITE_DNS] = { WORTH_FACT, false, {
        "INSERT OR REPLACE INTO dns_cache"
        " (name, type, address, ttl_s, resolved_at, expires_at, status)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)" } },
    [WRITE_DNS_GONE] = { WORTH_FACT, false, {
        "DELETE FROM dns_cache WHERE name = ?1 AND type = ?2" } },
    [WRITE_EVENT] = { WORTH_FACT, false, {
        "INSERT INTO events (at, app, kind, level, message, fields)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6)" } },
    [WRITE_PROBE_RESULT] = { WORTH_HISTORY, false, {
        "INSERT INTO probe_results"
        " (at, app, target, address, probe, outcome, duration_ms, detail)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)" } },
    /* It also says that what the endpoint's row holds is still true. */
    [WRITE_PROBE_SUMMARY] = { WORTH_HISTORY, false, {
        INSERT_SUMMARY,
        "UPDATE endpoints SET updated_at = ?10"
        " WHERE app = ?1 AND target = ?2 AND address = ?3 AND updated_at < ?10" } },
};
