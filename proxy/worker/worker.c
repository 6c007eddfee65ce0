/* worker - see worker.h. */
#include "base/control.h"
#include "proxy/worker/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "proxy/worker/duty.h"
#include "proxy/worker/order.h"
#include "proxy/worker/worker_priv.h"

enum {
    DESCRIPTORS_RESERVED = 64,      /* control, boards, logs, libc */
    SUCCESSORS_MAX = 4,             /* that wait to be accepted */
    PIPES_MAX = 256,                /* a thread; x PIPE_BYTES of kernel memory at most */
};

/* ---- to the supervisor ---- */

void
worker_tell_about(struct worker *worker, enum control_type type, const char *app,
                  uint32_t generation, const struct hosted *hosted, int result,
                  const char *detail)
{
    struct control_message message;
    struct control_app *body = &message.body.app;
    int rc;

    if (worker->peer == NULL)
        return;
    control_app_message(&message, type, app, generation);
    if (hosted != NULL) {
        body->board_number = board_number(hosted->board);
        body->traffic_number = traffic_number(hosted->traffic);
        body->count = hosted->socket_count;
    }
    body->result = result;
    snprintf(body->detail, sizeof body->detail, "%s",
             result != 0 && detail[0] == '\0' ? strerror(-result) : detail);
    rc = control_peer_send(worker->peer, &message, NULL, 0);
    if (rc != 0 && rc != -EPIPE)        /* its end is told in a moment */
        log_error(app, "the supervisor cannot be told: %s", strerror(-rc));
}

void
worker_tell(struct worker *worker, enum control_type type, const struct hosted *hosted,
            int result, const char *detail)
{
    worker_tell_about(worker, type, hosted->app.name, hosted->app.generation, hosted, result,
                      detail);
}

void
worker_pong(struct worker *worker)
{
    static const struct control_message message = { .magic = CONTROL_MAGIC,
                                                    .type = CONTROL_PONG };

    if (worker->peer != NULL)
        control_peer_send(worker->peer, &message, NULL, 0);
}

int
worker_ask_relief(struct worker *worker)
{
    static const struct control_message message = { .magic = CONTROL_MAGIC,
                                                    .type = CONTROL_TOLD_TO_END };

    if (worker->peer == NULL)
        return -EPIPE;
    return control_peer_send(worker->peer, &message, NULL, 0);
}

/* ---- the threads' answers ---- */

void
worker_exit_threads(struct worker *worker)
{
    struct order *order;

    if (worker->exiting)
        return;
    worker->exiting = true;
    if (worker->thread_count == 0) {
        event_base_loopbreak(worker->base);
        return;
    }
    order = order_create(worker, COMMAND_EXIT, 0);
    if (order == NULL)
        _exit(1);       /* nothing is left that was to be kept */
    order_post(worker, order);
}

static void
join_threads(struct worker *worker)
{
    while (worker->thread_count > 0)
        thread_join(worker->threads[--worker->thread_count]);
    event_base_loopbreak(worker->base);
}

void
worker_app_gone(struct worker *worker, struct hosted *hosted)
{
    log_info(hosted->app.name, "generation %u is gone", hosted->app.generation);
    worker_tell(worker, CONTROL_APP_GONE, hosted, 0, "");
    tenant_forget(worker, hosted);
    if (worker->stopping && TAILQ_EMPTY(&worker->apps))
        worker_exit_threads(worker);
}

/* It is over when every thread has left it and no order names it. */
static void
look_if_gone(struct worker *worker, struct hosted *hosted)
{
    if (hosted != NULL && hosted->thread_count > 0 && hosted->gone == hosted->thread_count &&
        hosted->orders == 0)
        worker_app_gone(worker, hosted);
}

static void
board_changed(struct worker *worker, struct hosted *hosted)
{
    hosted_swap_board(hosted);
    worker_tell(worker, CONTROL_APP_LOADED, hosted, 0, "");
}

/* All threads have done it. */
static void
order_done(struct worker *worker, struct order *order)
{
    struct hosted *app = order->app, *leaving = order->leaving;
    enum command_type type = order->type;

    if (type == COMMAND_SWITCH && app != NULL) {
        if (order->result != 0)
            log_error(app->app.name, "cannot accept on every socket: %s",
                      strerror(-order->result));
        worker_tell(worker, CONTROL_APP_ACCEPTING, app, order->result, "");
    } else if (type == COMMAND_BOARD) {
        board_changed(worker, app);
    } else if (type == COMMAND_PING) {
        worker->pinging = false;
        worker_pong(worker);
    }
    order_destroy(worker, order);
    look_if_gone(worker, leaving);
    look_if_gone(worker, app);
    if (type == COMMAND_EXIT)
        join_threads(worker);
}

