/*
 * config - reads conf.d: files in, validated apps and complete error messages out.
 *
 * A file that does not parse, or an app that does not validate, holds back only itself.
 * All errors are collected, each as `FILE:LINE: app: key: message`; the message says what
 * is wrong, what is allowed and, for an unknown key, the nearest right one.
 * Blocking file access: never on the path of a connection. Not thread-safe; a result may be
 * handed to another thread.
 */
#ifndef FPROXY_CONFIG_CONFIG_H
#define FPROXY_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "config/app.h"
#include "config/file_uses.h"
#include "config/settings.h"

enum {
    CONFIG_FILE_BYTES_MAX = 8 << 20,
    CONFIG_ERRORS_MAX = 1000,       /* what is beyond is counted, not kept */
};

/* An app that validated. */
struct config_app {
    struct app_config app;
    struct file_uses files;         /* that its probes need; nobody has looked at them */
    char *source;                   /* owned: the file */
    unsigned line;                  /* where it stands in it */
};

struct config_error {
    char *file;                     /* owned */
    unsigned line;                  /* 0: concerns the whole file */
    char app[APP_NAME_BYTES];       /* "" when no app is concerned (or none is known) */
    char *key;                      /* owned; "" when no key is concerned */
    char *message;                  /* owned */
};

/* The group `daemon` or `defaults`: one of each for all files. */
struct config_group {
    char *source;                   /* owned: the file; NULL: in none that could be read */
    char *text;                     /* owned: canonical, of what holds */
    bool broken;                    /* has errors: its valid keys hold, unless replaced */
    bool replaced;                  /* what the caller gave holds instead */
};

/* Canonical texts that hold instead of what the files say; NULL: what they say holds. */
struct config_groups {
    const char *daemon, *defaults;
};

struct config {
    struct settings settings;
    struct config_group daemon, defaults;
    struct config_app *apps;        /* owned; in the order of files and of their text */
    size_t app_count;
    struct config_error *errors;    /* owned */
    size_t error_count;             /* kept */
    size_t errors_dropped;          /* beyond CONFIG_ERRORS_MAX */
    size_t file_count;              /* files found */
    /* Files of which not every app's name could be learnt (no syntax, unreadable, empty, an
     * app without a valid name, more errors than are kept): what they held before and does
     * not stand among `apps` stays as it was. */
    char **opaque_files;            /* owned */
    size_t opaque_file_count;
};

/* Reads a directory's *.conf and *.json in name order, or one file. 0 and `*config` (on the
 * heap) even when there are errors in it; -ENOENT, -EACCES, -ENOMEM... when the path itself
 * cannot be read: then there is no result. */
int config_load(const char *path, struct config **config);
/* The same with groups of the caller; a text that is not canonical replaces nothing. */
int config_load_with(const char *path, const struct config_groups *groups,
                     struct config **config);
void config_free(struct config *config);

/* `FILE:LINE: app: key: message` without the parts that are not known; on the heap. */
char *config_error_text(const struct config_error *error);

#endif
