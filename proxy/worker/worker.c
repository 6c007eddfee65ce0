/* worker - see worker.h. */
#include "proxy/worker/worker.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/shared_file.h"
#include "base/util.h"
#include "config/settings.h"
#include "proxy/worker/order.h"
#include "proxy/worker/takeover.h"
#include "proxy/worker/worker_priv.h"

enum {
    SETTINGS_BYTES_MAX = 1 << 16,
    DESCRIPTORS_RESERVED = 64,      /* control, boards, logs, libc */
    SUCCESSORS_MAX = 4,             /* that wait to be accepted */
    PIPES_MAX = 256,                /* a thread; x PIPE_BYTES of kernel memory at most */
};

/* ---- what is here ---- */

static struct hosted *
find(struct worker *worker, const char *name, uint32_t generation)
{
    struct hosted *hosted;
    struct tenant *tenant;

    HASH_FIND_STR(worker->tenants, name, tenant);
    if (tenant == NULL)
        return NULL;
    LIST_FOREACH(hosted, &tenant->generations, tenant_link) {
        if (hosted->app.generation == generation)
            return hosted;
    }
    return NULL;
}

static int
insert(struct worker *worker, struct hosted *hosted)
{
    struct tenant *tenant;

    HASH_FIND_STR(worker->tenants, hosted->app.name, tenant);
    if (tenant == NULL) {
        tenant = calloc(1, sizeof *tenant);
        if (tenant == NULL)
            return -ENOMEM;
        memcpy(tenant->name, hosted->app.name, sizeof tenant->name);
        LIST_INIT(&tenant->generations);
        HASH_ADD_STR(worker->tenants, name, tenant);
    }
    hosted->tenant = tenant;
    LIST_INSERT_HEAD(&tenant->generations, hosted, tenant_link);
    TAILQ_INSERT_TAIL(&worker->apps, hosted, link);
    worker->app_count++;
    return 0;
}

/* Takes it out of every list and frees it. */
static void
forget(struct worker *worker, struct hosted *hosted)
{
    struct tenant *tenant = hosted->tenant;

    report_forget(worker, hosted);
    TAILQ_REMOVE(&worker->apps, hosted, link);
    LIST_REMOVE(hosted, tenant_link);
    worker->app_count--;
    if (LIST_EMPTY(&tenant->generations)) {
        HASH_DEL(worker->tenants, tenant);
        free(tenant);
    }
    hosted_destroy(hosted);
}

/* ---- to the supervisor ---- */

static void
tell_about(struct worker *worker, enum control_type type, const char *app, uint32_t generation,
           const struct hosted *hosted, int result, const char *detail)
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
    tell_about(worker, type, hosted->app.name, hosted->app.generation, hosted, result, detail);
}

static void
pong(struct worker *worker)
{
    static const struct control_message message = { .magic = CONTROL_MAGIC,
                                                    .type = CONTROL_PONG };

    if (worker->peer != NULL)
        control_peer_send(worker->peer, &message, NULL, 0);
}

/* ---- the threads' answers ---- */

