/*
 * fproxy plan [PATH] - what a changed configuration would do, before it is applied.
 *
 *   /v1/running, or the last good configurations  \
 *                                                  >-- plan_compare --> plan_print
 *   the files, as the supervisor would take them  /
 *
 * Nothing is written or applied.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/set.h"
#include "proxy/commands/ask.h"
#include "proxy/commands/command.h"
#include "proxy/commands/plan_compare.h"
#include "proxy/commands/plan_database.h"
#include "proxy/commands/plan_ports.h"
#include "proxy/commands/plan_print.h"
#include "proxy/supervisor/places.h"

struct arguments {
    struct supervisor_options *options;
    const char *path;               /* NULL: where the supervisor would look */
    bool json;
};

/* What there is now; `apps`, `sources` and the targets are owned, their texts borrowed. */
struct present {
    struct asked asked;
    char database_path[PATH_BYTES + 16];
    json_t *answer;                 /* owned: of /v1/running; NULL: nothing runs */
    struct plan_database database;
    bool database_read;
    struct plan_clients clients;    /* of all that runs */
    bool clients_known;
    struct plan_running *apps;
    const char **sources;
    size_t count;
};

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'j':
        arguments->json = true;
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->path != NULL)
            argp_error(state, "one PATH only: `%s' is too much", arg);
        if (arg[0] == '\0')
            argp_error(state, "an empty path names nothing");
        arguments->path = arg;
        return 0;
    default:
        return command_place_option(key, arg, state, arguments->options);
    }
}

/* ---- what there is now ---- */

static void
present_free(struct present *present)
{
    for (size_t i = 0; i < present->count; i++)
        free((void *)present->apps[i].targets);
    free(present->apps);
    free(present->sources);
    json_decref(present->answer);
    plan_clients_free(&present->clients);
    plan_database_free(&present->database);
}

static int
make_room(struct present *present, size_t count)
{
    present->apps = calloc(count + 1, sizeof *present->apps);
    present->sources = calloc(count + 1, sizeof *present->sources);
    return present->apps == NULL || present->sources == NULL ? -ENOMEM : 0;
}

static void
add(struct present *present, const struct plan_running *running, const char *source)
{
    const struct plan_row *row = plan_rows_find(&present->database.gone_back, running->name);

    present->apps[present->count] = *running;
    present->apps[present->count].gone_back_from = row != NULL ? row->text : NULL;
    present->sources[present->count++] = source;
}

static struct plan_target *
read_targets(const json_t *list)
{
    struct plan_target *targets = calloc(json_array_size(list) + 1, sizeof *targets);
    const json_t *target;
    size_t i;

    json_array_foreach(list, i, target) {
        if (targets == NULL)
            break;
        snprintf(targets[i].name, sizeof targets[i].name, "%s", answer_text(target, "target"));
        targets[i].connections = (uint64_t)answer_number(target, "connections");
    }
    return targets;
}

static int
take_running(struct present *present)
{
    const json_t *apps = json_object_get(present->answer, "apps"), *app;
    size_t i;
    int rc = make_room(present, json_array_size(apps));

    present->clients_known = plan_clients_read(&present->clients) == 0;
    json_array_foreach(apps, i, app) {
        const json_t *list = json_object_get(app, "targets");
        struct plan_running running = {
            .name = answer_text(app, "name"),
            .text = answer_text(app, "config"),
            .connections = (uint64_t)answer_number(app, "connections"),
            .target_count = json_array_size(list),
            .clients = present->clients_known ? &present->clients : NULL,
        };

        if (rc < 0)
            return rc;
        running.targets = read_targets(list);
        if (running.targets == NULL)
            return -ENOMEM;
        add(present, &running, answer_text(app, "source"));
    }
    return rc;
}

static int
take_last_good(struct present *present)
{
    const struct plan_rows *good = &present->database.apps;
    int rc = make_room(present, good->count);

    for (size_t i = 0; rc == 0 && i < good->count; i++) {
        struct plan_running running = { .name = good->rows[i].name, .text = good->rows[i].text };

        add(present, &running, good->rows[i].source);
    }
    return rc;
}

