/*
 * ftest echo - targets to try things on.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/names.h"
#include "ftest/black_hole.h"
#include "ftest/commands.h"
#include "ftest/destination.h"
#include "ftest/echo_server.h"
#include "ftest/request_options.h"

enum { KEY_REPLY = 0x400, KEY_REPLY_SIZE, KEY_DELAY, KEY_BLACK_HOLE, LISTENERS_MAX = 4096 };

struct echo_options {
    const char *addresses[LISTENERS_MAX];
    size_t address_count;
    const char *reply;
    size_t reply_size;
    uint64_t delay_ns;
    bool black_hole;
};

static const struct argp_option options[] = {
    { "listen", 'l', "ADDRESS", 0, "Listen there, as 127.0.0.1:7001 or [::1]:7001; port 0 is "
      "any free one; may be repeated", 0 },
    { "reply", KEY_REPLY, "TEXT", 0, "Answer every piece of data that arrives with TEXT", 0 },
    { "reply-size", KEY_REPLY_SIZE, "SIZE", 0, "Answer it with so many bytes, as 1m", 0 },
    { "delay", KEY_DELAY, "TIME", 0, "Wait so long before each answer", 0 },
    { "black-hole", KEY_BLACK_HOLE, NULL, 0, "Let every connection to the addresses hang, as "
      "if a firewall dropped it", 0 },
    { 0 },
};

static error_t
parse_end(struct echo_options *o, struct argp_state *state)
{
    if (o->address_count == 0)
        argp_error(state, "nowhere to listen: give --listen ADDRESS, as 127.0.0.1:7001");
    if (o->reply != NULL && o->reply_size != 0)
        argp_error(state, "--reply and --reply-size exclude each other");
    if (o->black_hole && (o->reply != NULL || o->reply_size != 0 || o->delay_ns != 0))
        argp_error(state, "--black-hole never answers: leave --reply, --reply-size and --delay "
                          "away");
    return 0;
}

static error_t
parse_option(int key, char *arg, struct argp_state *state)
{
    struct echo_options *o = state->input;

    switch (key) {
    case 'l':
    case ARGP_KEY_ARG:
        if (o->address_count == LISTENERS_MAX)
            argp_error(state, "at most %d addresses", LISTENERS_MAX);
        o->addresses[o->address_count++] = arg;
        return 0;
    case KEY_REPLY:
        if (arg[0] == '\0')
            argp_error(state, "--reply: TEXT must not be empty");
        o->reply = arg;
        return 0;
    case KEY_REPLY_SIZE:
        o->reply_size = request_options_size(arg, "--reply-size", state);
        return 0;
    case KEY_DELAY:
        o->delay_ns = request_options_duration(arg, "--delay", state);
        return 0;
    case KEY_BLACK_HOLE:
        o->black_hole = true;
        return 0;
    case ARGP_KEY_END:
        return parse_end(o, state);
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp echo_argp = {
    options, parse_option, "[ADDRESS...]",
    "Be a target: send back what connections send, until SIGINT or SIGTERM.\v"
    "Prints \"listening on ADDRESS\" for each address when it is ready. After a client's FIN "
    "everything is still answered, then the connection is closed. Status 0: ended by a signal; "
    "2: wrong usage, or an address cannot be used.",
    NULL, NULL, NULL,
};

static int
open_listener(const char *command, const char *text, int backlog)
{
    const int on = 1;
    struct destination local;
    int fd;

    destination_resolve_local(command, text, &local);
    fd = socket(local.addresses[0].ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        cli_usage_error(command, "%s: cannot make a socket: %s", text, strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&local.addresses[0], local.lengths[0]) < 0 ||
        listen(fd, backlog) < 0)
        cli_usage_error(command, "%s: cannot listen: %s", text, strerror(errno));
    return fd;
}

static void
tell_listening(const int *listeners, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[ADDRESS_TEXT_BYTES];

        printf("listening on %s\n", destination_format_bound(listeners[i], text));
    }
    fflush(stdout);
}

static void
on_signal(int signal_number)
{
}

/* The kernel does the work; we only keep the sockets open. */
static int
be_black_holes(const char *command, const int *listeners, size_t count)
{
    const struct sigaction action = { .sa_handler = on_signal };
    sigset_t outside, both;

    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    sigprocmask(SIG_BLOCK, &both, &outside);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    for (size_t i = 0; i < count; i++) {
        struct black_hole hole;
        int rc = black_hole_fill(listeners[i], &hole);

        if (rc < 0) {
            fprintf(stderr, "%s: cannot fill the queue of listener %zu: %s\n", command, i + 1,
                    strerror(-rc));
            return CLI_USAGE;
        }
    }
    tell_listening(listeners, count);
    sigsuspend(&outside);
    return CLI_YES;
}

static const char *
make_reply(size_t bytes)
{
    static char *reply;     /* for as long as the process lives */

    reply = malloc(bytes);
    if (reply != NULL)
        memset(reply, 'r', bytes);
    return reply;
}

int
echo_run(int argc, char **argv, void *context)
{
    static struct echo_options o;
    static int listeners[LISTENERS_MAX];
    struct echo_plan plan = { .listeners = listeners };
    struct echo_totals totals;
    int rc;

    cli_parse(&echo_argp, argc, argv, &o);
    for (size_t i = 0; i < o.address_count; i++)
        listeners[i] = open_listener(argv[0], o.addresses[i], o.black_hole ? 0 : SOMAXCONN);
    if (o.black_hole)
        return be_black_holes(argv[0], listeners, o.address_count);
    plan.listener_count = o.address_count;
    plan.delay_ns = o.delay_ns;
    plan.reply = o.reply_size != 0 ? make_reply(o.reply_size) : o.reply;
    plan.reply_bytes = o.reply_size != 0 ? o.reply_size : o.reply != NULL ? strlen(o.reply) : 0;
    if (o.reply_size != 0 && plan.reply == NULL)
        cli_usage_error(argv[0], "--reply-size: no memory for %zu bytes", o.reply_size);
    tell_listening(listeners, o.address_count);
    rc = echo_server_run(&plan, &totals);
    if (rc < 0) {
        fprintf(stderr, "%s: cannot start: %s\n", argv[0], strerror(-rc));
        return CLI_USAGE;
    }
    fprintf(stderr, "%" PRIu64 " connections, %" PRIu64 " bytes in, %" PRIu64 " bytes out\n",
            totals.connections, totals.bytes_in, totals.bytes_out);
    return CLI_YES;
}
