/*
 * plan_compare - what a change would do to what runs. Pure.
 *
 *   running (name, text, connections)  \
 *                                       >-- by canonical text --> create, update, delete,
 *   change  (set, broken, remove)      /                          held back, unchanged
 *
 * A connection of a removed target drains, one of a removed port, and all those of a removed app.
 * Who came through which port only the kernel can tell (plan_clients.h), if it does: else it may be
 * any number up to all of them. Nobody knows who has a removed port and a removed target as well.
 */
#ifndef FPROXY_COMMANDS_PLAN_COMPARE_H
#define FPROXY_COMMANDS_PLAN_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/app.h"
#include "config/source.h"
#include "proxy/commands/plan_clients.h"
#include "proxy/commands/plan_keys.h"

struct plan_target {
    char name[TARGET_NAME_BYTES];
    uint64_t connections;
};

/* An app as it runs; everything is borrowed. */
struct plan_running {
    const char *name, *text;
    const char *gone_back_from;         /* hash of the text that an operator left; or NULL */
    uint64_t connections;
    const struct plan_target *targets;  /* with connections; a name may stand there twice */
    size_t target_count;
    const struct plan_clients *clients; /* NULL: not known */
};

enum plan_op {
    PLAN_UNCHANGED, PLAN_CREATE, PLAN_UPDATE, PLAN_DELETE, PLAN_HELD_BACK, PLAN_OPS
};

struct plan_app {
    char name[APP_NAME_BYTES];
    enum plan_op op;
    bool runs;                          /* now */
    bool pinned;                        /* held back because an operator went back from it */
    char *source, *reason;              /* owned; NULL: none */
    struct app_listen *ports_added, *ports_removed;         /* owned */
    uint32_t port_added_count, port_removed_count;
    struct plan_target *targets_added, *targets_removed;    /* owned */
    uint32_t target_added_count, target_removed_count;
    struct plan_key *keys;              /* owned: the others that differ */
    size_t key_count;
    uint64_t port_clients;              /* connections through ports that are removed */
    bool port_clients_known;
    uint64_t drain_least, drain_most;   /* connections */
};

struct plan_move {
    struct app_listen port;
    const char *from, *to;              /* borrowed from the apps */
};

struct plan {
    struct plan_app *apps;              /* owned; without those that are unchanged, by name */
    size_t app_count;
    struct plan_move *moves;            /* owned; by port */
    size_t move_count;
    size_t counts[PLAN_OPS];            /* apps */
    uint64_t drain_least, drain_most;
};

/* `change` is the first one of its source: it holds everything. 0 and `*plan` (plan_free() it),
 * -ENOMEM, or -EINVAL: a text of `running` is not canonical. */
int plan_compare(const struct plan_running *running, size_t running_count,
                 const struct config_change *change, struct plan **plan);
void plan_free(struct plan *plan);

/* "create", "held back"... */
const char *plan_op_name(enum plan_op op);

#endif