/* Beside a supervisor it only helps; alone it is all there is. 0, or -EIO: that was told. */
static int
read_database(struct present *present)
{
    char why[DETAIL_BYTES];
    int rc;

    snprintf(present->database_path, sizeof present->database_path, "%s/fproxy.db",
             present->asked.state_dir);
    rc = plan_database_read(present->database_path, &present->database, why);
    present->database_read = rc == 0;
    if (rc == 0 || rc == -ENOENT || present->answer != NULL)
        return 0;
    fprintf(stderr, "%s: no supervisor runs, and %s cannot be read: %s\n",
            present->asked.command, present->database_path, why);
    return rc;
}

static bool
is_nobody(int rc)
{
    return rc == -ENOENT || rc == -ECONNREFUSED || rc == -ENOTDIR;
}

/* 0, or -errno when it was told. */
static int
look_at_present(struct present *present)
{
    int status = 0;
    int rc = ask_quietly(&present->asked, "GET", "/v1/running", ASK_TIMEOUT_MS, &status,
                         &present->answer);

    if (rc == 0 && (status != 200 || !json_is_array(json_object_get(present->answer, "apps"))))
        rc = -EPROTO;
    if (rc < 0 && !is_nobody(rc)) {
        ask_tell(&present->asked, rc);
        return rc;
    }
    rc = read_database(present);
    if (rc < 0)
        return rc;
    rc = present->answer != NULL ? take_running(present) : take_last_good(present);
    if (rc < 0)
        fprintf(stderr, "%s: no memory\n", present->asked.command);
    return rc;
}

/* ---- what will be ---- */

/* Where an app of `source` stands below `path`: a copy of a directory is compared file by file. */
static char *
source_below(const char *path, bool is_directory, const char *source)
{
    const char *slash = strrchr(source, '/');
    char *below = NULL;

    if (!is_directory)
        return strdup(path);
    return asprintf(&below, "%s/%s", path, slash != NULL ? slash + 1 : source) < 0 ? NULL : below;
}

/* As the supervisor does: who holds a name or a port keeps it, and a file without syntax takes
 * nothing away. */
static int
make_known(struct config_set *set, const struct present *present, const char *path)
{
    const struct plan_rows *rows = &present->database.groups;
    size_t total = present->count + rows->count;
    struct config_known *known = calloc(total + 1, sizeof *known);
    struct stat stat_buf;
    bool is_directory = stat(path, &stat_buf) == 0 && S_ISDIR(stat_buf.st_mode);
    int rc = known == NULL ? -ENOMEM : 0;

    for (size_t i = 0; rc == 0 && i < total; i++) {
        const struct plan_row *row = i < present->count ? NULL : &rows->rows[i - present->count];
        const char *source = row != NULL ? row->source : present->sources[i];

        known[i].name = row != NULL ? row->name : present->apps[i].name;
        known[i].text = row != NULL ? row->text : present->apps[i].text;
        known[i].source = source_below(path, is_directory, source);
        rc = known[i].source == NULL ? -ENOMEM : 0;
    }
    if (rc == 0)
        rc = config_set_know(set, known, present->count, known + present->count, rows->count);
    for (size_t i = 0; known != NULL && i < total; i++)
        free((void *)known[i].source);
    free(known);
    return rc;
}

/* 0, or -errno when it was told. */
static int
read_change(const struct present *present, const char *path, struct config_change **change)
{
    struct config_set *set = config_set_create(path);
    int rc = set == NULL ? -ENOMEM : config_set_look(set);

    if (rc == 0)
        rc = make_known(set, present, path);
    if (rc == 0)
        rc = config_set_take(set, change);
    config_set_destroy(set);
    if (rc < 0)
        fprintf(stderr,
                "%s: %s cannot be read: %s; name a directory or a file, or set "
                "FPROXY_CONFIG_PATH\n",
                present->asked.command, path, strerror(-rc));
    return rc;
}

/* ---- the plan ---- */

/* Everything that stands in the way of applying all of it. */
static bool
is_valid(const struct plan_view *view)
{
    for (size_t i = 0; i < view->refusal_count; i++)
        if (view->refusals[i].certain)
            return false;
    for (size_t i = 0; i < view->plan->app_count; i++)
        if (view->plan->apps[i].op == PLAN_HELD_BACK && !view->plan->apps[i].pinned)
            return false;
    return view->change->error_count == 0;
}

static int
compare_daemon(const struct present *present, const struct config_change *change,
               struct plan_key **keys, size_t *count)
{
    const struct plan_row *row = plan_rows_find(&present->database.groups, "daemon");

