/* recover - see recover.h. */
#include "store/recover.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

static const char *const companions[] = { "-wal", "-shm", "-journal" };

/* "20260131T123456.789Z": colons in file names trouble tar and scp. */
static void
compact_time(int64_t wall_ms, char *text)
{
    char *to = text;

    clock_format_utc(wall_ms, text);
    for (const char *from = text; *from != '\0'; from++)
        if (*from != '-' && *from != ':')
            *to++ = *from;
    *to = '\0';
}

/* Splits at the last slash; `name` points into `path`. */
static const char *
split_path(const char *path, char *dir, size_t dir_bytes)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL) {
        snprintf(dir, dir_bytes, ".");
        return path;
    }
    snprintf(dir, dir_bytes, "%.*s", (int)(slash - path + 1), path);
    return slash + 1;
}

static void
delete_bad(const char *dir, const char *name)
{
    char path[PATH_BYTES + NAME_MAX + 16];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    unlink(path);
    for (size_t i = 0; i < ARRAY_SIZE(companions); i++) {
        snprintf(path, sizeof path, "%s/%s%s", dir, name, companions[i]);
        unlink(path);
    }
}

/* Is it NAME.bad-TIME, not one of its companions? */
static bool
is_bad_name(const char *entry, const char *name)
{
    size_t bytes = strlen(name);

    return strncmp(entry, name, bytes) == 0 && strncmp(entry + bytes, ".bad-", 5) == 0 &&
           strchr(entry + bytes + 5, '-') == NULL;
}

/* A disk that spoils every database must not be filled by them. */
static void
trim_bad(const char *path)
{
    char dir[PATH_BYTES];
    const char *name = split_path(path, dir, sizeof dir);
    struct dirent **entries = NULL;
    int count = scandir(dir, &entries, NULL, alphasort);
    int found = 0;

    for (int i = count - 1; i >= 0; i--) {
        if (is_bad_name(entries[i]->d_name, name) && ++found > KEEP_BAD)
            delete_bad(dir, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

int
recover_set_aside(const char *path, int64_t now_wall_ms, char *bad_path)
{
    char from[PATH_BYTES], to[PATH_BYTES], time[TIME_TEXT_BYTES];

    compact_time(now_wall_ms, time);
    if (snprintf(bad_path, PATH_BYTES, "%s.bad-%s", path, time) >= PATH_BYTES - 16)
        return -ENAMETOOLONG;
    if (rename(path, bad_path) != 0)
        return -errno;
    for (size_t i = 0; i < ARRAY_SIZE(companions); i++) {
        snprintf(from, sizeof from, "%.*s%s", PATH_BYTES - 16, path, companions[i]);
        snprintf(to, sizeof to, "%.*s%s", PATH_BYTES - 16, bad_path, companions[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            log_error(NULL, "store: cannot rename %s: %s", from, strerror(errno));
    }
    trim_bad(path);
    return 0;
}

static int
attach(struct database *database, const char *path)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(database->handle, "ATTACH ?1 AS bad", -1, &statement, NULL);

    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(statement, 1, path, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        sqlite3_step(statement);
    return sqlite3_finalize(statement);
}

static void
copy_tables(struct database *database, const char *bad_path)
{
    static const char *const copies[][2] = {
        { "config_generations", "INSERT OR IGNORE INTO config_generations"
                                " SELECT * FROM bad.config_generations" },
        { "config_groups", "INSERT OR IGNORE INTO config_groups"
                           " SELECT * FROM bad.config_groups" },
        { "dns_cache", "INSERT OR IGNORE INTO dns_cache SELECT * FROM bad.dns_cache" },
        { "endpoints", "INSERT OR IGNORE INTO endpoints"     /* of any version */
                       " (app, target, address, state, since, reason, weight, updated_at)"
                       " SELECT app, target, address, state, since, reason, weight, updated_at"
                       " FROM bad.endpoints" },
        { "overrides", "INSERT OR IGNORE INTO overrides SELECT * FROM bad.overrides" },
        { "rollouts", "INSERT OR IGNORE INTO rollouts SELECT * FROM bad.rollouts" },
    };

    if (attach(database, bad_path) != SQLITE_OK)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(copies); i++) {
        int before = sqlite3_total_changes(database->handle);

        if (database_exec(database, copies[i][1]) == SQLITE_OK)
            log_warn(NULL, "store: %d rows of %s were taken over from %s",
                     sqlite3_total_changes(database->handle) - before, copies[i][0], bad_path);
        else
            log_warn(NULL, "store: %s of %s cannot be read: %s", copies[i][0], bad_path,
                     sqlite3_errmsg(database->handle));
    }
    database_exec(database, "DETACH bad");
}

void
recover_salvage(struct database *database, const char *bad_path)
{
    /* The damaged file and its log stay as they are. */
    sqlite3_db_config(database->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    copy_tables(database, bad_path);
    sqlite3_db_config(database->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
}