static void
on_replies(evutil_socket_t fd, short what, void *context)
{
    struct worker *worker = context;
    struct mail *mail;
    uint64_t count;

    (void)what;
    if (read(fd, &count, sizeof count) != (ssize_t)sizeof count)
        return;
    while ((mail = mailbox_take(&worker->replies)) != NULL) {
        struct command *command = CONTAINER_OF(mail, struct command, mail);
        struct hosted *hosted;

        if (command->type != COMMAND_GONE) {
            if (order_answered(command))
                order_done(worker, command->order);
            continue;
        }
        hosted = CONTAINER_OF(command->app, struct hosted, app);
        hosted->gone++;
        look_if_gone(worker, hosted);
    }
}

static void
wake_control(void *context)
{
    struct worker *worker = context;
    const uint64_t one = 1;
    ssize_t written = write(worker->reply_fd, &one, sizeof one);

    (void)written;
}

/* ---- threads ---- */

/* Connections need two descriptors each; what listens, pipes and the rest is set aside. */
uint32_t
worker_conn_max(const struct worker *worker)
{
    const uint32_t threads = MAX(worker->thread_count, 1u);
    uint64_t aside = DESCRIPTORS_RESERVED + worker->ports.listener_count + worker->app_count +
                     threads * (2 * worker->pipes + 4);

    if (worker->descriptors <= aside)
        return 1;
    return (uint32_t)MIN(MAX((worker->descriptors - aside) / 2 / threads, 1),
                         (uint64_t)UINT32_MAX);
}

int
worker_start_threads(struct worker *worker, uint32_t count)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return -errno;
    worker->descriptors = limit.rlim_cur;
    worker->pipes = (uint32_t)MIN(MAX(limit.rlim_cur / 32 / count, 2), (rlim_t)PIPES_MAX);
    for (uint32_t i = 0; i < count; i++) {
        worker->threads[i] = thread_start(i, worker->pipes, &worker->replies);
        if (worker->threads[i] == NULL)
            return -errno;
        worker->thread_count++;
    }
    return 0;
}

/* ---- supervisors come and go ---- */

/* Nobody will send the rest of what was half loaded. */
static void
disconnect(struct worker *worker)
{
    struct hosted *hosted, *next;

    control_peer_destroy(worker->peer);
    worker->peer = NULL;
    for (hosted = TAILQ_FIRST(&worker->apps); hosted != NULL; hosted = next) {
        next = TAILQ_NEXT(hosted, link);
        if (hosted->state == HOSTED_LOADING)
            duty_unload(worker, hosted);
    }
}

static void
on_message(void *context, const struct control_message *message, const int *fds, size_t fd_count)
{
    duty_do(context, message, fds, fd_count);
}

static void
on_supervisor_gone(void *context)
{
    struct worker *worker = context;

    log_warn(NULL, "the supervisor is gone; this worker keeps serving (fproxy stop ends it)");
    disconnect(worker);
}

static void
on_drained(void *context)
{
    report_continue(context);
}

static int
connect_to(struct worker *worker, int socket)
{
    worker->peer = control_peer_create(worker->base, socket, on_message, on_supervisor_gone,
                                       worker);
    if (worker->peer == NULL)
        return -ENOMEM;
    control_peer_on_drained(worker->peer, on_drained);
    report_begin(worker);
    return 0;
}

/* Only who could have started us may succeed. */
static bool
may_succeed(int socket)
{
    struct ucred other;
    socklen_t bytes = sizeof other;

    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &other, &bytes) == 0 &&
           (other.uid == geteuid() || other.uid == 0);
}

static bool
serves(const struct worker *worker)
{
    const struct hosted *hosted;

    TAILQ_FOREACH(hosted, &worker->apps, link) {
        if (hosted->state != HOSTED_DRAINING)
            return true;
    }
    return false;
}

