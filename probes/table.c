#include "probes/table.h"

#include <errno.h>

struct libscols_table *
table_new(FILE *out, const struct table_column *columns, size_t count)
{
    struct libscols_table *table;

    scols_init_debug(0);
    table = scols_new_table();
    if (table == NULL)
        return NULL;
    scols_table_set_stream(table, out);
    for (size_t i = 0; i < count; i++) {
        if (scols_table_new_column(table, columns[i].name, 0, columns[i].flags) == NULL) {
            scols_unref_table(table);
            return NULL;
        }
    }
    return table;
}

int
table_add(struct libscols_table *table, const char *const *cells, size_t count)
{
    struct libscols_line *line = scols_table_new_line(table, NULL);
    int rc = line == NULL ? -ENOMEM : 0;

    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = scols_line_set_data(line, i, cells[i]);
    return rc == 0 ? 0 : -ENOMEM;
}
