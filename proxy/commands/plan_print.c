#include "proxy/commands/plan_print.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "proxy/commands/table.h"
#include "proxy/supervisor/ports.h"

enum { CELL_BYTES = 160, LIST_BYTES = 512 };

static const char *
plural(size_t count)
{
    return count == 1 ? "" : "s";
}

/* ---- the table ---- */

static const struct table_column columns[] = {
    { "APP", 0 }, { "CHANGE", 0 }, { "PORTS", TABLE_WRAP }, { "TARGETS", TABLE_RIGHT },
    { "DRAIN", TABLE_RIGHT },
};

static void
ports_cell(const struct plan_app *app, char *cell)
{
    char added[CELL_BYTES / 2 - 4], removed[sizeof added];
    bool both = app->port_added_count > 0 && app->port_removed_count > 0;
    bool signs = app->op == PLAN_UPDATE;

    ports_text(app->ports_added, app->port_added_count, added, sizeof added);
    ports_text(app->ports_removed, app->port_removed_count, removed, sizeof removed);
    if (app->port_added_count + app->port_removed_count == 0)
        snprintf(cell, CELL_BYTES, "%s", app->op == PLAN_UPDATE ? "same" : "-");
    else
        snprintf(cell, CELL_BYTES, "%s%s%s%s%s",
                 signs && app->port_added_count > 0 ? "+" : "", added, both ? " " : "",
                 signs && app->port_removed_count > 0 ? "-" : "", removed);
}

static void
targets_cell(const struct plan_app *app, char *cell)
{
    uint32_t added = app->target_added_count, removed = app->target_removed_count;

    if (app->op == PLAN_HELD_BACK)
        snprintf(cell, CELL_BYTES, "-");
    else if (app->op != PLAN_UPDATE)
        snprintf(cell, CELL_BYTES, "%u", added + removed);
    else if (added == 0 && removed == 0)
        snprintf(cell, CELL_BYTES, "same");
    else if (removed == 0)
        snprintf(cell, CELL_BYTES, "+%u", added);
    else if (added == 0)
        snprintf(cell, CELL_BYTES, "-%u", removed);
    else
        snprintf(cell, CELL_BYTES, "+%u -%u", added, removed);
}

/* "5", "2 to 5", "up to 5"; "-": none. */
static const char *
drain_text(uint64_t least, uint64_t most, char *text)
{
    if (most == 0)
        snprintf(text, CELL_BYTES, "-");
    else if (least == most)
        snprintf(text, CELL_BYTES, "%" PRIu64, most);
    else if (least == 0)
        snprintf(text, CELL_BYTES, "up to %" PRIu64, most);
    else
        snprintf(text, CELL_BYTES, "%" PRIu64 " to %" PRIu64, least, most);
    return text;
}

static int
print_table(const struct plan *plan)
{
    struct table *table = table_create(columns, ARRAY_SIZE(columns));
    int rc = table == NULL ? -ENOMEM : 0;

    for (size_t i = 0; rc == 0 && i < plan->app_count; i++) {
        const struct plan_app *app = &plan->apps[i];
        char ports[CELL_BYTES], targets[CELL_BYTES], drain[CELL_BYTES];
        const char *cells[] = { app->name, plan_op_name(app->op), ports, targets,
                                drain_text(app->drain_least, app->drain_most, drain) };

        ports_cell(app, ports);
        targets_cell(app, targets);
        rc = table_add(table, cells);
    }
    return table_print(table, rc);
}

/* ---- what stands below it ---- */

static void
print_targets(char sign, const struct plan_target *targets, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        printf("  %c target %s", sign, targets[i].name);
        if (targets[i].connections > 0)
            printf(": %" PRIu64 " connection%s to it drain%s", targets[i].connections,
                   plural(targets[i].connections), targets[i].connections == 1 ? "s" : "");
        putchar('\n');
    }
}

static void
print_ports(char sign, const struct app_listen *ports, uint32_t count)
{
    char text[LIST_BYTES];

    if (count > 0)
        printf("  %c port%s %s\n", sign, plural(count),
               ports_text(ports, count, text, sizeof text));
}

static void
print_removed_ports(const struct plan_app *app)
{
    print_ports('-', app->ports_removed, app->port_removed_count);
    if (app->port_clients_known && app->port_clients > 0)
        printf("    %" PRIu64 " connection%s through %s drain%s\n", app->port_clients,
               plural(app->port_clients), app->port_removed_count == 1 ? "it" : "them",
               app->port_clients == 1 ? "s" : "");
}

