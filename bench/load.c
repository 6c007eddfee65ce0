/*
 * bench_load - the clients of a measurement, as cheap as they can be: one thread, one epoll.
 *
 *   conn   a new connection for each request, closed loop
 *   keep   requests on kept connections, closed loop (also bulk and stream: long answers)
 *   hold   opens all connections, one request on each, then holds them until stdin ends
 *   open   a new connection for each request, at a fixed rate whatever the answers do;
 *          times count from the moment a client was due; SIGTERM: no more new ones
 *
 * Prints one line of JSON. Answers are thrown away in the kernel (MSG_TRUNC).
 */
#include <argp.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench_util.h"
#include "bench/wire.h"

enum mode { MODE_CONN, MODE_KEEP, MODE_HOLD, MODE_OPEN, MODES };
enum failure { FAIL_REFUSED, FAIL_RESET, FAIL_EOF, FAIL_TIMEOUT, FAIL_OTHER, FAILURES };
enum { ADDRESSES_MAX = 16, BATCH = 256, OPENING_MAX = 64, SWEEP_NS = 100000000 };

static const char *const mode_names[MODES] = { "conn", "keep", "hold", "open" };
static const char *const failure_names[FAILURES] = { "refused", "reset", "eof", "timeout",
                                                     "other" };

static struct {
    enum mode mode;
    struct sockaddr_in to[ADDRESSES_MAX];
    unsigned to_count, clients;
    uint64_t answer_bytes, duration_ns, warmup_ns, timeout_ns;
    double rate;
    const char *cpu_of;
} opt = { .clients = 64, .answer_bytes = 64, .duration_ns = 3000000000, .warmup_ns = 300000000,
          .timeout_ns = 15000000000, .rate = 200, .cpu_of = "" };

struct client {
    int fd;                         /* -1: free */
    bool sent;
    uint64_t left_bytes;
    uint64_t started_ns;
    struct client *next_free;
};

static struct {
    struct histogram times;
    uint64_t bytes, over_100ms, over_600ms;
    uint64_t failures[FAILURES];
    uint64_t begun_ns, ended_ns, cpu_begin_ns, cpu_end_ns;
} result;

static struct client *clients;      /* opt.clients of them */
static struct client *free_clients;
static unsigned busy, held, started;
static int epoll_fd;
static volatile sig_atomic_t stop_wanted;
static struct wire_request request = { .magic = WIRE_MAGIC };

static void
client_release(struct client *client)
{
    close(client->fd);
    client->fd = -1;
    client->next_free = free_clients;
    free_clients = client;
    busy--;
}

static void
client_fail(struct client *client, int error)
{
    enum failure failure = error == ECONNREFUSED ? FAIL_REFUSED
                         : error == ECONNRESET || error == EPIPE ? FAIL_RESET
                         : error == ENODATA ? FAIL_EOF
                         : error == ETIMEDOUT ? FAIL_TIMEOUT : FAIL_OTHER;

    result.failures[failure]++;
    client_release(client);
}

/* Sends the request; when the connection is not there yet, waits until it is. */
static void
client_send(struct client *client, bool watched)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };
    ssize_t sent = send(client->fd, &request, sizeof request, MSG_NOSIGNAL);

    if (sent < 0 && errno != EAGAIN) {
        client_fail(client, errno);
        return;
    }
    client->sent = sent == sizeof request;
    client->left_bytes = opt.answer_bytes;
    if (!client->sent)
        event.events |= EPOLLOUT;
    if (!watched && epoll_ctl(epoll_fd, EPOLL_CTL_ADD, client->fd, &event) < 0)
        die("epoll_ctl");
    if (watched && !client->sent)
        die("a kept connection has no room for 64 bytes");
}

static void
client_start(uint64_t now_ns)
{
    const struct sockaddr_in *to = &opt.to[started++ % opt.to_count];
    struct client *client = free_clients;
    const int on = 1;

    free_clients = client->next_free;
    busy++;
    client->started_ns = now_ns;
    client->sent = false;
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0)
        die("socket");
    if (opt.mode == MODE_KEEP)      /* elsewhere nothing follows that could wait */
        setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(client->fd, (const struct sockaddr *)to, sizeof *to) < 0
        && errno != EINPROGRESS)
        client_fail(client, errno);
    else
        client_send(client, false);
}

