/*
 * files - which files are a configuration's, and reading one.
 */
#ifndef FPROXY_CONFIG_FILES_H
#define FPROXY_CONFIG_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

/* Is a file of this name in a directory one of the configuration: *.conf and *.json, but none
 * that begins with a dot, for editors leave such? */
bool file_is_ours(const char *name);

bool file_is_json(const char *path);

/* The whole file, with a NUL byte behind it, on the heap, and who it was before it was read;
 * NULL with the reason in `why` (DETAIL_BYTES): unreadable, no regular file, empty, too large.
 */
char *file_read(const char *path, size_t *length, struct stat *stat, char *why);

#endif