    *keys = NULL;
    *count = 0;
    if (row == NULL || change->daemon.text == NULL)
        return 0;
    return plan_keys_compare(row->text, change->daemon.text, keys, count);
}

static int
show(const char *command, struct plan_view *view, bool json)
{
    json_t *answer;
    int status;

    view->valid = is_valid(view);
    if (json) {
        answer = plan_json(view);
        status = answer_print(command, answer);
        json_decref(answer);
    } else {
        status = plan_print(view) == 0 ? CLI_YES : CLI_USAGE;
    }
    if (status != CLI_YES)
        return status;
    return view->valid ? CLI_YES : CLI_NO;
}

static int
compare_and_show(const struct present *present, const struct config_change *change,
                 const char *path, bool json)
{
    struct plan_view view = {
        .path = path,
        .compared_with = present->answer != NULL  ? "running"
                         : present->database_read ? "last_good"
                                                  : "nothing",
        .database = present->database_path,
        .change = change,
    };
    struct plan_refusal *refusals = NULL;
    struct plan_key *keys = NULL;
    struct plan *plan = NULL;
    int status = CLI_USAGE;
    int rc = plan_compare(present->apps, present->count, change, &plan);

    if (rc == 0)
        rc = plan_ports_try(plan, present->apps, present->count, present->answer != NULL,
                            &refusals, &view.refusal_count);
    if (rc == 0)
        rc = compare_daemon(present, change, &keys, &view.daemon_key_count);
    view.plan = plan;
    view.refusals = refusals;
    view.daemon_keys = keys;
    if (rc == 0)
        status = show(present->asked.command, &view, json);
    else
        fprintf(stderr, "%s: it cannot be compared: %s\n", present->asked.command,
                rc == -EINVAL ? "what runs is of another version" : strerror(-rc));
    plan_keys_free(keys, view.daemon_key_count);
    free(refusals);
    plan_free(plan);
    return status;
}

/* Whom to ask: who has the configuration that --config or the environment names; only without
 * them PATH says where its supervisor is. */
static void
find_present(const struct arguments *arguments, const char *command, struct asked *asked)
{
    struct supervisor_options options = *arguments->options;

    if (options.config_path == NULL && getenv("FPROXY_CONFIG_PATH") == NULL)
        options.config_path = arguments->path;
    ask_open(asked, command, &options);
}

/* `path` (PATH_BYTES), absolute as the supervisor has it. */
static void
find_path(const struct arguments *arguments, const char *command, char *path)
{
    struct supervisor_options options = *arguments->options;
    struct places places;
    int rc;

    if (arguments->path != NULL)
        options.config_path = arguments->path;
    rc = places_look_up(&options, &places);
    if (rc < 0)
        cli_usage_error(command, "no configuration is known (%s): name a PATH or set "
                                 "FPROXY_CONFIG_PATH", strerror(-rc));
    memcpy(path, places.config_path, PATH_BYTES);
}

int
command_plan(int argc, char **argv, void *context)
{
    static const struct argp_option rows[] = {
        OPTION_ROW_JSON,
        OPTION_ROWS_PLACES,
        { 0 },
    };
    static const struct argp argp = {
        .options = rows,
        .parser = parse_option,
        .args_doc = "[PATH]",
        .doc = "Tell what a changed configuration would do, before it is applied: to which apps, "
               "ports and targets, and how many connections will have to drain.\vPATH is a whole "
               "configuration, perhaps a copy; without it: --config, FPROXY_CONFIG_PATH, else "
               "the default. It is compared with what runs; when no supervisor does, with the "
               "last good configurations in the database. Nothing is applied. Exit status: 0 "
               "all of it could be; 1 something is invalid or would be refused; 2 PATH or what "
               "runs cannot be read.",
    };
    struct arguments arguments = { .options = context };
    struct present *present = calloc(1, sizeof *present);
    struct config_change *change = NULL;
    char path[PATH_BYTES];
    int status = CLI_USAGE;

    cli_parse(&argp, argc, argv, &arguments);
    if (present == NULL)
        return CLI_USAGE;
    find_present(&arguments, argv[0], &present->asked);
    find_path(&arguments, argv[0], path);
    if (look_at_present(present) == 0 && read_change(present, path, &change) == 0)
        status = compare_and_show(present, change, path, arguments.json);
    config_change_free(change);
    present_free(present);
    free(present);
    return status;
}
