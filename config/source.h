/*
 * source - where configurations come from: a plug point.
 *
 *   files, later a distributed store --> [ source ] --struct config_change--> supervisor
 *
 * A source watches, settles, validates and compares by itself, on a thread of its own; what it
 * hands over is only what changed since the change before, as canonical texts, in order. The
 * first change holds everything. One that is wrong about an app holds back that app only.
 *
 * The callback and everything below are for the loop's thread.
 */
#ifndef FPROXY_CONFIG_SOURCE_H
#define FPROXY_CONFIG_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/names.h"
#include "base/shared_text.h"

struct event_base;
struct config_set;

enum config_op {
    CONFIG_SET,         /* valid: this text is what the app shall be */
    CONFIG_BROKEN,      /* invalid, or it cannot be known: it stays as it is, for this reason */
    CONFIG_REMOVE,      /* it is configured no more */
};

/* What a change says of one app. */
struct config_item {
    enum config_op op;
    char app[APP_NAME_BYTES];
    struct shared_text *text;   /* a reference; of CONFIG_SET: the canonical text */
    char *source;               /* owned; where it stands: the file; NULL of CONFIG_REMOVE */
    char *reason;               /* owned; of CONFIG_BROKEN: FILE:LINE: app: key: message */
};

/* The group `daemon` or `defaults`, when it changed. */
struct config_group_item {
    bool changed;
    bool broken;                /* the present one has errors or cannot be read ... */
    bool replaced;              /* ... and what was good before holds instead */
    char *text;                 /* owned: canonical, of what holds */
    char *source;               /* owned; NULL: it stands in no file */
};

/* An error, as the log, `events` and `fproxy status` tell it. */
struct config_error_item {
    char app[APP_NAME_BYTES];   /* "": no app is concerned, or none is known */
    char *text;                 /* owned: FILE:LINE: app: key: message */
};

struct config_change {
    uint64_t sequence;          /* 1, 2, 3... */
    uint64_t token;             /* of the last look() that this answers; 0: of none */
    struct config_item *items;  /* owned; in the order of files and of their text, removals
                                 * first. An app stands here once at most. */
    size_t item_count;
    struct config_group_item daemon, defaults;
    struct config_error_item *errors;   /* owned: those that the change before did not have */
    size_t error_count;
    /* What holds now, whether it changed or not. */
    size_t file_count, app_count, broken_count;
    struct config_error_item *standing; /* owned: errors, told now or before */
    size_t standing_count;
    int path_error;             /* -errno: the path itself cannot be read */
};

/* The change is the callee's: config_change_free(). */
typedef void config_change_fn(void *context, struct config_change *change);

/* What worked before, so that a file that cannot be read takes nothing away, and so that who
 * holds a name or a port now keeps it. Texts are copied. */
struct config_known {
    const char *name;           /* of the app, or of the group: "daemon", "defaults" */
    const char *text, *source;
};

struct config_source_options {
    struct event_base *base;        /* the callback comes on its loop */
    const char *path;               /* of the file source; absolute */
    struct config_set *set;         /* of the file source: taken over by start(), whatever it
                                     * returns; already looked at (set.h) */
    config_change_fn *on_change;
    void *context;
};

struct config_source;

/* What an app has in fact of names and ports, where a change did not come to its end. */
enum config_holds {
    CONFIG_HOLDS_CONFIGURED,    /* what the last change that was valid says of it */
    CONFIG_HOLDS_TEXT,          /* what an earlier text says */
    CONFIG_HOLDS_NOTHING,       /* no port: it never served */
};

struct config_source_ops {
    const char *name;               /* "file" */
    /* Starts to watch; the first change follows on the loop. 0 or -errno. */
    int (*start)(const struct config_source_options *options, struct config_source **source);
    /* Looks at once, without settling. A change with this token (not 0) or a later one
     * follows in any case, an empty one if nothing is new. */
    void (*look)(struct config_source *source, uint64_t token);
    /* Who holds a port now keeps it: until this is told, every change is taken to have come to its
     * end. Of the next look on. `text`, canonical, of CONFIG_HOLDS_TEXT, else NULL, gets a
     * reference of its own. Without memory nothing is told. */
    void (*holds)(struct config_source *source, const char *app, enum config_holds holds,
                  struct shared_text *text);
    /* No callback comes afterwards. Waits for its thread, but not for a disk that hangs. */
    void (*stop)(struct config_source *source);
};

/* Another one is a file of its own and a row in sources.c. */
extern const struct config_source_ops config_source_file;

/* NULL: there is none of that name. */
const struct config_source_ops *config_source_find(const char *name);

void config_change_free(struct config_change *change);
void config_error_items_free(struct config_error_item *items, size_t count);

#endif
