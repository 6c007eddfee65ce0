/*
 * boot - what should run: the configuration as it is now, together with what the database
 * knows to have worked. Pure: no file is opened here.
 *
 *   an app that is valid now             its present text; a known text keeps its number
 *   invalid, or its file cannot be read  its last good one, held back, with the error
 *   neither good nor known               listed with its error, runs nothing
 *   known, and its file no longer has it forgotten
 */
#ifndef FPROXY_SUPERVISOR_BOOT_H
#define FPROXY_SUPERVISOR_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/config.h"
#include "store/store.h"

struct desired_app {
    char name[APP_NAME_BYTES];
    bool runnable;              /* config, text and source are there */
    struct app_config config;   /* owned */
    char *text;                 /* owned: canonical */
    char *source;               /* owned: the file */
    uint32_t generation;
    uint32_t from_generation;   /* the last good one so far; 0: none */
    bool recorded;              /* the database holds exactly this, as good */
    char *held_back;            /* owned: why the present text is not used; NULL: it is */
};

struct desired {
    struct desired_app *apps;   /* owned */
    size_t app_count;
    char (*forgotten)[APP_NAME_BYTES];  /* owned: removed from the configuration */
    size_t forgotten_count;
};

/* `config` is emptied of the apps that are used. NULL: `config_path` itself could not be read
 * (`path_error`, -errno); then what is known of files under it counts. 0 or -ENOMEM. */
int boot_plan(struct config *config, const char *config_path, int path_error,
              const struct store_config *known, size_t known_count, struct desired **desired);
void desired_free(struct desired *desired);

/* Does the last good group (`daemon` or `defaults`; NULL: none is known) hold, and not what
 * `group` says? It does when the present one has errors or stood in a file that cannot be read
 * now. `config` and `group` may be NULL as above. */
bool boot_group_restored(const struct config *config, const struct config_group *group,
                         const char *config_path, const struct store_config *good);

/* The number for a text: its own when it is the last good one, else a new one. */
uint32_t boot_generation(const struct store_config *known, size_t known_count, const char *app,
                         const char *hash);

/* Is `file` the path itself, or in that directory? */
bool boot_is_under(const char *file, const char *path);

#endif
