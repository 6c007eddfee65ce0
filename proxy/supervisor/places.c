#include "proxy/supervisor/places.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/dirs.h"
#include "config/config.h"
#include "config/files.h"
#include "config/load.h"

/* Without resolving links: the same words name the same file at the next start, wherever a
 * link points then. */
static int
make_absolute(char *path)
{
    char directory[PATH_BYTES], whole[PATH_BYTES];
    const char *rest = path;

    if (path[0] == '/')
        return 0;
    while (strncmp(rest, "./", 2) == 0)
        rest += 2;
    if (getcwd(directory, sizeof directory) == NULL)
        return -errno;
    if (snprintf(whole, sizeof whole, "%s/%s", directory, rest) >= (int)sizeof whole)
        return -ENAMETOOLONG;
    memcpy(path, whole, sizeof whole);
    return 0;
}

static void
strip_slashes(char *path)
{
    size_t bytes = strlen(path);

    while (bytes > 1 && path[bytes - 1] == '/')
        path[--bytes] = '\0';
}

static int
find_config(const struct supervisor_options *options, struct places *places)
{
    int rc = dirs_resolve(DIR_CONFIG, options->config_path, NULL, places->config_path);

    if (rc == 0)
        rc = make_absolute(places->config_path);
    if (rc == 0)
        strip_slashes(places->config_path);
    return rc;
}

static int
find_directories(const struct supervisor_options *options, struct places *places)
{
    int rc = dirs_resolve(DIR_STATE, options->state_dir, places->settings.state_dir,
                          places->state_dir);

    if (rc == 0)
        rc = dirs_resolve(DIR_RUNTIME, options->runtime_dir, places->settings.runtime_dir,
                          places->runtime_dir);
    return rc;
}

int
places_find(const struct supervisor_options *options, struct places *places)
{
    int rc = find_config(options, places);

    if (rc < 0)
        return rc;
    places->set = config_set_create(places->config_path);
    if (places->set == NULL)
        return -ENOMEM;
    places->config_error = config_set_look(places->set);
    places->settings = *config_set_settings(places->set);
    rc = find_directories(options, places);
    if (rc < 0)
        config_set_destroy(places->set);
    return rc;
}

static bool
is_given(const char *option, const char *variable)
{
    const char *value = getenv(variable);

    return option != NULL || (value != NULL && value[0] != '\0');
}

/* One file only may hold the group `daemon`: the first in which the word stands and is one. */
static bool
read_settings_of(const char *path, struct settings *settings)
{
    char why[DETAIL_BYTES];
    size_t length;
    struct stat stat;
    char *text = file_read(path, &length, &stat, why);
    struct config *config = NULL;
    struct loader *loader = NULL;
    bool found = false;

    if (text != NULL && strstr(text, "daemon") != NULL)
        loader = loader_create();
    if (loader != NULL && loader_add_text(loader, path, text, length) == 0 &&
        loader_finish(loader, &config) == 0) {
        found = config->daemon.source != NULL;
        if (found)
            *settings = config->settings;
        config_free(config);
    }
    free(text);
    return found;
}

static int
is_ours(const struct dirent *entry)
{
    return file_is_ours(entry->d_name);
}

static int
by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void
read_settings(struct places *places)
{
    struct dirent **entries = NULL;
    int count = scandir(places->config_path, &entries, is_ours, by_name);
    bool found = false;

    if (count < 0) {                /* one file, or nothing that can be read */
        read_settings_of(places->config_path, &places->settings);
        return;
    }
    for (int i = 0; i < count; i++) {
        char path[2 * PATH_BYTES];

        snprintf(path, sizeof path, "%s/%s", places->config_path, entries[i]->d_name);
        found = found || read_settings_of(path, &places->settings);
        free(entries[i]);
    }
    free(entries);
}

int
places_look_up(const struct supervisor_options *options, struct places *places)
{
    int rc = find_config(options, places);

    if (rc < 0)
        return rc;
    places->set = NULL;
    places->config_error = 0;
    settings_defaults(&places->settings);
    if (!is_given(options->runtime_dir, "FPROXY_RUNTIME_DIR") ||
        !is_given(options->state_dir, "FPROXY_STATE_DIR"))
        read_settings(places);
    return find_directories(options, places);
}
