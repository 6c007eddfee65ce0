/* report - see report.h. */
#include "base/control.h"
#include "proxy/worker/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/shared_file.h"
#include "proxy/worker/worker_priv.h"

static void
send_message(struct worker *worker, const struct control_message *message, const int *fds,
             size_t fd_count)
{
    int rc = control_peer_send(worker->peer, message, fds, fd_count);

    if (rc != 0 && rc != -EPIPE)
        log_error(NULL, "the supervisor cannot be told what is here: %s", strerror(-rc));
}

static void
say_hello(struct worker *worker)
{
    struct control_message message = { .magic = CONTROL_MAGIC, .type = CONTROL_HELLO };
    struct control_hello *hello = &message.body.hello;

    hello->role = CONTROL_WORKER;
    hello->pid = (int32_t)getpid();
    hello->protocol = CONTROL_PROTOCOL;
    hello->threads = worker->thread_count;
    snprintf(hello->version, sizeof hello->version, "%s", FPROXY_VERSION);
    snprintf(hello->name, sizeof hello->name, "%s", worker->name);
    send_message(worker, &message, NULL, 0);
}

static bool
holds(const struct hosted *hosted, uint32_t port)
{
    return hosted->state == HOSTED_ACCEPTING && hosted->ports[port]->holder == hosted;
}

static uint32_t
count_sockets(const struct hosted *hosted)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < hosted->app.config.port_count; i++)
        count += holds(hosted, i) ? hosted->ports[i]->listener_count : 0;
    return count;
}

static enum control_report
state_of(const struct hosted *hosted)
{
    if (hosted->state == HOSTED_LOADED)
        return CONTROL_IS_LOADED;
    return hosted->state == HOSTED_ACCEPTING ? CONTROL_IS_ACCEPTING : CONTROL_IS_DRAINING;
}

/* The text is printed again: a descriptor kept for each of thousands of apps would be dear. */
static void
tell_app(struct worker *worker, const struct hosted *hosted)
{
    struct control_message message;
    char *text;
    int fd;

    control_app_message(&message, CONTROL_REPORT_APP, hosted->app.name, hosted->app.generation);
    message.body.app.board_number = board_number(hosted->board);
    message.body.app.traffic_number = traffic_number(hosted->traffic);
    message.body.app.count = state_of(hosted);
    text = app_config_print(&hosted->app.config);
    fd = text == NULL ? -1 : sealed_text_create("app", text, strlen(text));
    send_message(worker, &message, &fd, fd < 0 ? 0 : 1);
    if (fd >= 0)
        close(fd);
    free(text);
}

/* The next listener that is to be told, and its port's number; NULL: that were all. */
static const struct listener *
next_listener(struct report *report, uint16_t *port)
{
    const struct hosted *hosted = report->next;
    const struct listener *listener;

    for (; report->port < hosted->app.config.port_count; report->port++, report->listener = 0) {
        uint32_t skip = report->listener;

        if (!holds(hosted, report->port))
            continue;
        SLIST_FOREACH(listener, &hosted->ports[report->port]->listeners, link) {
            if (skip-- > 0)
                continue;
            report->listener++;
            *port = (uint16_t)report->port;
            return listener;
        }
    }
    return NULL;
}

/* One message of sockets. */
static void
tell_sockets(struct worker *worker)
{
    struct report *report = &worker->report;
    struct control_message message = { .magic = CONTROL_MAGIC, .type = CONTROL_REPORT_SOCKETS };
    struct control_sockets *body = &message.body.sockets;
    const struct listener *listener;
    int fds[CONTROL_FDS_MAX];
    uint32_t count = 0;

    while (count < CONTROL_FDS_MAX && report->next->state == HOSTED_ACCEPTING &&
           (listener = next_listener(report, &body->port[count])) != NULL)
        fds[count++] = listener->io.fd;
    snprintf(body->app, sizeof body->app, "%s", report->next->app.name);
    body->generation = report->next->app.generation;
    body->first = report->sent;
    body->total = report->total;
    if (count > 0)
        send_message(worker, &message, fds, count);
    report->sent += count;
    if (count < CONTROL_FDS_MAX) {
        report->stage = REPORT_APPS;
        report->next = TAILQ_NEXT(report->next, link);
    }
}

static void
tell_next_app(struct worker *worker)
{
    static const struct control_message end = { .magic = CONTROL_MAGIC,
                                                .type = CONTROL_REPORT_END };
    struct report *report = &worker->report;
    struct hosted *hosted = report->next;

    if (hosted == NULL) {
        report->stage = REPORT_DONE;
        send_message(worker, &end, NULL, 0);
        if (worker->told_to_end)
            worker_ask_relief(worker);
        return;
    }
    if (hosted->state != HOSTED_LOADING)
        tell_app(worker, hosted);
    if (hosted->state != HOSTED_ACCEPTING) {
        report->next = TAILQ_NEXT(hosted, link);
        return;
    }
    report->stage = REPORT_SOCKETS;
    report->port = report->listener = report->sent = 0;
    report->total = count_sockets(hosted);
}

void
report_continue(struct worker *worker)
{
    struct report *report = &worker->report;

    while (report->stage != REPORT_DONE && worker->peer != NULL &&
           control_peer_queued(worker->peer) == 0) {
        switch (report->stage) {
        case REPORT_HELLO:
            say_hello(worker);
            report->stage = REPORT_APPS;
            break;
        case REPORT_APPS:
            tell_next_app(worker);
            break;
        case REPORT_SOCKETS:
            tell_sockets(worker);
            break;
        case REPORT_DONE:
            break;
        }
    }
}

void
report_begin(struct worker *worker)
{
    worker->report = (struct report){ .stage = REPORT_HELLO,
                                      .next = TAILQ_FIRST(&worker->apps) };
    report_continue(worker);
}

void
report_forget(struct worker *worker, const struct hosted *hosted)
{
    struct report *report = &worker->report;

    if (report->stage == REPORT_DONE || report->next != hosted)
        return;
    report->next = TAILQ_NEXT(hosted, link);
    if (report->stage == REPORT_SOCKETS)
        report->stage = REPORT_APPS;
}
