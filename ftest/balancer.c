/*
 * ftest balancer - do replies come in the order that the balancing promises?
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "ftest/commands.h"
#include "ftest/now.h"
#include "ftest/phases.h"
#include "ftest/request_options.h"
#include "ftest/values.h"

enum {
    KEY_TIMEOUT = 0x300, KEY_EOF, KEY_JSON,
    LABEL_WIDTH = 7, TEXT_WIDTH = 20, TEXT_BYTES = 64,
};

struct balancer_options {
    const char *address;
    struct value_list data, expectations;       /* owned */
    uint64_t timeout_ns;
    int family;
    bool eof, json;
};

struct balancer_total {
    uint64_t matched, mismatched;   /* a connection that failed is a mismatch too */
    struct phases_summary summary;
    json_t *list;                   /* owned; NULL without --json */
};

static const struct argp_option options[] = {
    { "data", 'd', "LIST", 0, "What the connections send, in order, as a,b,c (\\, is a comma)",
      0 },
    { "expect", 'e', "LIST", 0, "What they have to get back, in order; as many", 0 },
    { "eof", KEY_EOF, NULL, 0, "Send FIN after the data and read each reply up to its FIN", 0 },
    { "timeout", KEY_TIMEOUT, "TIME", 0, "Give a connection up after TIME (10s)", 0 },
    { NULL, '4', NULL, 0, "Only IPv4 addresses", 0 },
    { NULL, '6', NULL, 0, "Only IPv6 addresses", 0 },
    { "json", KEY_JSON, NULL, 0, "Print JSON", 0 },
    { 0 },
};

static void
parse_list(const char *arg, const char *option, struct value_list *list,
           struct argp_state *state)
{
    int rc;

    value_list_free(list);
    rc = value_list_parse(arg, list);
    if (rc == -EINVAL)
        argp_error(state, "%s: `%s' has an empty item; write a,b,c", option, arg);
    else if (rc < 0)
        argp_failure(state, CLI_USAGE, -rc, "%s", option);
}

