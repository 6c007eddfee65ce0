#include "ftest/echo_server.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/util.h"
#include "ftest/now.h"

enum {
    EVENTS_MAX = 256,
    ACCEPTS_MAX = 64,           /* from one listener before others have their turn */
    ACCEPT_PAUSE_MS = 100,
    READ_BYTES = 64 << 10,
};

/* What epoll hands back: a listener, or the beginning of a client. */
struct source {
    int fd;
    bool is_listener;
};

struct client {
    struct source source;
    const char *answer;         /* not yet written; NULL: none. In `copy` or the plan's reply */
    size_t answer_bytes;
    char *copy;                 /* owned; NULL when `answer` does not lie in it */
    uint64_t due_ns;            /* delayed until then */
    bool delayed;               /* in the server's queue */
    TAILQ_ENTRY(client) link;
};
TAILQ_HEAD(clients, client);

struct server {
    const struct echo_plan *plan;
    struct echo_totals *totals;
    struct source *listeners;   /* owned */
    struct clients delayed;     /* earliest first: the delay is the same for all */
    int epoll_fd;
    bool paused;                /* no descriptors: accepting waits for one */
};

static char buffer[READ_BYTES];
static volatile sig_atomic_t stopped;

static void
on_signal(int signal_number)
{
    stopped = 1;
}

static void
watch(struct server *server, struct source *source, int operation, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = source };

    if (epoll_ctl(server->epoll_fd, operation, source->fd, &event) < 0) {
        perror("ftest echo: epoll_ctl");    /* a target that watches nothing is no target */
        exit(EXIT_FAILURE);
    }
}

static void
pause_accepting(struct server *server, bool paused)
{
    if (server->paused == paused)
        return;
    server->paused = paused;
    for (size_t i = 0; i < server->plan->listener_count; i++)
        watch(server, &server->listeners[i], EPOLL_CTL_MOD, paused ? 0 : EPOLLIN);
}

static void
client_close(struct server *server, struct client *client)
{
    if (client->delayed)
        TAILQ_REMOVE(&server->delayed, client, link);
    close(client->source.fd);
    free(client->copy);
    free(client);
    pause_accepting(server, false);
}

static void
client_open(struct server *server, int fd)
{
    const int on = 1;
    struct client *client = calloc(1, sizeof *client);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = client };

    if (client == NULL || epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        free(client);
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    client->source.fd = fd;
    server->totals->connections++;
}

