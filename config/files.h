/*
 * files - finds and reads the files of a configuration.
 */
#ifndef FPROXY_CONFIG_FILES_H
#define FPROXY_CONFIG_FILES_H

#include <stdbool.h>
#include <stddef.h>

struct file_list {
    char **paths;               /* owned */
    size_t count;
};

/* The *.conf and *.json of a directory in the order of their names (those that begin with a
 * dot are none: editors leave such), or the one file that `path` is. 0 or -errno. */
int files_list(const char *path, struct file_list *list);
void files_free(struct file_list *list);

bool file_is_json(const char *path);

/* The whole file, with a NUL byte behind it, on the heap; NULL with the reason in `why`
 * (DETAIL_BYTES): unreadable, no regular file, empty, too large. */
char *file_read(const char *path, size_t *length, char *why);

#endif