static void
print_keys(const struct plan_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("    %s: %s -> %s\n", keys[i].name,
               keys[i].before[0] != '\0' ? keys[i].before : "not set",
               keys[i].after[0] != '\0' ? keys[i].after : "not set");
}

/* Of what is created or deleted the table tells enough. */
static void
print_app(const struct plan_app *app)
{
    if (app->op == PLAN_CREATE || app->op == PLAN_DELETE)
        return;
    if (app->op == PLAN_HELD_BACK) {
        printf("\n%s: held back: %s\n", app->name, app->reason);
        if (!app->pinned)
            printf("    %s\n", app->runs ? "it goes on as it is" : "it is not served");
        return;
    }
    printf("\n%s: %s, %s\n", app->name, plan_op_name(app->op), app->source);
    print_ports('+', app->ports_added, app->port_added_count);
    print_removed_ports(app);
    print_targets('+', app->targets_added, app->target_added_count);
    print_targets('-', app->targets_removed, app->target_removed_count);
    print_keys(app->keys, app->key_count);
}

/* Neighbours that move the same way are one line. */
static void
print_moves(const struct plan *plan)
{
    size_t first = 0;

    if (plan->move_count > 0)
        putchar('\n');
    for (size_t i = 1; i <= plan->move_count; i++) {
        const struct plan_move *move = &plan->moves[first];
        struct app_listen ports[64];
        char text[LIST_BYTES];
        size_t count = i - first;

        if (i < plan->move_count && strcmp(plan->moves[i].from, move->from) == 0 &&
            strcmp(plan->moves[i].to, move->to) == 0 && count < ARRAY_SIZE(ports))
            continue;
        for (size_t k = 0; k < count; k++)
            ports[k] = move[k].port;
        printf("port%s %s move%s from %s to %s\n", plural(count),
               ports_text(ports, (uint32_t)count, text, sizeof text), count == 1 ? "s" : "",
               move->from, move->to);
        first = i;
    }
}

static bool
exchanges_ports(const struct plan *plan, const char *app)
{
    for (size_t i = 0; i < plan->move_count; i++)
        if (strcmp(plan->moves[i].from, app) == 0 || strcmp(plan->moves[i].to, app) == 0)
            return true;
    return false;
}

static void
print_refusal(const struct plan *plan, const struct plan_refusal *refusal)
{
    char text[ADDRESS_TEXT_BYTES];

    printf("%s: port %s %s", refusal->app, port_text(&refusal->port, text), refusal->reason);
    if (refusal->certain)
        printf(": the whole change of %s would be refused%s", refusal->app,
               exchanges_ports(plan, refusal->app)
                   ? ", and of the apps that it exchanges ports with"
                   : "");
    putchar('\n');
}

/* It was told as what holds an app back: of a whole file, or of the app. */
static bool
is_told(const struct plan *plan, const struct config_error_item *error)
{
    bool told = error->app[0] != '\0';

    for (size_t i = 0; !told && i < plan->app_count; i++)
        told = plan->apps[i].reason != NULL && strcmp(plan->apps[i].reason, error->text) == 0;
    return told;
}

static void
print_trouble(const struct plan_view *view)
{
    bool any = view->refusal_count > 0;

    if (any)
        putchar('\n');
    for (size_t i = 0; i < view->refusal_count; i++)
        print_refusal(view->plan, &view->refusals[i]);
    for (size_t i = 0; i < view->change->error_count; i++) {
        if (is_told(view->plan, &view->change->errors[i]))
            continue;
        printf("%s%s\n", any ? "" : "\n", view->change->errors[i].text);
        any = true;
    }
}

static void
print_compared(const struct plan_view *view)
{
    if (strcmp(view->compared_with, "running") == 0)
        printf("%s, compared with what runs\n", view->path);
    else if (strcmp(view->compared_with, "last_good") == 0)
        printf("%s, compared with the last good configurations in %s, for no supervisor runs\n",
               view->path, view->database);
    else
        printf("%s, compared with nothing: no supervisor runs, and there is no database %s yet\n",
               view->path, view->database);
}

static void
print_counts(const struct plan_view *view)
{
    static const enum plan_op order[] = { PLAN_CREATE, PLAN_UPDATE, PLAN_DELETE, PLAN_HELD_BACK,
                                          PLAN_UNCHANGED };
    static const char *const words[][2] = {
        { "create", "creates" }, { "update", "updates" }, { "delete", "deletes" },
        { "held back", "held back" }, { "unchanged", "unchanged" },
    };
    const struct plan *plan = view->plan;
    char drain[CELL_BYTES];
    bool any = false;

    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        size_t count = plan->counts[order[i]];

        if (count > 0)
            printf("%s%zu %s", any ? ", " : "", count, words[i][count != 1]);
        any = any || count > 0;
    }
    printf("%s", any ? "" : "no app is configured");
    if (plan->drain_most > 0)
        printf("; %s connection%s will have to drain",
               drain_text(plan->drain_least, plan->drain_most, drain), plural(plan->drain_most));
    puts(". Nothing was applied.");
}

