#include "config/app_read.h"

#include <ctype.h>
#include <errno.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "config/duration.h"
#include "config/endpoints_read.h"
#include "config/probe_read.h"

#define AT(member) offsetof(struct app_draft, app.member)

const char *const app_strategy_names[] = {"round_robin", NULL};

static const char *const initial_words[] = {
    [APP_INITIAL_HISTORY] = "history",
    [APP_INITIAL_UP] = "up",
    [APP_INITIAL_DOWN] = "down",
    NULL,
};
static const char *const panic_words[] = {
    [APP_PANIC_ALL] = "all", [APP_PANIC_FAIL] = "fail", NULL};

enum { FLAP_HALF_LIFE_MS = 60000, FLAP_SUPPRESS = 3000, FLAP_REUSE = 1500 };

#define MINUTE (60 * 1000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

/* name, reader, where to, and the range. Offsets within a group count from the draft too. */
#define NUMBER(key, member, from, to)                                                          \
    {key, key_read_number, AT(member), from, to, NULL, NULL, 0}
#define DURATION(key, member, from, to)                                                        \
    {key, key_read_duration, AT(member), from, to, NULL, NULL, 0}
#define CHOICE(key, member, words) {key, key_read_choice, AT(member), 0, 0, words, NULL, 0}
#define WORD(key, member, words)                                                               \
    {key, key_read_word, AT(member), 0, sizeof((struct app_config *)0)->member, words, NULL, 0}
#define GROUP(key, table) {key, key_read_group, 0, 0, 0, NULL, table, ARRAY_SIZE(table)}
#define WHOLE(key, read)  {key, read, 0, 0, 0, NULL, NULL, 0}

static const struct key ready_keys[] = {
    NUMBER("min_available", ready_min_available, 0, APP_ENDPOINTS_MAX),
    DURATION("timeout", ready_timeout_ms, 0, HOUR),
};

static const struct key connect_keys[] = {
    DURATION("timeout", connect_timeout_ms, 1, HOUR),
    DURATION("per_try", connect_per_try_ms, 1, HOUR),
    NUMBER("retries", connect_retries, 0, APP_RETRIES_MAX),
    DURATION("stagger", connect_stagger_ms, 1, HOUR),
};

static const struct key eject_keys[] = {
    NUMBER("failures", eject_failures, 0, 1000),
    DURATION("time", eject_time_ms, 1, DAY),
    DURATION("time_max", eject_time_max_ms, 1, DAY),
    NUMBER("share", eject_share_percent, 0, 100),
};

static const struct key flap_keys[] = {
    DURATION("half_life", flap_half_life_ms, 1000, HOUR),
    NUMBER("suppress", flap_suppress, 1, 100000),
    NUMBER("reuse", flap_reuse, 1, 100000),
};

static key_read_fn name_read, worker_read, probe_read, flap_damping_read;

enum { KEYS_OF_ONE_APP = 3 };   /* name, ports, targets: they have no default */

static const struct key app_keys[] = {
    WHOLE("name", name_read),
    WHOLE("ports", ports_read),
    WHOLE("targets", targets_read),
    WORD("strategy", strategy, app_strategy_names),
    {"probe", probe_read, AT(probe), 0, 0, NULL, NULL, 0},
    {"probes", probes_read, AT(probes), 0, 0, NULL, NULL, 0},
    {"probes_require", probes_require_read, AT(probes), 0, 0, NULL, NULL, 0},
    CHOICE("initial", initial, initial_words),
    CHOICE("panic", panic, panic_words),
    DURATION("panic_hold", panic_hold_ms, 0, DAY),
    GROUP("eject", eject_keys),
    GROUP("ready", ready_keys),
    GROUP("connect", connect_keys),
    DURATION("idle_timeout", idle_timeout_ms, 0, DURATION_MS_MAX),
    DURATION("half_close_timeout", half_close_timeout_ms, 0, DURATION_MS_MAX),
    DURATION("drain_timeout", drain_timeout_ms, 0, HOUR),
    DURATION("handover_timeout", handover_timeout_ms, 0, DURATION_MS_MAX),
    DURATION("user_timeout", user_timeout_ms, 0, DAY),
    DURATION("slow_start", slow_start_ms, 0, HOUR),
    WHOLE("flap_damping", flap_damping_read),
    {"worker", worker_read, AT(worker), 0, 0, NULL, NULL, 0},
    NUMBER("threads", threads, 0, APP_THREADS_MAX),
    NUMBER("endpoints_max", endpoints_max, 1, 65535),
};

