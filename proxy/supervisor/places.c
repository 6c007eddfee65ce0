#include "proxy/supervisor/places.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dirs.h"
#include "base/log.h"

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

int
places_find(const struct supervisor_options *options, struct places *places)
{
    int rc = dirs_resolve(DIR_CONFIG, options->config_path, NULL, places->config_path);

    if (rc == 0)
        rc = make_absolute(places->config_path);
    if (rc < 0)
        return rc;
    strip_slashes(places->config_path);
    places->config = NULL;
    places->config_error = config_load(places->config_path, &places->config);
    if (places->config_error == 0)
        places->settings = places->config->settings;
    else
        settings_defaults(&places->settings);
    rc = dirs_resolve(DIR_STATE, options->state_dir, places->settings.state_dir,
                      places->state_dir);
    if (rc == 0)
        rc = dirs_resolve(DIR_RUNTIME, options->runtime_dir, places->settings.runtime_dir,
                          places->runtime_dir);
    if (rc < 0 && places->config_error == 0)
        config_free(places->config);
    return rc;
}

int
places_set_log(const struct supervisor_options *options, const struct places *places)
{
    const char *environment = getenv("FPROXY_LOG");
    const char *text = options->log_level != NULL ? options->log_level : environment;
    enum log_level level = LOG_INFO;

    log_set_format(places->settings.log_format);
    if (places->settings.log_level_set)
        level = places->settings.log_level;
    if (text != NULL && text[0] != '\0' && log_level_parse(text, &level) < 0) {
        log_error(NULL, "the log level \"%s\" is none: it is error, warn, info or debug (%s)",
                  text, options->log_level != NULL ? "--log-level" : "FPROXY_LOG");
        return -1;
    }
    log_set_level(level);
    return 0;
}
