#include "proxy/commands/table.h"

#include <errno.h>
#include <libsmartcols.h>
#include <stdlib.h>

struct table {
    struct libscols_table *columns;     /* owned */
    size_t count;
};

static int
scols_flags(int flags)
{
    return (flags & TABLE_RIGHT ? SCOLS_FL_RIGHT : 0) | (flags & TABLE_WRAP ? SCOLS_FL_WRAP : 0);
}

struct table *
table_create(const struct table_column *columns, size_t count)
{
    struct table *table = calloc(1, sizeof *table);

    if (table == NULL)
        return NULL;
    scols_init_debug(0);
    table->count = count;
    table->columns = scols_new_table();
    for (size_t i = 0; table->columns != NULL && i < count; i++) {
        if (scols_table_new_column(table->columns, columns[i].name, 0,
                                   scols_flags(columns[i].flags)) != NULL)
            continue;
        scols_unref_table(table->columns);
        table->columns = NULL;
    }
    if (table->columns != NULL)
        return table;
    free(table);
    return NULL;
}

int
table_add(struct table *table, const char *const *cells)
{
    struct libscols_line *line = scols_table_new_line(table->columns, NULL);
    int rc = line == NULL ? -ENOMEM : 0;

    for (size_t i = 0; rc == 0 && i < table->count; i++)
        rc = scols_line_set_data(line, i, cells[i]);
    return rc;
}

int
table_print(struct table *table, int rc)
{
    if (table == NULL)
        return rc != 0 ? rc : -ENOMEM;
    if (rc == 0)
        rc = scols_print_table(table->columns);
    scols_unref_table(table->columns);
    free(table);
    return rc;
}
