#include "ftest/load.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/util.h"
#include "ftest/now.h"

enum {
    EVENTS_MAX = 512,
    DIALS_MAX = 256,    /* at once before a run with `keep`: less than any listen backlog */
};

struct connection {
    struct exchange exchange;
    uint64_t begin_ns;                  /* of its request: what the response time counts from */
    uint64_t deadline_ns;               /* its timeout counts from when it really started */
    size_t address;                     /* of the destination that it tries or uses */
    TAILQ_ENTRY(connection) link;       /* in `idle` or `busy` */
};
TAILQ_HEAD(connections, connection);

struct load {
    const struct load_plan *plan;
    struct load_result *result;
    struct connection *all;             /* owned */
    struct connections idle;            /* longest unused first */
    struct connections busy;            /* earliest deadline first: all have one timeout */
    uint32_t busy_count;
    int epoll_fd;
    bool dialling;                      /* before a run with `keep` */
    uint64_t started;                   /* requests; or dials */
    uint64_t begin_ns;
    uint64_t progress_ns;               /* when it was last told */
    size_t preferred;                   /* address that the next connection tries first... */
    bool settled;                       /* ...and it has worked once */
};

/* Makes a connection and asks for nothing. */
static const struct request dial_only = { .reply_end = REPLY_BYTES };

static volatile sig_atomic_t interrupted;

static void
on_signal(int signal_number)
{
    interrupted = 1;
}

static uint64_t
due_ns(const struct load *load, uint64_t request)
{
    return load->begin_ns + (uint64_t)((double)request * (double)NS_PER_S / load->plan->rate);
}

/* Is there another request to make, now or later? */
static bool
more_to_start(const struct load *load, uint64_t now)
{
    const struct load_plan *plan = load->plan;
    uint64_t begins_ns = plan->rate > 0 ? due_ns(load, load->started) : now;

    if (load->dialling)
        return load->started < plan->connections;
    if (plan->requests != 0 && load->started >= plan->requests)
        return false;
    return plan->duration_ns == 0 || begins_ns < load->begin_ns + plan->duration_ns;
}

static void
count_failure(struct load *load, enum outcome outcome)
{
    load->result->failed++;
    load->result->failures[outcome]++;
}

/* Opens the connection's socket and lets epoll watch it; DONE when that failed. */
static void
dial(struct load *load, struct connection *connection, const struct request *request)
{
    const struct destination *to = load->plan->destination;
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                 .data.ptr = connection };
    struct exchange *exchange = &connection->exchange;
    size_t i = connection->address;

    exchange_open(exchange, request, (const struct sockaddr *)&to->addresses[i],
                  to->lengths[i]);
    if (exchange->fd < 0)
        return;
    /* Fails only for want of memory; the request then ends with its timeout. */
    if (epoll_ctl(load->epoll_fd, EPOLL_CTL_ADD, exchange->fd, &event) < 0)
        perror("ftest: epoll_ctl");
}

/* No address has worked so far and there is another: as a browser, try that. */
static bool
dial_next_address(struct load *load, struct connection *connection)
{
    struct exchange *exchange = &connection->exchange;

    if (load->settled || exchange->connected_ns != 0 ||
        exchange->outcome == OUTCOME_CONNECT_TIMEOUT ||
        connection->address + 1 >= load->plan->destination->count)
        return false;
    exchange_close(exchange, false);
    connection->address++;
    dial(load, connection, exchange->request);
    return true;
}

static void
count_end(struct load *load, const struct connection *connection)
{
    const struct exchange *exchange = &connection->exchange;
    struct load_result *result = load->result;

    if (load->dialling)
        return;     /* a connection that could not be made is dialled again by its request */
    result->bytes_sent += exchange->sent;
    result->bytes_received += exchange->received;
    result->elapsed_ns = exchange->done_ns - load->begin_ns;
    if (exchange->outcome != OUTCOME_OK) {
        count_failure(load, exchange->outcome);
        return;
    }
    result->succeeded++;
    histogram_record(&result->response_ns, exchange->done_ns - connection->begin_ns);
}

