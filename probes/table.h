/*
 * table - a table of texts for the terminal, over libsmartcols.
 */
#ifndef FPROXY_PROBES_TABLE_H
#define FPROXY_PROBES_TABLE_H

#include <libsmartcols.h>
#include <stddef.h>
#include <stdio.h>

struct table_column {
    const char *name;
    int flags;              /* SCOLS_FL_* */
};

/* NULL without memory; the caller's scols_unref_table() frees it. */
struct libscols_table *table_new(FILE *out, const struct table_column *columns, size_t count);

/* Adds a line; copies its cells. 0 or -ENOMEM. */
int table_add(struct libscols_table *table, const char *const *cells, size_t count);

#endif
