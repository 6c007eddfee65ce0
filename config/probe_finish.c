/*
 * When all keys of an app's probes were read: what follows other values, what limits each other.
 */
#include "config/probe_read.h"

#include <libconfig.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "config/app_read.h"
#include "config/duration.h"
#include "config/probe_read_priv.h"
#include "config/steps_read.h"

enum { PROBE_TIMEOUT_MS = 2000, EXEC_TIMEOUT_MS = 5000 };

static void
fill_in(struct app_probe *probe, const struct app_probe *from)
{
    uint32_t *own[] = { &probe->interval_ms, &probe->rise, &probe->fall,
                        &probe->jitter_percent };
    const uint32_t others[] = { from->interval_ms, from->rise, from->fall,
                                from->jitter_percent };

    /* A threshold says nothing without its window. */
    if (probe->threshold == APP_DURATION_OPEN)
        probe->threshold = probe->window == APP_DURATION_OPEN ? from->threshold : 0;
    if (probe->window == APP_DURATION_OPEN)
        probe->window = from->window;
    for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
        if (*own[i] == APP_DURATION_OPEN)
            *own[i] = others[i];
    }
}

static void
check_durations(struct reader *reader, const struct place *place, struct app_probe *probe)
{
    char text[PROBLEM_BYTES], timeout[DURATION_TEXT_BYTES], interval[DURATION_TEXT_BYTES];
    uint32_t usual_ms = kind_flag(probe->kind) & PROGRAM ? EXEC_TIMEOUT_MS : PROBE_TIMEOUT_MS;

    if (probe->timeout_ms == APP_DURATION_OPEN)
        probe->timeout_ms = MIN(probe->interval_ms, usual_ms);
    if (probe->timeout_ms <= probe->interval_ms)
        return;
    snprintf(text, sizeof text,
             "%s is longer than %sinterval, %s; a probe must end before the next",
             duration_format(probe->timeout_ms, timeout), place->prefix,
             duration_format(probe->interval_ms, interval));
    tell(reader, place, "timeout", text);
}

static void
check_window(struct reader *reader, const struct place *place, struct app_probe *probe)
{
    if (probe->window == 0) {
        probe->threshold = 0;
        return;
    }
    if (probe->threshold == 0)
        probe->threshold = (probe->window + 1) / 2;
    if (probe->threshold > probe->window)
        tell(reader, place, "threshold",
             "more results must pass than the window has; make it at most `window`");
}

/* What a listening queue alone does not answer. */
static bool
says_something(const struct app_probe *probe)
{
    unsigned flag = kind_flag(probe->kind);

    return (flag & (HTTP | HTTPS | TLS | GRPC)) || probe->steps.count > 0 ||
           app_probe_more(probe)->close == PROBE_CLOSE_BANNER;
}

/* As DNS is asked for it: labels of 1 to 63 bytes, 253 in all; a dot at the end is fine. */
static bool
is_dns_name(const char *name)
{
    size_t all = strlen(name), label;

    if (strcmp(name, ".") == 0)
        return true;
    if (all > 254 || (all == 254 && name[253] != '.'))
        return false;
    for (; *name != '\0'; name += label + (name[label] == '.')) {
        label = strcspn(name, ".");
        if (label == 0 || label > 63)
            return false;
    }
    return true;
}

static void
check_needs(struct reader *reader, const struct place *place, const struct app_probe *probe)
{
    unsigned flag = kind_flag(probe->kind);
    bool told = place->group != NULL && steps_are_told(place->group);

    if (flag == EXCHANGE && probe->steps.count == 0 && !told)
        tell(reader, place, "kind",
             "\"exchange\" needs to know what is said: send and expect, steps, or preset");
    if ((flag & PROGRAM) && app_probe_more(probe)->lists[PROBE_COMMAND].count == 0)
        tell(reader, place, "kind",
             "needs a program to run: command = ( \"/usr/bin/check\", ... )");
    if (probe->role == PROBE_LIVENESS && !says_something(probe))
        tell(reader, place, "role",
             "a liveness probe has to say something, or to hear: for our port accepts whatever "
             "becomes of the connection; give it send and expect, or the kind http");
    if (flag == DNS && app_probe_text(probe, PROBE_HOST) == NULL)
        tell(reader, place, "kind", "\"dns\" needs a name to ask for: host = \"www.example\"");
    else if (flag == DNS && !is_dns_name(app_probe_text(probe, PROBE_HOST)))
        tell(reader, place, "host", "is no name that DNS can be asked for; a label has 1 to 63 "
                                    "characters, a name 253");
}

static void
finish_one(struct reader *reader, const struct place *place, struct app_probe *probe)
{
    check_durations(reader, place, probe);
    check_window(reader, place, probe);
    check_keys(reader, place, probe);
    drop_foreign(probe);
    check_needs(reader, place, probe);
}

static void
check_name(struct reader *reader, const struct place *place, struct app_probes *probes, uint32_t at)
{
    struct app_probe *probe = &probes->list[at];

    if (probe->name[0] == '\0')
        snprintf(probe->name, sizeof probe->name, "%s", probe->kind);
    for (uint32_t i = 0; i < at; i++) {
        if (strcmp(probes->list[i].name, probe->name) != 0)
            continue;
        tell(reader, place, "name", "two probes of an app need different names");
        return;
    }
}

static void
check_required(struct reader *reader, const struct config_setting_t *app,
               const struct app_probes *probes)
{
    uint32_t readiness = 0;

    for (uint32_t i = 0; i < probes->count; i++)
        readiness += probes->list[i].role == PROBE_READINESS;
    if (probes->required_of != 0 && probes->required_of != readiness)
        key_problem(reader, member_or(app, "probes_require"), "probes_require",
                    "says \"%u of %u\", but %u probes have the role readiness", probes->required,
                    probes->required_of, readiness);
}

void
probes_finish(struct reader *reader, const struct config_setting_t *app, struct app_probe *probe,
              struct app_probes *probes)
{
    const config_setting_t *list = config_setting_get_member(app, "probes");
    struct place place = { app, config_setting_get_member(app, "probe"), "probe." };

    if (place.group != NULL && place.group->type != CONFIG_TYPE_GROUP)
        place.group = NULL;
    /* Who says of which kind its probe is wants no list that the defaults have. */
    if (list == NULL && place.group != NULL &&
        config_setting_get_member(place.group, "kind") != NULL) {
        forget_list(probes);
        if (config_setting_get_member(app, "probes_require") == NULL)
            probes->required = probes->required_of = 0;
    }
    if (probe->role != PROBE_READINESS)
        tell(reader, &place, "role",
             "is a key of one of several: probes = ( { role = ...; }, ... )");
    finish_one(reader, &place, probe);
    place.prefix = "probes.";
    for (uint32_t i = 0; i < probes->count; i++) {
        place.group = list != NULL && list->type == CONFIG_TYPE_LIST
                          ? config_setting_get_elem(list, i) : NULL;
        if (place.group != NULL && place.group->type != CONFIG_TYPE_GROUP)
            continue;
        fill_in(&probes->list[i], probe);
        finish_one(reader, &place, &probes->list[i]);
        check_name(reader, &place, probes, i);
    }
    check_required(reader, app, probes);
}
