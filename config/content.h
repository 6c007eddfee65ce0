/*
 * content - what one file says: its apps, its groups and its errors, without a syntax tree.
 *
 *   text -> document -> sections -> apps as canonical texts, groups as canonical texts
 *
 * What files say against each other is not seen here.
 */
#ifndef FPROXY_CONFIG_CONTENT_H
#define FPROXY_CONFIG_CONTENT_H

#include "config/app_read.h"
#include "config/claims.h"
#include "config/errors.h"
#include "config/facts.h"
#include "config/file_uses.h"

struct set_entry;

struct file_app {
    char name[APP_NAME_BYTES];
    unsigned line;
    uint32_t error;             /* of one with errors: the first one, in the file's list */
    struct app_facts *facts;    /* owned */
    struct file_uses files;     /* that its probes need; of one without errors */
    struct set_entry *entry;    /* borrowed: of this name; while apps are compared */
};

enum { GROUP_DAEMON, GROUP_DEFAULTS, GROUPS };
extern const char *const group_names[GROUPS];

struct file_group {
    bool present;
    bool broken;                /* `text` is of those keys that are valid */
    unsigned line;
    char *text;                 /* owned: canonical */
    struct error_list errors;
};

struct content {
    struct file_app *apps;      /* owned; those that have a name, in the order of the text */
    uint32_t app_count, app_room;
    bool opaque;                /* not every app's name could be learnt (config.h) */
    enum syntax syntax;
    struct file_group *groups[GROUPS];  /* owned; NULL: not in this file */
    struct error_list errors;
};

/* `length` bytes and a NUL byte, as the file `path`. `scratch`: an empty table, given back
 * empty. 0, whatever is wrong with the text, or -ENOMEM; to fini in any case. */
int content_read(struct content *content, const char *path, const char *text, size_t length,
                 const struct app_draft *defaults, struct claims *scratch);
/* A file that cannot be read, and why. */
int content_unreadable(struct content *content, const char *path, const char *why);
void content_fini(struct content *content);

/* Why an app of this file cannot be known; on the heap, or NULL. */
char *content_opaque_reason(const struct content *content, const char *path);

#endif
