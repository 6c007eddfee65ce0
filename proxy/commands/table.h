/*
 * table - lines of cells under headings, as wide as they must be, on standard output.
 */
#ifndef FPROXY_COMMANDS_TABLE_H
#define FPROXY_COMMANDS_TABLE_H

#include <stddef.h>

struct table;

enum { TABLE_RIGHT = 1, TABLE_WRAP = 2 };   /* the latter: where the terminal is too narrow */

struct table_column {
    const char *name;
    int flags;
};

/* NULL without memory. */
struct table *table_create(const struct table_column *columns, size_t count);
/* A cell for each column; they are copied. 0 or -ENOMEM. */
int table_add(struct table *table, const char *const *cells);
/* Prints it unless `rc` says that something went wrong before, and frees it in any case (NULL
 * is allowed then). 0, or -errno: `rc`, if that was one. */
int table_print(struct table *table, int rc);

#endif
