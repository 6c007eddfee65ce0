/*
 * file_uses - the files that the probes of an app will need: noted while its settings are at hand,
 * so that what is wrong with a file can be told with the line that names it.
 *
 *   file -> app_read -> file_uses_read -> [ looked at by who may wait for a disk ]
 *
 * Nothing here touches those files; the canonical text knows nothing of all this. Only what is
 * used is noted: a `ca` where certificates are checked, a `command` of a probe that runs.
 */
#ifndef FPROXY_CONFIG_FILE_USES_H
#define FPROXY_CONFIG_FILE_USES_H

#include <stdint.h>

struct app_config;
struct config_setting_t;

enum file_use_kind {
    FILE_USE_CA,                /* trusted certificates: the path */
    FILE_USE_PROGRAM,           /* the first text of a list `command`: a path, or a bare name */
    FILE_USE_SHELL,             /* a `command` that is one text: what the shell takes apart */
};

struct file_use {
    enum file_use_kind kind;
    unsigned line;              /* of the key; of the app, where the value is inherited */
    const char *key;            /* "probe.command", ...: static */
    char *text;                 /* owned: as configured */
};

struct file_uses {
    struct file_use *list;      /* owned; NULL: none */
    uint32_t count;
};

/* `group`: the settings that `app` was read from. 0, or -ENOMEM (then there is nothing to free). */
int file_uses_read(const struct config_setting_t *group, const struct app_config *app,
                   struct file_uses *uses);

/* 0, or -ENOMEM (then there is nothing to free). */
int file_uses_copy(const struct file_uses *from, struct file_uses *to);

/* Frees the list, not the struct. */
void file_uses_fini(struct file_uses *uses);

#endif
