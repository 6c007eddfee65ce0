/*
 * ftest ping - is it there, and how long does each step take?
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "base/names.h"
#include "base/util.h"
#include "ftest/commands.h"
#include "ftest/now.h"
#include "ftest/phases.h"
#include "ftest/request_options.h"
#include "ftest/values.h"

enum { PINGS_MAX = 1000000, LABEL_WIDTH = 7, REPLY_PRINTED_BYTES = 48 };

struct ping_options {
    struct request_options common;
    uint64_t count;
    uint64_t interval_ns;
    const char *address;
};

/* What all pings together gave. */
struct ping_total {
    uint64_t answered, failed;
    struct phases_summary summary;
    json_t *list;           /* owned; NULL without --json */
};

static const struct argp_option options[] = {
    { NULL, 'n', "N", 0, "Ping N times (1)", 0 },
    { "interval", 'i', "TIME", 0, "Wait so long between two pings (0)", 0 },
    { 0 },
};

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct ping_options *o = state->input;

    switch (key) {
    case 'n':
        o->count = request_options_count(arg, PINGS_MAX, "-n", state);
        return 0;
    case 'i':
        o->interval_ns = request_options_duration(arg, "--interval", state);
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
        if (o->address == NULL)
            argp_error(state, "an ADDRESS is missing, as 127.0.0.1:5001");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {
    { &request_options_argp, 0, NULL, 0 },
    { NULL, 0, NULL, 0 },
};

const struct argp ping_argp = {
    options, parse_option, "ADDRESS",
    "Connect, send, wait for the reply and show how long dialling, writing, reading and the "
    "whole response took.\v"
    "The reply is complete when as many bytes as were sent came back, whatever they are, "
    "unless told otherwise. Status 0: all were answered; 1: some were not; 2: wrong usage, or "
    "ADDRESS cannot be resolved.",
    children, NULL, NULL,
};

static void
print_head(const struct ping_options *o)
{
    printf("ping %s: %zu bytes, times in ms\n\n%*s", o->address, o->common.request.data_bytes,
           LABEL_WIDTH, "#");
    phases_print_names();
    printf("  reply\n");
}

static void
print_ping(uint64_t number, const struct exchange *exchange, const struct phases *phases)
{
    char text[REPLY_PRINTED_BYTES];

    value_printable(exchange->shown, MIN(exchange->received, REPLY_SHOWN_BYTES), text,
                    sizeof text);
    printf("%*" PRIu64, LABEL_WIDTH, number);
    phases_print(exchange->outcome == OUTCOME_OK ? phases : NULL);
    if (exchange->outcome == OUTCOME_OK)
        printf("  %s\n", text);
    else if (exchange->received > 0)
        printf("  %s: %s\n", outcome_name(exchange->outcome), text);
    else
        printf("  %s\n", outcome_name(exchange->outcome));
}

static void
list_ping(json_t *list, const struct exchange *exchange, const struct phases *phases)
{
    bool ok = exchange->outcome == OUTCOME_OK;
    json_t *ping = ok ? phases_json(phases) : json_object();
    char text[REPLY_SHOWN_BYTES];

    value_printable(exchange->shown, MIN(exchange->received, REPLY_SHOWN_BYTES), text,
                    sizeof text);
    json_object_set_new(ping, "outcome", json_string(outcome_name(exchange->outcome)));
    json_object_set_new(ping, "reply", json_string(text));
    json_object_set_new(ping, "reply_bytes", json_integer((json_int_t)exchange->received));
    json_array_append_new(list, ping);
}

static void
ping_once(const struct ping_options *o, const struct destination *destination, uint64_t number,
          struct ping_total *total)
{
    char shown[REPLY_SHOWN_BYTES];
    struct exchange exchange = { .shown = shown };
    struct phases phases = { 0 };

    exchange_run(&exchange, &o->common.request, destination, o->common.timeout_ns);
    if (exchange.outcome == OUTCOME_OK) {
        total->answered++;
        phases_of(&exchange, &phases);
        phases_add(&total->summary, &phases);
    } else {
        total->failed++;
    }
    if (total->list != NULL)
        list_ping(total->list, &exchange, &phases);
    else
        print_ping(number, &exchange, &phases);
    exchange_close(&exchange, false);
}

static void
print_total(const struct ping_options *o, struct ping_total *total)
{
    if (total->list != NULL) {
        json_t *report = json_pack("{s:s, s:I, s:I, s:I, s:o, s:o}", "address", o->address,
                                   "sent", (json_int_t)(total->answered + total->failed),
                                   "answered", (json_int_t)total->answered,
                                   "failed", (json_int_t)total->failed,
                                   "times", phases_summary_json(&total->summary),
                                   "pings", total->list);

        json_dumpf(report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
        json_decref(report);
        return;
    }
    putchar('\n');
    if (total->answered + total->failed > 1)
        phases_print_summary(&total->summary, LABEL_WIDTH);
    printf("%" PRIu64 " sent, %" PRIu64 " answered, %" PRIu64 " failed\n",
           total->answered + total->failed, total->answered, total->failed);
}

static volatile sig_atomic_t interrupted;

static void
on_interrupt(int signal_number)
{
    interrupted = 1;
}

static void
pause_ns(uint64_t duration_ns)
{
    struct timespec pause = { (time_t)(duration_ns / NS_PER_S),
                              (long)(duration_ns % NS_PER_S) };

    if (duration_ns != 0)
        nanosleep(&pause, NULL);
}

/* Ctrl-C ends a long series with what was measured so far; a second one ends it as usual. */
int
ping_run(int argc, char **argv, void *context)
{
    const struct sigaction action = { .sa_handler = on_interrupt,
                                      .sa_flags = (int)SA_RESETHAND };
    struct ping_options o = { .count = 1 };
    struct ping_total total = { 0 };
    struct destination destination;

    cli_parse(&ping_argp, argc, argv, &o);
    destination_resolve(argv[0], o.address, o.common.family, &destination);
    sigaction(SIGINT, &action, NULL);
    if (o.common.json)
        total.list = json_array();
    else
        print_head(&o);
    for (uint64_t i = 1; i <= o.count && !interrupted; i++) {
        if (i > 1)
            pause_ns(o.interval_ns);
        if (!interrupted)
            ping_once(&o, &destination, i, &total);
    }
    print_total(&o, &total);
    return total.failed == 0 ? CLI_YES : CLI_NO;
}
