#include "ftest/request_options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ftest/now.h"
#include "ftest/values.h"

enum { KEY_EOF = 0x100, KEY_ANY, KEY_TIMEOUT, KEY_SIZE, KEY_REPLY_SIZE, KEY_JSON };

static const char default_data[] = "hello";

static const struct argp_option options[] = {
    { "data", 'd', "DATA", 0, "What to send (\"hello\")", 0 },
    { "size", KEY_SIZE, "SIZE", 0, "Send this many bytes instead, as 64k or 1m", 0 },
    { "expect", 'e', "TEXT", 0, "The reply has to be TEXT", 0 },
    { "reply-size", KEY_REPLY_SIZE, "SIZE", 0, "The reply is complete after SIZE bytes, "
      "whatever they are", 0 },
    { "any", 'a', NULL, 0, "Whatever comes first is the reply", 0 },
    { "eof", KEY_EOF, NULL, 0, "Send FIN after the data and read the reply up to its FIN", 0 },
    { "timeout", KEY_TIMEOUT, "TIME", 0, "Give a request up after TIME (10s)", 0 },
    { NULL, '4', NULL, 0, "Only IPv4 addresses", 0 },
    { NULL, '6', NULL, 0, "Only IPv6 addresses", 0 },
    { "json", KEY_JSON, NULL, 0, "Print JSON", 0 },
    { 0 },
};

uint64_t
request_options_duration(const char *arg, const char *option, struct argp_state *state)
{
    uint64_t duration_ns = 0;

    if (value_duration(arg, &duration_ns) < 0)
        argp_error(state, "%s: `%s' is no duration; write 250ms, 5s or 1m (at most 24h)",
                   option, arg);
    return duration_ns;
}

uint64_t
request_options_count(const char *arg, uint64_t max, const char *option,
                      struct argp_state *state)
{
    uint64_t count = 0;

    if (value_count(arg, max, &count) < 0)
        argp_error(state, "%s: `%s' is no number from 1 to %llu", option, arg,
                   (unsigned long long)max);
    return count;
}

size_t
request_options_size(const char *arg, const char *option, struct argp_state *state)
{
    size_t bytes = 0;

    if (value_size(arg, &bytes) < 0 || bytes == 0)
        argp_error(state, "%s: `%s' is no size; write 512, 64k or 1m (at most 1g)", option,
                   arg);
    return bytes;
}

/* Bytes that are not all equal, so that a reply with a piece missing shows. */
static const char *
make_data(size_t bytes, struct argp_state *state)
{
    static char *data;      /* for as long as the process lives */

    data = malloc(bytes);
    if (data == NULL)
        argp_failure(state, 2, ENOMEM, "--size");
    for (size_t i = 0; data != NULL && i < bytes; i++)
        data[i] = (char)('!' + (i ^ i >> 8 ^ i >> 16) % 90);
    return data;
}

static void
make_request(struct request_options *o, struct argp_state *state)
{
    struct request *request = &o->request;

    if (o->data != NULL && o->size != 0)
        argp_error(state, "--data and --size exclude each other");
    if ((o->expect != NULL) + (o->reply_size != 0) + (request->reply_end == REPLY_ANY) > 1)
        argp_error(state, "--expect, --reply-size and --any exclude each other");
    request->data = o->size != 0     ? make_data(o->size, state)
                    : o->data != NULL ? o->data
                                      : default_data;
    request->data_bytes = o->size != 0 ? o->size : strlen(request->data);
    if (o->expect != NULL) {
        request->reply = o->expect;
        request->reply_bytes = strlen(o->expect);
    } else if (o->reply_size != 0) {
        request->reply_bytes = o->reply_size;
    } else if (request->reply_end != REPLY_ANY) {
        request->reply = o->verify_echo ? request->data : NULL;
        request->reply_bytes = request->data_bytes;
    }
    if (o->timeout_ns == 0)
        o->timeout_ns = 10 * NS_PER_S;
}

static void
set_reply_end(struct request_options *o, enum reply_end end, struct argp_state *state)
{
    if (o->request.reply_end != REPLY_BYTES && o->request.reply_end != end)
        argp_error(state, "--any and --eof exclude each other");
    o->request.reply_end = end;
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct request_options *o = state->input;

    switch (key) {
    case 'd':
        o->data = arg;
        return 0;
    case KEY_SIZE:
        o->size = request_options_size(arg, "--size", state);
        return 0;
    case 'e':
        o->expect = arg;
        return 0;
    case KEY_REPLY_SIZE:
        o->reply_size = request_options_size(arg, "--reply-size", state);
        return 0;
    case 'a':
        set_reply_end(o, REPLY_ANY, state);
        return 0;
    case KEY_EOF:
        set_reply_end(o, REPLY_EOF, state);
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
    case ARGP_KEY_END:
        make_request(o, state);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp request_options_argp = {
    options, parse_option, NULL, NULL, NULL, NULL, NULL,
};