/* The exchange is DONE: counts it and frees the connection for the next one. */
static void
complete(struct load *load, struct connection *connection)
{
    struct exchange *exchange = &connection->exchange;

    while (exchange->outcome != OUTCOME_OK && dial_next_address(load, connection)) {
        if (exchange->state != EXCHANGE_DONE)
            return;
    }
    if (exchange->connected_ns != 0 && !load->settled) {
        load->settled = true;
        load->preferred = connection->address;
    }
    if (exchange->connected_ns > exchange->dialled_ns) {
        histogram_record(&load->result->connect_ns,
                         exchange->connected_ns - exchange->dialled_ns);
        exchange->dialled_ns = exchange->connected_ns;      /* recorded once */
    }
    count_end(load, connection);
    if (!load->plan->keep || exchange->outcome != OUTCOME_OK)
        exchange_close(exchange, load->plan->reset);
    TAILQ_REMOVE(&load->busy, connection, link);
    load->busy_count--;
    TAILQ_INSERT_TAIL(&load->idle, connection, link);
}

static void
start(struct load *load, struct connection *connection, uint64_t begin_ns, uint64_t now)
{
    const struct request *request = load->dialling ? &dial_only : load->plan->request;
    struct exchange *exchange = &connection->exchange;

    connection->begin_ns = begin_ns;
    connection->deadline_ns = now + load->plan->timeout_ns;
    TAILQ_REMOVE(&load->idle, connection, link);
    TAILQ_INSERT_TAIL(&load->busy, connection, link);
    load->busy_count++;
    load->started++;
    if (exchange->state == EXCHANGE_DONE) {
        exchange_again(exchange, request);
    } else {
        connection->address = load->preferred;
        dial(load, connection, request);
    }
    if (exchange->state == EXCHANGE_TALKING)
        exchange_step(exchange);
    if (exchange->state == EXCHANGE_DONE)
        complete(load, connection);
}

/* Open loop: what could not begin within its timeout has failed. */
static void
drop_overdue(struct load *load, uint64_t now)
{
    while (more_to_start(load, now) &&
           due_ns(load, load->started) + load->plan->timeout_ns <= now) {
        load->started++;
        count_failure(load, OUTCOME_NOT_STARTED);
        load->result->elapsed_ns = now - load->begin_ns;
    }
}

/* Starts what is due, as far as connections are free; one turn of the loop starts at most as
 * many as there are connections, so that events are seen in between. */
static void
start_due(struct load *load)
{
    bool open_loop = load->plan->rate > 0 && !load->dialling;
    uint32_t in_flight_max = load->dialling ? DIALS_MAX : load->plan->connections;

    for (uint32_t i = 0; i < load->plan->connections; i++) {
        struct connection *connection = TAILQ_FIRST(&load->idle);
        uint64_t now = now_ns();

        if (open_loop)
            drop_overdue(load, now);
        if (connection == NULL || load->busy_count >= in_flight_max ||
            !more_to_start(load, now))
            return;
        if (open_loop && due_ns(load, load->started) > now)
            return;
        start(load, connection, open_loop ? due_ns(load, load->started) : now, now);
    }
}