static const struct key fly_keys[] = {
    WHOLE("Name", name_read),
    WHOLE("Ports", ports_read),
    WHOLE("Targets", targets_read),
};

/* The first three keys are those that must be there, in this order. */
static const struct dialect {
    const struct key *keys;
    size_t key_count;
} dialects[SYNTAXES] = {
    [SYNTAX_OURS] = {app_keys, ARRAY_SIZE(app_keys)},
    [SYNTAX_FLY] = {fly_keys, ARRAY_SIZE(fly_keys)},
};

static bool
name_is_valid(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

    return length > 0 && name[length] == '\0' && length < APP_NAME_BYTES && name[0] != '-';
}

static void
name_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
          void *into)
{
    struct app_config *app = &((struct app_draft *)into)->app;
    char quoted[QUOTE_BYTES];

    if (setting->type != CONFIG_TYPE_STRING)
        key_problem(reader, setting, key->name, "is %s; write name = \"my-app\"",
                    key_type_name(setting));
    else if (setting->value.sval == NULL || !name_is_valid(setting->value.sval))
        key_problem(reader, setting, key->name,
                    "%s is no name of an app; allowed are a-z, 0-9 and \"-\", not first, at "
                    "most %d characters",
                    problem_quote(setting->value.sval == NULL ? "" : setting->value.sval,
                                  quoted),
                    APP_NAME_BYTES - 1);
    else
        strcpy(app->name, setting->value.sval);
}

/* A process that several apps share: the form of an app's name, for it becomes a part of paths
 * (decisions 10). Empty: none, so that an app may leave what `defaults` say. */
static void
worker_read(struct reader *reader, const struct key *key,
            const struct config_setting_t *setting, void *into)
{
    const char *name = setting->value.sval;
    char quoted[QUOTE_BYTES];

    if (setting->type != CONFIG_TYPE_STRING)
        key_problem(reader, setting, key->name, "is %s; write worker = \"shared\"",
                    key_type_name(setting));
    else if (name == NULL || *name == '\0')
        memset(into, 0, APP_NAME_BYTES);
    else if (!name_is_valid(name))
        key_problem(reader, setting, key->name,
                    "%s is no name of a worker; allowed are a-z, 0-9 and \"-\", not first, at "
                    "most %d characters; \"\" means none",
                    problem_quote(name, quoted), APP_NAME_BYTES - 1);
    else
        strcpy(into, name);
}

static void
probe_read(struct reader *reader, const struct key *key, const struct config_setting_t *setting,
           void *into)
{
    const struct key group = { .name = key->name, .keys = probe_keys,
                               .key_count = probe_key_count };

    key_read_group(reader, &group, setting, into);
}

/* true, or a group: what it does not name has its default, or what `defaults` say. */
static void
flap_damping_read(struct reader *reader, const struct key *key,
                  const struct config_setting_t *setting, void *into)
{
    const struct key group = { .name = key->name, .keys = flap_keys,
                               .key_count = ARRAY_SIZE(flap_keys) };
    struct app_config *app = &((struct app_draft *)into)->app;

    if (setting->type == CONFIG_TYPE_BOOL && setting->value.ival == 0) {
        app->flap_half_life_ms = 0;
        app->flap_suppress = FLAP_SUPPRESS;
        app->flap_reuse = FLAP_REUSE;
        return;
    }
    if (setting->type != CONFIG_TYPE_BOOL && setting->type != CONFIG_TYPE_GROUP) {
        key_problem(reader, setting, key->name,
                    "is %s; write true, false or { half_life = \"60s\"; suppress = 3000; reuse = "
                    "1500; }", key_type_name(setting));
        return;
    }
    if (app->flap_half_life_ms == 0)
        app->flap_half_life_ms = FLAP_HALF_LIFE_MS;
    if (setting->type == CONFIG_TYPE_GROUP)
        key_read_group(reader, &group, setting, into);
    if (app->flap_reuse >= app->flap_suppress)
        key_problem(reader, setting, key->name,
                    "reuse, %u, is not below suppress, %u: what is held would never be free",
                    app->flap_reuse, app->flap_suppress);
}

