/*
 * set - the whole configuration of one path, kept so that a look reads only what changed.
 *
 *   look: stat all -> read and parse those that are new -> claims over all -> compare
 *   take: the difference to what was taken before, as a struct config_change
 *
 * Of a file it keeps who it was (dev, inode, size, mtime, ctime of what it resolves to), the
 * canonical texts of its apps and its errors; no syntax tree. When `defaults` change, all
 * files are read again. Blocking file access. One thread at a time, any thread.
 */
#ifndef FPROXY_CONFIG_SET_H
#define FPROXY_CONFIG_SET_H

#include "config/settings.h"
#include "config/source.h"

struct config_set;

/* NULL without memory. `path`: a directory, or one file. */
struct config_set *config_set_create(const char *path);
void config_set_destroy(struct config_set *set);

/* What worked before (apps and groups): between the first look and the first take. 0 or
 * -ENOMEM. */
int config_set_know(struct config_set *set, const struct config_known *apps, size_t app_count,
                    const struct config_known *groups, size_t group_count);

/* What an app has in fact (source.h), from the next look on; an app that is not there is passed
 * over. It lasts until another valid text of the app is taken. `text` only of CONFIG_HOLDS_TEXT;
 * one that cannot be read is as the one taken. 0 or -ENOMEM. */
int config_set_holds(struct config_set *set, const char *app, enum config_holds holds,
                     const char *text);

/* What runs; `source` is not looked at. Of which neither a file nor what worked before tells, that
 * counts as known too, from any of the files that cannot be read. After config_set_know(), before
 * the first take. 0 or -ENOMEM. */
int config_set_know_running(struct config_set *set, const struct config_known *apps, size_t count);

/* Looks at the path and its files. 0, also when there are errors in them; -errno when the path
 * itself cannot be read (told by the next take as well: it removes nothing). */
int config_set_look(struct config_set *set);

/* The settings that hold after the last look. */
const struct settings *config_set_settings(const struct config_set *set);

/* What changed since the last take; everything at the first. 0 and `*change` (which may be
 * empty), or -ENOMEM. */
int config_set_take(struct config_set *set, struct config_change **change);

/* The same for these files of the directory only (names without the directory; they may be new
 * or gone), when it is known that nothing else changed: a stat of thousands of files costs more
 * than all the rest of a change. */
int config_set_look_at(struct config_set *set, const char *const *names, size_t count);

/* Reads once more what was too young and is not so any more; looks at nothing else. As
 * config_set_look(). */
int config_set_look_young(struct config_set *set, uint64_t now_ms);

/* Moves when a look found anything new: then links may lead elsewhere. */
uint64_t config_set_revision(const struct config_set *set);
/* The files that are symbolic links, one a call: begin with `*at` 0; NULL: no more. Borrowed. */
const char *config_set_link(const struct config_set *set, size_t *at);

/* A file was younger than a second when it was read (decisions 16): look once more then, on
 * CLOCK_MONOTONIC ms; 0: no need, or the path cannot be read. */
uint64_t config_set_look_again_ms(const struct config_set *set);

#endif
