#include "config/app.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/app_read.h"
#include "config/canonical.h"
#include "config/print.h"

static const char *const initial_names[] = { "history", "up", "down" };
static const char *const panic_names[] = { "all", "fail" };

void
app_config_defaults(struct app_config *app)
{
    *app = (struct app_config){
        .strategy = "round_robin",
        .probe = { .kind = "tcp",
                   .interval_ms = 5000,
                   .timeout_ms = 2000,
                   .rise = 2,
                   .fall = 3,
                   .jitter_percent = 10 },
        .initial = APP_INITIAL_HISTORY,
        .panic = APP_PANIC_ALL,
        .panic_hold_ms = 300000,
        .eject_failures = 3,
        .eject_time_ms = 10000,
        .eject_time_max_ms = 300000,
        .eject_share_percent = 50,
        .ready_min_available = 1,
        .ready_timeout_ms = 10000,
        .connect_timeout_ms = 10000,
        .connect_per_try_ms = 3000,
        .connect_retries = 3,
        .connect_stagger_ms = 250,
        .idle_timeout_ms = 3600000,
        .half_close_timeout_ms = 3600000,
        .drain_timeout_ms = 30000,
        .flap_suppress = 3000,
        .flap_reuse = 1500,
        .endpoints_max = APP_ENDPOINTS_MAX,
    };
}

void
app_config_forget_targets(struct app_config *app)
{
    for (uint32_t i = 0; app->targets != NULL && i < app->target_count; i++)
        app_target_fini(&app->targets[i]);
    free(app->targets);
    app->targets = NULL;
}

const struct app_probe *
app_config_probes(const struct app_config *app, uint32_t *count)
{
    *count = app->probes.count > 0 ? app->probes.count : 1;
    return app->probes.count > 0 ? app->probes.list : &app->probe;
}

uint32_t
app_config_target_probes(const struct app_config *app,
                         const struct app_probe *probes[APP_PROBES_MAX + 1])
{
    uint32_t all, count = 0, readiness = 0;
    const struct app_probe *list = app_config_probes(app, &all);

    for (uint32_t i = 0; i < all; i++) {
        readiness += list[i].role == PROBE_READINESS;
        if (list[i].role != PROBE_LIVENESS)
            probes[count++] = &list[i];
    }
    if (readiness == 0)
        probes[count++] = &app->probe;
    return count;
}

const struct app_probe *
app_config_find_probe(const struct app_config *app, const char *kind)
{
    const struct app_probe *probes[APP_PROBES_MAX + 1];
    uint32_t count = app_config_target_probes(app, probes);

    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(probes[i]->kind, kind) == 0)
            return probes[i];
    }
    return NULL;
}

void
app_config_forget_probes(struct app_config *app)
{
    app_probe_fini(&app->probe);
    app_probes_fini(&app->probes);
}

void
app_config_fini(struct app_config *app)
{
    app_config_forget_targets(app);
    app_config_forget_probes(app);
    free(app->ports);
    app->ports = NULL;
    app->port_count = app->target_count = 0;
}

static void
print_ports(struct print *print, const struct app_config *app)
{
    char text[ADDRESS_TEXT_BYTES];

    fputs("ports = (", print->stream);
    for (uint32_t i = 0; i < app->port_count; i++) {
        const struct address *address = &app->ports[i].address;

        fputs(i > 0 ? ", " : "", print->stream);
        if (address->family == 0)
            fprintf(print->stream, "%u", address->port);
        else
            print_quoted(print, address_format(address, text));
    }
    fputs(");\n", print->stream);
}

/* The plain form as long as it tells everything. */
static void
print_target(struct print *print, const struct app_target *target)
{
    unsigned weight = target->weight == 0 ? 1 : target->weight;     /* made by hand */
    bool plain = weight == 1 && target->tier == 0;

    fputs(plain ? "" : "{ address = ", print->stream);
    print_quoted(print, target->name);
    if (!plain)
        fprintf(print->stream, "; weight = %u; tier = %u; }", weight, target->tier);
}

static void
print_targets(struct print *print, const struct app_config *app)
{
    fputs("targets = (", print->stream);
    for (uint32_t i = 0; i < app->target_count; i++) {
        fputs(i > 0 ? ",\n  " : "\n  ", print->stream);
        print_target(print, &app->targets[i]);
    }
    fputs("\n);\n", print->stream);
}

/* A duration that follows another one where nobody gave it: then it is left out. */
static void
print_unless_open(struct print *print, int indent, const char *key, uint32_t ms)
{
    if (ms != APP_DURATION_OPEN)
        print_duration(print, indent, key, ms);
}

