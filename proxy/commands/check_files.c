#include "proxy/commands/check_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/command_file.h"
#include "config/files.h"
#include "proxy/commands/pem.h"

/* What was found out about a path. Most apps name the same file as the one before. */
struct ca {
    const char *path;               /* borrowed; NULL: nothing yet */
    enum { CA_GOOD, CA_WARNING, CA_ERROR } verdict;
    char why[PROBLEM_BYTES];
};

/* The text of the file has nothing wrong with it, or the reason in `why`. */
static bool
is_good(const char *path, const char *text, size_t length, char *why)
{
    unsigned line = 0;
    int count = pem_count(text, length, &line);

    if (count == -ENOMEM)
        snprintf(why, PROBLEM_BYTES, "%.300s: no memory to read it", path);
    else if (count < 0)
        snprintf(why, PROBLEM_BYTES, "%.300s:%u: here begins something that is no certificate in "
                 "PEM, or is cut off", path, line);
    else if (count == 0)
        snprintf(why, PROBLEM_BYTES, "%.300s has no certificates in PEM (\"-----BEGIN "
                 "CERTIFICATE-----\")", path);
    return count > 0;
}

static void
look_at_ca(struct ca *ca, const char *path)
{
    char trouble[DETAIL_BYTES], *text;
    struct stat stat = { 0 };
    size_t length;

    ca->path = path;
    ca->verdict = CA_GOOD;
    if (access(path, R_OK) < 0 && errno == EACCES) {
        snprintf(ca->why, sizeof ca->why, "%.300s cannot be read by this user: make sure that "
                 "fproxy can", path);
        ca->verdict = CA_WARNING;
        return;
    }
    text = file_read(path, &length, &stat, trouble);
    if (text == NULL && S_ISREG(stat.st_mode) && stat.st_size == 0)
        snprintf(ca->why, sizeof ca->why, "%.300s is empty", path);
    else if (text == NULL)
        snprintf(ca->why, sizeof ca->why, "%.250s %.120s%s", path, trouble,
                 path[0] == '/' ? "" : "; write the whole path: this one counts from where fproxy "
                                       "was started");
    if (text == NULL || !is_good(path, text, length, ca->why))
        ca->verdict = path[0] == '/' ? CA_ERROR : CA_WARNING;
    free(text);
}

static int
tell(struct error_list *list, const struct config_app *entry, const struct file_use *use,
     const char *why)
{
    struct config_error error = { .file = entry->source, .line = use->line,
                                  .key = (char *)use->key, .message = (char *)why };

    snprintf(error.app, sizeof error.app, "%s", entry->app.name);
    return error_list_copy(list, &error);
}

static int
look_at_app(struct check_files *files, const struct config_app *entry, struct ca *ca)
{
    bool refused = false;
    char why[PROBLEM_BYTES];
    int rc = 0;

    for (uint32_t i = 0; i < entry->files.count && rc == 0; i++) {
        const struct file_use *use = &entry->files.list[i];

        if (use->kind != FILE_USE_CA) {
            if (!command_file_look(use, why))
                rc = tell(&files->warnings, entry, use, why);
            continue;
        }
        if (ca->path == NULL || strcmp(ca->path, use->text) != 0)
            look_at_ca(ca, use->text);
        if (ca->verdict != CA_GOOD)
            rc = tell(ca->verdict == CA_ERROR ? &files->errors : &files->warnings, entry, use,
                      ca->why);
        refused |= ca->verdict == CA_ERROR;
    }
    files->apps_refused += refused;
    return rc;
}

int
check_files_look(struct check_files *files, const struct config *config)
{
    struct ca ca = { .path = NULL };
    int rc = 0;

    *files = (struct check_files){ 0 };
    for (size_t i = 0; i < config->app_count && rc == 0; i++)
        rc = look_at_app(files, &config->apps[i], &ca);
    return rc;
}

void
check_files_fini(struct check_files *files)
{
    error_list_fini(&files->errors);
    error_list_fini(&files->warnings);
}
