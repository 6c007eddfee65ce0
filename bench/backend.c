/*
 * bench_backend - a target that costs little itself: it answers each 64-byte request with
 * as many bytes as the request names.
 *
 *   bench_backend --listen ADDRESS:PORT[,ADDRESS:PORT...] [--mark CHARACTER] [--backlog N]
 *
 * Its answers consist of the mark, so that a client knows which of two it reached.
 * Prints "ready" once it listens. On SIGUSR1 it becomes a black hole: a socket filter drops
 * every packet that arrives for its listening sockets, so a SYN is neither answered nor
 * refused, as with a host that vanished. On SIGUSR2 it is back.
 */
#include <errno.h>
#include <getopt.h>
#include <linux/filter.h>
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

enum { LISTENERS_MAX = 16, BATCH = 256, CHUNK_BYTES = 256 * 1024, BACKLOG = 4096 };

struct conn {
    int fd;
    bool waits_for_room;            /* EPOLLOUT is armed */
    uint64_t left_bytes;            /* of the answer */
    uint32_t have_bytes;            /* of the request */
    struct wire_request request;
};

static int epoll_fd;
static int listeners[LISTENERS_MAX];
static unsigned listener_count;
static char chunk[CHUNK_BYTES];
static int backlog = BACKLOG;
static volatile sig_atomic_t wanted_signal;     /* SIGUSR1, SIGUSR2; 0: none */

static void
on_signal(int signal_number)
{
    wanted_signal = signal_number;
}

static void
become_black_hole(bool black)
{
    struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = { .len = 1, .filter = &drop };

    for (unsigned i = 0; i < listener_count; i++)
        if (setsockopt(listeners[i], SOL_SOCKET, black ? SO_ATTACH_FILTER : SO_DETACH_FILTER,
                       &program, sizeof program) < 0)
            die("the filter of a socket");
}

static void
obey_signal(void)
{
    int signal_number = wanted_signal;

    wanted_signal = 0;
    if (signal_number != 0)
        become_black_hole(signal_number == SIGUSR1);
}

static void
conn_close(struct conn *conn)
{
    close(conn->fd);
    free(conn);
}

static void
conn_watch(struct conn *conn, bool for_room)
{
    struct epoll_event event = { .events = for_room ? EPOLLOUT : EPOLLIN, .data.ptr = conn };

    if (conn->waits_for_room == for_room)
        return;
    conn->waits_for_room = for_room;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_MOD, conn->fd, &event) < 0)
        die("epoll_ctl");
}

/* 0, or -errno when the connection is over. */
static int
conn_answer(struct conn *conn)
{
    while (conn->left_bytes > 0) {
        size_t want = conn->left_bytes < CHUNK_BYTES ? conn->left_bytes : CHUNK_BYTES;
        ssize_t sent = send(conn->fd, chunk, want, MSG_NOSIGNAL);

        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0)
            return -errno;
        conn->left_bytes -= (uint64_t)sent;
    }
    conn_watch(conn, conn->left_bytes > 0);
    return 0;
}

static int
conn_read(struct conn *conn)
{
    char *to = (char *)&conn->request + conn->have_bytes;
    ssize_t got = recv(conn->fd, to, WIRE_REQUEST_BYTES - conn->have_bytes, 0);

    if (got == 0)
        return -EPIPE;
    if (got < 0)
        return errno == EAGAIN ? 0 : -errno;
    conn->have_bytes += (uint32_t)got;
    if (conn->have_bytes < WIRE_REQUEST_BYTES)
        return 0;
    if (conn->request.magic != WIRE_MAGIC)
        return -EPROTO;
    conn->have_bytes = 0;
    conn->left_bytes = conn->request.answer_bytes;
    return conn_answer(conn);
}

static void
conn_ready(struct conn *conn)
{
    int rc = conn->waits_for_room ? conn_answer(conn) : conn_read(conn);

    if (rc < 0)
        conn_close(conn);
}

static void
accept_all(int listener)
{
    for (unsigned i = 0; i < BATCH; i++) {
        struct epoll_event event = { .events = EPOLLIN };
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        struct conn *conn;

        if (fd < 0)
            return;
        conn = calloc(1, sizeof *conn);
        if (conn == NULL)
            die("memory");
        conn->fd = fd;
        event.data.ptr = conn;
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
            die("epoll_ctl");
    }
}

static void
listen_on(const struct sockaddr_in *address)
{
    const int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &listeners[listener_count] };

    if (fd < 0)
        die("socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);     /* inherited */
    if (bind(fd, (const struct sockaddr *)address, sizeof *address) < 0)
        die("bind");
    if (listen(fd, backlog) < 0)
        die("listen");
    listeners[listener_count++] = fd;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        die("epoll_ctl");
}

static bool
is_listener(const void *source)
{
    return (const char *)source >= (const char *)listeners
           && (const char *)source < (const char *)(listeners + LISTENERS_MAX);
}

static void
serve(void)
{
    struct epoll_event events[BATCH];

    for (;;) {
        int count = epoll_wait(epoll_fd, events, BATCH, 1000);

        obey_signal();
        for (int i = 0; i < count; i++) {
            if (is_listener(events[i].data.ptr))
                accept_all(*(int *)events[i].data.ptr);
            else
                conn_ready(events[i].data.ptr);
        }
    }
}

static _Noreturn void
usage(void)
{
    fprintf(stderr, "usage: bench_backend --listen ADDRESS:PORT[,ADDRESS:PORT...] "
                    "[--mark CHARACTER] [--backlog N]\n");
    exit(2);
}

/* Where to listen: how many addresses there are. */
static unsigned
options_parse(int argc, char **argv, struct sockaddr_in *addresses)
{
    static const struct option options[] = { { "listen", required_argument, NULL, 'l' },
                                             { "mark", required_argument, NULL, 'm' },
                                             { "backlog", required_argument, NULL, 'b' },
                                             { 0 } };
    unsigned count = 0;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        switch (option) {
        case 'l': count = addresses_parse(optarg, addresses, LISTENERS_MAX); break;
        case 'm': memset(chunk, optarg[0], sizeof chunk); break;
        case 'b': backlog = (int)strtol(optarg, NULL, 10); break;
        default: usage();
        }
    }
    if (count == 0 || optind < argc)
        usage();
    return count;
}

int
main(int argc, char **argv)
{
    struct sockaddr_in addresses[LISTENERS_MAX];
    struct sigaction action = { .sa_handler = on_signal };
    unsigned count = options_parse(argc, argv, addresses);

    descriptors_raise();
    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    for (unsigned i = 0; i < count; i++)
        listen_on(&addresses[i]);
    puts("ready");
    fflush(stdout);
    serve();
}
