/*
 * config_dir - a directory of configuration files for tests, and changes as text.
 */
#ifndef FPROXY_TESTS_CONFIG_DIR_H
#define FPROXY_TESTS_CONFIG_DIR_H

#include <stddef.h>

#include "config/source.h"

#define APP(name, ports) "{ name = \"" name "\"; ports = " ports "; targets = \"t:1\"; }"
#define ONE(name, ports) "apps = (" APP(name, ports) ");\n"
#define TWO(a, b)        "apps = (" a ",\n" b ");\n"

/* Makes it, on the heap; and removes it with all that lies in it. */
char *config_dir_create(void);
void config_dir_destroy(char *directory);

/* `DIRECTORY/NAME` in static storage: four at a time. */
const char *in(const char *directory, const char *name);

/* Writes a file under another name and renames it: it always is another inode. */
void put(const char *directory, const char *name, const char *text);
void drop(const char *directory, const char *name);

/* What a change says of apps and groups, without the directory; static storage:
 * `set NAME FILE`, `broken NAME REASON`, `gone NAME`, and `daemon FILE [broken] [replaced]`,
 * `defaults ...` if changed; parts are separated by "; ". */
const char *told(const struct config_change *change, const char *directory);

#endif