int
plan_print(const struct plan_view *view)
{
    int rc = 0;

    print_compared(view);
    if (view->plan->app_count > 0) {
        putchar('\n');
        rc = print_table(view->plan);
    }
    for (size_t i = 0; i < view->plan->app_count; i++)
        print_app(&view->plan->apps[i]);
    if (view->daemon_key_count > 0)
        puts("\ndaemon:");
    print_keys(view->daemon_keys, view->daemon_key_count);
    print_moves(view->plan);
    print_trouble(view);
    putchar('\n');
    print_counts(view);
    return rc == 0 && fflush(stdout) == 0 ? 0 : -EIO;
}

/* ---- JSON ---- */

static json_t *
port_json(const struct app_listen *port)
{
    char text[ADDRESS_TEXT_BYTES];

    return port->address.family == 0 ? json_integer(port->address.port)
                                     : json_string(port_text(port, text));
}

static json_t *
ports_json(const struct app_listen *ports, uint32_t count)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(list, port_json(&ports[i]));
    return list;
}

static json_t *
targets_json(const struct plan_target *targets, uint32_t count, bool with_connections)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < count; i++)
        json_array_append_new(
            list, with_connections ? json_pack("{s:s, s:I}", "target", targets[i].name,
                                               "connections", (json_int_t)targets[i].connections)
                                   : json_string(targets[i].name));
    return list;
}

static json_t *
keys_json(const struct plan_key *keys, size_t count)
{
    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "key", keys[i].name, "before",
                                              keys[i].before, "after", keys[i].after));
    return list;
}

static json_t *
drain_json(uint64_t least, uint64_t most)
{
    return json_pack("{s:I, s:I}", "at_least", (json_int_t)least, "at_most", (json_int_t)most);
}

static json_t *
app_json(const struct plan_app *app)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:{s:o, s:o}, s:{s:o, s:o}, s:o, s:o}", "app", app->name, "op",
        app->op == PLAN_HELD_BACK ? "held_back" : plan_op_name(app->op), "source",
        app->source != NULL ? app->source : "", "reason", app->reason != NULL ? app->reason : "",
        "ports", "added", ports_json(app->ports_added, app->port_added_count), "removed",
        ports_json(app->ports_removed, app->port_removed_count), "targets", "added",
        targets_json(app->targets_added, app->target_added_count, false), "removed",
        targets_json(app->targets_removed, app->target_removed_count, true), "keys",
        keys_json(app->keys, app->key_count), "drain",
        drain_json(app->drain_least, app->drain_most));
}

static json_t *
moves_json(const struct plan *plan)
{
    json_t *list = json_array();

    for (size_t i = 0; i < plan->move_count; i++)
        json_array_append_new(list, json_pack("{s:o, s:s, s:s}", "port",
                                              port_json(&plan->moves[i].port), "from",
                                              plan->moves[i].from, "to", plan->moves[i].to));
    return list;
}

static json_t *
refusals_json(const struct plan_view *view)
{
    json_t *list = json_array();

    for (size_t i = 0; i < view->refusal_count; i++)
        json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:b}", "app",
                                              view->refusals[i].app, "port",
                                              port_json(&view->refusals[i].port), "reason",
                                              view->refusals[i].reason, "certain",
                                              view->refusals[i].certain));
    return list;
}

json_t *
plan_json(const struct plan_view *view)
{
    json_t *apps = json_array(), *errors = json_array();

    for (size_t i = 0; i < view->plan->app_count; i++)
        json_array_append_new(apps, app_json(&view->plan->apps[i]));
    for (size_t i = 0; i < view->change->error_count; i++)
        json_array_append_new(errors, json_string(view->change->errors[i].text));
    return json_pack("{s:b, s:s, s:o, s:I, s:o, s:o, s:o, s:o, s:o}", "valid", view->valid,
                     "compared_with", view->compared_with, "apps", apps, "unchanged",
                     (json_int_t)view->plan->counts[PLAN_UNCHANGED], "daemon",
                     keys_json(view->daemon_keys, view->daemon_key_count), "moves",
                     moves_json(view->plan), "refused", refusals_json(view), "errors", errors,
                     "drain", drain_json(view->plan->drain_least, view->plan->drain_most));
}
