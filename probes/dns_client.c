/*
 * Traps of c-ares 1.18 that shape this file:
 * - ares_destroy() inside one of its callbacks corrupts it, and ares_destroy() calls every
 *   callback that is left: so a callback only keeps the answer, and the loop tells it.
 * - a query cannot be cancelled alone: a cancelled one stays until c-ares is done with it.
 * - the tries double in time and are per server, without a limit: the deadline is ours, and
 *   c-ares gets no more tries than fit, for it goes on after our deadline.
 * - by default SERVFAIL of the last server is told as "connection refused": so c-ares does
 *   not look at the code (NOCHECKRESP), and the next server is asked from here.
 * - it has one UDP socket a server. That nobody listens there is told once, to whoever uses the
 *   socket next: to a question that is just being sent, and those before it wait in vain for a
 *   second. So what could not be sent is read as an error as well (send_parts, receive), which
 *   moves all of them to the next server at once.
 */
#include "probes/dns_client.h"

#include <ares.h>
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "probes/dns_search.h"

enum { CLASS_IN = 1 };

static const int types[] = { [DNS_A] = 1, [DNS_AAAA] = 28, [DNS_SRV] = 33 };

struct dns_socket {
    LIST_ENTRY(dns_socket) link;
    struct dns_channel *channel;
    struct event event;
    ares_socket_t fd;
    bool refused;                   /* a question could not be sent: to be read as an error */
};

/* One set of servers. A retired one lives until its last query ended. */
struct dns_channel {
    LIST_ENTRY(dns_channel) link;
    struct dns_client *client;
    ares_channel ares;
    struct event timer;
    LIST_HEAD(, dns_socket) sockets;
    uint32_t pending;
    uint32_t server_count;
    struct dns_search search;
};

struct dns_query {
    LIST_ENTRY(dns_query) link;
    struct dns_client *client;
    struct dns_channel *channel;    /* where c-ares works on it; NULL: it does not any more */
    struct event event;             /* the deadline; made active when the answer is there */
    enum dns_family family;
    uint32_t servers_asked;
    dns_done_fn *done;              /* NULL: cancelled */
    void *context;
    struct dns_reply reply;
    char name[];
};

struct dns_client {
    struct event_base *base;
    struct dns_client_options options;
    LIST_HEAD(, dns_channel) channels;  /* the first is the present one */
    LIST_HEAD(, dns_query) queries;
    struct event reaper;
};

/* After every call into c-ares: when does it want to be called again? */
static void
channel_arm(struct dns_channel *channel)
{
    struct timeval wait;

    if (ares_timeout(channel->ares, NULL, &wait) != NULL)
        event_add(&channel->timer, &wait);
    else
        event_del(&channel->timer);
}

static void
on_timer(evutil_socket_t fd, short what, void *context)
{
    struct dns_channel *channel = context;

    ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    channel_arm(channel);
}

static void
on_socket(evutil_socket_t fd, short what, void *context)
{
    /* c-ares may close the socket inside, and on_socket_state() frees `context` then. */
    struct dns_channel *channel = ((struct dns_socket *)context)->channel;

    ares_process_fd(channel->ares, what & EV_READ ? fd : ARES_SOCKET_BAD,
                    what & EV_WRITE ? fd : ARES_SOCKET_BAD);
    channel_arm(channel);
}

static struct dns_socket *
socket_find(const struct dns_channel *channel, ares_socket_t fd)
{
    struct dns_socket *socket;

    LIST_FOREACH (socket, &channel->sockets, link) {
        if (socket->fd == fd)
            return socket;
    }
    return NULL;
}

static void
on_socket_state(void *context, ares_socket_t fd, int readable, int writable)
{
    struct dns_channel *channel = context;
    struct dns_socket *socket = socket_find(channel, fd);
    short what = (short)(EV_PERSIST | (readable ? EV_READ : 0) | (writable ? EV_WRITE : 0));

    if (socket != NULL)
        event_del(&socket->event);
    if (!readable && !writable) {
        if (socket != NULL) {
            LIST_REMOVE(socket, link);
            free(socket);
        }
        return;
    }
    if (socket == NULL) {
        socket = calloc(1, sizeof *socket);
        if (socket == NULL)
            return;     /* the query runs into its deadline */
        socket->channel = channel;
        socket->fd = fd;
        LIST_INSERT_HEAD(&channel->sockets, socket, link);
    }
    event_assign(&socket->event, channel->client->base, fd, what, on_socket, socket);
    event_add(&socket->event, NULL);
}

