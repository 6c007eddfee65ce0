/*
 * ftest simulate - many clients at once, and how they fared.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ftest/commands.h"
#include "ftest/load.h"
#include "ftest/now.h"
#include "ftest/report.h"
#include "ftest/request_options.h"
#include "ftest/values.h"

enum {
    KEY_KEEP = 0x200, KEY_RESET, KEY_HOLD,
    CONNECTIONS_MAX = 1000000,
    CONNECTIONS_DEFAULT = 10,
    DESCRIPTORS_BESIDE = 16,        /* standard streams, epoll, what libraries open */
};

struct simulate_options {
    struct request_options common;
    struct load_plan plan;
    const char *address;
};

static const struct argp_option options[] = {
    { NULL, 'c', "N", 0, "Connections at once (10)", 0 },
    { NULL, 'n', "REQUESTS", 0, "Make so many requests in all (one a connection)", 0 },
    { NULL, 't', "TIME", 0, "Make requests for so long, as 5s", 0 },
    { NULL, 'r', "RATE", 0, "Start so many requests a second, whatever becomes of them (open "
      "loop); response times count from when a request was due", 0 },
    { "keep", KEY_KEEP, NULL, 0, "Open the connections first and use each again and again", 0 },
    { "reset", KEY_RESET, NULL, 0, "Close connections with RST, so that no port of ours stays "
      "in TIME_WAIT", 0 },
    { "hold", KEY_HOLD, "TIME", 0, "With --keep: leave the connections open so long at the end",
      0 },
    { 0 },
};

static error_t
parse_end(struct simulate_options *o, struct argp_state *state)
{
    struct load_plan *plan = &o->plan;

    if (o->address == NULL)
        argp_error(state, "an ADDRESS is missing, as 127.0.0.1:5001");
    if (plan->requests != 0 && plan->duration_ns != 0)
        argp_error(state, "-n and -t exclude each other");
    if (plan->keep && o->common.request.reply_end == REPLY_EOF)
        argp_error(state, "--eof ends a connection, so it excludes --keep");
    if (plan->hold_ns != 0 && !plan->keep)
        argp_error(state, "--hold needs --keep");
    if (plan->connections == 0)
        plan->connections = CONNECTIONS_DEFAULT;
    if (plan->requests == 0 && plan->duration_ns == 0)
        plan->requests = plan->connections;
    return 0;
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct simulate_options *o = state->input;
    struct load_plan *plan = &o->plan;

    switch (key) {
    case 'c':
        plan->connections = (uint32_t)request_options_count(arg, CONNECTIONS_MAX, "-c", state);
        return 0;
    case 'n':
        plan->requests = request_options_count(arg, UINT64_MAX >> 1, "-n", state);
        return 0;
    case 't':
        plan->duration_ns = request_options_duration(arg, "-t", state);
        if (plan->duration_ns == 0)
            argp_error(state, "-t: the time must not be 0");
        return 0;
    case 'r':
        if (value_rate(arg, &plan->rate) < 0)
            argp_error(state, "-r: `%s' is no rate; write a number of requests a second", arg);
        return 0;
    case KEY_KEEP:
        plan->keep = true;
        return 0;
    case KEY_RESET:
        plan->reset = true;
        return 0;
    case KEY_HOLD:
        plan->hold_ns = request_options_duration(arg, "--hold", state);
        return 0;
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &o->common;
        return 0;
    case ARGP_KEY_ARG:
        if (o->address != NULL)
            argp_error(state, "one ADDRESS is enough: `%s' is too much", arg);
        o->address = arg;
        return 0;
    case ARGP_KEY_END:
        return parse_end(o, state);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {
    { &request_options_argp, 0, NULL, 0 },
    { NULL, 0, NULL, 0 },
};

const struct argp simulate_argp = {
    options, parse_option, "ADDRESS",
    "Make many requests over many connections at once and show how long they took.\v"
    "Without -n and -t each connection makes one request. A request is a new connection unless "
    "--keep is given; the reply has to be what was sent, unless told otherwise. Status 0: no "
    "request failed; 1: some did; 2: wrong usage, or ADDRESS cannot be resolved.",
    children, NULL, NULL,
};

static void
check_descriptors(const char *command, uint32_t connections)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    if ((rlim_t)connections + DESCRIPTORS_BESIDE > limit.rlim_cur)
        cli_usage_error(command, "-c %u: this process may open %llu descriptors only; raise "
                        "the limit (ulimit -Hn) or take fewer connections", connections,
                        (unsigned long long)limit.rlim_cur);
}

int
simulate_run(int argc, char **argv, void *context)
{
    static struct load_result result;   /* two histograms: too much for a stack */
    struct simulate_options o = { .common = { .verify_echo = true } };
    struct destination destination;
    int rc;

    cli_parse(&simulate_argp, argc, argv, &o);
    check_descriptors(argv[0], o.plan.connections);
    destination_resolve(argv[0], o.address, o.common.family, &destination);
    o.plan.destination = &destination;
    o.plan.request = &o.common.request;
    o.plan.timeout_ns = o.common.timeout_ns;
    o.plan.on_progress = isatty(STDERR_FILENO) ? report_progress : NULL;
    rc = load_run(&o.plan, &result);
    if (rc < 0) {
        fprintf(stderr, "%s: cannot start: %s\n", argv[0], strerror(-rc));
        return CLI_USAGE;
    }
    if (o.plan.on_progress != NULL)
        report_progress_end();
    if (o.common.json)
        report_print_json(o.address, &o.plan, &result);
    else
        report_print(o.address, &o.plan, &result);
    return result.failed == 0 ? CLI_YES : CLI_NO;
}
