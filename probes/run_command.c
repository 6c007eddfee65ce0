/*
 * fproxy-probe run - the configured probes of an app, now, step by step.
 *
 * The kinds are the prober's, on a loop of our own; one run after the other. What decides over time
 * (rise, fall, the role startup) does not: a target passes when enough of its probes passed once.
 */
#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/util.h"
#include "config/app.h"
#include "config/duration.h"
#include "probes/inspect_command.h"
#include "probes/probe.h"
#include "probes/run_config.h"
#include "probes/run_show.h"

enum { KEY_STATE_DIR = 0x200, KEY_TIMEOUT, KEY_ADDRESS, TIMEOUT_MS_MAX = 60 * 60 * 1000 };
enum { ADDRESSES_MAX = 256 };

struct arguments {
    const char *app, *target;
    const char *config_path, *state_dir;
    struct address address;         /* family 0: what the target's name resolves to */
    uint32_t timeout_ms;            /* 0: as configured */
    bool json;
};

static void
take_timeout(struct arguments *arguments, const char *text, struct argp_state *state)
{
    int64_t ms;

    if (duration_parse(text, &ms) < 0 || ms < 1 || ms > TIMEOUT_MS_MAX)
        argp_error(state, "`%s' is no timeout; write \"500ms\" or \"2s\", at most an hour", text);
    arguments->timeout_ms = (uint32_t)ms;
}

