/*
 * plan_database - what `fproxy plan` takes from the database: last good configurations, and
 * from which ones an operator went back. Read-only, with a connection of its own.
 */
#ifndef FPROXY_COMMANDS_PLAN_DATABASE_H
#define FPROXY_COMMANDS_PLAN_DATABASE_H

#include <stddef.h>

#include "base/names.h"

struct plan_row {
    char name[APP_NAME_BYTES];  /* of the app, or the group */
    char *text, *source;        /* owned; of one in `gone_back`: the hash, and "" */
};

struct plan_rows {
    struct plan_row *rows;      /* owned; by name */
    size_t count;
};

struct plan_database {
    struct plan_rows apps, groups, gone_back;
};

/* 0; -ENOENT: there is none; -EIO: it cannot be read, with the reason in `why` (DETAIL_BYTES).
 * Then nothing is in it. */
int plan_database_read(const char *path, struct plan_database *database, char *why);
void plan_database_free(struct plan_database *database);

const struct plan_row *plan_rows_find(const struct plan_rows *rows, const char *name);

#endif
