/*
 * set_priv - what the parts of a configuration set share.
 *
 *   set_files.c    which files there are, and which ones changed
 *   set_read.c     reads one
 *   set_adopt.c    the usual change: other texts of the same apps with the same ports
 *   set_groups.c   `daemon` and `defaults`: which ones hold
 *   set_contest.c  apps against each other: who has a name
 *   set_ports.c    ... and who has a port
 *   set_holds.c    what apps hold in fact, when a change did not come to its end
 *   set_take.c     the difference to what was taken before
 *   set.c          the order of all that
 */
#ifndef FPROXY_CONFIG_SET_PRIV_H
#define FPROXY_CONFIG_SET_PRIV_H

#include <sys/stat.h>
#include <uthash.h>

#include "config/content.h"
#include "config/set.h"

/* Who a file is (decisions 16): what its name resolves to. */
struct file_identity {
    dev_t device;
    ino_t inode;
    off_t bytes;
    struct timespec modified, changed;
};

struct set_file {
    char *path;                 /* owned */
    const char *name;           /* in `path`: within the directory, or all of it */
    bool is_link;               /* a symbolic link */
    bool due;                   /* to be read at this look */
    bool gone;                  /* to be forgotten at this look */
    bool content_known;         /* `content` is of text with `text_hash` */
    uint64_t seen_at;           /* the look that found it last */
    uint64_t again_at_ms;       /* was too young when it was read; 0: it was not */
    uint64_t text_hash;
    uint32_t defaults_version;  /* that its apps were read with */
    struct file_identity identity;
    char *unreadable;           /* owned: why; NULL: it could be read */
    char *kept;                 /* owned: a text that stands in no file (load.h) ... */
    size_t kept_bytes;
    struct content content;
    UT_hash_handle hh;          /* by name */
};

/* Apps that were adopted since the last take; of more of them, all apps are compared. */
enum { ADOPTED_MAX = 64 };

enum app_now { NOW_ABSENT, NOW_VALID, NOW_BROKEN };
enum app_taken { TAKEN_NEVER, TAKEN_KNOWN, TAKEN_SET, TAKEN_BROKEN };

/* One name of an app. */
struct set_entry {
    char name[APP_NAME_BYTES];
    /* After the last look. */
    enum app_now now;
    bool lost;                  /* broken, for another app has its ports */
    struct set_file *file;      /* where it stands, or stood when it could be read; or NULL */
    const struct file_app *app; /* what it says there; NULL: that is not known */
    char *reason;               /* owned: why it is broken */
    uint32_t waiters;           /* in the contest: the first of those who want its old ports */
    struct set_entry *next_lost;
    bool adopted;               /* in set->adopted */
    bool stray;                 /* runs, and nobody knows from which file: any that cannot be read
                                 * may have it */
    /* What the last take said. */
    enum app_taken taken;
    struct app_facts *held;     /* owned: the last valid text; NULL: none is known */
    enum config_holds holds;    /* what it has of it in fact */
    struct app_facts *runs;     /* owned; of CONFIG_HOLDS_TEXT: what it has instead */
    char *source, *taken_reason;    /* owned */
    UT_hash_handle hh;          /* by name */
};

struct set_group {
    const struct set_file *file;    /* that has it now; NULL: none */
    char *text, *source;        /* owned: what holds */
    bool broken, replaced;
    char *good_text, *good_source;  /* owned: what was good last; NULL: none is known */
    const char *forced;         /* borrowed: holds whatever the files say; or NULL */
    char *taken_text, *taken_source;    /* owned: what the last take said */
    bool taken_broken, taken_replaced;
};