static void
client_done(struct client *client, uint64_t now_ns)
{
    uint64_t took_ns = now_ns - client->started_ns;

    histogram_add(&result.times, took_ns);
    result.over_100ms += took_ns > 100000000;
    result.over_600ms += took_ns > 600000000;
    if (opt.mode == MODE_KEEP) {
        client->started_ns = now_ns;
        client_send(client, true);
    } else if (opt.mode == MODE_HOLD) {
        held++;
        busy--;
        client->left_bytes = UINT64_MAX;
    } else {
        client_release(client);
    }
}

static void
client_read(struct client *client)
{
    size_t want = client->left_bytes < (1 << 20) ? client->left_bytes : 1 << 20;
    ssize_t got = recv(client->fd, NULL, want, MSG_TRUNC);

    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        if (opt.mode == MODE_HOLD && client->left_bytes == UINT64_MAX) {
            held--;
            busy++;
        }
        client_fail(client, got == 0 ? ENODATA : errno);
        return;
    }
    result.bytes += (uint64_t)got;
    client->left_bytes -= (uint64_t)got;
    if (client->left_bytes == 0)
        client_done(client, time_ns());
}

/* The connection of a client that waited for it is there, or has failed. */
static void
client_connected(struct client *client)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };

    if (epoll_ctl(epoll_fd, EPOLL_CTL_DEL, client->fd, &event) < 0)
        die("epoll_ctl");
    client_send(client, false);
}

static void
sweep(uint64_t now_ns)
{
    static uint64_t next_ns;

    if (now_ns < next_ns)
        return;
    next_ns = now_ns + SWEEP_NS;
    for (unsigned i = 0; i < opt.clients; i++) {
        struct client *client = &clients[i];

        if (client->fd >= 0 && client->left_bytes != UINT64_MAX
            && now_ns > client->started_ns + opt.timeout_ns)
            client_fail(client, ETIMEDOUT);
    }
}

static void
turn(uint64_t wait_ns)
{
    struct timespec wait = { .tv_sec = (time_t)(wait_ns / 1000000000),
                             .tv_nsec = (long)(wait_ns % 1000000000) };
    struct epoll_event events[BATCH];
    int count = epoll_pwait2(epoll_fd, events, BATCH, &wait, NULL);

    for (int i = 0; i < count; i++) {
        struct client *client = events[i].data.ptr;

        if (client->fd < 0)
            continue;
        if (client->sent)
            client_read(client);
        else
            client_connected(client);
    }
}

static void
measure_begin(uint64_t now_ns)
{
    memset(&result, 0, sizeof result);
    result.cpu_begin_ns = cpu_of_ns(opt.cpu_of);
    result.begun_ns = now_ns;
}

static void
measure_end(void)
{
    result.ended_ns = time_ns();
    result.cpu_end_ns = cpu_of_ns(opt.cpu_of);
}

static void
run_closed(void)
{
    uint64_t begin_ns = time_ns() + opt.warmup_ns, now_ns;
    bool measuring = false;

    while ((now_ns = time_ns()) < begin_ns + opt.duration_ns) {
        if (!measuring && now_ns >= begin_ns) {
            measure_begin(now_ns);
            measuring = true;
        }
        /* A count, not a loop until all are busy: what fails at once would never end. */
        for (unsigned i = opt.clients - busy; i > 0; i--)
            client_start(now_ns);
        sweep(now_ns);
        turn(SWEEP_NS);
    }
    measure_end();
}

static void
on_term(int signal_number)
{
    stop_wanted = 1;
}

static void
run_open(void)
{
    struct sigaction action = { .sa_handler = on_term };
    uint64_t total = (uint64_t)(opt.rate * (double)opt.duration_ns / 1e9), due_ns, now_ns;
    uint64_t first_ns = time_ns();

    sigaction(SIGTERM, &action, NULL);
    measure_begin(first_ns);
    while (started < total || busy > 0) {
        if (stop_wanted)
            total = started;
        due_ns = first_ns + (uint64_t)(started * 1e9 / opt.rate);
        now_ns = time_ns();
        if (started < total && now_ns >= due_ns) {
            if (free_clients == NULL)
                die("more clients wait than --clients allows");
            client_start(due_ns);
            continue;
        }
        sweep(now_ns);
        turn(started < total && due_ns - now_ns < SWEEP_NS ? due_ns - now_ns : SWEEP_NS);
    }
    measure_end();
}

static void
wait_for_stdin_end(void)
{
    char bytes[64];

    while (read(STDIN_FILENO, bytes, sizeof bytes) > 0)
        ;
}