static void
on_successor(evutil_socket_t listener, short what, void *context)
{
    struct worker *worker = context;
    int socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    (void)what;
    if (socket < 0)
        return;
    if (!may_succeed(socket)) {
        log_warn(NULL, "a stranger tried to take this worker over");
        close(socket);
        return;
    }
    log_info(NULL, "a supervisor has connected");
    disconnect(worker);
    worker->told_to_end = worker->told_to_end && serves(worker);    /* else that is done */
    if (connect_to(worker, socket) != 0)
        close(socket);
}

/* It serves until another one does: were its sockets closed before, clients would wait in the
 * supervisor's copies of them until its last old one has gone. */
static bool
is_relieved(struct worker *worker)
{
    int rc = 0;

    if (worker->peer == NULL || worker->stopping || TAILQ_EMPTY(&worker->apps))
        return false;               /* without apps it ends: another one is started if needed */
    worker->told_to_end = true;
    if (worker->report.stage == REPORT_DONE)        /* else at the report's end */
        rc = worker_ask_relief(worker);
    if (rc == 0)
        log_info(NULL, "SIGTERM: the supervisor is asked for another worker; this one serves "
                       "until that takes over");
    else if (rc != -EPIPE)
        log_error(NULL, "SIGTERM: the supervisor cannot be asked for another worker: %s",
                  strerror(-rc));
    return rc == 0;
}

static void
on_term(evutil_socket_t signal, short what, void *context)
{
    struct worker *worker = context;
    const struct hosted *hosted;
    uint32_t deadline_ms = 1;

    (void)signal;
    (void)what;
    if (is_relieved(worker))
        return;
    TAILQ_FOREACH(hosted, &worker->apps, link)
        deadline_ms = MAX(deadline_ms, hosted->app.config.drain_timeout_ms);
    duty_stop(worker, deadline_ms);
}

/* ---- the process ---- */

/* listen(2) is ours to call: SO_PEERCRED then names this process to who connects. */
static int
listen_for_successors(struct worker *worker, int listen_fd)
{
    if (listen_fd < 0)
        return 0;
    if (listen(listen_fd, SUCCESSORS_MAX) < 0 ||
        evutil_make_socket_nonblocking(listen_fd) < 0)
        return -errno;
    worker->successor_event =
        event_new(worker->base, listen_fd, EV_READ | EV_PERSIST, on_successor, worker);
    if (worker->successor_event == NULL || event_add(worker->successor_event, NULL) < 0)
        return -ENOMEM;
    return 0;
}

static int
worker_init(struct worker *worker, int control_fd, int listen_fd)
{
    int rc;

    TAILQ_INIT(&worker->apps);
    worker->base = event_base_new();
    worker->reply_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (worker->base == NULL || worker->reply_fd < 0)
        return -ENOMEM;
    mailbox_init(&worker->replies, wake_control, worker);
    worker->reply_event =
        event_new(worker->base, worker->reply_fd, EV_READ | EV_PERSIST, on_replies, worker);
    worker->term_event = evsignal_new(worker->base, SIGTERM, on_term, worker);
    if (worker->reply_event == NULL || worker->term_event == NULL)
        return -ENOMEM;
    event_add(worker->reply_event, NULL);
    event_add(worker->term_event, NULL);
    rc = listen_for_successors(worker, listen_fd);
    return rc != 0 ? rc : connect_to(worker, control_fd);
}

static void
worker_fini(struct worker *worker)
{
    struct hosted *hosted;

    while ((hosted = TAILQ_FIRST(&worker->apps)) != NULL)
        tenant_forget(worker, hosted);
    control_peer_destroy(worker->peer);
    if (worker->successor_event != NULL)
        event_free(worker->successor_event);
    event_free(worker->reply_event);
    event_free(worker->term_event);
    event_base_free(worker->base);
    mailbox_fini(&worker->replies);
    close(worker->reply_fd);
}

int
worker_run(const char *name, int control_fd, int listen_fd)
{
    struct worker worker = { .name = name };
    int rc = worker_init(&worker, control_fd, listen_fd);

    if (rc != 0) {
        log_error(NULL, "worker %s cannot start: %s", name, strerror(-rc));
        return 1;
    }
    event_base_dispatch(worker.base);
    if (!TAILQ_EMPTY(&worker.apps))
        _exit(0);       /* told to end at once: the kernel closes what is left */
    worker_fini(&worker);
    return 0;
}