struct config_set {
    char *path;                 /* owned; without slashes at its end */
    int path_error;
    bool settled;               /* what holds was decided, with all that was read */
    bool dirty;                 /* something was read since apps were compared last */
    uint64_t looks, revision, takes, again_at_ms;
    size_t seen_count;          /* files that the present look has found */
    bool some_due;              /* some file is */
    struct set_file *files_by_name; /* owned */
    struct set_file **files;    /* owned; in the order of their names */
    size_t file_count, file_room;
    struct set_entry *entries;  /* owned */
    struct set_entry **order;   /* owned; those not absent, in the order of files and text,
                                 * then those that stand in no file that can be read */
    size_t order_count, order_room;
    size_t broken_count;        /* of them */
    bool undisputed;            /* they all are valid, and nothing is wrong between files */
    bool compare_all;           /* any of them may differ from what was taken; else only: */
    struct set_entry *adopted[ADOPTED_MAX];
    size_t adopted_count;
    bool adopted_some;          /* since the last look */
    struct set_group groups[GROUPS];
    struct app_draft defaults;  /* that hold */
    uint32_t defaults_version;
    struct settings settings;
    struct error_list errors;   /* of files against each other */
    struct claims *held, *wanted;   /* owned; empty but during a contest */
    char **told;                /* owned, sorted: the errors of the last take */
    size_t told_count;
};

/* Finds what changed and reads it. 0; -errno of the path, or -ENOMEM. */
int set_files_look(struct config_set *set);
/* The same for these names of the directory only. */
int set_files_look_at(struct config_set *set, const char *const *names, size_t count);
/* Reads once more what was too young, if its time has come. */
int set_files_look_young(struct config_set *set, uint64_t now_ms);
/* Reads files again whose apps were read with other defaults. 0, 1 (some were), -ENOMEM. */
int set_files_refresh(struct config_set *set);
/* A text as the file `path`; it is taken over: on the heap, a NUL byte behind it. 0 or -ENOMEM. */
int set_files_add(struct config_set *set, const char *path, char *text, size_t bytes);
/* Who the file is, and whether it is another one than the one that was read. */
struct file_identity set_file_identity(const struct stat *stat);
bool set_file_is(const struct set_file *file, const struct file_identity *identity);
/* Reads it, and replaces what was known of it. 0, whatever is wrong with it, or -ENOMEM. */
int set_file_read(struct config_set *set, struct set_file *file);
/* `content` is about to replace that of `file`: true when that concerns nobody but its own apps,
 * which then have their new texts. Else all apps have to be compared. */
bool set_adopt(struct config_set *set, struct set_file *file, const struct content *content);
/* NULL: not found. */
struct set_file *set_files_find(const struct config_set *set, const char *path);
void set_files_free(struct config_set *set);

/* Decides which groups hold; new defaults get a new version. 0 or -ENOMEM. */
int set_groups_settle(struct config_set *set);
void set_groups_free(struct config_set *set);

/* Decides about all apps. 0 or -ENOMEM. */
int set_contest(struct config_set *set);
/* The entry of a name, made where there is none; NULL without memory. */
struct set_entry *set_entry_get(struct config_set *set, const char *name);
void set_entry_free(struct config_set *set, struct set_entry *entry);
/* What it holds now; NULL: nothing. */
const struct app_facts *set_entry_holds(const struct set_entry *entry);
/* It holds what was taken; nothing else is known. */
void set_entry_forget_holds(struct set_entry *entry);
/* It is broken; `reason` is taken over. 0, or -ENOMEM when that is NULL. */
int set_entry_break(struct set_entry *entry, char *reason);
/* The part about ports, of the apps in set->order. 0 or -ENOMEM. */
int set_contest_ports(struct config_set *set);

/* Reads again what needs it and compares, after anything changed. 0 or -ENOMEM. */
int set_settle(struct config_set *set);

/* All errors in the order of files and lines; on the heap, borrowed from the set; `*count`.
 * NULL without memory. */
const struct config_error **set_errors(const struct config_set *set, size_t *count);

/* "PATH: cannot be read: REASON", on the heap. */
char *set_path_error_text(const struct config_set *set);

/* Is `file` the path itself, or in that directory? */
bool set_is_under(const struct config_set *set, const char *file);

#endif