static void
take_address(struct arguments *arguments, const char *text, struct argp_state *state)
{
    char host[HOST_NAME_BYTES];
    const char *why;
    uint16_t port;

    if (address_split(text, host, &port, &why) < 0 ||
        address_parse_ip(host, port, &arguments->address) < 0)
        argp_error(state, "`%s' is no address; write IP:PORT, such as 10.0.0.7:80 or [::1]:80",
                   text);
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct arguments *arguments = state->input;

    switch (key) {
    case 'j':
        arguments->json = true;
        return 0;
    case 'c':
        arguments->config_path = arg;
        return 0;
    case KEY_STATE_DIR:
        arguments->state_dir = arg;
        return 0;
    case KEY_TIMEOUT:
        take_timeout(arguments, arg, state);
        return 0;
    case KEY_ADDRESS:
        take_address(arguments, arg, state);
        return 0;
    case ARGP_KEY_ARG:
        if (arguments->target != NULL)
            argp_error(state, "`%s' is too much: run takes an APP and a TARGET", arg);
        *(arguments->app == NULL ? &arguments->app : &arguments->target) = arg;
        return 0;
    case ARGP_KEY_END:
        if (arguments->app == NULL)
            argp_error(state, "which app? `fproxy-probe inspect' lists them");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    { "json", 'j', NULL, 0, "Print JSON", 0 },
    { "config", 'c', "PATH", 0, "Configuration: a directory or a file; nothing else counts", 0 },
    { "timeout", KEY_TIMEOUT, "DURATION", 0, "Of each probe, instead of the configured one", 0 },
    { "address", KEY_ADDRESS, "IP:PORT", 0, "Probe this instead of the target's addresses", 0 },
    { "state-dir", KEY_STATE_DIR, "DIR", 0, "Where fproxy.db lies", 0 },
    { 0 },
};

static const struct argp argp = {
    options, parse_option, "APP [TARGET]",
    "Run the configured probes of an app now and show each step: what was sent, what was heard.\v"
    "TARGET is as in the configuration, or an address of one. The configuration is that of the "
    "files (--config, FPROXY_CONFIG_PATH, or fproxy's default) or, if it has no valid app of that "
    "name, the last good one of the database. No fproxy has to run. Status 0: every address passed "
    "as many probes as its app requires; 1: one did not, or a name does not resolve; 2: wrong "
    "usage, no such app or target, or there is nothing to run.",
    NULL, NULL, NULL,
};

/* ---- one run ---- */

struct run {
    struct run_show show;
    struct event_base *base;
    const struct app_config *app;
    bool passed;                    /* the last one did */
    uint32_t ran;                   /* of all */
    uint32_t failed;                /* addresses, and names without any */
};

static void
on_trace(void *context, const char *what, const void *bytes, size_t length)
{
    struct run *run = context;

    run_show_step(&run->show, what, bytes, length);
}

static void
on_done(struct probe *probe, const struct probe_result *result)
{
    struct run *run = probe->context;

    run->passed = result->outcome == REASON_OK;
    run_show_end(&run->show, reason_name(result->outcome), result->duration_us / 1000.0,
                 result->detail);
    event_base_loopbreak(run->base);
}

/* Until it is over. */
static void
run_kind(struct run *run, struct probe *probe)
{
    char why[DETAIL_BYTES] = "";
    int rc = probe->ops->prepare == NULL
                 ? 0 : probe->ops->prepare(probe->config, run->base, &probe->shared, why);

    run->passed = false;
    if (rc < 0) {
        run_show_end(&run->show, reason_name(REASON_CONNECT_LOCAL), 0, why);
        return;
    }
    rc = probe_start(probe);
    if (rc == 0) {
        event_base_dispatch(run->base);
    } else {
        snprintf(why, sizeof why, "cannot start: %s", strerror(-rc));
        run_show_end(&run->show, reason_name(probe_start_reason(rc)), 0, why);
    }
    probe_fini(probe);
    if (probe->ops->release != NULL)
        probe->ops->release(probe->shared);
}

static bool
run_probe(struct run *run, const struct app_target *target, const struct app_probe *config,
          const struct address *address)
{
    const struct address where = app_probe_where(config, address);
    char text[ADDRESS_TEXT_BYTES];
    char why[DETAIL_BYTES];
    const struct probe_ops *ops = probe_find(config->kind, why);
    struct probe probe;

    probe_init(&probe, ops, run->base, &where);
    probe.config = config;
    probe.app = run->app->name;
    probe.target = target->name;
    probe.on_done = on_done;
    probe.trace = on_trace;
    probe.context = probe.trace_context = run;
    run_show_begin(&run->show, run->app->name, target->name, address_format(&where, text),
                   app_probe_title(config), config->kind);
    run->passed = false;
    if (ops != NULL)
        run_kind(run, &probe);
    else
        run_show_end(&run->show, reason_name(REASON_CONNECT_LOCAL), 0, why);
    run->ran++;
    return run->passed;
}

/* A report or traffic can only be waited for, and liveness asks our own proxy, no target. */
static bool
can_run(const struct app_probe *config)
{
    return probe_known(config->kind) && strcmp(config->kind, "push") != 0 &&
           strcmp(config->kind, "traffic") != 0;
}

/* All its probes: each of startup has to pass, of readiness as many as the app requires. */
static bool
run_address(struct run *run, const struct app_target *target, const struct address *address)
{
    const struct app_probe *probes[APP_PROBES_MAX + 1];
    uint32_t count = app_config_target_probes(run->app, probes);
    uint32_t readiness = 0, passed = 0, required = run->app->probes.required;
    bool started = true;

    for (uint32_t i = 0; i < count; i++) {
        bool well;

        if (!can_run(probes[i]))
            continue;
        well = run_probe(run, target, probes[i], address);
        if (probes[i]->role == PROBE_STARTUP)
            started = started && well;
        else
            passed += well;
        readiness += probes[i]->role == PROBE_READINESS;
    }
    return started && passed >= (required == 0 ? readiness : MIN(required, readiness));
}

/* ---- which addresses ---- */

static enum reason
resolve_reason(int error)
{
    switch (error) {
    case EAI_NONAME:
        return REASON_DNS_NXDOMAIN;
    case EAI_NODATA:
        return REASON_DNS_EMPTY;
    case EAI_AGAIN:
        return REASON_DNS_TIMEOUT;
    default:
        return REASON_DNS_SERVFAIL;
    }
}

/* 0 and how many, each once; or an error of getaddrinfo(). */
static int
resolve(const struct app_target *target, struct address *addresses, uint32_t *count)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    char host[HOST_NAME_BYTES];
    struct addrinfo *found;
    int error;

    *count = 0;
    app_target_host(target, host);
    error = getaddrinfo(host, NULL, &hints, &found);
    if (error != 0)
        return error;
    for (const struct addrinfo *at = found; at != NULL && *count < ADDRESSES_MAX;
         at = at->ai_next) {
        if (address_from_sockaddr(at->ai_addr, &addresses[*count]) < 0)
            continue;
        addresses[*count].port = target->port;
        (*count)++;
    }
    freeaddrinfo(found);
    return 0;
}

/* One result for a name that leads nowhere. */
static void
show_unresolved(struct run *run, const struct app_target *target, int error)
{
    const struct app_probe *probes[APP_PROBES_MAX + 1];

    app_config_target_probes(run->app, probes);
    run_show_begin(&run->show, run->app->name, target->name, "", app_probe_title(probes[0]),
                   probes[0]->kind);
    run_show_end(&run->show, reason_name(resolve_reason(error)), 0, gai_strerror(error));
    run->failed++;
}