static void
run_hold(void)
{
    uint64_t until_ns = time_ns() + opt.timeout_ns;

    measure_begin(time_ns());
    while (held < opt.clients && time_ns() < until_ns) {
        while (busy < OPENING_MAX && held + busy < opt.clients)
            client_start(time_ns());
        sweep(time_ns());
        turn(SWEEP_NS);
    }
    measure_end();
    printf("held %u\n", held);
    fflush(stdout);
    wait_for_stdin_end();
    for (unsigned i = 0; i < opt.clients; i++)
        if (clients[i].fd >= 0)
            close(clients[i].fd);
}

static void
report(void)
{
    double seconds = (double)(result.ended_ns - result.begun_ns) / 1e9;

    printf("{\"ops\": %lu, \"bytes\": %lu, \"seconds\": %.6f, \"cpu_ns\": %lu, "
           "\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"max_us\": %.1f, "
           "\"over_100ms\": %lu, \"over_600ms\": %lu",
           result.times.count, result.bytes, seconds, result.cpu_end_ns - result.cpu_begin_ns,
           (double)histogram_percentile(&result.times, 50) / 1e3,
           (double)histogram_percentile(&result.times, 99) / 1e3,
           (double)histogram_percentile(&result.times, 99.9) / 1e3,
           (double)result.times.max_ns / 1e3, result.over_100ms, result.over_600ms);
    for (unsigned i = 0; i < FAILURES; i++)
        printf(", \"%s\": %lu", failure_names[i], result.failures[i]);
    printf("}\n");
}

static const struct argp_option options[] = {
    { "to", 'a', "ADDRESS:PORT,...", 0, "Where to connect, in turn", 0 },
    { "clients", 'c', "N", 0, "Connections at once (open: at most)", 0 },
    { "answer", 'n', "BYTES", 0, "Length of an answer", 0 },
    { "seconds", 't', "S", 0, "How long to measure", 0 },
    { "warmup", 'w', "S", 0, "How long not to measure before (conn, keep)", 0 },
    { "timeout", 'o', "S", 0, "A client that waits longer has failed", 0 },
    { "rate", 'r', "N", 0, "New clients a second (open)", 0 },
    { "cpu-of", 'p', "PID,...", 0, "Whose processor time to report", 0 },
    { 0 },
};

static error_t
on_option(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case 'a': opt.to_count = addresses_parse(arg, opt.to, ADDRESSES_MAX); return 0;
    case 'c': opt.clients = (unsigned)strtoul(arg, NULL, 10); return 0;
    case 'n': opt.answer_bytes = strtoull(arg, NULL, 10); return 0;
    case 't': opt.duration_ns = (uint64_t)(strtod(arg, NULL) * 1e9); return 0;
    case 'w': opt.warmup_ns = (uint64_t)(strtod(arg, NULL) * 1e9); return 0;
    case 'o': opt.timeout_ns = (uint64_t)(strtod(arg, NULL) * 1e9); return 0;
    case 'r': opt.rate = strtod(arg, NULL); return 0;
    case 'p': opt.cpu_of = arg; return 0;
    case ARGP_KEY_ARG:
        while (opt.mode < MODES && strcmp(mode_names[opt.mode], arg) != 0)
            opt.mode++;
        if (opt.mode == MODES)
            argp_error(state, "%s: no such mode (conn, keep, hold, open)", arg);
        return 0;
    case ARGP_KEY_END:
        if (state->arg_num != 1 || opt.to_count == 0 || opt.clients == 0)
            argp_error(state, "a mode and --to are needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

int
main(int argc, char **argv)
{
    const struct argp argp = { options, on_option, "MODE", "Clients of a measurement.", NULL,
                               NULL, NULL };

    argp_err_exit_status = 2;
    argp_parse(&argp, argc, argv, 0, NULL, NULL);
    descriptors_raise();
    request.answer_bytes = opt.answer_bytes;
    clients = calloc(opt.clients, sizeof *clients);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (clients == NULL || epoll_fd < 0)
        die("start");
    for (unsigned i = opt.clients; i-- > 0;) {
        clients[i].fd = -1;
        clients[i].next_free = free_clients;
        free_clients = &clients[i];
    }
    if (opt.mode == MODE_OPEN)
        run_open();
    else if (opt.mode == MODE_HOLD)
        run_hold();
    else
        run_closed();
    report();
    return 0;
}