static error_t
parse_end(struct balancer_options *o, struct argp_state *state)
{
    if (o->address == NULL)
        argp_error(state, "an ADDRESS is missing, as 127.0.0.1:5001");
    if (o->data.count == 0 || o->expectations.count == 0)
        argp_error(state, "both -d LIST and -e LIST are needed");
    if (o->data.count != o->expectations.count)
        argp_error(state, "-d has %zu items and -e has %zu: each connection needs one of both",
                   o->data.count, o->expectations.count);
    return 0;
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct balancer_options *o = state->input;

    switch (key) {
    case 'd':
        parse_list(arg, "-d", &o->data, state);
        return 0;
    case 'e':
        parse_list(arg, "-e", &o->expectations, state);
        return 0;
    case KEY_EOF:
        o->eof = true;
        return 0;
    case KEY_TIMEOUT:
        o->timeout_ns = request_options_duration(arg, "--timeout", state);
        if (o->timeout_ns == 0)
            argp_error(state, "--timeout: the time must not be 0");
        return 0;
    case '4':
        o->family = AF_INET;
        return 0;
    case '6':
        o->family = AF_INET6;
        return 0;
    case KEY_JSON:
        o->json = true;
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

const struct argp balancer_argp = {
    options, parse_option, "ADDRESS",
    "Make connections one after the other; connection i sends item i of the data and its reply "
    "must be item i of the expectations.\v"
    "With targets that answer with their own name (ftest echo --reply NAME) this shows the "
    "order of the balancing. Status 0: all replies match; 1: some do not, or a connection "
    "failed; 2: wrong usage, or ADDRESS cannot be resolved.",
    NULL, NULL, NULL,
};

/* What came, or why nothing came. */
static const char *
reply_text(const struct exchange *exchange, char *text, size_t text_bytes)
{
    if (exchange->received == 0)
        return outcome_name(exchange->outcome);
    return value_printable(exchange->shown, MIN(exchange->received, REPLY_SHOWN_BYTES), text,
                           text_bytes);
}

static void
print_row(uint64_t number, const char *sent, const char *expected,
          const struct exchange *exchange, const struct phases *phases)
{
    bool match = exchange->outcome == OUTCOME_OK;
    char sent_text[TEXT_BYTES], expected_text[TEXT_BYTES], text[TEXT_BYTES];

    printf("%*" PRIu64, LABEL_WIDTH, number);
    phases_print(match || exchange->outcome == OUTCOME_MISMATCH ? phases : NULL);
    printf("  %-*s %-*s %-*s %s\n", TEXT_WIDTH,
           value_printable(sent, strlen(sent), sent_text, sizeof sent_text), TEXT_WIDTH,
           value_printable(expected, strlen(expected), expected_text, sizeof expected_text),
           TEXT_WIDTH, reply_text(exchange, text, sizeof text),
           match ? "match" : outcome_name(exchange->outcome));
}

static void
list_row(json_t *list, const char *sent, const char *expected, const struct exchange *exchange,
         const struct phases *phases)
{
    bool match = exchange->outcome == OUTCOME_OK;
    char sent_text[REPLY_SHOWN_BYTES], expected_text[REPLY_SHOWN_BYTES];
    char text[REPLY_SHOWN_BYTES];
    json_t *row = json_pack(
        "{s:s, s:s, s:s, s:s, s:b}",
        "sent", value_printable(sent, strlen(sent), sent_text, sizeof sent_text),
        "expected", value_printable(expected, strlen(expected), expected_text,
                                    sizeof expected_text),
        "reply", value_printable(exchange->shown, MIN(exchange->received, REPLY_SHOWN_BYTES),
                                 text, sizeof text),
        "outcome", outcome_name(exchange->outcome), "match", (int)match);
    json_t *times = phases_json(phases);

    if (match || exchange->outcome == OUTCOME_MISMATCH)
        json_object_update(row, times);
    json_decref(times);
    json_array_append_new(list, row);
}

static void
connect_once(const struct balancer_options *o, const struct destination *destination, size_t i,
             struct balancer_total *total)
{
    const char *sent = o->data.items[i], *expected = o->expectations.items[i];
    const struct request request = {
        .data = sent, .data_bytes = strlen(sent), .reply = expected,
        .reply_bytes = strlen(expected), .reply_end = o->eof ? REPLY_EOF : REPLY_BYTES,
    };
    char shown[REPLY_SHOWN_BYTES];
    struct exchange exchange = { .shown = shown };
    struct phases phases = { 0 };

    exchange_run(&exchange, &request, destination, o->timeout_ns);
    if (exchange.outcome == OUTCOME_OK || exchange.outcome == OUTCOME_MISMATCH) {
        phases_of(&exchange, &phases);
        phases_add(&total->summary, &phases);
    }
    if (exchange.outcome == OUTCOME_OK)
        total->matched++;
    else
        total->mismatched++;
    if (total->list != NULL)
        list_row(total->list, sent, expected, &exchange, &phases);
    else
        print_row(i + 1, sent, expected, &exchange, &phases);
    exchange_close(&exchange, false);
}

static void
print_head(const struct balancer_options *o)
{
    printf("balancer %s: %zu connections, times in ms\n\n%*s", o->address, o->data.count,
           LABEL_WIDTH, "#");
    phases_print_names();
    printf("  %-*s %-*s %-*s result\n", TEXT_WIDTH, "sent", TEXT_WIDTH, "expected", TEXT_WIDTH,
           "reply");
}

static void
print_total(const struct balancer_options *o, struct balancer_total *total)
{
    if (total->list != NULL) {
        json_t *report = json_pack("{s:s, s:I, s:I, s:o, s:o}", "address", o->address,
                                   "matched", (json_int_t)total->matched,
                                   "mismatched", (json_int_t)total->mismatched,
                                   "times", phases_summary_json(&total->summary),
                                   "connections", total->list);

        json_dumpf(report, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
        putchar('\n');
        json_decref(report);
        return;
    }
    putchar('\n');
    phases_print_summary(&total->summary, LABEL_WIDTH);
    printf("%" PRIu64 " matched, %" PRIu64 " did not\n", total->matched, total->mismatched);
}

int
balancer_run(int argc, char **argv, void *context)
{
    struct balancer_options o = { .timeout_ns = 10 * NS_PER_S };
    struct balancer_total total = { 0 };
    struct destination destination;

    cli_parse(&balancer_argp, argc, argv, &o);
    destination_resolve(argv[0], o.address, o.family, &destination);
    if (o.json)
        total.list = json_array();
    else
        print_head(&o);
    for (size_t i = 0; i < o.data.count; i++)
        connect_once(&o, &destination, i, &total);
    print_total(&o, &total);
    value_list_free(&o.data);
    value_list_free(&o.expectations);
    return total.mismatched == 0 ? CLI_YES : CLI_NO;
}