static void
exit_threads(struct worker *worker)
{
    struct order *order;

    if (worker->thread_count == 0) {
        event_base_loopbreak(worker->base);
        return;
    }
    order = order_create(worker, COMMAND_EXIT, 0);
    if (order == NULL)
        _exit(1);       /* nothing is left to lose: every app has drained */
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
    forget(worker, hosted);
    if (worker->stopping && TAILQ_EMPTY(&worker->apps))
        exit_threads(worker);
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
        pong(worker);
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

/* What each may hold comes with the first app that accepts. */
static int
start_threads(struct worker *worker, uint32_t count)
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

/* ---- orders of the supervisor ---- */

static void
load_app(struct worker *worker, const struct control_app *body, const int *fds, size_t fd_count)
{
    struct hosted *hosted = NULL;
    char why[DETAIL_BYTES] = "";
    int rc = -EPROTO;

    if (worker->stopping)
        snprintf(why, sizeof why, "this worker is stopping");
    else if (fd_count != 3)
        snprintf(why, sizeof why, "wrong number of descriptors");
    else if (find(worker, body->app, body->generation) != NULL)
        snprintf(why, sizeof why, "this generation is here already");
    else
        rc = hosted_create(body->app, body->generation, fds, &hosted, why);
    if (rc == 0) {
        rc = insert(worker, hosted);
        if (rc == 0)
            return;
        hosted_destroy(hosted);
    }
    log_error(body->app, "generation %u cannot be loaded: %s", body->generation,
              why[0] != '\0' ? why : strerror(-rc));
    tell_about(worker, CONTROL_APP_LOADED, body->app, body->generation, NULL, rc, why);
}

static void
add_sockets(struct worker *worker, const struct control_sockets *body, const int *fds,
            size_t fd_count)
{
    struct hosted *hosted = find(worker, body->app, body->generation);
    int rc = -ENOENT;

    if (hosted != NULL)
        rc = hosted_add_sockets(hosted, body, fds, (uint32_t)fd_count);
    if (rc == 0) {
        worker_tell(worker, CONTROL_APP_SOCKETS_ACK, hosted, 0, "");
        return;
    }
    log_error(body->app, "listening sockets do not fit: %s", strerror(-rc));
    for (size_t i = 0; i < fd_count; i++)
        close(fds[i]);
}

static int
ready_threads(struct worker *worker, uint32_t threads, char *why)
{
    if (threads > 0 && threads <= APP_THREADS_MAX && worker->thread_count == 0)
        return start_threads(worker, threads);
    if (threads == worker->thread_count && threads > 0)
        return 0;
    snprintf(why, DETAIL_BYTES, "it is made for %u threads, this worker has %u", threads,
             worker->thread_count);
    return -EINVAL;
}

static void
unload(struct worker *worker, struct hosted *hosted)
{
    int rc = takeover_unload(worker, hosted);

    if (rc == 0)
        forget(worker, hosted);
    else
        log_error(hosted->app.name, "cannot be unloaded: %s", strerror(-rc));
}

/* What cannot be committed is unloaded, and nothing else has changed. */
static void
commit_app(struct worker *worker, struct hosted *hosted, uint32_t count)
{
    char why[DETAIL_BYTES] = "";
    int rc;

    if (hosted->state != HOSTED_LOADING) {
        worker_tell(worker, CONTROL_APP_LOADED, hosted, -EPROTO, "it is loaded already");
        return;
    }
    rc = ready_threads(worker, traffic_threads(hosted->traffic), why);
    if (rc == 0)
        rc = hosted_commit(hosted, &worker->ports, worker->threads, worker->thread_count, count,
                           why);
    if (rc == 0)
        hosted->state = HOSTED_LOADED;
    worker_tell(worker, CONTROL_APP_LOADED, hosted, rc, why);
    if (rc == 0)
        return;
    log_error(hosted->app.name, "generation %u cannot be loaded: %s", hosted->app.generation,
              why[0] != '\0' ? why : strerror(-rc));
    unload(worker, hosted);
}

static void
accept_clients(struct worker *worker, struct hosted *hosted, uint32_t limit_ms)
{
    int rc = 0;

    if (hosted->state == HOSTED_LOADED)
        rc = takeover_accept(worker, hosted, limit_ms);
    else if (hosted->state == HOSTED_ACCEPTING)     /* a successor may ask again */
        worker_tell(worker, CONTROL_APP_ACCEPTING, hosted, 0, "");
    else
        rc = -EPROTO;
    if (rc != 0)
        worker_tell(worker, CONTROL_APP_ACCEPTING, hosted, rc, "");
}

/* The threads change to it one by one; until all have, the old one stays. */
static int
order_board(struct worker *worker, struct hosted *hosted, const int *fds)
{
    struct order *order = order_create(worker, COMMAND_BOARD, 0);
    int rc = order != NULL ? hosted_next_board(hosted, fds) : -ENOMEM;

    for (uint32_t i = 0; rc == 0 && i < worker->thread_count; i++) {
        order->commands[i].board = hosted->next_board;
        order->commands[i].traffic = hosted->next_traffic;
        order->commands[i].snapshot = snapshot_create(hosted->next_board);
        if (order->commands[i].snapshot == NULL) {
            hosted_drop_next_board(hosted);
            rc = -ENOMEM;
        }
    }
    if (rc == 0) {
        order->app = hosted;
        order_post(worker, order);
    } else if (order != NULL) {
        order_destroy(worker, order);
    }
    return rc;
}

static void
change_board(struct worker *worker, struct hosted *hosted, const int *fds, size_t fd_count)
{
    bool unused = hosted->state == HOSTED_LOADING || hosted->state == HOSTED_LOADED;
    int rc = -EPROTO;

    if (fd_count == 2)
        rc = unused ? hosted_change_board(hosted, fds) : order_board(worker, hosted, fds);
    if (rc != 0)
        log_error(hosted->app.name, "the larger board is unusable: %s", strerror(-rc));
    else if (unused)
        worker_tell(worker, CONTROL_APP_LOADED, hosted, 0, "");
}

/* `finish`: its ports are gone. */
static void
let_go(struct worker *worker, struct hosted *hosted, uint64_t limit_ms, bool finish)
{
    int rc;

    if (hosted->state == HOSTED_LOADING || hosted->state == HOSTED_LOADED) {
        rc = takeover_unload(worker, hosted);
        if (rc == 0) {
            worker_app_gone(worker, hosted);
            return;
        }
    } else {
        rc = takeover_leave(worker, hosted, limit_ms, finish);
    }
    if (rc != 0)
        log_error(hosted->app.name, "cannot drain: %s", strerror(-rc));
    else if (limit_ms == DRAIN_NEVER)
        log_info(hosted->app.name, "generation %u keeps its connections until they end",
                 hosted->app.generation);
    else
        log_info(hosted->app.name, "generation %u drains for %u ms at most",
                 hosted->app.generation, (uint32_t)limit_ms);
}

static void
stop(struct worker *worker, uint32_t deadline_ms)
{
    struct hosted *hosted, *next;

    if (worker->stopping && deadline_ms > 0)
        return;
    if (worker->stopping) {         /* told twice: at once */
        event_base_loopbreak(worker->base);
        return;
    }
    worker->stopping = true;
    if (TAILQ_EMPTY(&worker->apps))
        exit_threads(worker);
    for (hosted = TAILQ_FIRST(&worker->apps); hosted != NULL; hosted = next) {
        next = TAILQ_NEXT(hosted, link);
        let_go(worker, hosted, deadline_ms, true);
    }
}

static void
ping(struct worker *worker)
{
    struct order *order;

    if (worker->pinging)            /* one answer is for both */
        return;
    if (worker->thread_count == 0) {
        pong(worker);
        return;
    }
    order = order_create(worker, COMMAND_PING, 0);
    if (order == NULL)
        return;
    worker->pinging = true;
    order_post(worker, order);
}

static void
on_settings(const int *fds, size_t fd_count)
{
    struct settings settings;
    char why[DETAIL_BYTES];
    char *text;
    size_t bytes;

    if (fd_count != 1 || sealed_text_read(fds[0], SETTINGS_BYTES_MAX, &text, &bytes) != 0)
        return;
    if (settings_parse(text, &settings, why) == 0) {
        log_set_level(settings.log_level);
        log_set_format(settings.log_format);
    } else {
        log_error(NULL, "the settings cannot be read: %s", why);
    }
    free(text);
}

/* Whoever waits for its end, or for its being loaded, learns that it is not here. */
static void
answer_unknown(struct worker *worker, const struct control_message *message)
{
    const struct control_app *body = &message->body.app;

    log_warn(body->app, "order %u for generation %u, which is not here", message->type,
             body->generation);
    if (message->type == CONTROL_APP_DRAIN || message->type == CONTROL_APP_RETIRE)
        tell_about(worker, CONTROL_APP_GONE, body->app, body->generation, NULL, 0, "");
    else if (message->type == CONTROL_APP_COMMIT)
        tell_about(worker, CONTROL_APP_LOADED, body->app, body->generation, NULL, -ENOENT, "");
    else if (message->type == CONTROL_APP_ACCEPT)
        tell_about(worker, CONTROL_APP_ACCEPTING, body->app, body->generation, NULL, -ENOENT,
                   "");
}

static void
on_app_order(struct worker *worker, const struct control_message *message, const int *fds,
             size_t fd_count)
{
    const struct control_app *body = &message->body.app;
    struct hosted *hosted = find(worker, body->app, body->generation);

    if (hosted == NULL) {
        answer_unknown(worker, message);
        return;
    }
    switch (message->type) {
    case CONTROL_APP_COMMIT:
        commit_app(worker, hosted, body->count);
        break;
    case CONTROL_APP_ACCEPT:
        accept_clients(worker, hosted, body->count);
        break;
    case CONTROL_APP_BOARD:
        change_board(worker, hosted, fds, fd_count);
        break;
    case CONTROL_APP_DRAIN:
        let_go(worker, hosted, body->count, true);
        break;
    case CONTROL_APP_RETIRE:
        let_go(worker, hosted, body->count != 0 ? body->count : DRAIN_NEVER, false);
        break;
    default:
        break;
    }
}

static void
on_message(void *context, const struct control_message *message, const int *fds, size_t fd_count)
{
    struct worker *worker = context;
    bool kept = false;

    switch (message->type) {
    case CONTROL_SETTINGS:
        on_settings(fds, fd_count);
        break;
    case CONTROL_STOP:
        stop(worker, message->body.stop.deadline_ms);
        break;
    case CONTROL_PING:
        ping(worker);
        break;
    case CONTROL_APP_LOAD:
        load_app(worker, &message->body.app, fds, fd_count);
        break;
    case CONTROL_APP_SOCKETS:
        add_sockets(worker, &message->body.sockets, fds, fd_count);
        kept = true;
        break;
    case CONTROL_APP_COMMIT:
    case CONTROL_APP_ACCEPT:
    case CONTROL_APP_BOARD:
    case CONTROL_APP_DRAIN:
    case CONTROL_APP_RETIRE:
        on_app_order(worker, message, fds, fd_count);
        break;
    default:
        log_warn(NULL, "message %u is not for a worker", message->type);
        break;
    }
    for (size_t i = 0; !kept && i < fd_count; i++)
        close(fds[i]);
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
            unload(worker, hosted);
    }
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
    if (connect_to(worker, socket) != 0)
        close(socket);
}

static void
on_term(evutil_socket_t signal, short what, void *context)
{
    struct worker *worker = context;
    const struct hosted *hosted;
    uint32_t deadline_ms = 1;

    (void)signal;
    (void)what;
    TAILQ_FOREACH(hosted, &worker->apps, link)
        deadline_ms = MAX(deadline_ms, hosted->app.config.drain_timeout_ms);
    stop(worker, deadline_ms);
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
        forget(worker, hosted);
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
    if (worker.thread_count > 0)
        _exit(0);       /* told to end at once: the kernel closes what threads still hold */
    worker_fini(&worker);
    return 0;
}
