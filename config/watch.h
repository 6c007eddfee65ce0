/*
 * watch - inotify on every directory through which a configuration's files are reached.
 *
 *   /etc/fproxy          `conf.d` lies here: it may be replaced, or be a link
 *   /etc/fproxy/conf.d   its files
 *   wherever links lead  where each link of the way lies, and the file at its end
 *
 * It only says where something happened, never what: the look that follows finds out. What it
 * cannot see (a file server, a mount, no more watches) is left to sweeps. One thread.
 */
#ifndef FPROXY_CONFIG_WATCH_H
#define FPROXY_CONFIG_WATCH_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct config_set;
struct watch;

enum {
    WATCH_NAMES_MAX = 64,       /* files told by name; beyond it is a matter of all */
    WATCH_DIRS_MAX = 1024,
};

/* What happened since it was emptied. */
struct watch_seen {
    bool any;
    bool all;                   /* more than `names` say */
    size_t name_count;
    char names[WATCH_NAMES_MAX][NAME_MAX + 1];  /* of files in the directory itself */
};

/* `path`: a directory or one file; copied. NULL without memory. */
struct watch *watch_create(const char *path);
void watch_destroy(struct watch *watch);

/* To poll for reading; -1 while nothing can be watched. */
int watch_fd(const struct watch *watch);

/* Watches what path and links lead through now. True when something is watched that was not:
 * then what happened before must be looked for. Says in the log what the operator can do when
 * the system refuses. */
bool watch_refresh(struct watch *watch, const struct config_set *set);

/* Takes the events that wait; adds to `seen`. */
void watch_drain(struct watch *watch, struct watch_seen *seen);

/* Would every change of a file in the directory be told by its name? So it is on a local file
 * system, without links, when nothing was refused. */
bool watch_is_complete(const struct watch *watch);

#endif
