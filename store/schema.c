/* schema - see schema.h. */
#include "store/schema.h"

#include <stdio.h>

#include "base/util.h"
#include "schema_2_sql.h"
#include "schema_sql.h"

static const char *const migrations[] = { schema_sql, schema_2_sql };

const int schema_version = ARRAY_SIZE(migrations);

int
schema_read_version(sqlite3 *handle, int *version)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(handle, "PRAGMA user_version", -1, &statement, NULL);

    if (rc != SQLITE_OK)
        return rc;
    if (sqlite3_step(statement) == SQLITE_ROW)
        *version = sqlite3_column_int(statement, 0);
    return sqlite3_finalize(statement);
}

static int
run_scripts(sqlite3 *handle, const char *const *scripts, int from, int to)
{
    char sql[48];
    int rc = SQLITE_OK;

    for (int version = from; version < to && rc == SQLITE_OK; version++)
        rc = sqlite3_exec(handle, scripts[version], NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return rc;
    snprintf(sql, sizeof sql, "PRAGMA user_version=%d", to);
    return sqlite3_exec(handle, sql, NULL, NULL, NULL);
}

int
schema_run(sqlite3 *handle, const char *const *scripts, int from, int to)
{
    int rc;

    if (from == to)
        return SQLITE_OK;
    rc = sqlite3_exec(handle, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return rc;
    rc = run_scripts(handle, scripts, from, to);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(handle, "COMMIT", NULL, NULL, NULL);
    if (!sqlite3_get_autocommit(handle))
        sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

int
schema_migrate(sqlite3 *handle, int version)
{
    return schema_run(handle, migrations, version, schema_version);
}