const char *
app_read_name(const struct config_setting_t *group, enum syntax syntax)
{
    const config_setting_t *name;

    if (group->type != CONFIG_TYPE_GROUP)
        return "";
    name = config_setting_get_member(group, dialects[syntax].keys[0].name);
    if (name == NULL || name->type != CONFIG_TYPE_STRING || name->value.sval == NULL ||
        !name_is_valid(name->value.sval))
        return "";
    return name->value.sval;
}

void
app_draft_init(struct app_draft *draft)
{
    memset(draft, 0, sizeof *draft);
    app_config_defaults(&draft->app);
    draft->app.probe.timeout_ms = APP_DURATION_OPEN;
    draft->app.half_close_timeout_ms = APP_DURATION_OPEN;
}

void
app_draft_fini(struct app_draft *draft)
{
    app_config_fini(&draft->app);
    free(draft->port_lines);
    draft->port_lines = NULL;
}

int
app_read_defaults(const struct config_setting_t *group, struct problems *problems,
                  struct app_draft *defaults)
{
    struct reader reader = {.problems = problems, .prefix = "defaults."};

    keys_read(&reader, group, app_keys + KEYS_OF_ONE_APP,
              ARRAY_SIZE(app_keys) - KEYS_OF_ONE_APP, defaults);
    return reader.out_of_memory ? -ENOMEM : 0;
}

static void
require(struct reader *reader, const struct config_setting_t *group, const char *key,
        const char *how)
{
    if (config_setting_get_member(group, key) == NULL)
        key_problem(reader, group, key, "is missing; %s", how);
}

/* Gives values that follow others, and checks those that limit each other. */
static void
finish(struct reader *reader, const struct config_setting_t *group, struct app_config *app)
{
    if (app->half_close_timeout_ms == APP_DURATION_OPEN)
        app->half_close_timeout_ms = app->idle_timeout_ms;
    probes_finish(reader, group, &app->probe, &app->probes);
}

/* On failure there is nothing of them to free. */
static int
copy_probes(const struct app_config *from, struct app_config *to)
{
    if (app_probe_copy(&from->probe, &to->probe) < 0) {
        to->probe = (struct app_probe){ 0 };
        to->probes = (struct app_probes){ 0 };
        return -ENOMEM;
    }
    if (app_probes_copy(&from->probes, &to->probes) < 0) {
        app_probe_fini(&to->probe);
        return -ENOMEM;
    }
    return 0;
}

int
app_read(const struct config_setting_t *group, enum syntax syntax,
         const struct app_draft *defaults, struct problems *problems, struct app_draft *draft)
{
    const struct dialect *dialect = &dialects[syntax];
    struct reader reader = {.problems = problems, .prefix = ""};

    *draft = *defaults;
    if (copy_probes(&defaults->app, &draft->app) < 0)
        return -ENOMEM;
    draft->line = group->line;
    if (group->type != CONFIG_TYPE_GROUP) {
        key_problem(&reader, group, "", "an app cannot be %s; write a group { }",
                    key_type_name(group));
        return 0;
    }
    keys_read(&reader, group, dialect->keys, dialect->key_count, draft);
    require(&reader, group, dialect->keys[0].name,
            "every app has one: lower-case letters, digits and \"-\"");
    require(&reader, group, dialect->keys[1].name,
            "an app needs at least one port to listen on, such as 5001");
    require(&reader, group, dialect->keys[2].name,
            "an app needs at least one target, \"host:port\"");
    finish(&reader, group, &draft->app);
    return reader.out_of_memory ? -ENOMEM : 0;
}