/* How many of its addresses are meant. `wanted` NULL: all; else its name, or one address. */
static uint32_t
run_target(struct run *run, const struct app_target *target, const struct arguments *arguments)
{
    struct address addresses[ADDRESSES_MAX] = { arguments->address };
    bool named = arguments->target == NULL || strcmp(arguments->target, target->name) == 0;
    char text[ADDRESS_TEXT_BYTES];
    uint32_t count = 1, meant = 0;
    int error = 0;

    if (arguments->address.family != 0 && !named)
        return 0;
    if (arguments->address.family == 0 && target->address.family != 0)
        addresses[0] = target->address;
    else if (arguments->address.family == 0)
        error = resolve(target, addresses, &count);
    if (error != 0 && named)
        show_unresolved(run, target, error);
    if (error != 0)
        return named;
    for (uint32_t i = 0; i < count; i++) {
        if (!named && strcmp(address_format(&addresses[i], text), arguments->target) != 0)
            continue;
        meant++;
        run->failed += !run_address(run, target, &addresses[i]);
    }
    return meant;
}

/* ---- the command ---- */

static bool
anything_to_run(const struct app_config *app)
{
    const struct app_probe *probes[APP_PROBES_MAX + 1];
    uint32_t count = app_config_target_probes(app, probes);

    for (uint32_t i = 0; i < count; i++) {
        if (can_run(probes[i]))
            return true;
    }
    return false;
}

static void
set_timeout(struct app_config *app, uint32_t timeout_ms)
{
    if (timeout_ms == 0)
        return;
    app->probe.timeout_ms = timeout_ms;
    for (uint32_t i = 0; i < app->probes.count; i++)
        app->probes.list[i].timeout_ms = timeout_ms;
}

static int
print_results(struct run *run, bool passed)
{
    json_t *all = json_pack("{s:b, s:O}", "passed", passed, "results", run->show.results);
    int rc = all == NULL ? -1 : json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));

    putchar('\n');
    json_decref(all);
    return rc;
}

static int
run_all(const char *command, const struct arguments *arguments, struct run *run)
{
    uint32_t meant = 0;
    int rc = 0;

    for (uint32_t i = 0; i < run->app->target_count; i++)
        meant += run_target(run, &run->app->targets[i], arguments);
    if (meant == 0) {
        fprintf(stderr, "%s: %s has no target `%s'; `fproxy-probe inspect %s' lists them\n",
                command, run->app->name, arguments->target != NULL ? arguments->target : "",
                run->app->name);
        return CLI_USAGE;
    }
    if (arguments->json)
        rc = print_results(run, run->failed == 0);
    if (rc < 0 || fflush(stdout) != 0) {
        fprintf(stderr, "%s: cannot print it\n", command);
        return CLI_USAGE;
    }
    return run->failed == 0 ? CLI_YES : CLI_NO;
}

static int
run_app(const char *command, const struct arguments *arguments, struct app_config *app)
{
    struct run run = { .app = app, .show.json = arguments->json };
    int status = CLI_USAGE;

    set_timeout(app, arguments->timeout_ms);
    if (!anything_to_run(app)) {
        fprintf(stderr, "%s: %s has no probe that can be run: its targets report themselves, or "
                "are judged by traffic\n", command, app->name);
        return CLI_USAGE;
    }
    run.base = event_base_new();
    run.show.results = json_array();
    if (run.base == NULL || run.show.results == NULL)
        fprintf(stderr, "%s: no memory\n", command);
    else
        status = run_all(command, arguments, &run);
    json_decref(run.show.results);
    if (run.base != NULL)
        event_base_free(run.base);
    return status;
}

int
run_command(int argc, char **argv, void *context)
{
    struct arguments arguments = { 0 };
    struct run_places places = { .command = argv[0] };
    struct app_config app;
    int status;

    cli_parse(&argp, argc, argv, &arguments);
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);       /* each step as it happens, also into a file */
    places.config_path = arguments.config_path;
    places.state_dir = arguments.state_dir;
    if (run_config_find(&places, arguments.app, &app) < 0)
        return CLI_USAGE;
    run_config_tell_rights(&places);
    status = run_app(argv[0], &arguments, &app);
    app_config_fini(&app);
    return status;
}