static void
on_event(struct load *load, struct connection *connection, uint32_t events)
{
    struct exchange *exchange = &connection->exchange;

    if (exchange->state == EXCHANGE_CONNECTING || exchange->state == EXCHANGE_TALKING) {
        exchange_step(exchange);
        if (exchange->state == EXCHANGE_DONE)
            complete(load, connection);
        return;
    }
    /* A kept connection that nobody uses now, and the peer closed it: the next request on it
     * makes a new one. */
    if (exchange->state == EXCHANGE_DONE && events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        exchange_close(exchange, load->plan->reset);
}

static void
expire(struct load *load, uint64_t now)
{
    struct connection *connection;

    while ((connection = TAILQ_FIRST(&load->busy)) != NULL &&
           connection->deadline_ns <= now) {
        exchange_give_up(&connection->exchange);
        complete(load, connection);
    }
}

/* How long nothing can be due: until a start, a deadline or the next progress line. */
static uint64_t
time_to_wait_ns(const struct load *load, uint64_t now)
{
    const struct connection *first = TAILQ_FIRST(&load->busy);
    uint64_t until = load->progress_ns + NS_PER_S;

    if (first != NULL)
        until = MIN(until, first->deadline_ns);
    if (more_to_start(load, now) && !TAILQ_EMPTY(&load->idle)) {
        if (load->plan->rate > 0 && !load->dialling)
            until = MIN(until, due_ns(load, load->started));
        else if (!load->dialling || load->busy_count < DIALS_MAX)
            until = now;
    }
    return until > now ? until - now : 0;
}

static void
tell_progress(struct load *load, uint64_t now)
{
    if (now < load->progress_ns + NS_PER_S)
        return;
    load->progress_ns = now;
    if (load->plan->on_progress != NULL && !load->dialling) {
        uint64_t elapsed_ns = load->result->elapsed_ns;

        load->result->elapsed_ns = now - load->begin_ns;
        load->plan->on_progress(load->result, load->busy_count);
        load->result->elapsed_ns = elapsed_ns;
    }
}

/* Turns until everything was started and has ended. Waits in nanoseconds: a wait rounded to
 * milliseconds would show up in every open loop's response times. */
static void
loop(struct load *load)
{
    struct epoll_event events[EVENTS_MAX];

    load->begin_ns = now_ns();
    load->progress_ns = load->begin_ns;
    load->started = 0;
    for (;;) {
        struct timespec wait;
        uint64_t wait_ns;
        int n;

        start_due(load);
        if (interrupted || (load->busy_count == 0 && !more_to_start(load, now_ns())))
            break;
        tell_progress(load, now_ns());
        wait_ns = time_to_wait_ns(load, now_ns());
        wait = (struct timespec){ (time_t)(wait_ns / NS_PER_S), (long)(wait_ns % NS_PER_S) };
        n = epoll_pwait2(load->epoll_fd, events, EVENTS_MAX, &wait, NULL);
        for (int i = 0; i < n; i++)
            on_event(load, events[i].data.ptr, events[i].events);
        expire(load, now_ns());
    }
}

static void
hold(const struct load_plan *plan)
{
    uint64_t until = now_ns() + plan->hold_ns;
    struct timespec second = { 0, 100 * NS_PER_MS };

    if (plan->hold_ns == 0 || !plan->keep || interrupted)
        return;
    fprintf(stderr, "holding the connections for %.0f s\n",
            (double)plan->hold_ns / (double)NS_PER_S);
    while (!interrupted && now_ns() < until)
        nanosleep(&second, NULL);
}

static int
prepare(struct load *load)
{
    struct sigaction action = { .sa_handler = on_signal };

    interrupted = 0;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    prctl(PR_SET_TIMERSLACK, 1);
    TAILQ_INIT(&load->idle);
    TAILQ_INIT(&load->busy);
    load->all = calloc(load->plan->connections, sizeof load->all[0]);
    if (load->all == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < load->plan->connections; i++) {
        load->all[i].exchange.fd = -1;
        TAILQ_INSERT_TAIL(&load->idle, &load->all[i], link);
    }
    load->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return load->epoll_fd < 0 ? -errno : 0;
}

int
load_run(const struct load_plan *plan, struct load_result *result)
{
    struct load load = { .plan = plan, .result = result, .epoll_fd = -1 };
    int rc;

    assert(plan->connections > 0);
    assert(plan->timeout_ns > 0);
    assert(plan->requests != 0 || plan->duration_ns != 0);
    memset(result, 0, sizeof *result);
    rc = prepare(&load);
    if (rc < 0)
        goto out;
    if (plan->keep) {
        load.dialling = true;
        loop(&load);
        load.dialling = false;
    }
    loop(&load);
    hold(plan);
    result->interrupted = interrupted;
    for (uint32_t i = 0; i < plan->connections; i++)
        exchange_close(&load.all[i].exchange, plan->reset);
out:
    if (load.epoll_fd >= 0)
        close(load.epoll_fd);
    free(load.all);
    return rc;
}