static void
print_groups(struct print *print, const struct app_config *app)
{
    fputs("probe = {\n", print->stream);
    app_probe_print(print, 2, &app->probe);
    fputs("};\nready = {\n", print->stream);
    print_number(print, 2, "min_available", app->ready_min_available);
    print_duration(print, 2, "timeout", app->ready_timeout_ms);
    fputs("};\nconnect = {\n", print->stream);
    print_duration(print, 2, "timeout", app->connect_timeout_ms);
    print_duration(print, 2, "per_try", app->connect_per_try_ms);
    print_number(print, 2, "retries", app->connect_retries);
    print_duration(print, 2, "stagger", app->connect_stagger_ms);
    fputs("};\neject = {\n", print->stream);
    print_number(print, 2, "failures", app->eject_failures);
    print_duration(print, 2, "time", app->eject_time_ms);
    print_duration(print, 2, "time_max", app->eject_time_max_ms);
    print_number(print, 2, "share", app->eject_share_percent);
    fputs("};\n", print->stream);
}

static void
print_flap_damping(struct print *print, const struct app_config *app)
{
    if (app->flap_half_life_ms == 0) {
        fputs("flap_damping = false;\n", print->stream);
        return;
    }
    fputs("flap_damping = {\n", print->stream);
    print_duration(print, 2, "half_life", app->flap_half_life_ms);
    print_number(print, 2, "suppress", app->flap_suppress);
    print_number(print, 2, "reuse", app->flap_reuse);
    fputs("};\n", print->stream);
}

/* All keys that may have a default. */
static void
print_common(struct print *print, const struct app_config *app)
{
    print_text(print, 0, "strategy", app->strategy);
    print_groups(print, app);
    app_probes_print(print, &app->probes);
    print_text(print, 0, "initial", initial_names[app->initial]);
    print_text(print, 0, "panic", panic_names[app->panic]);
    print_duration(print, 0, "panic_hold", app->panic_hold_ms);
    print_duration(print, 0, "idle_timeout", app->idle_timeout_ms);
    print_unless_open(print, 0, "half_close_timeout", app->half_close_timeout_ms);
    print_duration(print, 0, "drain_timeout", app->drain_timeout_ms);
    print_duration(print, 0, "handover_timeout", app->handover_timeout_ms);
    print_duration(print, 0, "user_timeout", app->user_timeout_ms);
    print_duration(print, 0, "slow_start", app->slow_start_ms);
    print_flap_damping(print, app);
    print_text(print, 0, "worker", app->worker);
    print_number(print, 0, "threads", app->threads);
    print_number(print, 0, "endpoints_max", app->endpoints_max);
}

char *
app_config_print(const struct app_config *app)
{
    struct print print;

    if (print_begin(&print) < 0)
        return NULL;
    print_text(&print, 0, "name", app->name);
    print_ports(&print, app);
    print_targets(&print, app);
    print_common(&print, app);
    return print_end(&print);
}

char *
app_defaults_print(const struct app_draft *defaults)
{
    struct print print;

    if (print_begin(&print) < 0)
        return NULL;
    print_common(&print, &defaults->app);
    return print_end(&print);
}

int
app_defaults_parse(const char *text, struct app_draft *defaults, char *why)
{
    struct canonical canonical;
    struct app_draft draft;
    int rc = canonical_open(&canonical, text, why);

    if (rc < 0)
        return rc;
    app_draft_init(&draft);
    rc = app_read_defaults(canonical.root, &canonical.problems, &draft);
    rc = canonical_close(&canonical, rc);
    if (rc == 0)
        *defaults = draft;
    else
        app_draft_fini(&draft);
    return rc;
}

int
app_config_parse(const char *text, struct app_config *app, char *why)
{
    struct canonical canonical;
    struct app_draft defaults, draft;
    int rc = canonical_open(&canonical, text, why);

    if (rc < 0)
        return rc;
    app_draft_init(&defaults);
    rc = app_read(canonical.root, SYNTAX_OURS, &defaults, &canonical.problems, &draft);
    rc = canonical_close(&canonical, rc);
    if (rc == 0) {
        *app = draft.app;
        draft.app.ports = NULL; /* now the caller's */
        draft.app.targets = NULL;
        draft.app.probe.steps = (struct app_steps){ 0 };
        draft.app.probe.more = NULL;
        draft.app.probes = (struct app_probes){ 0 };
        draft.app.port_count = draft.app.target_count = 0;
    }
    app_draft_fini(&draft);
    return rc;
}