static void
accept_clients(struct server *server, const struct source *listener)
{
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            client_open(server, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(server, true);
        if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

/* Keeps `bytes` of what was read, for the buffer belongs to all. False: no memory. */
static bool
keep_copy(struct client *client, const char *data, size_t bytes)
{
    char *copy = malloc(bytes);

    if (copy == NULL)
        return false;
    memcpy(copy, data, bytes);
    free(client->copy);
    client->copy = copy;
    client->answer = copy;
    client->answer_bytes = bytes;
    return true;
}

/* Writes what it can of the answer; false when the connection is broken. */
static bool
write_some(struct server *server, struct client *client)
{
    while (client->answer_bytes > 0) {
        ssize_t n = send(client->source.fd, client->answer, client->answer_bytes, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        client->answer += n;
        client->answer_bytes -= (size_t)n;
        server->totals->bytes_out += (uint64_t)n;
    }
    client->answer = NULL;
    free(client->copy);
    client->copy = NULL;
    return true;
}

/* Answers the `bytes` that lie in the buffer. False when the connection is broken. */
static bool
answer(struct server *server, struct client *client, size_t bytes)
{
    const struct echo_plan *plan = server->plan;

    assert(client->answer == NULL);
    client->answer = plan->reply != NULL ? plan->reply : buffer;
    client->answer_bytes = plan->reply != NULL ? plan->reply_bytes : bytes;
    if (plan->delay_ns != 0) {
        if (plan->reply == NULL && !keep_copy(client, buffer, bytes))
            return false;
        client->due_ns = now_ns() + plan->delay_ns;
        client->delayed = true;
        TAILQ_INSERT_TAIL(&server->delayed, client, link);
        watch(server, &client->source, EPOLL_CTL_MOD, 0);
        return true;
    }
    if (!write_some(server, client))
        return false;
    if (client->answer == NULL)
        return true;
    if (plan->reply == NULL && !keep_copy(client, client->answer, client->answer_bytes))
        return false;
    watch(server, &client->source, EPOLL_CTL_MOD, EPOLLOUT);
    return true;
}

/* Reads once, so that a talkative client cannot keep the others waiting. */
static void
on_readable(struct server *server, struct client *client)
{
    ssize_t n = recv(client->source.fd, buffer, sizeof buffer, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        client_close(server, client);
        return;
    }
    server->totals->bytes_in += (uint64_t)n;
    if (!answer(server, client, (size_t)n))
        client_close(server, client);
}

static void
on_writable(struct server *server, struct client *client)
{
    if (!write_some(server, client))
        client_close(server, client);
    else if (client->answer == NULL)
        watch(server, &client->source, EPOLL_CTL_MOD, EPOLLIN);
}

static void
on_event(struct server *server, struct source *source, uint32_t events)
{
    struct client *client;

    if (source->is_listener) {
        accept_clients(server, source);
        return;
    }
    client = CONTAINER_OF(source, struct client, source);
    /* HUP comes after RST, and when both directions have ended: nobody reads answers. */
    if (events & (EPOLLERR | EPOLLHUP) && !(events & EPOLLIN))
        client_close(server, client);
    else if (client->answer != NULL)
        on_writable(server, client);
    else
        on_readable(server, client);
}

/* Writes the answers that are due; returns how long the next one has to wait, -1: none. */
static int
write_due(struct server *server)
{
    struct client *client;

    while ((client = TAILQ_FIRST(&server->delayed)) != NULL) {
        uint64_t now = now_ns();

        if (client->due_ns > now)
            return (int)((client->due_ns - now + NS_PER_MS - 1) / NS_PER_MS);
        TAILQ_REMOVE(&server->delayed, client, link);
        client->delayed = false;
        watch(server, &client->source, EPOLL_CTL_MOD, EPOLLOUT);
        on_writable(server, client);
    }
    return -1;
}

/* Both signals arrive only while epoll waits: none can slip in before it. */
static void
loop(struct server *server)
{
    struct epoll_event events[EVENTS_MAX];
    sigset_t outside, both;

    sigemptyset(&both);
    sigaddset(&both, SIGINT);
    sigaddset(&both, SIGTERM);
    sigprocmask(SIG_BLOCK, &both, &outside);
    while (!stopped) {
        int wait_ms = write_due(server);
        int n;

        if (server->paused && (wait_ms < 0 || wait_ms > ACCEPT_PAUSE_MS))
            wait_ms = ACCEPT_PAUSE_MS;
        n = epoll_pwait(server->epoll_fd, events, EVENTS_MAX, wait_ms, &outside);
        if (n == 0)
            pause_accepting(server, false);
        for (int i = 0; i < n; i++)
            on_event(server, events[i].data.ptr, events[i].events);
    }
    sigprocmask(SIG_SETMASK, &outside, NULL);
}

int
echo_server_run(const struct echo_plan *plan, struct echo_totals *totals)
{
    const struct sigaction action = { .sa_handler = on_signal };
    struct server server = { .plan = plan, .totals = totals };
    int rc = 0;

    memset(totals, 0, sizeof *totals);
    TAILQ_INIT(&server.delayed);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    server.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    server.listeners = calloc(plan->listener_count, sizeof server.listeners[0]);
    if (server.epoll_fd < 0 || server.listeners == NULL) {
        rc = -ENOMEM;
        goto out;
    }
    for (size_t i = 0; i < plan->listener_count; i++) {
        server.listeners[i] = (struct source){ plan->listeners[i], true };
        watch(&server, &server.listeners[i], EPOLL_CTL_ADD, EPOLLIN);
    }
    loop(&server);      /* clients end with the process, which follows */
out:
    for (size_t i = 0; i < plan->listener_count; i++)
        close(plan->listeners[i]);
    if (server.epoll_fd >= 0)
        close(server.epoll_fd);
    free(server.listeners);
    return rc;
}