static int
channel_set_servers(struct dns_channel *channel, const struct dns_client_options *options)
{
    struct ares_addr_port_node *nodes, *node;
    int status = ARES_SUCCESS;

    if (options->server_count > 0) {
        nodes = calloc(options->server_count, sizeof *nodes);
        if (nodes == NULL)
            return ARES_ENOMEM;
        for (uint32_t i = 0; i < options->server_count; i++) {
            const struct address *server = &options->servers[i];

            nodes[i].next = i + 1 < options->server_count ? &nodes[i + 1] : NULL;
            nodes[i].family = server->family == 4 ? AF_INET : AF_INET6;
            memcpy(&nodes[i].addr, server->ip, server->family == 4 ? 4 : 16);
            nodes[i].udp_port = nodes[i].tcp_port = server->port;
        }
        status = ares_set_servers_ports(channel->ares, nodes);
        free(nodes);
    }
    if (status != ARES_SUCCESS || ares_get_servers_ports(channel->ares, &nodes) != ARES_SUCCESS)
        return status;
    for (node = nodes; node != NULL; node = node->next)
        channel->server_count++;
    ares_free_data(nodes);
    return status;
}

/* ---- c-ares' sockets ---- */

static ares_socket_t
open_socket(int domain, int type, int protocol, void *context)
{
    return socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

static int
close_socket(ares_socket_t fd, void *context)
{
    return close(fd);
}

static int
connect_socket(ares_socket_t fd, const struct sockaddr *address, ares_socklen_t bytes,
               void *context)
{
    return connect(fd, address, bytes);
}

static ares_ssize_t
receive(ares_socket_t fd, void *into, size_t bytes, int flags, struct sockaddr *from,
        ares_socklen_t *from_bytes, void *context)
{
    struct dns_socket *socket = socket_find(context, fd);

    if (socket != NULL && socket->refused) {
        socket->refused = false;
        errno = ECONNREFUSED;
        return -1;
    }
    return recvfrom(fd, into, bytes, flags, from, from_bytes);
}

static ares_ssize_t
send_parts(ares_socket_t fd, const struct iovec *parts, int count, void *context)
{
    ssize_t sent = writev(fd, parts, count);
    struct dns_socket *socket = sent < 0 && errno == ECONNREFUSED ? socket_find(context, fd)
                                                                  : NULL;

    if (socket == NULL)
        return sent;
    socket->refused = true;
    event_active(&socket->event, EV_READ, 1);
    errno = ECONNREFUSED;
    return -1;
}

static const struct ares_socket_functions socket_functions = {
    .asocket = open_socket,
    .aclose = close_socket,
    .aconnect = connect_socket,
    .arecvfrom = receive,
    .asendv = send_parts,
};

static int
channel_create(struct dns_client *client)
{
    const struct dns_client_options *options = &client->options;
    char lookups[] = "b";       /* the hosts file is read by hosts.c */
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_ROTATE |
               ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB;
    struct dns_channel *channel = calloc(1, sizeof *channel);
    struct ares_options ares = {
        .flags = ARES_FLAG_NOCHECKRESP | ARES_FLAG_NOALIASES,
        .timeout = (int)dns_policy_timeout_ms(options->timeout_ms),
        .tries = (int)dns_policy_tries(options->timeout_ms, options->tries),
        .lookups = lookups,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = channel,
        .resolvconf_path = (char *)(uintptr_t)options->resolv_conf,
    };

    if (channel == NULL)
        return -ENOMEM;
    channel->client = client;
    if (options->resolv_conf != NULL)
        mask |= ARES_OPT_RESOLVCONF;
    if (ares_init_options(&channel->ares, &ares, mask) != ARES_SUCCESS) {
        free(channel);
        return -EIO;
    }
    ares_set_socket_functions(channel->ares, &socket_functions, channel);
    if (channel_set_servers(channel, options) != ARES_SUCCESS) {
        ares_destroy(channel->ares);
        free(channel);
        return -EIO;
    }
    dns_search_init(&channel->search, channel->ares);
    event_assign(&channel->timer, client->base, -1, 0, on_timer, channel);
    LIST_INSERT_HEAD(&client->channels, channel, link);
    return 0;
}

static void
channel_destroy(struct dns_channel *channel)
{
    LIST_REMOVE(channel, link);
    ares_destroy(channel->ares);
    assert(channel->pending == 0);
    assert(LIST_EMPTY(&channel->sockets));
    event_del(&channel->timer);
    dns_search_fini(&channel->search);
    free(channel);
}

/* From the loop, where no callback of c-ares is on the stack. */
static void
on_reap(evutil_socket_t fd, short what, void *context)
{
    struct dns_client *client = context;
    struct dns_channel *channel = LIST_FIRST(&client->channels);
    struct dns_channel *next = LIST_NEXT(channel, link);

    while ((channel = next) != NULL) {
        next = LIST_NEXT(channel, link);
        if (channel->pending == 0)
            channel_destroy(channel);
    }
}

struct dns_client *
dns_client_create(struct event_base *base, const struct dns_client_options *options)
{
    struct dns_client *client = calloc(1, sizeof *client);

    if (client == NULL)
        return NULL;
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        goto fail;
    client->base = base;
    client->options = *options;
    event_assign(&client->reaper, base, -1, 0, on_reap, client);
    if (channel_create(client) == 0)
        return client;
    ares_library_cleanup();
fail:
    free(client);
    return NULL;
}

static void
query_free(struct dns_query *query)
{
    LIST_REMOVE(query, link);
    dns_reply_fini(&query->reply);
    event_del(&query->event);
    free(query);
}

void
dns_client_destroy(struct dns_client *client)
{
    struct dns_query *query, *next;
    struct dns_channel *channel;

    for (query = LIST_FIRST(&client->queries); query != NULL; query = next) {
        next = LIST_NEXT(query, link);
        dns_query_cancel(query);
    }
    while ((channel = LIST_FIRST(&client->channels)) != NULL)
        channel_destroy(channel);
    assert(LIST_EMPTY(&client->queries));
    event_del(&client->reaper);
    ares_library_cleanup();
    free(client);
}

int
dns_client_reset(struct dns_client *client, const struct dns_client_options *options)
{
    struct dns_client_options old = client->options;
    int rc;

    client->options = *options;
    rc = channel_create(client);
    if (rc < 0)
        client->options = old;
    event_active(&client->reaper, EV_TIMEOUT, 1);
    return rc;
}

static void on_answer(void *context, int status, int timeouts, unsigned char *bytes,
                      int length);

static void
query_send(struct dns_query *query)
{
    struct dns_channel *channel = LIST_FIRST(&query->client->channels);

    assert(channel != NULL);
    assert(query->channel == NULL);
    query->channel = channel;
    query->servers_asked++;
    channel->pending++;
    ares_search(channel->ares, query->name, CLASS_IN, types[query->family], on_answer, query);
    channel_arm(channel);
}

static void
on_answer(void *context, int status, int timeouts, unsigned char *bytes, int length)
{
    struct dns_query *query = context;
    struct dns_channel *channel = query->channel;

    assert(channel != NULL);
    assert(channel->pending > 0);
    channel->pending--;
    query->channel = NULL;
    if (channel->pending == 0)
        event_active(&query->client->reaper, EV_TIMEOUT, 1);
    if (query->done == NULL) {
        query_free(query);
        return;
    }
    dns_reply_fini(&query->reply);      /* of the server before this one */
    dns_reply_parse(&query->reply, query->family, status, bytes, (size_t)length);
    if (query->reply.reason == REASON_OK)
        query->reply.search_rank =
            dns_search_rank(&channel->search, query->name, bytes, (size_t)length);
    if (query->reply.reason == REASON_DNS_SERVFAIL &&
        query->servers_asked < channel->server_count) {
        query_send(query);      /* another server may know: they rotate */
        return;
    }
    event_active(&query->event, EV_TIMEOUT, 1);
}

/* The answer is there, or the deadline is over: then c-ares still works on the query, and
 * its callback frees it. `done` may destroy the client, so nothing of it is used after. */
static void
on_query_event(evutil_socket_t fd, short what, void *context)
{
    struct dns_query *query = context;
    dns_done_fn *done = query->done;

    assert(done != NULL);       /* a cancelled one has no event any more */
    query->done = NULL;
    if (query->channel == NULL) {
        LIST_REMOVE(query, link);
        done(query->context, &query->reply);
        dns_reply_fini(&query->reply);
        free(query);
    } else {
        struct dns_reply late;

        dns_reply_parse(&late, query->family, ARES_ETIMEOUT, NULL, 0);
        done(query->context, &late);
    }
}

struct dns_query *
dns_client_ask(struct dns_client *client, const char *name, enum dns_family family,
               dns_done_fn *done, void *context)
{
    uint32_t deadline_ms =
        dns_policy_deadline_ms(client->options.timeout_ms, client->options.tries,
                               LIST_FIRST(&client->channels)->server_count);
    struct timeval deadline = { .tv_sec = deadline_ms / 1000,
                                .tv_usec = deadline_ms % 1000 * 1000 };
    size_t bytes = strlen(name) + 1;
    struct dns_query *query = calloc(1, sizeof *query + bytes);

    if (query == NULL)
        return NULL;
    query->client = client;
    query->family = family;
    query->done = done;
    query->context = context;
    memcpy(query->name, name, bytes);
    event_assign(&query->event, client->base, -1, 0, on_query_event, query);
    event_add(&query->event, &deadline);
    LIST_INSERT_HEAD(&client->queries, query, link);
    query_send(query);
    return query;
}

void
dns_query_cancel(struct dns_query *query)
{
    query->done = NULL;
    event_del(&query->event);
    if (query->channel == NULL)
        query_free(query);
}
