#include "probes/run_config.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dirs.h"
#include "base/sqlite_file.h"
#include "config/config.h"

/* ---- the files ---- */

static void
tell_errors(const struct run_places *places, const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->error_count; i++) {
        const struct config_error *error = &config->errors[i];
        char *text = NULL;

        if (error->app[0] == '\0' || strcmp(error->app, name) == 0)
            text = config_error_text(error);
        if (text != NULL)
            fprintf(stderr, "%s: %s\n", places->command, text);
        free(text);
    }
}

/* A copy of its own. */
static int
copy_app(const struct app_config *from, struct app_config *to)
{
    char why[DETAIL_BYTES];
    char *text = app_config_print(from);
    int rc = text == NULL ? -ENOMEM : app_config_parse(text, to, why);

    free(text);
    return rc;
}

static int
find_in_files(const struct run_places *places, const char *name, struct app_config *app)
{
    char path[PATH_BYTES];
    struct config *config;
    int rc = dirs_resolve(DIR_CONFIG, places->config_path, NULL, path);

    if (rc == 0)
        rc = config_load(path, &config);
    if (rc < 0) {
        if (places->config_path != NULL)
            fprintf(stderr, "%s: %s: %s\n", places->command, places->config_path, strerror(-rc));
        return rc;
    }
    rc = -ENOENT;
    for (size_t i = 0; i < config->app_count && rc == -ENOENT; i++) {
        if (strcmp(config->apps[i].app.name, name) == 0)
            rc = copy_app(&config->apps[i].app, app);
    }
    if (rc == -ENOENT)
        tell_errors(places, config, name);
    if (rc == -ENOENT && places->config_path != NULL)
        fprintf(stderr, "%s: no valid app `%s' stands in %s; `fproxy check' tells all errors\n",
                places->command, name, path);
    config_free(config);
    return rc;
}

/* ---- the database ---- */

struct wanted {
    const char *name;
    char *text;                     /* owned; NULL: not there */
};

static int
read_text(sqlite3 *database, void *context)
{
    struct wanted *wanted = context;
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(database, "SELECT config FROM last_good_config WHERE app = ?1",
                                  -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_bind_text(statement, 1, wanted->name, -1, SQLITE_STATIC);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW && wanted->text == NULL)
        wanted->text = strdup((const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static int
database_path(const struct run_places *places, char *path, size_t bytes)
{
    char state_dir[PATH_BYTES];
    int rc = dirs_resolve(DIR_STATE, places->state_dir, NULL, state_dir);

    if (rc == 0)
        snprintf(path, bytes, "%s/fproxy.db", state_dir);
    return rc;
}

static int
find_in_database(const struct run_places *places, const char *name, struct app_config *app)
{
    struct wanted wanted = { .name = name };
    char path[PATH_BYTES + 16] = "", why[DETAIL_BYTES] = "";
    int rc = database_path(places, path, sizeof path);

    if (rc == 0)
        rc = sqlite_file_read(path, read_text, &wanted, why);
    if (rc == 0)
        rc = wanted.text == NULL ? -ENOENT : app_config_parse(wanted.text, app, why);
    free(wanted.text);
    if (rc == 0)
        fprintf(stderr, "%s: no valid file has it; this is the last good configuration of %s\n",
                places->command, path);
    else
        fprintf(stderr, "%s: there is no app `%s' in the files, and none in %s%s%s; name the files "
                "with --config\n", places->command, name, path, why[0] != '\0' ? ": " : "", why);
    return rc;
}

int
run_config_find(const struct run_places *places, const char *name, struct app_config *app)
{
    int rc = find_in_files(places, name, app);

    if (rc == 0 || places->config_path != NULL)
        return rc;
    return find_in_database(places, name, app);
}

/* ---- rights ---- */

/* The user's name, or its number. */
static const char *
user_name(uid_t uid, char *text, size_t bytes)
{
    const struct passwd *user = getpwuid(uid);

    if (user != NULL)
        snprintf(text, bytes, "%s", user->pw_name);
    else
        snprintf(text, bytes, "%u", uid);
    return text;
}

void
run_config_tell_rights(const struct run_places *places)
{
    char path[PATH_BYTES + 16], mine[64], theirs[64];
    struct stat stat_of;

    if (database_path(places, path, sizeof path) < 0 || stat(path, &stat_of) < 0 ||
        stat_of.st_uid == geteuid())
        return;
    fprintf(stderr, "%s: this runs as %s, fproxy as %s: what depends on rights may end otherwise; "
            "run it as %s to see the same\n", places->command,
            user_name(geteuid(), mine, sizeof mine),
            user_name(stat_of.st_uid, theirs, sizeof theirs), theirs);
}
